"""Everything that happens around incidents without the bot: alerts that fire and fall silent, people with phones, systems that go away for a while."""

import random
from collections.abc import Callable
from datetime import timedelta

from sandbox.faults import Fault
from sandbox.pagerduty import Incident as Page
from sandbox.pagerduty import lifecycle, phones
from sandbox.pagerduty.errors import Refused
from sandbox.pagerduty.state import Agent, Window
from sandbox.world import World
from tests.simulation.oncall import PEOPLE, POLICY, SERVICE, SERVICES, user_id

NAMES = ("HighErrorRate", "SlowAnswers", "DiskFull")
SEVERITIES = ("critical", "critical", "critical", "warning", "warning", "info", "odd")
MISHAPS = ("drop", "drop_after", "lose", "delay", "duplicate")


class Alarms:
    """Alerts, as the rules of Prometheus find them. `fired` learns of each (fingerprint)."""

    def __init__(self, luck: random.Random, world: World, trace: Callable[[str], None]) -> None:
        self._luck, self._world, self._trace = luck, world, trace
        self.firing: list[dict[str, str]] = []

    def act(self) -> None:
        """One thing happens to alerts."""
        kinds = (self._fires, self._falls_silent, self._flaps, self._storm, self._goes_astray)
        self._luck.choices(kinds, (8, 5, 3, 1, 4))[0]()

    def fire(self, labels: dict[str, str]) -> None:
        self._world.rules.fire(labels, {"summary": f"{labels['alertname']} of {labels.get('service', 'something')}"})
        if labels not in self.firing:
            self.firing.append(labels)
        self._trace(f"an alert fires: {labels}")

    def silence(self, labels: dict[str, str]) -> None:
        """It is over."""
        self._world.rules.resolve(labels)
        self.firing.remove(labels)
        self._trace(f"an alert is over: {labels}")

    def _some(self) -> dict[str, str]:
        luck = self._luck
        labels = {"alertname": luck.choice(NAMES), "severity": luck.choice(SEVERITIES)}
        return labels | ({"service": luck.choice(SERVICES)} if luck.random() < 0.9 else {})

    def _fires(self) -> None:
        self.fire(self._some())

    def _falls_silent(self) -> None:
        if self.firing:
            self.silence(self._luck.choice(self.firing))

    def _flaps(self) -> None:
        """It is over and fires anew at once, or the other way round."""
        labels = self._luck.choice(self.firing) if self.firing else self._some()
        if labels in self.firing:
            self.silence(labels)
        self.fire(labels)
        if self._luck.random() < 0.5:
            self.silence(labels)

    def _storm(self) -> None:
        for service in SERVICES:
            self.fire({"alertname": self._luck.choice(NAMES), "severity": "critical", "service": service})

    def _goes_astray(self) -> None:
        kind = self._luck.choice(MISHAPS)
        self._world.alertmanager.mishap(kind, self._luck.choice((1, 1, 2)), self._luck.choice((10, 60, 200)))
        self._trace(f"the next notification: {kind}")


