"""A line of text as words."""

import html
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import UsageError
from bot.core.words import Word, hidden, words


def texts(line: str) -> list[str]:
    return [word.text for word in words(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("  \t\n ", []),
        ("deploy  prod\tv1.2.0", ["deploy", "prod", "v1.2.0"]),
        ("a\u00a0b\u2003c", ["a", "b", "c"]),
        ('--emergency "gateway is down"', ["--emergency", "gateway is down"]),
        ('\'a \\ b\' "c \\" d \\x" e\\ f', ["a \\ b", 'c " d \\x', "e f"]),
        ('x"y z"w', ["xy zw"]),
        ('"" a', ["", "a"]),
        ("back\\", ["back\\"]),
    ],
)
def test_splits_as_a_shell(line: str, expected: list[str]) -> None:
    assert texts(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("“gateway is down”", ["gateway is down"]),
        ("„gateway down“ ‘x y’", ["gateway down", "x y"]),
        ('"gateway down”', ["gateway down"]),
        ('“gateway down"', ["gateway down"]),
        ('"he said “no” to us"', ["he said “no” to us"]),
        ("don't it’s users’ data", ["don't", "it’s", "users’", "data"]),
        ("‘don’t do it’ now", ["don’t do it", "now"]),
        ("–service a —service=b ---dry-run ––dry-run", ["--service", "a", "--service=b", "---dry-run", "--dry-run"]),
        ("a — b –", ["a", "—", "b", "–"]),
        ("“—service”", ["—service"]),
    ],
)
def test_understands_what_keyboards_make_of_quotes_and_dashes(line: str, expected: list[str]) -> None:
    assert texts(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("<@U0ANA|ana> <@W1>", ["@U0ANA", "@W1"]),
        ("<#C0OPS|ops> <#C0OPS>", ["#ops", "#C0OPS"]),
        ("<!here> <!subteam^S1|@devops>", ["@here", "@devops"]),
        ("<http://api.shop.com|api.shop.com> <https://x.com/a?b=c>", ["api.shop.com", "https://x.com/a?b=c"]),
        ("<mailto:a@b.c|a@b.c> <https://x.com|two words>", ["a@b.c", "two words"]),
        ("a &lt; b &amp;amp; &gt;&quot;", ["a", "<", "b", "&amp;", ">&quot;"]),
        ('"see <#C0OPS|ops>"', ["see #ops"]),
        ("a < b <@", ["a", "<", "b", "<@"]),
    ],
)
def test_decodes_what_slack_sends(line: str, expected: list[str]) -> None:
    assert texts(line) == expected


def test_invisible_characters_are_left_out_and_told_when_they_were_inside() -> None:
    found = words("\u200edeploy\u200f pr\u202eo\u200bd \u2066v1.2.0\u2069 a\x00b c\ud800d")
    assert [word.text for word in found] == ["deploy", "prod", "v1.2.0", "ab", "cd"]
    assert [word.hidden for word in found] == [(), ("U+202E", "U+200B"), (), ("U+0000",), ("U+D800",)]
    assert hidden(found[:3]) == "left out of *prod*: the invisible U+202E, U+200B"
    assert hidden(words("deploy prod")) == ""


def test_joiners_stay_where_they_are_seen() -> None:
    assert texts("👩\u200d💻 می\u200cخواهم pr\u200dod") == ["👩\u200d💻", "می\u200cخواهم", "prod"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('deploy prod "v1.2.0 now', 'The quote " before *v1.2.0 now* (character 13) is never closed.'),
        ("a ‘", "The quote ‘ at the end (character 3) is never closed."),
        ("note 'tis", "The quote ' before *tis* (character 6) is never closed."),
    ],
)
def test_an_unclosed_quote_says_where_it_opens(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        words(line)
    assert caught.value.text == text


def test_a_word_remembers_how_it_was_typed() -> None:
    assert words('a  "b c"') == [Word("a", "a"), Word("b c", '  "b c"', quoted=True)]


visible = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs")), max_size=30)


@given(st.lists(visible, max_size=6))
def test_quoted_words_come_back_through_slack(original: list[str]) -> None:
    line = " ".join("'" + text.replace("'", "'\"'\"'") + "'" for text in original)
    assert texts(html.escape(line, quote=False)) == original


plain = st.text(st.sampled_from("abc XYZ-=\"'\\\t"), max_size=30)


@given(plain.filter(lambda text: not text.endswith("\\")))
def test_splits_ascii_like_the_standard_library(line: str) -> None:
    """But for the apostrophe between two letters, where a shell opens a quotation."""
    if any(line[at] == "'" and line[at - 1].isalnum() and line[at + 1].isalnum() for at in range(1, len(line) - 1)):
        return
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(UsageError):
            words(line)
    else:
        assert texts(line) == expected


@settings(deadline=None)
@given(st.text(alphabet="ab1 $./:=,+@#%*-_", max_size=30))
def test_what_is_plain_is_split_as_everything_else(text: str) -> None:
    """A quotation behind it takes the long way."""
    *plain, last = words(f"{text} 'x'")
    assert plain == words(text)
    assert last.text == "x"
