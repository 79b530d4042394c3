"""A runbook on its way: where it is, what was done, and every way on, as pure functions. Who clicked, what was answered and what time it is come from outside.

A step is `ready` until somebody runs it (a look runs by itself), `asked` while its request is answered or its operation under way, `checking` until its check
holds, `seen` when a person says how it goes on, and `failed` when it did not do what it should.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.request import Actor
from bot.core.suggest import did_you_mean, quoted
from runbooks.model import ESCALATE, OF_THE_INCIDENT, STOP, Runbook, Step, anchor

CHECK_EVERY = timedelta(seconds=15)
CHECK_FOR = timedelta(minutes=2)
"""How long a check is waited for where a step does not say it."""
REMIND_BEFORE = (timedelta(hours=24), timedelta(hours=4), timedelta())
"""How long before a deadline people are reminded of it; at last when it is over."""
MACHINE = Actor(name="aiec")


class State(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class Stage(StrEnum):
    READY = "ready"
    ASKED = "asked"
    CHECKING = "checking"
    SEEN = "seen"
    FAILED = "failed"


class Did(Frozen):
    """What became of a step: who ended it so, when, and what is to be said of it."""

    step: int
    how: Literal["done", "failed", "skipped"]
    by: str
    at: datetime
    text: str = ""


class Run(Frozen):
    """`visit` counts the steps that were come to, so that a button says which one it belongs to. `runner`: whose looks run by themselves; `asker`: who ran this
    step. `waits`: what a person is to know while it is asked; `trouble`: why it cannot go on as it should. `look_at`, `deadline`: when something is due.
    `path`: the steps before this one. `channel`: where its message is. `changed`: the file is another one by now. `reminded`: the reminders that were given."""

    number: int
    incident: int
    runbook: str
    title: str
    runner: Actor
    began_at: datetime
    started_at: datetime
    values: dict[str, str] = {}
    state: State = State.RUNNING
    step: int = 0
    visit: int = 0
    tries: int = 0
    stage: Stage = Stage.READY
    since: datetime
    asker: Actor | None = None
    request: str = ""
    operation: str = ""
    approve: str = ""
    waits: str = ""
    trouble: str = ""
    look_at: datetime | None = None
    deadline: datetime | None = None
    path: tuple[int, ...] = ()
    did: tuple[Did, ...] = ()
    channel: str = ""
    changed: bool = False
    reminded: tuple[str, ...] = ()
    ended_at: datetime | None = None
    ended_by: str = ""
    because: str = ""

    @property
    def name(self) -> str:
        return f"run-{self.number}"

    @property
    def mark(self) -> str:
        """What a button carries, so that it does nothing when the run has gone on."""
        return f"{self.number}.{self.visit}"

    @property
    def next_request(self) -> dict[str, object]:
        """The fields that change when something is asked for: each time it is another request."""
        return {"tries": self.tries + 1, "request": f"run-{self.mark}.{self.tries + 1}"}

    def missing(self, book: Runbook) -> tuple[str, ...]:
        """Returns the variables that the present step needs and nobody has given."""
        return tuple(name for name in book.needs(self.step) if not self.values.get(name))


class Answer(Frozen):
    """What became of a request: as in RequestRow, or `done` and `undone` of an operation that is over, `waiting` and `running` of one that is not."""

    state: Literal["answered", "denied", "failed", "refused", "usage", "waiting", "running", "done", "undone"]
    text: str = ""
    operation: str = ""
    plan: str = ""


class Reading(Frozen):
    """What a check found: whether it holds, and what was seen."""

    holds: bool
    text: str


def begin(number: int, book: Runbook, incident: int, runner: Actor, values: dict[str, str], channel: str, began_at: datetime, now: datetime) -> Run:
    """Returns a run at its first step. `channel`: where its message goes; `began_at`: when the incident did."""
    run = Run(
        number=number,
        incident=incident,
        runbook=book.name,
        title=book.title,
        runner=runner,
        channel=channel,
        began_at=began_at,
        started_at=now,
        since=now,
        values={name: value for name, value in values.items() if value},
    )
    return enter(run, book, 0, now)


def enter(run: Run, book: Runbook, step: int, now: datetime) -> Run:
    """Returns the run at a step; a look is due at once, unless something is still to be asked for."""
    there = run.model_copy(
        update={
            "step": step,
            "visit": run.visit + 1,
            "stage": Stage.READY,
            "since": now,
            "asker": None,
            "request": "",
            "operation": "",
            "approve": "",
            "waits": "",
            "trouble": "",
            "look_at": None,
            "deadline": None,
        }
    )
    due = book.steps[step].kind == "look" and not there.missing(book)
    return there.model_copy(update={"look_at": now}) if due else there


def ask(run: Run, by: Actor, now: datetime) -> Run:
    """Returns the run with its step asked for by somebody."""
    fresh = {"waits": "", "trouble": "", "operation": "", "approve": "", "deadline": None, "look_at": None}
    return run.model_copy(update={"stage": Stage.ASKED, "since": now, "asker": by, **run.next_request, **fresh})


def finish(run: Run, book: Runbook, how: Literal["done", "failed", "skipped"], by: str, now: datetime, text: str = "", to: int | None = None) -> Run:
    """Returns the run with its step ended, and at the next one (`to`: at that one), or over."""
    did = Did(step=run.step, how=how, by=by, at=now, text=text)
    after = run.model_copy(update={"did": (*run.did, did), "path": (*run.path, run.step)})
    onward = to if to is not None else book.after(run.step)
    if onward is not None:
        return enter(after, book, onward, now)
    return end(after, State.DONE, by, now)


def end(run: Run, state: State, by: str, now: datetime, because: str = "") -> Run:
    """Returns the run over."""
    gone = {"request": "", "look_at": None, "deadline": None, "waits": "", "approve": ""}
    return run.model_copy(update={"state": state, "ended_at": now, "ended_by": by, "because": because, **gone})


def failed(run: Run, book: Runbook, why: str, now: datetime) -> Run:
    """Returns what becomes of a run whose step failed: it goes where the step says, or a person decides."""
    step, by = book.steps[run.step], (run.asker or MACHINE).name
    if step.on_failure == STOP:
        did = Did(step=run.step, how="failed", by=by, at=now, text=why)
        return end(run.model_copy(update={"did": (*run.did, did)}), State.STOPPED, MACHINE.name, now, why)
    if step.on_failure and step.on_failure != ESCALATE:
        return finish(run, book, "failed", by, now, why, book.index(step.on_failure))
    gone = {"waits": "", "approve": "", "request": "", "look_at": None, "deadline": None}
    there = run.model_copy(update={"stage": Stage.FAILED, "since": now, "trouble": why, **gone})
    return there.model_copy(update=there.next_request) if step.on_failure == ESCALATE else there


def answered(run: Run, book: Runbook, answer: Answer, now: datetime) -> Run:
    """Returns what an answer makes of a run that waits for one; an operation that is under way keeps it waiting."""
    step = book.steps[run.step]
    if run.stage is Stage.FAILED:
        return run.model_copy(update={"request": "", "trouble": f"{run.trouble}. {answer.text}" if answer.text else run.trouble})
    there = run.model_copy(update={"operation": answer.operation or run.operation, "approve": "", "waits": answer.text})
    match answer.state:
        case "waiting":
            return there.model_copy(update={"approve": answer.plan})
        case "running":
            deadline = run.deadline or (now + step.timeout if step.timeout else None)
            if deadline is not None and now >= deadline:
                return failed(there, book, f"it takes longer than it may; {answer.operation} is still under way", now)
            return there.model_copy(update={"deadline": deadline})
        case "answered" | "done":
            return _succeeded(there, book, step, answer, now)
        case "denied":
            back = {"stage": Stage.READY, "since": now, "request": "", "waits": "", "trouble": answer.text, "asker": None}
            return there.model_copy(update=back)
        case _:
            return failed(there, book, answer.text, now)


def _succeeded(run: Run, book: Runbook, step: Step, answer: Answer, now: datetime) -> Run:
    run = run.model_copy(update={"request": "", "waits": ""})
    if step.check is not None:
        return run.model_copy(update={"stage": Stage.CHECKING, "since": now, "look_at": now, "deadline": now + (step.timeout or CHECK_FOR)})
    if step.choices or step.kind == "look":
        return run.model_copy(update={"stage": Stage.SEEN, "since": now})
    return finish(run, book, "done", (run.asker or MACHINE).name, now, answer.text)


def checked(run: Run, book: Runbook, reading: Reading, now: datetime) -> Run:
    """Returns what a look at the step's check makes of the run: it goes on, looks again, or has waited long enough."""
    step = book.steps[run.step]
    if reading.holds and step.choices:
        return run.model_copy(update={"stage": Stage.SEEN, "since": now, "request": "", "waits": "", "look_at": None, "deadline": None})
    if reading.holds:
        return finish(run, book, "done", (run.asker or MACHINE).name, now, reading.text)
    if run.deadline is not None and now >= run.deadline:
        return failed(run, book, reading.text, now)
    return run.model_copy(update={"request": "", "waits": reading.text, "look_at": now + CHECK_EVERY})


