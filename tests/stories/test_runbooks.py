"""Runbooks as people walk through them, and everything that goes wrong on the way: each has one outcome that people see."""

import re
from pathlib import Path

import pytest

from bot.bot import Bot
from tests.harness import Stage, said
from tests.stories.runs import begun, buttons, card, caught_up, message, press, room, step, thread, timeline, whispered

ERRORS = 'sum(rate(http_requests_total{service="$service",status=~"5.."}[2m])) or vector(0)'
WALK = """\
---
variables:
  pods: {ask: "How many pods?", example: "4"}
---
# Walk

## Look

Read **this** first.

```aiec
status $environment
```

## Anew

```aiec
restart $environment $service
```

- **Approval**: one person
- **Check**: `pods $environment $service` shows `3`

## More

```aiec
scale $environment $service --bounds 3-$pods
```

## Think

Is it over?

- [It is](#last)
- [It is not](#look)

## Last

Tell somebody.
"""
GUARDED = f"""\
# Guarded

## Freeze

```aiec
freeze $environment --for 1h "$incident is contained"
```

## Figures

```aiec
status $environment
```

- **Check**: `{ERRORS}` is below 0.001
- **Timeout**: 1m
- **On failure**: go to [Help](#help)
- **Then**: end

## Help

- **Due**: 30h after it began
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of runbooks of the story's bot."""
    found = tmp_path / "runbooks"
    found.mkdir(exist_ok=True)
    (found / "walk.md").write_text(WALK)
    (found / "guarded.md").write_text(GUARDED)
    return found


