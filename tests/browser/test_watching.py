"""A deploy's chart: in its thread, as a picture that is really there and says what it shows."""

import os
import re
import urllib.request
from typing import Any

from tests.browser.conftest import CHECKOUT

ERRORS = "The gateway answers with errors"


def picture(page: Any, deploy: str) -> Any:
    """Opens the thread of the deploy that says so, and waits for the picture in it."""
    page.message(deploy).get_by_role("button", name=re.compile("repl")).click()
    found = page.page.get_by_label("Replies").locator("img")
    found.wait_for()
    page.page.wait_for_function("() => document.querySelector('#replies img')?.naturalWidth > 0")
    return found


def test_a_deploy_that_goes_well_has_its_figures_in_its_thread(page: Any) -> None:
    shown = picture(page, "done · Deploy v1.2.0 to prod.*asked by @engineer, approved by @lead")
    assert "gateway error rate: min 0.02, max 0.02, last 0.02 /s (limit 0.1 /s)" in shown.get_attribute("alt")
    assert "Figures of op-1" in page.page.get_by_label("Replies").inner_text()
    assert not page.wide()


def test_a_figure_that_gets_bad_is_drawn_with_the_deploy_and_the_rollback(page: Any) -> None:
    page.says('/aiec deploy prod v1.1.0 --emergency "a figure gets bad"')
    page.approves("Deploy v1.1.0 to prod")
    page.sees("running · Deploy v1.1.0 to prod.*as an emergency")
    page.page.get_by_role("button", name="Break something").click()
    page.page.get_by_role("switch", name=ERRORS).click()
    page.page.keyboard.press("Escape")
    page.sees("rolled back · Deploy v1.1.0 to prod.*gateway error rate", 120)
    shown = picture(page, "rolled back · Deploy v1.1.0 to prod")
    assert re.search(r"max (3\.\d+|4\.\d+), last .*deploy at \d\d:\d\d, rollback at \d\d:\d\d", shown.get_attribute("alt"))
    if os.environ.get("AIEC_SCREENSHOTS"):
        with urllib.request.urlopen(shown.evaluate("image => image.src")) as drawn:
            (CHECKOUT / "docs" / "chart.png").write_bytes(drawn.read())
    page.page.locator("#alarms").get_by_role("button", name="End it").click()
    page.page.locator("#alarms p").wait_for(state="detached")
