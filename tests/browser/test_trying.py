"""The list of things to try, gone through from the page alone: each ticks itself off when it was really done, and not before."""

import re
from typing import Any

SHIP, CRASH, ABSENT, MAY_NOT = "Ship a version", "Ship a version that crashes", "Ask for a version that is not there", "Be somebody who may not"
UNTESTED = "Promote a version whose tests failed"
LEFT_OUT, DRIFT, OUTAGE = "Leave something out", "Change production behind its back", "Take Slack away during a deploy"
KILLED = "Kill the bot half-way"
NIGHT, FAILING = "A night on call", "SEV2 The gateway answers with errors"


def test_a_good_deploy_from_staging_to_production(page: Any) -> None:
    page.opens(SHIP)
    page.presses_step(SHIP, "/aiec deploy staging v1.2.1")
    page.sends()
    page.sees("done · Deploy v1.2.1 to staging", 60)
    page.presses_step(SHIP, "+15 min")
    page.presses_step(SHIP, "/aiec deploy prod v1.2.1")
    page.sends()
    page.sees("waiting · Deploy v1.2.1 to prod")
    page.pictures("workspace-approval")
    assert page.message("waiting · Deploy v1.2.1").get_by_role("button", name="Approve").count() == 1
    page.approves("Deploy v1.2.1 to prod")
    page.sees("running · Deploy v1.2.1 to prod.*approved by @lead")
    page.page.locator("#production .dot.starting").first.wait_for()
    page.sees("Deploy v1.2.1 to prod.*▓")
    page.pictures("workspace")
    page.version("gateway-production", "v1.2.1")
    assert "done" not in page.thing(SHIP).get_attribute("class")
    page.sees("done · Deploy v1.2.1 to prod", 60)
    page.ticked(SHIP)
    assert page.message("done · Deploy v1.2.1 to prod").get_by_role("button", name="Approve").count() == 0


def test_a_version_that_crashes_is_put_back_and_says_why(page: Any) -> None:
    page.opens(CRASH)
    page.presses_step(CRASH, "/aiec deploy prod v1.3.0-crash")
    page.sends()
    page.approves("Deploy v1.3.0-crash to prod")
    page.page.locator("#production .dot.bad").first.wait_for(timeout=30_000)
    page.sees("rolled back · Deploy v1.3.0-crash to prod.*PAYMENTS_URL", 60)
    page.ticked(CRASH)
    page.pictures("workspace-crash")
    page.message("Deploy v1.3.0-crash to prod").get_by_role("button", name=re.compile("repl")).click()
    assert "Evidence" in page.page.get_by_label("Replies").inner_text()


def test_a_version_whose_tests_failed_stays_in_staging(page: Any) -> None:
    page.opens(UNTESTED)
    page.presses_step(UNTESTED, "/aiec deploy staging v1.2.2")
    page.sends()
    page.sees("done · Deploy v1.2.2 to staging", 60)
    page.presses_step(UNTESTED, "+15 min")
    page.presses_step(UNTESTED, "/aiec deploy prod v1.2.2")
    page.sends()
    page.sees("performance-tests did not succeed for v1.2.2.*failure")
    page.ticked(UNTESTED)


def test_a_version_that_is_not_there(page: Any) -> None:
    page.says("/aiec deploy prod v1.2.9")
    page.sees("v1.2.9")
    page.ticked(ABSENT)


def test_a_newcomer_is_denied_and_nobody_else_sees_it(page: Any) -> None:
    page.be("newcomer")
    page.says("/aiec deploy prod v1.2.1")
    page.sees("only you see this.*not granted to you")
    page.ticked(MAY_NOT)
    page.be("engineer")
    page.message("not granted to you").wait_for(state="detached")


def test_a_form_asks_for_what_was_left_out(page: Any) -> None:
    page.opens(LEFT_OUT)
    page.presses_step(LEFT_OUT, "/aiec deploy staging")
    page.sends()
    form = page.page.get_by_role("dialog")
    form.locator("button[type=submit]").click()
    page.page.keyboard.type("v1.1.0")  # what is missing has the focus
    assert form.get_by_label("Version").input_value() == "v1.1.0"
    form.get_by_label(re.compile("Dry run")).check()
    page.pictures("workspace-form")
    form.locator("button[type=submit]").click()
    page.sees("Rehearsal")
    page.ticked(LEFT_OUT)