async def test_steps_go_through_the_one_door_and_two_who_press_do_one_thing(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk")
    assert step(bot) == "Look"
    assert "Read *this* first." in card(bot)
    assert "gateway" in thread(bot)
    shown = message(bot)
    await press(bot, bot.engineer, "Next")
    await bot.senior.clicks("Next", room(bot), shown)  # the button as it stood before
    assert "walk has gone on meanwhile: *Look* is done by engineer since 14:00 UTC." in whispered(bot.senior, bot)
    assert step(bot) == "Anew"
    assert "needs one approval at least" in card(bot)
    shown = message(bot)
    await bot.engineer.clicks("Run", room(bot), shown)
    await bot.senior.clicks("Run", room(bot), shown)
    assert "engineer has run *Anew* at 14:00 UTC already; op-1 is under way" in whispered(bot.senior, bot)
    await caught_up(bot)
    # The engineer has acknowledged the incident and could do it alone, but the step wants somebody else.
    assert "⏸ waiting · *walk* for #1" in card(bot)
    assert "Restart gateway v1.1.0 in prod waits for one approval of @senior, @lead or @devops, until " in card(bot)
    assert buttons(bot) == ["Approve op-1", "Take over", "Stop"]
    await press(bot, bot.engineer, "Approve op-1")
    assert "op-1 is your own request" in whispered(bot.engineer, bot)
    assert "engineer has run *Anew*" in await bot.senior.says("/aiec runbook skip #1")
    await press(bot, bot.lead, "Approve op-1")
    assert "⏳ running" in card(bot)
    await bot.forward(seconds=40, step=4)
    assert step(bot) == "More"
    assert "Before: Anew · done by @engineer" in card(bot)
    assert await bot.events("operation.planned") == ["engineer"]
    assert await bot.events("operation.approved") == ["lead"]


@pytest.mark.slow
async def test_a_variable_that_nobody_gave_is_asked_for_once_and_adds_no_argument(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk")
    await press(bot, bot.engineer, "Next", "Skip")
    assert "*How many pods?* (`/aiec runbook answer #1 pods …`)" in card(bot)
    assert buttons(bot) == ["Answer: pods", "Back", "Take over", "Stop"]
    assert "How many pods? Nobody has given `pods` yet." in await bot.engineer.says("/aiec runbook next", room(bot))
    assert "walk has no variable *pots*; did you mean `pods`?" in await bot.engineer.says("/aiec runbook answer pots 4", room(bot))
    await bot.engineer.says('/aiec runbook answer pods "4 --emergency now"', room(bot))
    await caught_up(bot)
    await press(bot, bot.engineer, "Run")
    assert "Not run" in card(bot)
    assert "*3-4 --emergency now* are no bounds" in card(bot)
    await bot.engineer.says("/aiec runbook answer pods 12", room(bot))
    await caught_up(bot)
    await press(bot, bot.engineer, "Run")
    assert "❌ failed · *walk* for #1" in card(bot)
    assert "12 is too many" in card(bot)
    assert buttons(bot) == ["Run again", "Skip", "Back", "Take over", "Stop"]
    await press(bot, bot.engineer, "Back", "Skip")
    assert "How many pods?" not in card(bot)
    assert "`/aiec scale prod gateway --bounds 3-12`" in card(bot)


@pytest.mark.slow
async def test_choices_lead_on_and_back_and_a_run_ends_with_what_was_not_needed(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk", "--with", "pods=8")
    await press(bot, bot.engineer, "Next", "Skip", "Skip")
    assert buttons(bot) == ["It is", "It is not", "Skip", "Back", "Take over", "Stop"]
    assert "*Think* asks how it goes on: `Last`, `Look`" in await bot.engineer.says("/aiec runbook next", room(bot))
    assert "*nowhere* is no way on from *Think*" in await bot.engineer.says("/aiec runbook next --choose nowhere", room(bot))
    await press(bot, bot.engineer, "It is not")
    assert step(bot) == "Look"
    await press(bot, bot.engineer, "Next", "Skip", "Skip")
    await bot.engineer.says("/aiec runbook next --choose last", room(bot))
    await caught_up(bot)
    await press(bot, bot.engineer, "Done")
    assert "✅ done · *walk* for #1 is done" in card(bot)
    assert "Anew · skipped by @engineer" in card(bot)
    assert buttons(bot) == []
    assert "No runbook is run for #1 now." in await bot.engineer.says("/aiec runbook next", room(bot))


@pytest.mark.slow
async def test_who_may_not_do_a_step_is_told_who_may_and_that_person_does_it(folder: Path, bot: Stage) -> None:
    await begun(bot, "guarded")
    await press(bot, bot.engineer, "Run")
    assert "*Not run*: engineer: `freeze` in prod is not granted to you; ask @senior or @lead" in card(bot)
    assert buttons(bot) == ["Run", "Skip", "Take over", "Stop"]
    await bot.newcomer.clicks("Run", room(bot), message(bot))
    assert "`runbook.next` is not granted to you" in whispered(bot.newcomer, bot)
    await press(bot, bot.lead, "Run")
    assert "Before: Freeze · done by @lead: prod is frozen until" in card(bot)
    assert "run by @engineer" in card(bot)
    assert await bot.events("freeze.declared") == ["lead"]
    # The figure is not as it must be: it is looked at for the minute that it has, then the step goes where it says.
    assert "Looks again until it is so" in card(bot)
    assert "it is 0.02" in card(bot)
    await bot.forward(seconds=70, step=5)
    assert step(bot) == "Help"
    assert "Before: Figures · failed by @engineer: it is 0.02" in card(bot)


async def test_one_is_started_once_for_an_incident_and_taken_over_by_one_click(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk")
    again = await bot.lead.says("/aiec runbook start walk #1")
    assert "walk is run for #1 already, by engineer: step 1." in again
    assert "*wlk* is not a runbook; did you mean `walk`?" in await bot.lead.says("/aiec runbook start wlk #1")
    assert "There is no incident #9." in await bot.lead.says("/aiec runbook start walk #9")
    await press(bot, bot.lead, "Take over")
    assert "run by @lead" in card(bot)
    await bot.lead.clicks("Take over", room(bot), message(bot))
    assert "You run walk for #1 already." in whispered(bot.lead, bot)
    await bot.lead.says("/aiec runbook handover #1 @senior")
    await caught_up(bot, 4)
    assert "run by @senior" in card(bot)
    assert "lead gave it to you: you run it now" in said(bot.slack.messages("@senior")[-1])
    assert await bot.senior.says("/aiec runbook status", room(bot)) != ""  # and is in its channel by now
    told = await timeline(bot)
    assert "runbook walk: taken over by lead from engineer" in told
    assert await bot.events("operation.planned") == []


@pytest.mark.slow
async def test_stopped_half_way_it_lists_what_was_done_and_what_was_not(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk", "--with", "pods=8")
    await press(bot, bot.engineer, "Next", "Run")
    answer = await bot.engineer.says('/aiec runbook abort --reason "it is the network"', room(bot))
    await caught_up(bot)
    assert "walk for #1 is stopped. Not done: Anew, More, Think, Last." in answer
    assert "❌ failed · *walk* for #1 was stopped by @engineer at step 2: Anew" in card(bot)
    assert "*Why*: it is the network" in card(bot)
    assert "op-1> goes on; `/aiec cancel op-1` stops it" in card(bot)  # its name is a link
    assert "*Not done*: Anew, More, Think, Last" in card(bot)
    assert "Look · done by @engineer" in card(bot)
    await bot.engineer.says("/aiec runbook start walk", room(bot))
    await caught_up(bot)
    assert "is run for #1" not in thread(bot)
    await bot.engineer.says("/aiec incident resolve 1")
    await bot.engineer.says("/aiec incident close 1")
    await caught_up(bot)
    assert "walk is stopped" in await bot.engineer.says("/aiec runbook status 1")


@pytest.mark.slow
async def test_it_survives_a_restart_and_keeps_its_text_when_the_file_changes(folder: Path, bot: Stage) -> None:
    await begun(bot, "walk", "--with", "pods=8")
    await press(bot, bot.engineer, "Next", "Skip")
    assert "has changed since" not in card(bot)
    (folder / "walk.md").write_text(WALK.replace("## More", "## Something else"))
    await caught_up(bot)
    assert "The file of walk has changed since this began; this run keeps to the text that it began with." in card(bot)
    assert step(bot) == "More"
    before: Bot = bot.bot
    await bot.dead(minutes=1)
    assert bot.bot is not before
    await press(bot, bot.engineer, "Run")
    await press(bot, bot.lead, "Approve op-1")
    await bot.forward(seconds=20, step=4)
    assert step(bot) == "Think"
    scaler = bot.world.kubernetes.get("HorizontalPodAutoscaler", "aiecommerce", "gateway-production")
    assert scaler["spec"]["maxReplicas"] == 8


async def test_a_broken_one_is_refused_with_file_and_line_and_the_others_go_on(folder: Path, bot: Stage) -> None:
    (folder / "broken.md").write_text("# Broken\n\n## Look\n\n```aiec\nstatsu prod\n```\n")
    listed = await bot.engineer.says("/aiec runbook list")
    assert f"*Refused*: {folder}/broken.md:6: *statsu* is not a command; did you mean `status`?" in listed.replace("\n", " ")
    assert "`walk` Walk · 5 steps" in listed
    assert "`service-outage` Service outage · 12 steps" in listed
    assert "The runbook broken is refused: " in await bot.engineer.says("/aiec runbook show broken")
    shown = await bot.engineer.says("/aiec runbook show walk")
    assert "`2` Anew `/aiec restart $environment $service`" in shown
    await bot.engineer.says("/aiec incident declare SEV2 error rate 12 % --service gateway")
    assert "broken.md:6" in await bot.engineer.says("/aiec runbook start broken #1")


@pytest.mark.slow
async def test_a_deadline_is_counted_and_reminded_of(folder: Path, bot: Stage) -> None:
    await begun(bot, "guarded")
    await press(bot, bot.engineer, "Skip")
    await bot.forward(seconds=70, step=10)
    assert step(bot) == "Help"
    assert re.search(r"\*Due\* <!date\^1795550400\^.*\(1 d 6 h after it began\): Help", card(bot))  # 24 November, 20:00 UTC
    bot.world.clock.advance(7 * 3600)
    await caught_up(bot)
    reminders = [said(one) for one in bot.slack.messages(room(bot)) if "is due in" in said(one) or "was due" in said(one)]
    assert len(reminders) == 1
    assert "Help is due in 22 h 58 min" in reminders[0]
    assert "<@U0ENGINEER>" in reminders[0]
    bot.world.clock.advance(24 * 3600)
    await caught_up(bot)
    reminders = [said(one) for one in bot.slack.messages(room(bot)) if "is due in" in said(one) or "was due" in said(one)]
    assert len(reminders) == 2  # late, it is said once
    assert "Help was due 1 h" in reminders[1]
