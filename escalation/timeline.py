"""An incident's timeline: its events as people read them, the notes of people marked as such. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from bot.core.data import Frozen
from bot.core.text import printable

ALIKE = 5
"""More events of one kind in a row than that are told as their first and their number."""

NOTE = "✎"
"""What stands before words of people: everything else was seen by aiec itself."""

Data = dict[str, Any]

_MARK = re.compile(r"([\\`*_\[\]<>|~])")
_URL = re.compile(r"https?://[^\s()<>]+")


class Entry(Frozen):
    """Something that happened to an incident: an event of the log. `of`: the incident that it happened to, where that was merged into this one."""

    at: datetime
    kind: str
    actor: str
    data: Data = {}
    of: str = ""


def rendered(entries: Sequence[Entry]) -> str:
    """Returns the timeline as text, a line an entry and the day where a new one begins. All times are UTC."""
    lines: list[str] = []
    day = ""
    for entry in entries:
        if (today := f"{entry.at:%A %d %B %Y}, UTC") != day:
            lines.append(today)
            day = today
        first, *more = printable(said(entry)).strip().split("\n")
        lines += [f"{entry.at:%H:%M:%S}  {first}", *(f"          {one}".rstrip() for one in more)]
    return "\n".join(lines)


def rows(entries: Sequence[Entry]) -> Iterator[str]:
    """Yields the timeline as lines of Markdown, in order: a heading for each day, an item for each event, and the words of people as quotations."""
    day = ""
    for same in _runs(sorted(entries, key=lambda entry: entry.at)):
        for entry in same if len(same) <= ALIKE else same[:1]:
            if (today := f"{entry.at:%A %d %B %Y}, UTC") != day:
                yield f"### {today}"
                day = today
            yield from _item(entry)
        if len(same) > ALIKE:
            yield f"- {same[1].at:%H:%M}–{same[-1].at:%H:%M} and {len(same) - 1} more of that kind"


def _runs(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yields neighbours that are alike together; the words of people always stand alone."""
    for kind, same in groupby(entries, key=lambda entry: entry.kind):
        found = [*same]
        if kind.startswith(("alert.", "page.", "channel.")):
            yield found
        else:
            yield from ([entry] for entry in found)


def _item(entry: Entry) -> Iterator[str]:
    known = entry.kind.removeprefix("incident.")
    at = f"- {entry.at:%H:%M}{f' {entry.of}:' if entry.of else ''}"
    if known not in ("note", "update"):
        first, *more = printable(said(entry)).strip().split("\n")
        yield f"{at} {escaped(first)}"
        yield from (f"  {escaped(one)}" for one in more)
        return
    link = str(entry.data.get("link") or "")
    where = f" ([said here]({link}))" if _URL.fullmatch(link) else ""
    author = entry.data.get("author") or entry.actor
    yield f"{at} {NOTE} {'note' if known == 'note' else 'public status'} of {escaped(str(author))}{where}"
    yield from (f"  > {escaped(one)}".rstrip() for one in printable(str(entry.data.get("text", ""))).strip().split("\n"))


def escaped(text: str) -> str:
    """Returns a line as Markdown that says exactly this: no mark in it means anything."""
    return _MARK.sub(r"\\\1", text)


def said(entry: Entry) -> str:
    """Returns an event as people read it."""
    known = _SAYINGS.get(entry.kind.removeprefix("incident."))
    if known is not None:
        return known(entry.actor, entry.data)
    told = ": ".join(str(entry.data[key]) for key in ("text", "because") if entry.data.get(key))
    return f"{entry.kind.removeprefix('incident.').replace('.', ' ').replace('_', ' ')}{f': {told}' if told else ''} ({entry.actor})"


def _opened(actor: str, data: Data) -> str:
    by = {"person": f"declared by {actor}", "alert": "opened by alerts", "pagerduty": "opened in PagerDuty"}.get(str(data.get("origin")), f"opened by {actor}")
    return f"{by}: {data.get('severity', '')} {data.get('title', '')}"


def _note(actor: str, data: Data) -> str:
    author = data.get("author") or actor
    by = "" if author == actor else f" (added by {actor})"
    return f"{NOTE} {author}{by}: {data.get('text', '')}{chr(10) + str(data['link']) if data.get('link') else ''}"


def _with(text: str, data: Data) -> str:
    return f"{text}: {data['text']}" if data.get("text") else text


def _kept(what: str, said: Any) -> str:
    return f"{what}: {said if isinstance(said, str) else ', '.join(said)}" if said else ""


def _because(text: str, data: Data) -> str:
    return f"{text}: {data['because']}" if data.get("because") else text


_SKIPPED = {"nobody": "nobody is on call there", "same": "the same people were asked just before"}
_SAYINGS: dict[str, Callable[[str, Data], str]] = {
    "opened": _opened,
    "acknowledged": lambda actor, data: f"acknowledged by {actor}",
    "mitigated": lambda actor, data: _with(f"mitigated, says {actor}", data),
    "triggered": lambda actor, data: _with(f"open again, by {actor}" if data.get("reopened") else f"nobody is on it any more, by {actor}", data),
    "resolved": lambda actor, data: _with(f"resolved by {actor}", data),
    "closed": lambda actor, data: f"closed by {actor}",
    "merged": lambda actor, data: f"merged into {data.get('into')} by {actor}",
    "absorbed": lambda actor, data: f"{actor} merged {data.get('other')} into this: {data.get('title', '')}",
    "severity": lambda actor, data: f"{actor} changed the severity from {data.get('was')} to {data.get('now')}",
    "role": lambda actor, data: f"{data.get('person')} is {data.get('role')}{'' if data.get('person') == actor else f', says {actor}'}",
    "update": lambda actor, data: f"{NOTE} status by {actor}: {data.get('text', '')}",
    "note": _note,
    "evidence": lambda actor, data: "; ".join(part for part in (_kept("kept", data["text"]), _kept("suspect", data.get("suspects"))) if part) or "nothing kept",
    "runbook": lambda actor, data: f"runbook {data.get('runbook')}: {data.get('text', '')}",
    "action.added": lambda actor, data: f"action item {data.get('action')} for {data.get('owner')}, by {actor}: {data.get('text', '')}",
    "action.assigned": lambda actor, data: f"{actor} gave {data.get('action')} to {data.get('owner')}",
    "action.due": lambda actor, data: f"{data.get('action')} is due {str(data.get('due', ''))[:10]}, says {actor}",
    "action.done": lambda actor, data: _because(f"{data.get('action')} is done, says {actor}", data),
    "action.dropped": lambda actor, data: _because(f"{actor} dropped {data.get('action')}", data),
    "action.issue": lambda actor, data: f"the issue of {data.get('action')} is {data.get('what')}: {data.get('issue')}",
    "action.reopened": lambda actor, data: f"{data.get('action')} is open again, says {actor}",
    "alert.opened": lambda actor, data: f"alert {data.get('alert')} fires",
    "alert.merged": lambda actor, data: f"alert {data.get('alert')} fires as well",
    "operation": lambda actor, data: str(data.get("text", "")),
    "page.requested": lambda actor, data: f"L{data.get('level')} {data.get('name', '')} is paged: {', '.join(data.get('people') or [])}",
    "page.delivered": lambda actor, data: "PagerDuty has the page",
    "level.skipped": lambda actor, data: f"L{data.get('level')} {data.get('name', '')} is passed over: {_SKIPPED.get(str(data.get('because')), '')}",
    "level.followed": lambda actor, data: f"PagerDuty went on to L{data.get('level')}",
    "alert.ended": lambda actor, data: _because(f"alert {data.get('alert')} fell silent", data),
}