def want_check(run: Run) -> Run:
    """Returns the run with its check asked for, where that is a command."""
    return run.model_copy(update={**run.next_request, "look_at": None})


def press(run: Run, book: Runbook, by: Actor, now: datetime, *, again: bool = False) -> Run:
    """Returns the run when somebody says that it goes on: its step is run, or was done, or was seen. Raises Refused where it is no time for that."""
    step = book.steps[run.step]
    _at_rest(run, book)
    if missing := run.missing(book):
        raise Refused(f"{book.question(missing[0])} Nobody has given `{missing[0]}` yet.", f"`/aiec runbook answer #{run.incident} {missing[0]} …` gives it.")
    if step.command and (again or run.stage in (Stage.READY, Stage.FAILED)):
        return ask(run, by, now)
    if step.choices:
        offered = ", ".join(f"`{book.steps[book.index(one.to)].title}`" for one in step.choices)
        raise Refused(f"*{step.title}* asks how it goes on: {offered}.", f"`/aiec runbook next #{run.incident} --choose …` says it.")
    if step.check is not None and run.stage is not Stage.SEEN:
        wait = {"stage": Stage.CHECKING, "asker": by, "trouble": "", "since": now, "look_at": now, "deadline": now + (step.timeout or CHECK_FOR)}
        return run.model_copy(update=wait)
    return finish(run, book, "done", by.name, now)


