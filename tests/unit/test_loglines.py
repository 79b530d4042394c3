"""Pieces of logs made into lines: where the pieces end, what matches, what is kept, how pods are merged."""

import re
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import UsageError
from bot.core.loglines import KEPT, Pattern, Sieve, merged

STAMP = "2026-11-25T22:16:53.123456789Z"


def log(*texts: str) -> bytes:
    return "".join(f"{STAMP} {text}\n" for text in texts).encode()


def sieved(pieces: Iterable[bytes], keep: int = 100, pattern: str = "", pod: str = "web-1") -> Sieve:
    sieve = Sieve(pod, keep, Pattern(pattern) if pattern else None)
    for piece in pieces:
        sieve.feed(piece)
    sieve.end()
    return sieve


def texts(sieve: Sieve) -> list[str]:
    return [line.text for line in sieve.lines()]


@given(said=st.lists(st.text(alphabet="ab c\té✓", max_size=12), max_size=20), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_it_makes_no_difference_where_pieces_end(said: list[str], cuts: list[int]) -> None:
    whole = log(*said)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    assert texts(sieved(pieces)) == texts(sieved([whole])) == [text.expandtabs(4) for text in said]


@given(
    said=st.lists(st.sampled_from(["status=500", "status=200 ok", "", "error: x", " GET /a", "aab", "ends 5", "2026", "é5"]), max_size=30),
    pattern=st.sampled_from(
        ["status=5..", "^status", "5$", "error|GET", "(?i)ERROR", r"\bok\b", "a*b", ".", "[^a]b", r"\d+", "^$", r"s\s*t", "2026", "(?:GET|ok)", "é"]
    ),
)
def test_the_lines_that_match_are_those_that_a_search_of_each_finds(said: list[str], pattern: str) -> None:
    assert texts(sieved([log(*said)], pattern=pattern)) == [text for text in said if re.search(pattern, text)]


@pytest.mark.parametrize("pattern", ["(a", "*", "(a{1000}){1000}", r"(?=ahead)", r"(a)\1"])
def test_what_is_no_expression_or_takes_more_than_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        Pattern(pattern)


def test_an_expression_that_ruins_backtracking_takes_no_longer_than_others() -> None:
    assert texts(sieved([log("a" * 200_000)], pattern="(a+)+$")) != []
    assert texts(sieved([log("a" * 200_000 + "!")], pattern="^(a+)+$")) == []


def test_the_last_lines_are_kept_and_all_are_counted() -> None:
    sieve = sieved([log(*(f"line {number}" for number in range(1_000)))], keep=3)
    assert texts(sieve) == ["line 997", "line 998", "line 999"]
    assert sieve.matched == 1_000
    assert not sieve.dropped


def test_memory_does_not_grow_with_the_log() -> None:
    piece = log(*("x" * 900 for _ in range(70)))
    tracemalloc.start()
    sieve = sieved(piece for _ in range(50))
    few = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    sieve = sieved((piece for _ in range(1_000)), keep=5_000)
    many = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sieve.read > 60_000_000
    assert sieve.dropped
    assert many < few + 3 * KEPT


def test_an_endless_line_is_searched_and_shown_by_its_beginning() -> None:
    line = STAMP.encode() + b" " + b"x" * 900_000 + b" needle\n"
    (found,) = sieved([line[start : start + 65_536] for start in range(0, len(line), 65_536)], pattern="needle").lines()
    assert found.text.startswith("xxx")
    assert found.text.endswith("x… (900 kB in this line)")
    assert len(found.text) < 2_100


def test_binary_is_made_readable() -> None:
    (found,) = sieved([STAMP.encode() + b" \x00\xff\x1b[31mred\x1b[0m\x07\r\n"]).lines()
    assert found.text == "\ufffdred"


def test_the_kubelets_own_words_stand_where_they_were_said() -> None:
    lines = sieved([log("one") + b"unable to retrieve container logs for containerd://1\n"]).lines()
    assert [(line.text, line.at) for line in lines][1] == ("unable to retrieve container logs for containerd://1", lines[0].at)


def test_secrets_are_gone_from_what_is_kept() -> None:
    assert texts(sieved([log("password=x", "to a@b.example")])) == ["password=[secret]", "to [e-mail]"]


def test_pods_are_merged_by_time_whatever_their_zone() -> None:
    first = sieved([b"2026-11-25T22:00:00.5Z a\n2026-11-25T22:00:02Z c\n2026-11-25T22:00:02Z d\n"], pod="web-1")
    other = sieved([b"2026-11-25T19:00:01-03:00 b\n"], pod="web-2")
    assert [(line.pod, line.text) for line in merged([first, other], 10)] == [("web-1", "a"), ("web-2", "b"), ("web-1", "c"), ("web-1", "d")]
    assert [line.text for line in merged([first, other], 2)] == ["c", "d"]
    assert merged([first, other], 10)[1].at == datetime(2026, 11, 25, 22, 0, 1, tzinfo=UTC)


def stamped(*texts: str) -> bytes:
    return b"".join(f"2026-11-23T14:00:{place:02}.000000000Z {text}\n".encode() for place, text in enumerate(texts))


def test_what_was_taken_does_not_come_again_and_what_had_no_room_is_counted() -> None:
    sieve = Sieve("pod", 2)
    sieve.feed(stamped("one", "two", "three"))
    lines, lost = sieve.take()
    assert ([line.text for line in lines], lost) == (["two", "three"], 1)
    assert sieve.take() == ([], 0)
    sieve.feed(stamped("four"))
    lines, lost = sieve.take()
    assert ([line.text for line in lines], lost) == (["four"], 0)


def test_a_private_key_in_two_takes_is_replaced_in_both() -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
    sieve = Sieve("pod", 100)
    sieve.feed(stamped("before", "-----BEGIN PRIVATE KEY-----", body))
    first, _ = sieve.take()
    sieve.feed(stamped(body, "-----END PRIVATE KEY-----", "after"))
    second, _ = sieve.take()
    sieve.feed(stamped(body))
    third, _ = sieve.take()
    assert [line.text for line in first] == ["before", "[secret]", ""]
    assert [line.text for line in second] == ["", "", "after"]
    assert [line.text for line in third] == [body]  # of no key, as far as its form tells
