"""The engine, broken on purpose in a copy of the project: every mutant must be found. `python -m tests.simulation.mutants` says after how many runs."""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "commands", "runbooks", "escalation", "sandbox", "tests/simulation")


@dataclass(frozen=True)
class Edit:
    """In `file`, the only place that reads `old` becomes `new`."""

    file: str
    old: str
    new: str


MUTANTS = {
    "acts before it writes down what it intends": [
        Edit("bot/operations.py", "await self._save(operation, intended, fence, self._store.clock.now(), keep=True)", "pass"),
    ],
    "saves what it made of an operation that somebody has changed meanwhile": [
        Edit("bot/ledger.py", "if row is None or row.fence != fence:", "if row is None:"),
    ],
    "starts whoever holds the environment": [
        Edit("bot/ledger.py", "if held is not None and held.holder not in (operation.name, operation.actor.name):", "if False:"),
        Edit("bot/ledger.py", "if (other := under_way(tx, environment)) is not None:", "if other := '':"),
    ],
    "does not wait for the wave before": [
        Edit("bot/core/operation.py", "return [i for i in open_ if waves[i] == min(waves[j] for j in open_)]", "return open_"),
    ],
    "undoes without looking whose change it is": [
        Edit("bot/core/steps/image.py", "if marks.get(OPERATION) != stamp.operation:", "if False:"),
        Edit("bot/core/steps/image.py", "if self._image(workload) != self.after:", "if False:"),
        Edit("bot/core/steps/marks.py", 'tests += [{"op": "test", "path": pointer(name)', '[{"op": "test", "path": pointer(name)'),
        Edit("bot/core/steps/image.py", '"path": f"{path}/image", "value": image[0]}', '"path": f"{path}/image", "value": self._image(workload)}'),
    ],
    "patches without tests": [
        Edit("bot/core/steps/image.py", "await cluster.patch(self.workload, self.name, operations)",
             'await cluster.patch(self.workload, self.name, [one for one in operations if one["op"] != "test"])'),
    ],
    "lets people approve their own requests": [
        Edit("bot/core/operation.py", "if actor.name == self.actor.name:", "if False:"),
    ],
    "starts on an approval that is void": [
        Edit("bot/operations.py", "if not operation.approved or now >= operation.expires_at:", "if not operation.approved:"),
        Edit("bot/ledger.py", "if tx.now >= operation.expires_at:", "if False:"),
    ],
    "posts again without looking for what it may have posted": [
        Edit("bot/outbox.py", "if row.attempts > 1 else None", "if False else None"),
    ],
    "goes on after another process has taken over": [
        Edit("bot/engine.py", "return self._held_until is not None and self._held_until - LEASE", "return True or self._held_until - LEASE"),
    ],
}  # fmt: skip

INCIDENT_MUTANTS = {
    "does not stop to page when somebody answers": [
        Edit("escalation/book.py", "place(row, ladder.stop(at))", "place(row, at)"),
    ],
    "does not resolve in PagerDuty what is resolved here": [
        Edit("escalation/book.py", '.get(after.state, "resolved")', ".get(after.state)"),
    ],
    "falls silent when whoever answered is gone": [
        Edit("escalation/book.py", "else ladder.resume(at, tx.now)", "else ladder.stop(at)"),
    ],
    "skips a level": [
        Edit("escalation/ladder.py", "for level in range(position.level + 1, ladder.last + 1):", "for level in range(position.level + 2, ladder.last + 1):"),
    ],
    "pages the next level before the time of the one before is over": [
        Edit("escalation/ladder.py", "paged_at=now, next_at=now + ladder.rung(level).answer_within)",
             "paged_at=now, next_at=now + 0.5 * ladder.rung(level).answer_within)"),
    ],
    "calls a page delivered that PagerDuty has not taken": [
        Edit("escalation/pager.py", "return await attempt.otherwise(error, now + wait, fallback=row.attempts > 1)",
             "return Tried(done=True, remote=attempt.remote)"),
    ],
    "opens a page once more when it does not know whether it did": [
        Edit("escalation/pager.py", "return Page(row.key, row.title", 'return Page(f"{row.key}-{row.attempts}", row.title'),
    ],
    "is silent about a page that calls nobody": [
        Edit("escalation/delivery.py", "if (calling or not tried.done) and not soon and not tried.reconcile:", "if tried.done and calling:"),
    ],
    "takes an event of PagerDuty in as often as it is delivered": [
        Edit("bot/entry/hooks.py", 'key=f"pagerduty:{event.id}"', 'key=f"pagerduty:{uuid.uuid4()}"'),
    ],
    "does not hear that somebody has answered in PagerDuty": [
        Edit("escalation/observe.py", 'Change(kind="acknowledged", by=by)) if view.status == "triggered" or', 'Change(kind="acknowledged", by=by)) if'),
    ],
    "says in public what is private": [
        Edit("escalation/cards.py", "if not incident.private:", "if True:"),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """After how many runs, and what the simulation says of it."""

    runs: int
    problem: str


def hunt(edits: list[Edit], runs: int, of: str = "deploys") -> Found | None:
    """Breaks a copy of the project so, plays at most `runs` runs on it, and returns what they find."""
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            shutil.copytree(ROOT / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            _apply(Path(folder) / edit.file, edit)
        command = [sys.executable, "-m", "tests.simulation", "--of", of, "--seeds", str(runs)]
        played = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.search(r"^seed (\d+) fails:\n +(.*)$", played.stdout, re.MULTILINE)
    if found is None and played.returncode != 0:
        raise RuntimeError(f"the copy does not run: {played.stderr[-2000:]}")
    return Found(int(found[1]) + 1, found[2]) if found else None


def _apply(file: Path, edit: Edit) -> None:
    text = file.read_text()
    if text.count(edit.old) != 1:
        raise LookupError(f"{edit.file} reads {edit.old!r} {text.count(edit.old)} times, not once")
    file.write_text(text.replace(edit.old, edit.new))


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    missed = 0
    for name, edits in (MUTANTS | INCIDENT_MUTANTS).items():
        found = hunt(edits, runs, "incidents" if name in INCIDENT_MUTANTS else "deploys")
        missed += found is None
        print(f"{name}: {f'found after {found.runs} runs: {found.problem}' if found else f'not found in {runs} runs'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
