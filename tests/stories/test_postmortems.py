"""After an incident: the post-mortem is drafted by itself, people write into it, and it is published."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from tests.harness import Somebody, Stage, said, stage
from tests.stories.test_in_slack import opens_home, shown

DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"
ROOM = "inc-1-gateway-error-rate-12"
NOTE = "/aiec incident note #1 the pool was <full>, *restarted* it"


def told(somebody: Somebody, channel: str = "devops") -> str:
    """What was said last to this person alone."""
    return said([message for message in somebody.sees(channel) if message.app and message.visible_to][-1])


async def resolved(bot: Stage, declare: str = DECLARE) -> None:
    """An incident that was declared, answered after three minutes, noted and resolved after twenty."""
    await bot.engineer.says(declare)
    await bot.forward(minutes=3, step=60)
    await bot.senior.says("/aiec incident ack #1")
    await bot.senior.says(NOTE)
    await bot.forward(minutes=17, step=60)
    await bot.senior.says('/aiec incident resolve #1 --note "restarted the pool"')
    await bot.forward(3, step=1)


def card(bot: Stage, channel: str = ROOM) -> str:
    return said([message for message in bot.slack.messages(channel) if "Post-mortem of #1" in said(message) and not message.is_reply][-1])


def document(bot: Stage) -> str:
    """The newest file that was sent."""
    content = [*bot.slack.files.values()][-1].content
    return str(content.decode())


async def fill(bot: Stage, somebody: Somebody, **texts: str) -> None:
    """Opens the form and submits it with these texts, all else as the form holds it."""
    await somebody.says("/aiec postmortem edit #1")
    await submit(bot, somebody, bot.slack.modal(somebody.name), **texts)


async def submit(bot: Stage, somebody: Somebody, view: Any, **texts: str) -> None:
    await bot.slack.submits(somebody.name, view, texts)
    await bot.settle()
    await bot.forward(2, step=1)


async def test_the_draft_is_there_when_the_incident_resolves_and_the_card_says_what_is_missing(bot: Stage) -> None:
    await resolved(bot)
    shown = card(bot)
    assert "📝 *Post-mortem of #1* is drafted: owner <@" in shown
    assert "of 7 sections need you" in shown
    assert "Impact" in shown
    assert bot.message_with("Continue writing", ROOM).buttons == ["Continue writing", "Assign to…", "Preview"]
    assert "Post-mortem" in bot.last("incidents")
    assert "|Post-mortem>: owner @senior, due <!date^" in bot.last("incidents")
    await bot.senior.says("/aiec postmortem export #1")
    text = document(bot)
    assert "# Post-mortem of #1: error rate 12 %" in text
    assert "| Acknowledged | 23 Nov 14:03:00 | 3 min after it was detected |" in text
    assert "- 14:03 ✎ note of senior\n  > the pool was \\<full\\>, \\*restarted\\* it" in text
    assert "## Impact\n\n*Empty." in text


async def test_an_incident_that_owes_none_has_none_until_somebody_asks(bot: Stage) -> None:
    await bot.engineer.says("/aiec incident declare SEV3 search is slow --service gateway")
    await bot.engineer.says("/aiec incident resolve 1")
    await bot.forward(2, step=1)
    assert "#1 has no post-mortem" in await bot.engineer.says("/aiec postmortem show #1")
    assert "No post-mortem is owed" in await bot.engineer.says("/aiec postmortem list")
    assert "is drafted now; @engineer writes it" in await bot.engineer.says("/aiec postmortem start #1")
    await bot.forward(2, step=1)
    assert "1 post-mortem is owed" in await bot.engineer.says("/aiec postmortem list")


@pytest.mark.slow
async def test_what_is_written_in_the_form_stands_in_it_and_the_form_holds_it_again(bot: Stage) -> None:
    await resolved(bot)
    await fill(bot, bot.senior, impact="2,300 checkouts failed", lucky="It was a Monday")
    assert "Saved in the post-mortem of #1: Impact, Where we were lucky." in told(bot.senior)
    await bot.engineer.says("/aiec postmortem edit #1")
    view = bot.slack.modal("engineer")
    held = {block["block_id"]: block["element"].get("initial_value") for block in view.wire["blocks"] if block["type"] == "input"}
    assert held["impact"] == "2,300 checkouts failed"
    assert [*held] == ["summary", "impact", "contributing_factors", "went_well", "went_badly", "lucky", "action_items"]
    await submit(bot, bot.engineer, view, lucky="")
    await bot.senior.says("/aiec postmortem export #1")
    text = document(bot)
    assert "## Impact\n\n2,300 checkouts failed" in text
    assert "Monday\n" not in text.partition("## Where we were lucky")[2]


@pytest.mark.slow
async def test_two_who_write_at_once_lose_nothing(bot: Stage) -> None:
    await resolved(bot)
    await bot.senior.says("/aiec postmortem edit #1")
    await bot.engineer.says("/aiec postmortem edit #1")
    first, second = bot.slack.modal("senior"), bot.slack.modal("engineer")
    await submit(bot, bot.senior, first, impact="checkouts failed", went_well="the alert")
    await submit(bot, bot.engineer, second, impact="orders were lost", lucky="it was night")
    answer = told(bot.engineer)
    assert "Saved in the post-mortem of #1: Where we were lucky." in answer
    assert "@senior changed Impact" in answer
    assert "orders were lost" in answer
    assert "checkouts failed" in answer
    await bot.senior.says("/aiec postmortem export #1")
    assert "checkouts failed" in document(bot)
    assert "the alert" in document(bot)
    await bot.engineer.clicks("Add mine to Impact", message=bot.engineer.sees()[-1])
    await bot.senior.says("/aiec postmortem export #1")
    assert "checkouts failed\n\norders were lost" in document(bot)


async def test_it_is_not_published_with_empty_sections_unless_somebody_says_why(bot: Stage, tmp_path: Path) -> None:
    await resolved(bot)
    refused = await bot.senior.says("/aiec postmortem publish #1")
    assert "sections of the post-mortem of #1 are empty: " in refused
    assert "--anyway" in refused
    await bot.senior.says('/aiec postmortem publish #1 --anyway "the team is away"')
    await bot.forward(3, step=1)
    assert "✅ done · *Post-mortem of #1* is published by @senior" in bot.last("incidents")
    assert "published anyway: the team is away" in bot.last("incidents")
    assert "Published although sections are empty: the team is away" in document(bot)
    assert await bot.events("postmortem.published") == ["senior"]
    kept = tmp_path / "postmortems" / "2026-11-23-inc-1-gateway-error-rate-12.md"
    assert kept.read_text() == document(bot)
    assert str(kept) in bot.last("incidents")
    assert bot.slack.messages(ROOM)[-1].buttons != ["Publish"]


async def test_a_full_one_is_read_by_somebody_else_and_published(bot: Stage) -> None:
    await resolved(bot)
    texts = {"impact": "2,300 checkouts", "went_badly": "no alert on the pool", "lucky": "it was quiet", "contributing_factors": "pool"}
    await fill(bot, bot.senior, **texts, went_well="the note")
    assert "1 of 7 sections need you" in card(bot)
    await bot.senior.says('/aiec action add #1 "an alert on the pool" @engineer')
    await bot.forward(2, step=1)
    assert "every section says something" in card(bot)
    await bot.senior.says("/aiec postmortem review #1")
    await bot.forward(2, step=1)
    await bot.lead.clicks("Looks good", "@lead")
    await bot.senior.clicks("Publish", ROOM)
    await bot.forward(3, step=1)
    assert "is published by @senior" in bot.last("incidents")
    assert "## Read by\n\n- lead" in document(bot)
    print(document(bot))
    assert "- [ ] act-1: an alert on the pool (engineer, due 07 December 2026)" in document(bot)
    assert "No post-mortem is owed" in await bot.senior.says("/aiec postmortem list")


@pytest.mark.slow
async def test_one_that_is_open_again_goes_on_with_what_was_written(bot: Stage) -> None:
    await resolved(bot)
    await fill(bot, bot.senior, impact="2,300 checkouts failed")
    await bot.senior.says("/aiec incident reopen #1")
    await bot.forward(2, step=1)
    assert "waits: the incident is open again" in card(bot)
    assert "is open again" in await bot.senior.says("/aiec postmortem publish #1")
    await bot.senior.says("/aiec incident resolve #1")
    await bot.forward(3, step=1)
    await bot.senior.says("/aiec postmortem export #1")
    text = document(bot)
    assert "2,300 checkouts failed" in text
    assert "It came back once after it had been called resolved" in text


@pytest.mark.slow
async def test_what_was_merged_is_named_in_that_of_the_other(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident declare SEV1 carts are empty --service ml-recommendation")
    await bot.engineer.says("/aiec incident note #2 nobody sees his cart")
    await bot.engineer.says("/aiec incident merge #2 #1")
    await bot.engineer.says("/aiec incident resolve #1")
    await bot.forward(3, step=1)
    await bot.engineer.says("/aiec postmortem export #2")
    text = document(bot)
    assert text.startswith("# Post-mortem of #1")
    assert "It includes #2 (carts are empty), merged into it." in text
    assert "#2: ✎ note of engineer\n  > nobody sees his cart" in text


async def test_that_of_a_private_incident_is_seen_by_its_people_alone(bot: Stage, tmp_path: Path) -> None:
    await bot.engineer.says("/aiec incident declare SEV1 a key was published --private")
    await bot.engineer.says("/aiec incident resolve #1")
    await bot.forward(3, step=1)
    assert "*Post-mortem of #1* is drafted" in card(bot, "inc-1")
    await bot.engineer.says('/aiec postmortem publish #1 --anyway "secret"')
    await bot.forward(3, step=1)
    assert "There is no incident #1" in await bot.newcomer.says("/aiec postmortem show #1")
    public = " ".join(said(message) for channel in ("incidents", "devops") for message in bot.newcomer.sees(channel))
    assert "key was published" not in public
    assert "Post-mortem" not in public
    assert "a key was published" in document(bot)
    assert not [*(tmp_path / "postmortems").iterdir()]


@pytest.mark.slow
async def test_a_folder_that_cannot_be_written_is_said_and_tried_again(bot: Stage, tmp_path: Path) -> None:
    await resolved(bot)
    kept = tmp_path / "postmortems"
    kept.rmdir()
    await bot.senior.says('/aiec postmortem publish #1 --anyway "soon"')
    await bot.forward(3, step=1)
    assert "⏸ waiting" in bot.last("incidents")
    assert "not there yet" in bot.last("incidents")
    kept.mkdir()
    await bot.forward(minutes=2, step=20)
    assert "✅ done · *Post-mortem of #1* is published" in bot.last("incidents")
    assert len([*kept.iterdir()]) == 1


def direct(bot: Stage, name: str, what: str = "The post-mortem of #1") -> list[str]:
    return [said(message) for message in bot.slack.messages(f"@{name}") if what in said(message)]


@pytest.mark.slow
async def test_the_owner_is_reminded_before_at_and_after_and_then_the_lead(bot: Stage) -> None:
    await resolved(bot)
    await bot.forward(minutes=24 * 60, step=30 * 60)
    assert len(direct(bot, "senior")) == 1
    assert "is due in 23 h 59 min* · it is yours to write" in direct(bot, "senior")[0]
    await bot.forward(minutes=24 * 60, step=30 * 60)
    assert len(direct(bot, "senior")) == 3
    assert not direct(bot, "lead")
    await bot.forward(minutes=48 * 60, step=60 * 60)
    assert len(direct(bot, "senior")) == 5
    assert "it is senior's" in direct(bot, "lead")[0]
    assert "Assign to…" in bot.message_with("Assign to…", "@lead").buttons
    assert [bool(message.buttons) for message in bot.slack.messages("@senior") if "The post-mortem of #1" in said(message)] == [False] * 4 + [True]
    await bot.senior.says('/aiec postmortem publish #1 --anyway "late"')
    await bot.forward(minutes=24 * 60, step=60 * 60)
    assert len(direct(bot, "senior")) == 5
    assert all(not message.buttons for message in bot.slack.messages("@senior") if "The post-mortem of #1" in said(message))


@pytest.mark.slow
async def test_what_waits_for_him_stands_in_the_overview_and_at_home_until_it_is_published(bot: Stage) -> None:
    await resolved(bot)
    assert "the post-mortem of #1" not in await bot.senior.says("/aiec")  # there is time
    await bot.forward(minutes=50 * 60, step=60 * 60)
    assert "Waits for you: the post-mortem of #1 is 2 h overdue (`/aiec postmortem edit #1`)" in await bot.senior.says("/aiec")
    assert "the post-mortem of #1" not in await bot.engineer.says("/aiec")
    home = shown(await opens_home(bot, bot.senior))
    assert "Continue writing" in home
    await bot.senior.says("/aiec postmortem review #1 @engineer")
    assert "Waits for you: you are asked to read the post-mortem of #1 (`/aiec postmortem show #1`)" in await bot.engineer.says("/aiec")
    assert "Looks good" in shown(await opens_home(bot, bot.engineer))
    await bot.engineer.says("/aiec postmortem review #1 --ok")
    assert "the post-mortem of #1" not in await bot.engineer.says("/aiec")
    await bot.senior.says("/aiec incident reopen #1")
    assert "the post-mortem of #1" not in await bot.senior.says("/aiec")  # its story is not over
    await bot.senior.says("/aiec incident resolve #1")
    await bot.forward(minutes=25 * 60, step=60 * 60)
    assert "the post-mortem of #1 is due in" in await bot.senior.says("/aiec")
    await bot.senior.says('/aiec postmortem publish #1 --anyway "late"')
    assert "the post-mortem of #1" not in await bot.senior.says("/aiec")
    assert "Continue writing" not in shown(await opens_home(bot, bot.senior))


@pytest.mark.slow
async def test_what_was_due_while_aiec_was_down_is_said_once_late_and_says_so(bot: Stage) -> None:
    await resolved(bot)
    await bot.dead(minutes=50 * 60)
    assert len(direct(bot, "senior")) == 1
    assert "overdue" in direct(bot, "senior")[0]
    assert "late: aiec was not running at" in direct(bot, "senior")[0]


@pytest.mark.slow
async def test_one_whose_owner_is_not_there_any_more_comes_to_the_lead(bot: Stage) -> None:
    await resolved(bot)
    people = {name: person for name, person in bot.bot.config.people.items() if name != "senior"}
    levels = bot.bot.config.model_copy(update={"people": people})
    bot.bot.config = levels
    await bot.dead(minutes=25 * 60)
    assert not direct(bot, "senior")
    assert "it is senior's" in direct(bot, "lead")[0]


@pytest.mark.slow
async def test_one_whose_owner_has_a_deactivated_account_comes_to_the_lead_at_once(bot: Stage) -> None:
    await resolved(bot)
    bot.slack.user("senior").deleted = True
    await bot.forward(minutes=24 * 60, step=30 * 60)
    assert not direct(bot, "senior")
    assert "It comes to you because the Slack account of senior is deactivated: `Assign to…` gives it to somebody." in direct(bot, "lead")[0]
    await bot.lead.says("/aiec postmortem assign #1 @engineer")
    await bot.forward(minutes=24 * 60, step=30 * 60)
    assert "is due now" in direct(bot, "engineer")[-1]


@pytest.mark.slow
async def test_a_published_one_is_a_pull_request_also_when_github_is_down_at_first(tmp_path: Path) -> None:
    async with stage(tmp_path, postmortem={"github": {"repository": "aiecommerce/platform", "folder": "docs/postmortems"}}) as bot:
        await resolved(bot)
        fault = bot.world.faults.add(Fault(kind="status", system="github", status=502))
        await bot.senior.says('/aiec postmortem publish #1 --anyway "a trial"')
        await bot.forward(3, step=1)
        assert "GitHub aiecommerce/platform: not there yet, " in bot.last("incidents")
        assert len([*(tmp_path / "postmortems").iterdir()]) == 1
        bot.world.faults.clear(fault)
        await bot.forward(minutes=3, step=20)
        assert "GitHub aiecommerce/platform: <https://github.com/aiecommerce/platform/pull/1" in bot.last("incidents")
        where = bot.world.github["aiecommerce/platform"]
        text = where.files["aiec/postmortem-1"]["docs/postmortems/2026-11-23-inc-1-gateway-error-rate-12.md"].decode()
        assert text == document(bot)
        assert await bot.events("postmortem.kept") == ["aiec", "aiec"]
        await bot.senior.says("/aiec postmortem edit #1 --impact nobody")
        await bot.senior.says('/aiec postmortem publish #1 --anyway "again"')
        await bot.forward(3, step=1)
        assert [one.head for one in where.pulls] == ["aiec/postmortem-1", "aiec/postmortem-1-2"]
