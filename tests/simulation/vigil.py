"""What must hold of incidents and pages after every commit and every step, watched from outside the bot: the database's rows, PagerDuty, Slack.

- Whoever is paged is paged for an incident that nobody has answered, a level at a time, and each level has its whole time: no level skipped, no burst.
- Never silence: an incident that pages and that nobody has answered has a next look, no later than its level may take.
- Answered, it stands still.
- What is called delivered stands in PagerDuty, and that level was called there since it was asked for; what is not delivered is shouted about.
- One key has one open incident in PagerDuty, and each round there is one wave of calls by us.
- A critical alert is taken into an incident that is open; a storm opens a bounded number of them.
- Nothing private is said in public.
"""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.alerts import Notification
from bot.core.config import Config
from sandbox.pagerduty import Incident as Page
from sandbox.pagerduty.state import Entry
from sandbox.world import World
from tests.simulation.oncall import SECRET, STORM, STORM_WITHIN, user_id

Json = dict[str, Any]

DUE = (
    "select min(max(next_at, coalesce(lease_until, next_at))) from messages where next_at is not null",
    "select min(max(received_at, coalesce(lease_until, received_at))) from requests where state = 'received'",
    "select min(next_at) from escalations where next_at is not null",
    "select min(max(next_at, coalesce(lease_until, next_at))) from pages where next_at is not null",
    "select min(max(next_at, coalesce(lease_until, next_at))) from channels where next_at is not null",
    "select min(next_at) from incidents where next_at is not null",
    "select min(opened_at) from incidents where stale",
    "select min('2000-01-01 00:00:00.000000') from escalations where stale",
    "select min(next_at) from alerts where next_at is not null and status = 'firing'",
    "select min(next_at) from alert_groups where next_at is not null",
    "select min(next_at) from schedules where name <> 'alerts' or exists (select 1 from alerts where status = 'firing')",
)
OPEN = ("triggered", "acknowledged", "mitigated")
CALLS = ("trigger", "escalate", "assign", "reopen")
"""What rings at somebody's, by its kind in PagerDuty's log."""
UNMANNED = timedelta(minutes=5)
SHOUTED_WITHIN = timedelta(minutes=3)
"""How long a page may be on its way, while the bot runs, before #incidents hears of it."""
TOGETHER = timedelta(seconds=60)
"""Opening an incident and raising it to its level is one wave, within the time that a call takes at most."""
KEY = re.compile(r"^aiec-shop-(\d+)-(\d{8}T\d{6}(?:-(?!again)\w+)?)(-again-\w+)?$")


@dataclass(frozen=True)
class Stand:
    """How far an incident's paging is: the level that was paged last, and when."""

    level: int
    paged_at: datetime | None


