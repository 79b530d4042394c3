"""From the fault to the published post-mortem and the month's review, as somebody in front of the page does it."""

import re
from typing import Any

LEARN, DOWN = "From the fault to the post-mortem", "SEV1 postgres: PostgreSQL does not answer"


def test_what_an_incident_teaches_is_drafted_written_published_and_looked_back_at(page: Any) -> None:
    page.opens(LEARN)
    page.breaks("Postgres is down")
    page.passes(60)
    page.goes("incidents")
    page.sees(f"{DOWN}.*L1 @engineer is paged", 40)
    page.be("engineer")
    page.message(f"{DOWN}.*is paged").get_by_role("button", name="Acknowledge").click()
    page.sees(f"{DOWN}.*acknowledged by @engineer")
    page.presses_step(LEARN, "End: Postgres is down")
    page.page.locator("#alerts").get_by_text("nothing fires").wait_for()
    page.message(f"{DOWN}.*acknowledged by @engineer").get_by_role("button", name="Resolve").click()
    page.sees(f"{DOWN}.*resolved by @engineer.*Post-mortem.*: owner @engineer", 40)

    page.goes("inc-")
    card = page.message("Post-mortem of #1 is drafted: owner @engineer")
    card.wait_for()
    assert "of 7 sections need you" in card.inner_text()
    card.get_by_role("button", name="Continue writing").click()
    form = page.page.get_by_role("dialog")
    form.get_by_label("Impact").fill("No order could be placed for a minute; 14 customers called.")
    page.pictures("workspace-postmortem")
    form.locator("button[type=submit]").click()
    page.sees("only you see this.*Saved in the post-mortem of #1: Impact")
    assert "Impact" not in page.message("Post-mortem of #1 is drafted").inner_text().partition("Empty")[2]

    page.says("/aiec postmortem publish")
    page.sees("sections of the post-mortem of #1 are empty")
    page.says('/aiec postmortem publish --anyway "only a demo"')
    page.sees("Post-mortem of #1 is published by @engineer", 30)
    page.goes("incidents")
    page.sees("Post-mortem of #1 is published by @engineer.*published anyway: only a demo")
    page.message("Post-mortem of #1 is published").get_by_role("button", name=re.compile("repl")).click()
    page.page.get_by_label("Replies").get_by_text("postmortem", exact=False).first.wait_for()

    page.presses_step(LEARN, "+31 days")
    page.sees("Review of .*: 1 incident", 40)
    page.ticked(LEARN)
    page.message("Review of .*: 1 incident").get_by_role("button", name=re.compile("repl")).click()
    page.page.get_by_label("Replies").get_by_text("Deploys to production (DORA)").wait_for()
    page.page.get_by_label("Replies").locator("img").wait_for()
    page.pictures("workspace-review")
