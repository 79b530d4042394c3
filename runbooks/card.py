"""A run as its one message: which step it is at, what that says and does, what is waited for, and buttons for what is possible now, and nothing else. Pure."""

from collections.abc import Iterator
from datetime import datetime

from bot.core.card import Action, Bold, Card, Code, Line, Person, Ref, Row, Span, Time, line
from bot.core.card import State as Mark
from bot.core.text import cut, duration
from runbooks.model import Runbook, Step, filled, typed
from runbooks.prose import lines
from runbooks.run import Did, Run, Stage, State, dues, left

TEXT = 300


def run_card(run: Run, book: Runbook) -> Card:
    """Returns the message of a run; it depends on the run alone."""
    return _over(run, book) if run.state is not State.RUNNING else _under_way(run, book)


def _under_way(run: Run, book: Runbook) -> Card:
    step = book.steps[run.step]
    where = f" · step {run.step + 1} of {len(book.steps)}: "
    return Card(
        state=_mark(run),
        headline=line(Bold(text=run.runbook), f" for #{run.incident}{where}", Bold(text=step.title), " · run by ", Person(name=run.runner.name)),
        lines=(*lines(filled(step.prose, run.values)), *_does(run, step), *_stands(run, book), *_deadlines(run, book), *_changed(run), *_before(run, book)),
        actions=(*_forward(run, book, step), *_others(run)),
    )


def _over(run: Run, book: Runbook) -> Card:
    """What was done, and what was not."""
    how, by = ("is done", "") if run.state is State.DONE else ("was stopped", f" at step {run.step + 1}: {book.steps[run.step].title}")
    took = f" · {duration((run.ended_at or run.started_at) - run.started_at)}"
    spans: list[Span] = [Bold(text=run.runbook), f" for #{run.incident} {how}"]
    spans += [" by ", Person(name=run.ended_by)] if run.state is State.STOPPED else []
    open_ = [book.steps[place].title for place in left(run, book)]
    skipped = run.state is State.DONE
    return Card(
        state=Mark.DONE if run.state is State.DONE else Mark.FAILED,
        headline=line(*spans, by, took),
        lines=(
            *((line(Bold(text="Why"), f": {run.because}"),) if run.because else ()),
            *(
                (line(Bold(text="Under way"), ": ", Ref(key=run.operation, text=run.operation), f" goes on; `/aiec cancel {run.operation}` stops it"),)
                if _goes_on(run)
                else ()
            ),
            *((line(Bold(text="Not needed" if skipped else "Not done"), f": {', '.join(open_)}"),) if open_ else ()),
            *_changed(run),
        ),
        rows=tuple(row(one, book) for one in run.did),
    )


def _goes_on(run: Run) -> bool:
    return run.stage is Stage.ASKED and bool(run.operation)


def row(did: Did, book: Runbook) -> Row:
    """Returns what became of a step, as a line of a list."""
    spans: list[Span] = [f"{book.steps[did.step].title} · {did.how} by ", Person(name=did.by), " at ", Time(at=did.at)]
    return Row(name=str(did.step + 1), text=line(*spans, f": {cut(did.text, TEXT)}" if did.text else ""))


def _mark(run: Run) -> Mark:
    if run.stage is Stage.ASKED and run.approve:
        return Mark.WAITING
    if run.stage in (Stage.ASKED, Stage.CHECKING) or (run.stage is Stage.READY and run.look_at is not None):
        return Mark.RUNNING
    return Mark.FAILED if run.stage is Stage.FAILED else Mark.NEEDS_YOU


def _does(run: Run, step: Step) -> Iterator[Line]:
    if step.command:
        said = {"change": "changes production, you confirm once more", "note": "tells others, or writes it down", "look": "only looks"}.get(step.kind, "")
        more = f", needs {'one approval' if step.approval == 1 else f'{step.approval} approvals'} at least" if step.approval else ""
        yield line(Code(text=f"/aiec {typed(step.command, run.values)}"), f" ({said}{more})")
    if step.check is not None:
        ask, verb = filled(step.check.ask, run.values), step.check.verb
        yield line("Then ", Code(text=ask if step.check.metric else f"/aiec {ask}"), f" {verb} ", Code(text=step.check.value))


