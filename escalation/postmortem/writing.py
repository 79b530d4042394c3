"""Several people write one post-mortem, at the same time and from old forms, and nothing that anybody wrote is lost. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from bot.core.data import Frozen
from escalation.postmortem.document import Written
from escalation.postmortem.draft import Section

ROOM = 3_000
"""Characters that a form's field takes: into what is longer only more can be written."""
_ADD = "+"
"""The mark of a section whose text the form did not hold."""

Seen = Mapping[Section, str]
"""What a form held when it was opened: by section the mark of its text."""


class Aside(Frozen):
    """A text that somebody wrote while somebody else changed the same section: it waits until one of them puts it in."""

    id: int
    section: Section
    text: str
    by: str
    at: datetime


class Saved(Frozen):
    """What a save made of it: all texts, the sections that it changed, and what it put aside."""

    written: dict[Section, Written]
    changed: tuple[Section, ...] = ()
    aside: tuple[Aside, ...] = ()


def mark(text: str) -> str:
    """Returns what stands for a text in a form."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def seen_of(written: Mapping[Section, Written]) -> str:
    """Returns what a form carries along that is opened now: the version of every section that it holds."""
    marks = {section: _ADD if section in written and len(written[section].text) > ROOM else mark(_text(written, section)) for section in Section}
    return json.dumps(marks, separators=(",", ":"))


def read_seen(carried: str) -> dict[Section, str]:
    """Returns what `seen_of` noted. Raises ValueError where it is something else."""
    return {Section(section): str(marked) for section, marked in json.loads(carried).items()}


def held(written: Mapping[Section, Written]) -> dict[Section, str]:
    """Returns what the fields of a form hold at first: a text that is too long for one is left out, and added to."""
    return {section: one.text for section, one in written.items() if len(one.text) <= ROOM}


def typed(written: Mapping[Section, Written], given: Mapping[Section, str], by: str, now: datetime) -> Saved:
    """Returns what becomes of texts that were typed without seeing what stands there: they are added below."""
    return _put(written, {section: _below(_text(written, section), text) for section, text in given.items()}, by, now)


def submitted(written: Mapping[Section, Written], given: Mapping[Section, str], seen: Seen, by: str, now: datetime, next_id: int = 1) -> Saved:
    """Returns what becomes of a form. What its writer did not change stays as it is now; what somebody else changed meanwhile stays his, and the text of the
    form is put aside. `given` lacks what was emptied."""
    texts: dict[Section, str] = {}
    aside: list[Aside] = []
    for section in (one for one in Section if one in seen):
        mine, now_there = given.get(section, "").strip(), _text(written, section)
        if seen[section] == _ADD:
            texts |= {section: _below(now_there, mine)} if mine else {}
        elif mark(mine) == seen[section] or mine == now_there:
            continue
        elif mark(now_there) == seen[section]:
            texts[section] = mine
        elif mine:
            aside.append(Aside(id=next_id + len(aside), section=section, text=mine, by=by, at=now))
    return _put(written, texts, by, now).model_copy(update={"aside": tuple(aside)})


def _put(written: Mapping[Section, Written], texts: Mapping[Section, str], by: str, now: datetime) -> Saved:
    after = dict(written)
    for section, text in texts.items():
        if text:
            after[section] = Written(text=text, by=by, at=now)
        else:
            after.pop(section, None)
    changed = tuple(section for section in texts if _text(after, section) != _text(written, section))
    return Saved(written=after, changed=changed)


def _text(written: Mapping[Section, Written], section: Section) -> str:
    return written[section].text if section in written else ""


def _below(above: str, text: str) -> str:
    return f"{above}\n\n{text.strip()}" if above else text.strip()