def choose(run: Run, book: Runbook, to: str, by: Actor, now: datetime) -> Run:
    """Returns the run at the step that somebody has chosen: `to` is its heading, or the words of the choice. Raises Refused."""
    step = book.steps[run.step]
    _at_rest(run, book)
    chosen = next((one for one in step.choices if to.casefold() in (one.to.casefold(), one.label.casefold()) or anchor(to) == one.to), None)
    if chosen is None or (step.command and run.stage is Stage.READY):
        why = f"*{quoted(to)}* is no way on from *{step.title}*" if chosen is None else f"*{step.title}* was not run yet"
        raise Refused(f"{why}.", f"`/aiec runbook status #{run.incident}` shows where it is.")
    return finish(run, book, "done", by.name, now, chosen.label, book.index(chosen.to))


def skip(run: Run, book: Runbook, by: Actor, now: datetime) -> Run:
    """Returns the run at the next step. Raises Refused while something is under way."""
    _at_rest(run, book, checking=True)
    return finish(run, book, "skipped", by.name, now)


def back(run: Run, book: Runbook, now: datetime) -> Run:
    """Returns the run at the step before. Raises Refused at the first one, and while something is under way."""
    _at_rest(run, book, checking=True)
    if not run.path:
        raise Refused(f"{run.runbook} is at its first step.")
    before = run.path[-1]
    return enter(run.model_copy(update={"path": run.path[:-1]}), book, before, now)