class Phones:
    """What people do in PagerDuty, and PagerDuty's administrator."""

    def __init__(self, luck: random.Random, world: World, trace: Callable[[str], None]) -> None:
        self._luck, self._world, self._trace = luck, world, trace

    def act(self) -> None:
        """Somebody who is called does something about it, or about a page that is over."""
        account, luck = self._world.pagerduty, self._luck
        account.play()
        open_pages = [one for one in account.incidents.values() if one.open]
        over = [one for one in account.incidents.values() if not one.open and one.key not in [other.key for other in open_pages]]
        kinds: dict[Callable[[Page, Agent], None], int] = {
            self._acknowledges: 6, self._resolves: 3, self._hands_on: 3, self._misses: 3, self._notes: 2, self._snoozes: 1, self._weighs: 1,
        }  # fmt: skip
        who = luck.choice(PEOPLE)
        if over and luck.random() < 0.1:
            self._tries(f"{who} opens again", over[-1], lambda page, agent: lifecycle.reopen(account, page, agent), who)
        elif open_pages:
            page = luck.choice(open_pages)
            if page.assignees and luck.random() < 0.7:
                who = account.users[luck.choice([*page.assignees])].name
            kind = luck.choices([*kinds], [*kinds.values()])[0]
            self._tries(f"{who}{kind.__name__.replace('_', ' ')}", page, kind, who)
        else:
            self._opens(who)

    def _tries(self, said: str, page: Page, kind: Callable[[Page, Agent], None], who: str) -> None:
        try:
            kind(page, Agent("user", user_id(who)))
        except Refused:
            return
        self._trace(f"phone: {said} {page.title!r}")

    def _opens(self, who: str) -> None:
        if self._luck.random() < 0.3 and not self._world.pagerduty.in_maintenance(SERVICE):
            account = self._world.pagerduty
            try:
                lifecycle.open_incident(account, account.services[SERVICE], "opened by hand", Agent("user", user_id(who)), "web")
            except Refused:
                return
            self._trace(f"phone: {who} opens an incident")

    def _acknowledges(self, page: Page, agent: Agent) -> None:
        lifecycle.acknowledge(self._world.pagerduty, page, agent, "mobile")

    def _resolves(self, page: Page, agent: Agent) -> None:
        lifecycle.resolve(self._world.pagerduty, page, agent, "mobile")

    def _hands_on(self, page: Page, agent: Agent) -> None:
        level = lifecycle.next_level(self._world.pagerduty, page)
        if level is not None:
            lifecycle.escalate(self._world.pagerduty, page, level, agent, "mobile")

    def _misses(self, page: Page, agent: Agent) -> None:
        phones.miss(self._world.pagerduty, agent.id)

    def _notes(self, page: Page, agent: Agent) -> None:
        lifecycle.annotate(self._world.pagerduty, page, agent.id, "looking")

    def _snoozes(self, page: Page, agent: Agent) -> None:
        lifecycle.snooze(self._world.pagerduty, page, agent, timedelta(minutes=self._luck.choice((2, 6))))

    def _weighs(self, page: Page, agent: Agent) -> None:
        lifecycle.set_priority(self._world.pagerduty, page, self._luck.choice(("PPRIO1", "PPRIO2", "PPRIO4")), agent)


class Outages:
    """Systems that are away for a while, and come back."""

    def __init__(self, luck: random.Random, world: World, trace: Callable[[str], None]) -> None:
        self._luck, self._world, self._trace = luck, world, trace

    def act(self) -> None:
        self._luck.choice((self._pagerduty, self._slack, self._webhooks, self._window, self._nobody))()

    def leave(self) -> None:
        """All is as it should be again."""
        world = self._world
        world.slack.down = False
        world.faults.clear()
        for window in world.pagerduty.windows.values():
            window.end = min(window.end, world.clock.now())
        for level, (_, targets) in zip(world.pagerduty.policies[POLICY].levels, self._targets, strict=True) if self._targets else ():
            level.targets = targets
        for one in world.pagerduty.webhooks.subscriptions.values():
            world.pagerduty.webhooks.enable(one)

    _targets: list[tuple[int, list[str]]] = []

    def _pagerduty(self) -> None:
        faults = self._world.faults
        if "pagerduty" in faults.list():
            faults.clear("pagerduty")
            self._trace("PagerDuty is back")
        else:
            path = self._luck.choice(("", "", "incidents"))
            faults.add(Fault(system="pagerduty", kind="status", status=self._luck.choice((500, 503)), path=path), "pagerduty")
            self._trace("PagerDuty is away" if not path else "PagerDuty's REST API is away")

    def _slack(self) -> None:
        self._world.slack.down = not self._world.slack.down
        self._trace(f"Slack is {'away' if self._world.slack.down else 'back'}")

    def _webhooks(self) -> None:
        kind = self._luck.choice(("drop", "duplicate", "reorder", "delay"))
        setattr(self._world.pagerduty.webhooks.troubles, kind, self._luck.choice((1, 2, 4)))
        self._world.pagerduty.webhooks.troubles.seconds = self._luck.choice((5, 60, 400))
        self._trace(f"the next webhooks of PagerDuty: {kind}")

    def _window(self) -> None:
        account, now = self._world.pagerduty, self._world.clock.now()
        end = now + timedelta(seconds=self._luck.choice((60, 300)))
        window = Window(account.make_id("P", 7), [SERVICE], now, end, "by hand", user_id("lead"), len(account.windows) + 1)
        account.windows[window.id] = window
        account.changed()
        self._trace("PagerDuty's service is in maintenance")

    def _nobody(self) -> None:
        """Nobody is on call at a level, or somebody is again."""
        levels = self._world.pagerduty.policies[POLICY].levels
        if not self._targets:
            self._targets = [(number, [*level.targets]) for number, level in enumerate(levels)]
        number, targets = self._luck.choice(self._targets)
        levels[number].targets = [] if levels[number].targets else targets
        self._trace(f"PagerDuty: {'nobody' if not levels[number].targets else 'somebody'} is on call at level {number + 1}")