class Vigil:
    def __init__(self, database: str, world: World, config: Config, trace: Callable[[str], None]) -> None:
        self.rows = sqlite3.connect(database, isolation_level=None)
        self.problems: list[str] = []
        self.received: set[tuple[str, datetime]] = set()
        self.running_since = world.clock.now()
        self.takeovers = 0
        """How often a process went on that another one had taken over from: what it was doing may have been done twice."""
        self._world, self._config, self._trace = world, config, trace
        self._minutes = [level.answer_within for level in next(iter(config.escalation.policies.values())).levels] if config.escalation else []
        self._event = self._alert = 0
        self._states: dict[int, str] = {}
        self._stands: dict[int, Stand] = {}
        self._excused: dict[int, datetime] = {}
        self._skipped: dict[int, set[int]] = defaultdict(set)
        self._asked_for: dict[int, datetime] = {}
        self._asked_before: dict[int, datetime] = {}
        self._confirmed: dict[int, datetime] = {}
        self._rounds: Counter[int] = Counter()
        self._opened: list[tuple[datetime, int]] = []
        self._said: dict[str, str | None] = {}

    # ---- what a run needs

    @property
    def endings(self) -> Counter[str]:
        """How many incidents there are in each state."""
        return Counter(self._states.values())

    @property
    def incidents(self) -> int:
        return len(self._states)

    def turn(self) -> None:
        """Nothing of what is watched here depends on when the bot began to move."""

    def patched(self, namespace: str, name: str, before: Json, after: Json) -> None:
        self.problem(f"{namespace}/{name} was changed, and nobody asked for that")

    def problem(self, text: str) -> None:
        self._trace(f"!! {text}")
        self.problems.append(text)

    def next_due(self) -> datetime | None:
        """When the bot has something to do next, if ever."""
        times = [moment(at) for query in DUE if (at := self.rows.execute(query).fetchone()[0])]
        return min(times, default=None)

    def saying(self) -> bool:
        """Whether something is still to be said or done at the far ends."""
        return any(self.rows.execute(f"select 1 from {table} where next_at is not null").fetchone() for table in ("messages", "pages"))

    def took(self, notification: Notification) -> None:
        """The bot has taken a notification."""
        self.received |= {(alert.fingerprint, alert.starts_at) for alert in notification.alerts}

    # ---- after every commit

    def committed(self) -> None:
        """Looks at what the commit has written."""
        events = self.rows.execute("select id, kind, subject, payload, at from events where id > ? order by id", (self._event,)).fetchall()
        for id, kind, subject, payload, at in events:
            self._event = id
            if subject.startswith("#"):
                self._happened(int(subject[1:]), kind, json.loads(payload) if payload else {}, moment(at))
        self._alerts()
        for incident, level, paged_at in self.rows.execute("select incident, level, paged_at from escalations").fetchall():
            self._stands[incident] = Stand(level, maybe(paged_at))
        self._never_silent()

    def _happened(self, number: int, kind: str, data: Json, at: datetime) -> None:
        what, _, state = kind.partition(".")
        if what == "incident" and state in (*OPEN, "opened", "resolved", "closed", "merged"):
            self._states[number] = "triggered" if state == "opened" else state
            self._trace(f"  #{number} {state} {data.get('because', '')}".rstrip())
            self._excused[number] = at
            if state == "opened" and data["origin"] == "alert":
                self._opened_by_alert(number, at)
        match kind:
            case "incident.escalated":
                self._excused[number] = at
            case "level.skipped":
                self._skipped[number].add(int(data["level"]))
            case "level.followed":
                self._trace(f"  #{number} follows PagerDuty to L{data['level']}")
                self._skipped[number].clear()
            case "page.requested":
                self._trace(f"  #{number} pages L{data['level']} {', '.join(data['people'])}")
                if number in self._asked_for:
                    self._asked_before[number] = self._asked_for[number]
                self._paged(number, int(data["level"]), at)
            case "page.delivered":
                self._delivered(number, int(data["level"]), data["people"], str(data["pagerduty"]))

    def _paged(self, number: int, level: int, at: datetime) -> None:
        before, skipped = self._stands.get(number), self._skipped.pop(number, set())
        self._asked_for[number] = at
        self._rounds[number] += 1
        if self._states.get(number) != "triggered":
            self.problem(f"#{number} pages L{level} although it is {self._states.get(number)}")
        if before is None or before.level == 0:
            between = range(1, level)
        else:
            between = range(before.level + 1, level) if level > before.level else range(before.level + 1, len(self._minutes) + 1)
        if missed := [one for one in between if one not in skipped]:
            self.problem(f"#{number} pages L{level} after L{before.level if before else 0}, and nobody at L{', L'.join(map(str, missed))} was asked")
        if before is not None and before.paged_at is not None and before.level:
            waited, has = at - before.paged_at, self._minutes[before.level - 1]
            if waited < has and self._excused.get(number, before.paged_at) < before.paged_at:
                self.problem(f"#{number} pages L{level} {waited.seconds} s after L{before.level}, which has {has} to answer")

    def _delivered(self, number: int, level: int, people: list[str], remote: str) -> None:
        page = self._world.pagerduty.incidents.get(remote)
        since = self._asked_for.get(number)
        if page is None:
            self.problem(f"the page of #{number} is called delivered, and PagerDuty has no incident {remote}")
        elif since is not None and page.open and not (_called(page, since) or self._there(number, people, page)):
            self.problem(f"the page of #{number} to L{level} is called delivered, and nobody was called there since it was asked for")
        self._confirmed[number] = self._world.clock.now()

    def _there(self, number: int, people: list[str], page: Page) -> bool:
        """That level was called already since the round before was asked for: by PagerDuty's own policy, by somebody there, or by us in a round that was never
        confirmed. `people`: those of the level; where a round followed PagerDuty to a higher one while it was on its way, not those it was asked for."""
        asked = [user_id(name) for name in people]
        last = next((entry for entry in reversed(page.log) if entry.kind in CALLS), None)
        if last is None or {*asked} != {*page.assignees}:
            return False
        before = self._asked_before.get(number, last.at)
        return last.at >= before and (not _ours(last) or self._confirmed.get(number, before) <= before)

    def _opened_by_alert(self, number: int, at: datetime) -> None:
        (document,) = self.rows.execute("select document from incidents where id = ?", (number,)).fetchone()
        if json.loads(document)["storm"]:
            return
        self._opened.append((at, number))
        lately = [one for when, one in self._opened if when > at - timedelta(seconds=STORM_WITHIN)]
        if len(lately) > STORM:
            self.problem(f"the alerts of {STORM_WITHIN} s opened {len(lately)} incidents: {lately}")

    def _alerts(self) -> None:
        """New rows of alerts: what is critical has an incident at once."""
        query = "select a.id, a.name, a.service, a.severity, a.status, a.fate, i.state from alerts a left join incidents i on i.id = a.incident where a.id > ?"
        for id, name, service, severity, status, fate, state in self.rows.execute(f"{query} order by a.id", (self._alert,)).fetchall():
            self._alert = id
            self._trace(f"  alert {name}/{service} {severity} {status}: {fate}")
            if severity == "critical" and status == "firing" and (fate not in ("opened", "merged") or state not in OPEN):
                self.problem(f"the critical alert {name} of {service or 'nobody'} was {fate}, and its incident is {state}")

    def _never_silent(self) -> None:
        now = self._world.clock.now()
        query = "select i.id, i.state, i.severity, e.level, e.next_at from incidents i left join escalations e on e.incident = i.id"
        for number, state, severity, level, next_at in self.rows.execute(query).fetchall():
            looks = maybe(next_at)
            if state != "triggered":
                if looks is not None:
                    self.problem(f"#{number} is {state}, and pages somebody at {looks:%H:%M:%S}")
                continue
            if not self._config.severities[severity].page and level is None:
                continue
            longest = max(self._minutes[max(level or 1, 1) - 1], UNMANNED)
            if looks is None or looks > now + longest:
                self.problem(f"#{number} waits for an answer, and {'nobody looks again' if looks is None else f'it is looked again only at {looks:%H:%M:%S}'}")

    # ---- after every step

    def look(self) -> None:
        """Looks at PagerDuty and Slack."""
        self._one_open_each()
        self._waves()
        self._shouted()
        self._settled()
        self._private()

    def _one_open_each(self) -> None:
        for key, count in Counter(page.key for page in self._world.pagerduty.incidents.values() if page.open).items():
            if count > 1:
                self.problem(f"PagerDuty has {count} open incidents with the key {key}")

    def _waves(self) -> None:
        """For each service of an incident: rounds that were asked for, and waves of calls that we have made."""
        waves: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        ended: Counter[tuple[str, str]] = Counter()
        for page in self._world.pagerduty.incidents.values():
            if (found := KEY.match(page.key)) is not None:
                waves[found[1], found[2]] += _waves_of(page)
                ended[found[1], found[2]] += sum(entry.kind == "resolve" and entry.channel == "mobile" for entry in page.log)
        for (number, about), calls in waves.items():
            # Resolved by somebody before we knew that it was opened, it is opened once more: nobody can tell that from a page that was never made.
            if len(calls) > self._rounds[int(number)] + self.takeovers + ended[number, about]:
                said = ", ".join(f"{entry.at:%H:%M:%S} {entry.kind} by {entry.channel}" for entry in calls)
                self.problem(f"#{number} asked for {self._rounds[int(number)]} rounds, and {len(calls)} times we had somebody called ({about}: {said})")

    def _shouted(self) -> None:
        """What should call somebody and does not is said, unless it is so for a moment only."""
        now = self._world.clock.now()
        query = "select p.key, p.incident from pages p where p.status = 'triggered' and p.rounds > p.sent_rounds and p.incident is not null"
        for key, number in self.rows.execute(query).fetchall():
            since = max(self._asked_for.get(number, now), self.running_since)
            if now - since > SHOUTED_WITHIN and not self.rows.execute("select 1 from messages where key = ?", (f"page/{key}/shout",)).fetchone():
                self.problem(f"the page {key} of {self._asked_for[number]:%H:%M:%S} has not called anybody, and nobody was told")

    def _settled(self) -> None:
        """What calls, and is not tried any more, stands in PagerDuty."""
        there = {page.key for page in self._world.pagerduty.incidents.values()}
        query = "select key from pages where status = 'triggered' and sent_status = 'triggered' and remote is null and next_at is null"
        for (key,) in self.rows.execute(query).fetchall():
            if key not in there:
                self.problem(f"the page {key} is called done, and PagerDuty never had it")

    def _private(self) -> None:
        for channel in self._world.slack.channels.values():
            if channel.kind != "public":
                continue
            if SECRET in f"{channel.name} {channel.topic} {channel.purpose}":
                self.problem(f"the public channel #{channel.name} is named after something private")
            for message in channel.messages.values():
                if message.visible_to is None and self._said.get(f"{channel.id} {message.ts}") != message.edited:
                    self._said[f"{channel.id} {message.ts}"] = message.edited
                    if SECRET in message.plain:
                        self.problem(f"#{channel.name} reads what is private: {message.plain!r}")


def _called(page: Page, since: datetime) -> bool:
    """Whether anybody was called by a page from that moment on."""
    return any(entry.at >= since and entry.kind in CALLS for entry in page.log)


def _waves_of(page: Page) -> list[Entry]:
    """The moments at which we had people called for an incident of PagerDuty."""
    found: list[Entry] = []
    opened = None
    for entry in page.log:
        if entry.kind not in CALLS or not _ours(entry):
            continue
        raised = entry.kind in ("escalate", "assign") and opened is not None and entry.at - opened <= TOGETHER
        found += [entry] if not raised else []
        opened = entry.at if entry.kind == "trigger" else None
    return found


def _ours(entry: Entry) -> bool:
    return entry.channel in ("api", "api_event") and (entry.agent.kind == "service" or entry.agent.id == user_id("aiec"))


def moment(text: str) -> datetime:
    """Returns a time as SQLite has it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def maybe(text: str | None) -> datetime | None:
    return moment(text) if text else None
