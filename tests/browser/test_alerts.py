"""Alerts at the side: what fires, what is silenced, and the troubles that make them, in any width, in light and dark, and by keyboard."""

import re
from typing import Any

import pytest

ERRORS, STORM = "The gateway answers with errors", "An alert storm"


def make(page: Any, title: str) -> None:
    page.page.get_by_role("button", name=re.compile("^(Break something|Broken)")).click()
    page.page.get_by_role("switch", name=title).click()
    page.page.keyboard.press("Escape")


def end(page: Any, title: str) -> None:
    page.page.locator("#alarms p").filter(has_text=title).get_by_role("button", name="End it").click()
    page.page.locator("#alarms p").filter(has_text=title).wait_for(state="detached")


def alerts(page: Any) -> Any:
    return page.page.get_by_role("region", name="Alerts")


def sees(page: Any, text: str) -> None:
    alerts(page).get_by_text(text).first.wait_for(timeout=20_000)


def how_prod_is(page: Any, text: str) -> None:
    page.page.locator("#production .environment").filter(has=page.page.get_by_role("heading", name="prod", exact=True)).get_by_text(text).wait_for(
        timeout=20_000
    )


def test_an_alert_fires_while_its_trouble_lasts(page: Any) -> None:
    sees(page, "nothing fires")
    how_prod_is(page, "healthy")
    make(page, ERRORS)
    page.page.get_by_role("button", name="+1 min").click()
    line = alerts(page).locator('[data-alert="HighErrorRate"]')
    line.wait_for(timeout=20_000)
    for text in ("critical", "The gateway answers with errors", "since "):
        assert text in line.inner_text()
    sees(page, "1 firing")
    how_prod_is(page, "1 alert fires")
    page.pictures("workspace-alert")
    end(page, ERRORS)
    page.page.get_by_role("button", name="+1 min").click()
    line.wait_for(state="detached", timeout=20_000)
    sees(page, "nothing fires")
    how_prod_is(page, "healthy")


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (480, False), (480, True)])
def test_a_storm_fits_and_opens_by_keyboard(open_page: Any, width: int, dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    make(page, STORM)
    if width == 480:
        page.page.locator("#show-production").click()
    sees(page, "25 firing")
    assert alerts(page).locator("li:visible").count() == 5
    page.page.locator("#alerts summary").focus()
    page.page.keyboard.press("Enter")
    alerts(page).locator("li").nth(24).wait_for()
    began = page.page.locator("#now").get_attribute("datetime")
    page.page.wait_for_function("began => Date.parse(document.querySelector('#now').dateTime) - Date.parse(began) > 2500", arg=began)  # drawn anew meanwhile
    assert alerts(page).locator("li:visible").count() == 25
    assert page.page.evaluate("document.activeElement.dataset.focus") == "more-alerts"
    assert not page.wide()
    if width == 480:
        page.page.keyboard.press("Escape")
    end(page, STORM)
    page.page.locator("#alerts li").first.wait_for(state="detached")


def test_silenced_alerts_stand_apart(page: Any) -> None:
    told = "fetch('/_sandbox/alertmanager/' + path, {method: 'POST', body: JSON.stringify(body)}).then(answer => answer.ok)"
    post = f"([path, body]) => {told}"
    labels = {"alertname": "DiskFilling", "severity": "warning", "environment": "prod"}
    assert page.page.evaluate(post, ["fire", {"labels": labels}])
    sees(page, "1 firing")
    how_prod_is(page, "1 alert fires")
    silence = {"matchers": ["alertname=DiskFilling"], "seconds": 600, "by": "senior", "comment": "a bigger one is on its way"}
    assert page.page.evaluate(post, ["silences", silence])
    sees(page, "nothing fires")
    line = alerts(page).get_by_role("list", name="Silenced").locator('[data-alert="DiskFilling"]')
    how_prod_is(page, "healthy")
    assert re.search(r"silenced\s+by senior, until \d\d:\d\d: a bigger one is on its way", line.inner_text())
    assert page.page.evaluate(post, ["resolve", {"labels": {"alertname": "DiskFilling"}}])
    line.wait_for(state="detached")