def test_drift_between_approval_and_execution_is_refused(page: Any) -> None:
    page.opens(DRIFT)
    page.presses_step(DRIFT, "/aiec deploy prod v1.1.0")
    page.sends()
    page.sees("waiting · Deploy v1.1.0 to prod")
    page.presses_step(DRIFT, "Somebody deploys by hand")
    page.version("gateway-production", "v1.2.0-byhand")
    page.presses_step(DRIFT, "Be lead")
    page.message("waiting · Deploy v1.1.0 to prod").get_by_role("button", name="Approve").click()
    page.sees("Deploy v1.1.0 to prod was refused")
    page.ticked(DRIFT)


def test_a_deploy_goes_on_while_slack_is_away(page: Any) -> None:
    page.opens(OUTAGE)
    page.presses_step(OUTAGE, "/aiec deploy prod v1.3.0-slow")
    page.sends()
    page.presses_step(OUTAGE, "Be lead")
    page.message("waiting · Deploy v1.3.0-slow to prod").get_by_role("button", name="Approve").press("Enter")
    cancel = page.message("running · Deploy v1.3.0-slow to prod").get_by_role("button", name="Cancel")
    cancel.wait_for()
    assert not cancel.evaluate("node => node === document.activeElement")  # Enter once too often cancels nothing
    page.presses_step(OUTAGE, "Slack is down")
    page.page.locator("#alarms").get_by_text("Slack is down").wait_for()
    page.thing(OUTAGE).locator("li.next").get_by_text("Bring Slack back").wait_for()
    page.version("ml-recommendation-production", "v1.3.0-slow", 90)
    assert page.message("done · Deploy v1.3.0-slow to prod").count() == 0
    page.presses_step(OUTAGE, "End: Slack is down")
    page.sees("done · Deploy v1.3.0-slow to prod", 90)
    page.ticked(OUTAGE)


def test_a_bot_that_is_killed_comes_back_and_finishes(page: Any) -> None:
    page.opens(KILLED)
    page.presses_step(KILLED, "/aiec deploy prod v1.3.1-slow")
    page.sends()
    page.approves("Deploy v1.3.1-slow to prod")
    page.sees("running · Deploy v1.3.1-slow to prod.*░")
    page.presses_step(KILLED, "The bot is killed")
    page.page.locator("#alarms").get_by_text("The bot is killed").wait_for()
    page.says("/aiec status")
    page.sees("/aiec failed with the error")
    assert "done" not in page.thing(KILLED).get_attribute("class")
    page.page.locator("#alarms p").wait_for(state="detached", timeout=60_000)
    page.sees("done · Deploy v1.3.1-slow to prod", 120)
    page.ticked(KILLED)
    page.version("ml-recommendation-production", "v1.3.1-slow")


def test_a_night_on_call_from_the_alert_to_the_end(page: Any) -> None:
    """Others may have let the gateway fail before, so that some steps are ticked already: the page's own controls do the same as a step's."""
    page.opens(NIGHT)
    page.breaks("The gateway answers with errors")
    page.passes(60)
    page.goes("incidents")
    page.sees(f"{FAILING}.*L1 @engineer is paged", 40)
    phones = page.page.locator("#phones")
    phones.locator('.ring[data-user="Engineer"]').wait_for()
    page.passes(900)
    page.sees(f"{FAILING}.*L2 @senior is paged")
    ring = phones.locator('.ring[data-user="Senior"]')
    ring.wait_for()
    page.pictures("workspace-night")
    ring.get_by_role("button", name="Acknowledge").click()
    ring.wait_for(state="detached")
    page.sees(f"{FAILING}.*acknowledged by @senior")
    page.be("senior")
    page.message(f"{FAILING}.*acknowledged by @senior").get_by_role("button", name="Update").click()
    form = page.page.get_by_role("dialog")
    form.get_by_label("Text").fill("We are looking at the last deploy")
    form.locator("button[type=submit]").click()
    page.sees(f"{FAILING}.*Status at.*We are looking at the last deploy")
    page.presses_step(NIGHT, "End: The gateway answers with errors")
    page.page.locator("#alerts").get_by_text("nothing fires").wait_for()
    page.presses_step(NIGHT, "+15 min")
    asked = page.thing(NIGHT).locator("li.next").filter(has_text="Answer that")
    if not page.comes(asked):  # the bot heard of the end only after the clock was moved
        page.presses_step(NIGHT, "+15 min")
        asked.wait_for()
    page.goes("aiec")
    page.message(f"{FAILING}.*is it over").get_by_role("button", name="Resolve").click()
    page.ticked(NIGHT)
    page.goes("incidents")
    page.sees(f"{FAILING}.*resolved by @senior")
    assert phones.locator(".ring").count() == 0
