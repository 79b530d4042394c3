"""A post-mortem as it is read: what aiec drafted, with what people wrote. Pure: the same in, the same Markdown out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.core.chart import in_words
from bot.core.data import Frozen
from bot.core.text import duration, printable
from escalation.postmortem.draft import Draft, Section, figures
from escalation.timeline import escaped

SECTIONS = tuple(Section)
BLAMELESS = "Blameless: it says what happened and what made it possible. Everybody did what looked right with what they knew then."


class Written(Frozen):
    """What people wrote into a section: the newest text, by whom and when."""

    text: str
    by: str
    at: datetime


class Review(Frozen):
    """Somebody has read it. `remark`: what he would change (empty: nothing)."""

    by: str
    at: datetime
    remark: str = ""


class Head(Frozen):
    """What stands above it. `state`: drafted, review or published; `anyway`: why it was published with empty sections."""

    state: str
    owner: str | None = None
    published_at: datetime | None = None
    anyway: str = ""
    reviews: tuple[Review, ...] = ()


Texts = Mapping[Section, Written]


def empty(draft: Draft, written: Texts, items: Sequence[str]) -> tuple[Section, ...]:
    """Returns the sections that need a person: nobody wrote there, and the log says nothing of it. `items`: the action items that there are."""
    return tuple(one for one in SECTIONS if one not in written and one not in draft.said and not (one is Section.ACTIONS and items))


def named(draft: Draft) -> str:
    """Returns how it is called, on one line."""
    return f"Post-mortem of #{draft.number}: {' '.join(printable(draft.title).split())}"


def markdown(draft: Draft, written: Texts, items: Sequence[str], head: Head) -> str:
    """Returns the whole document. `items` are lines of Markdown."""
    return "\n".join(_lines(draft, written, items, head)) + "\n"


def _lines(draft: Draft, written: Texts, items: Sequence[str], head: Head) -> Iterator[str]:
    yield from (f"# {escaped(named(draft))}", "", " · ".join(_facts(draft, written, items, head)), "", f"*{BLAMELESS}*", "")
    if head.anyway:
        yield from (f"Published although sections are empty: {escaped(printable(head.anyway))}", "")
    yield from _times(draft)
    for section in SECTIONS:
        yield from _section(section, draft, written.get(section), items if section is Section.ACTIONS else ())
        if section is Section.IMPACT:
            yield from _timeline(draft)
    yield from _charts(draft)
    if draft.links:
        yield from ("## Links", "", *(f"- [{escaped(text)}]({url})" for text, url in draft.links), "")
    if head.reviews:
        said = (f"- {escaped(one.by)}, {one.at:%d %B %Y}{f': {escaped(printable(one.remark))}' if one.remark else ''}" for one in head.reviews)
        yield from ("## Read by", "", *said, "")


def _facts(draft: Draft, written: Texts, items: Sequence[str], head: Head) -> Iterator[str]:
    yield draft.severity
    if draft.where:
        yield escaped(draft.where)
    over = draft.times.resolved
    yield f"{draft.times.detected:%d %B %Y, %H:%M}–{f'{over:%H:%M}' if over is not None else 'now'} UTC"
    if over is not None:
        yield f"{duration(over - draft.times.began)} long"
    yield f"owner {escaped(head.owner) if head.owner else 'nobody'}"
    left = empty(draft, written, items)
    if head.state == "published" and head.published_at is not None:
        yield f"published {head.published_at:%d %B %Y}"
    else:
        yield {"review": "in review"}.get(head.state, "draft") + (f", {len(left)} of {len(SECTIONS)} sections are empty" if left else "")


def _times(draft: Draft) -> Iterator[str]:
    yield from ("| | When (UTC) | |", "|---|---|---|")
    for what, at, after in figures(draft.times):
        yield f"| {what} | {f'{at:%d %b %H:%M:%S}' if at is not None else 'not recorded'} | {after} |"
    yield ""


def _section(section: Section, draft: Draft, written: Written | None, items: Sequence[str]) -> Iterator[str]:
    yield from (f"## {section.heading}", "")
    if written is not None:
        yield from (written.text, "")
    if items:
        yield from (*items, "")
    if said := draft.said.get(section):
        yield from ("What the log says:" if written is not None else "From the log:", "", *(f"- {escaped(printable(one))}" for one in said), "")
    elif written is None and not items:
        yield from (f"*Empty. {section.prompt}*", "")


def _timeline(draft: Draft) -> Iterator[str]:
    yield from ("## Timeline", "", "Everything with ✎ are words of people, as they said them then; the rest was seen by aiec itself.", "")
    yield from (*(draft.timeline or ("Nothing about it is in the log.",)), "")


def _charts(draft: Draft) -> Iterator[str]:
    for chart in draft.charts:
        yield from (f"## Figures: {escaped(chart.title)}", "", *(f"- {escaped(one)}" for one in in_words(chart)), "")