def give(run: Run, book: Runbook, name: str, value: str, now: datetime) -> Run:
    """Returns the run with a variable given; a look that waited for it is due. Raises Refused for one that it does not have."""
    known = [*OF_THE_INCIDENT, *(one.name for one in book.variables)]
    if name not in known:
        raise Refused(f"{run.runbook} has no variable *{quoted(name)}*{did_you_mean(name, known)}")
    there = run.model_copy(update={"values": {**run.values, name: value}})
    due = there.stage is Stage.READY and not there.trouble and book.steps[there.step].kind == "look" and not there.missing(book)
    return there.model_copy(update={"look_at": now}) if due else there


def _at_rest(run: Run, book: Runbook, *, checking: bool = False) -> None:
    """Raises Refused while a request is answered, or an operation or a check under way."""
    title = book.steps[run.step].title
    who = (run.asker or run.runner).name
    if run.state is not State.RUNNING:
        raise Refused(f"{run.runbook} for #{run.incident} is over.", f"`/aiec runbook start {run.runbook} #{run.incident}` begins it anew.")
    if run.stage is Stage.ASKED:
        under_way = f"; {run.operation} is under way: `/aiec cancel {run.operation}` stops it" if run.operation else ""
        raise Refused(f"{who} has run *{title}* at {run.since:%H:%M} UTC already{under_way}.", f"`/aiec runbook status #{run.incident}` shows how it goes.")
    if run.stage is Stage.CHECKING and not checking:
        raise Refused(f"*{title}* looks again until its check holds.", f"`/aiec runbook skip #{run.incident}` goes on without.")


def left(run: Run, book: Runbook) -> list[int]:
    """Returns the steps that were neither done nor skipped, in their order."""
    ended = {one.step for one in run.did if one.how != "failed"}
    return [place for place in range(len(book.steps)) if place not in ended]


def dues(run: Run, book: Runbook) -> list[tuple[int, datetime]]:
    """Returns the steps with a deadline that are still to be done, and when."""
    open_ = left(run, book)
    return [(place, run.began_at + due) for place, step in enumerate(book.steps) if (due := step.due) is not None and place in open_]


def reminders(run: Run, book: Runbook, now: datetime) -> tuple[Run, list[tuple[int, datetime, str]]]:
    """Returns the run with what is said now noted, and what that is: of each deadline the latest reminder that is due, however late, and its key."""
    said, passed = list[tuple[int, datetime, str]](), list[str]()
    for place, at, reminder, key in _open_reminders(run, book):
        if reminder <= now:
            passed.append(key)
            said = [*(one for one in said if one[0] != place), (place, at, key)]
    return (run.model_copy(update={"reminded": (*run.reminded, *passed)}) if passed else run), said


def _open_reminders(run: Run, book: Runbook) -> list[tuple[int, datetime, datetime, str]]:
    """Each step with its deadline, when it is to be reminded of, and the reminder's key. What was so near when the run began stood on its card from then on."""
    all_ = [(place, at, at - before, f"{place}.{number}") for place, at in dues(run, book) for number, before in enumerate(REMIND_BEFORE)]
    return [one for one in all_ if one[3] not in run.reminded and one[2] > run.started_at]


def next_at(run: Run, book: Runbook) -> datetime | None:
    """Returns when a run has to be looked at again without anybody doing anything."""
    if run.state is not State.RUNNING:
        return None
    moments = [run.look_at, run.deadline, *(at for _, _, at, _ in _open_reminders(run, book))]
    return min((one for one in moments if one is not None), default=None)
