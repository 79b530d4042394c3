"""Several people write one post-mortem: nothing that anybody wrote is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.postmortem.document import Written
from escalation.postmortem.draft import Section
from escalation.postmortem.writing import ROOM, held, read_seen, seen_of, submitted, typed

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def there(**texts: str) -> dict[Section, Written]:
    return {Section(section): Written(text=text, by="senior", at=NOW) for section, text in texts.items()}


def test_a_form_changes_what_its_writer_changed_alone() -> None:
    before = there(impact="none", lucky="night")
    seen = read_seen(seen_of(before))
    after = submitted(before, {Section.IMPACT: "much", Section.LUCKY: "night"}, seen, "engineer", LATER)
    assert after.changed == (Section.IMPACT,)
    assert after.written[Section.IMPACT] == Written(text="much", by="engineer", at=LATER)
    assert after.written[Section.LUCKY] == before[Section.LUCKY]
    assert not after.aside


def test_what_was_emptied_is_gone_unless_somebody_changed_it_meanwhile() -> None:
    before = there(impact="none")
    seen = read_seen(seen_of(before))
    assert submitted(before, {}, seen, "engineer", LATER).written == {}
    assert submitted(there(impact="much"), {}, seen, "engineer", LATER).written == there(impact="much")


def test_both_who_wrote_the_same_agree() -> None:
    seen = read_seen(seen_of({}))
    after = submitted(there(impact="much"), {Section.IMPACT: "much"}, seen, "engineer", LATER)
    assert (after.changed, after.aside) == ((), ())


def test_what_is_too_long_for_a_form_is_added_to() -> None:
    before = there(impact="x" * (ROOM + 1))
    assert held(before) == {}
    seen = read_seen(seen_of(before))
    assert submitted(before, {}, seen, "engineer", LATER).changed == ()
    after = submitted(before, {Section.IMPACT: "more"}, seen, "engineer", LATER)
    assert after.written[Section.IMPACT].text == "x" * (ROOM + 1) + "\n\nmore"


def test_typed_texts_are_added() -> None:
    after = typed(there(impact="none"), {Section.IMPACT: "much", Section.LUCKY: "night"}, "engineer", LATER)
    assert after.written[Section.IMPACT].text == "none\n\nmuch"
    assert after.changed == (Section.IMPACT, Section.LUCKY)


@pytest.mark.parametrize("carried", ["", "[]x", '{"nothing": "0"}'])
def test_a_mark_of_another_version_is_refused(carried: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_seen(carried)


words = st.text("abc \n", min_size=1, max_size=8).map(str.strip).filter(bool)
forms = st.dictionaries(st.sampled_from(Section), words, max_size=4)


@given(forms, st.lists(forms, min_size=2, max_size=5))
def test_of_several_who_open_the_same_form_no_text_is_lost(first: dict[Section, str], saves: list[dict[Section, str]]) -> None:
    now = {section: Written(text=text, by="senior", at=NOW) for section, text in first.items()}
    seen, aside = read_seen(seen_of(now)), []
    for number, texts in enumerate(saves):
        whole = first | texts
        saved = submitted(now, whole, seen, f"editor{number}", LATER)
        now, aside = saved.written, [*aside, *saved.aside]
        for section, text in texts.items():
            kept = [now[section].text] if section in now else []
            kept += [one.text for one in aside if one.section is section]
            assert text in kept or text == first.get(section)