def _stands(run: Run, book: Runbook) -> Iterator[Line]:
    """What is waited for, what went wrong, what is asked for."""
    if run.trouble:
        yield line(Bold(text="Failed" if run.stage is Stage.FAILED else "Not run"), f": {run.trouble}", *_ref(run))
    elif run.stage is Stage.ASKED:
        asker = run.asker.name if run.asker else run.runner.name
        yield line(Bold(text="Run by"), " ", Person(name=asker), " since ", Time(at=run.since), f": {run.waits}" if run.waits else "", *_ref(run))
    elif run.stage is Stage.CHECKING:
        until: tuple[Span, ...] = (" (until ", Time(at=run.deadline), ")") if run.deadline else ()
        yield line(Bold(text="Looks again until it is so"), *until, f": {run.waits}" if run.waits else "")
    elif run.stage is Stage.SEEN and book.steps[run.step].command:
        yield line("What it said stands in the thread.")
    for name in run.missing(book) if run.stage is Stage.READY else ():
        yield line(Bold(text=book.question(name)), f" (`/aiec runbook answer #{run.incident} {name} …`)")


def _ref(run: Run) -> tuple[Span, ...]:
    return (" · ", Ref(key=run.operation, text=run.operation)) if run.operation else ()


def _deadlines(run: Run, book: Runbook) -> Iterator[Line]:
    for place, at in dues(run, book):
        yield line(Bold(text="Due"), " ", Time(at=at, style="date"), f" ({duration(at - run.began_at)} after it began): {book.steps[place].title}")


def _changed(run: Run) -> Iterator[Line]:
    if run.changed:
        yield line(f"The file of {run.runbook} has changed since this began; this run keeps to the text that it began with.")


def _before(run: Run, book: Runbook) -> Iterator[Line]:
    if run.did:
        one = run.did[-1]
        text = f": {cut(one.text, TEXT)}" if one.text else ""
        yield line(f"Before: {book.steps[one.step].title} · {one.how} by ", Person(name=one.by), text)


def _forward(run: Run, book: Runbook, step: Step) -> Iterator[Action]:
    if run.missing(book) and run.stage is Stage.READY:
        for name in run.missing(book):
            yield Action(label=f"Answer: {name}", command="runbook answer", arguments={**_named(run), "variable": name}, style="primary")
        return
    again = "Run again" if run.stage in (Stage.SEEN, Stage.FAILED) else "Run"
    confirm = f"Run `/aiec {typed(step.command, run.values)}`? It changes production." if step.kind == "change" else ""
    runs = Action(label=again, command="runbook next", arguments={**_at(run), "again": True}, confirm=confirm)
    match run.stage:
        case Stage.READY if step.command and run.look_at is None:
            yield runs.model_copy(update={"style": "primary"})
        case Stage.READY | Stage.SEEN if step.choices:
            for choice in step.choices:
                yield Action(label=choice.label, command="runbook next", arguments={**_at(run), "choose": choice.to})
        case Stage.READY if not step.command:
            yield Action(label="Done", command="runbook next", arguments=_at(run), style="primary")
        case Stage.SEEN:
            yield Action(label="Next", command="runbook next", arguments=_at(run), style="primary")
        case Stage.ASKED if run.approve:
            yield Action(label=f"Approve {run.operation}", command="approve", arguments={"operation": run.operation, "plan": run.approve}, style="primary")
    if run.stage in (Stage.SEEN, Stage.FAILED) and step.command:
        yield runs
    if run.stage in (Stage.FAILED, Stage.CHECKING) or (run.stage is Stage.READY and run.look_at is None):
        yield Action(label="Skip", command="runbook skip", arguments=_at(run))


def _others(run: Run) -> Iterator[Action]:
    if run.path and run.stage is not Stage.ASKED:
        yield Action(label="Back", command="runbook back", arguments=_at(run))
    yield Action(label="Take over", command="runbook handover", arguments=_named(run))
    stop = f"Stop {run.runbook} for #{run.incident}? What was done stays done."
    yield Action(label="Stop", command="runbook abort", arguments=_named(run), style="danger", confirm=stop)


def _named(run: Run) -> dict[str, object]:
    return {"incident": f"#{run.incident}", "runbook": run.runbook}


def _at(run: Run) -> dict[str, object]:
    return {**_named(run), "at": run.mark}


def reminder(run: Run, book: Runbook, place: int, at: datetime, now: datetime) -> Card:
    """Returns what is said of a deadline that comes near, or is over."""
    when = f"was due {duration(now - at)} ago" if now >= at else f"is due in {duration(at - now)}"
    headline = line(Bold(text=f"{book.steps[place].title} {when}"), ", ", Time(at=at, style="date"), " · ", Person(name=run.runner.name, notify=True))
    return Card(state=Mark.NEEDS_YOU, headline=headline, lines=(line(f"It is step {place + 1} of {run.runbook} for #{run.incident}."),))
