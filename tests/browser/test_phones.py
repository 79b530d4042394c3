"""Phones at the side of the page: they ring when PagerDuty calls, and their owners answer, hand on, or miss it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

HEADERS = {"Authorization": "Token token=pagerduty-sandbox", "From": "lead@example.com", "Accept": "application/vnd.pagerduty+json;version=2"}


@pytest.fixture
def called(page: Any) -> Iterator[Any]:
    """The page after somebody was called: an incident that was opened at PagerDuty. It is resolved in the end."""
    incident = {"type": "incident", "title": "Checkout answers 5xx", "service": {"id": "PSERVICE", "type": "service_reference"}}
    where = page.page.url.partition("#")[0] + "pagerduty/incidents"
    made = page.page.request.post(where, headers=HEADERS, data={"incident": incident}).json()["incident"]
    yield page
    page.page.request.put(f"{where}/{made['id']}", headers=HEADERS, data={"incident": {"type": "incident", "status": "resolved"}})


def ring(page: Any, name: str) -> Any:
    return page.page.locator(f'#phones .ring[data-user="{name}"]')


def level(page: Any, number: int) -> Any:
    return page.page.get_by_label("On call").get_by_role("listitem").nth(number - 1)


def test_who_is_on_call_stands_there(page: Any) -> None:
    page.page.get_by_role("heading", name="Phones").wait_for()
    assert page.page.locator("#phones h2 small").inner_text() == "PagerDuty calls the next after"
    assert re.sub(r"\s+", " ", level(page, 1).inner_text()).endswith("Engineer 20 min")
    assert "Manager" in level(page, 3).inner_text()


def test_a_phone_rings_and_is_answered_by_keyboard(called: Any) -> None:
    ring(called, "Engineer").wait_for()
    assert ring(called, "Engineer").locator("p").inner_text() == "Checkout answers 5xx"
    assert "rings" in called.page.locator("#rings").inner_text()
    assert called.page.locator("#phones .handset").first.evaluate("node => getComputedStyle(node).animationName") == "shake"
    ring(called, "Engineer").get_by_role("button", name="Acknowledge").focus()
    called.page.keyboard.press("Enter")
    ring(called, "Engineer").wait_for(state="detached")
    level(called, 1).get_by_text("is on it").wait_for()


def test_who_cannot_hands_it_on_and_who_misses_it_is_called_again(called: Any) -> None:
    ring(called, "Engineer").get_by_role("button", name="Miss it").click()
    ring(called, "Engineer").wait_for(state="detached")
    level(called, 1).get_by_text("missed 1").wait_for()
    for _ in range(8):  # well before the next level's time, which would take the call away
        called.page.locator("[data-advance='60']").click()
        if called.comes(ring(called, "Engineer").get_by_text("a call since"), 2):
            break
    ring(called, "Engineer").get_by_role("button", name="Can't: escalate").click()
    ring(called, "Senior").wait_for()
    assert ring(called, "Engineer").count() == 0


def test_who_missed_it_and_then_took_it_leaves_room_for_the_minutes(called: Any) -> None:
    ring(called, "Engineer").get_by_role("button", name="Miss it").click()
    level(called, 1).get_by_text("missed 1").wait_for()
    again = ring(called, "Engineer").get_by_role("button", name="Acknowledge")
    for _ in range(8):  # well before the next level's time
        called.page.locator("[data-advance='60']").click()
        if called.comes(again, 2):
            break
    again.click()
    level(called, 1).get_by_text("is on it").wait_for()
    edge = "node => node.getBoundingClientRect().right"
    minutes = level(called, 1).locator("> small").evaluate(edge)
    assert minutes <= called.page.locator("#phones h2 small").evaluate(edge) + 0.5  # as far to the right as what explains them


def test_it_is_seen_on_a_narrow_page_and_without_motion(called: Any, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 480, "height": 900}, color_scheme="dark", reduced_motion="reduce")
    page = context.new_page()
    page.goto(called.page.url)
    button = page.get_by_role("button", name=re.compile("phones: Engineer rings"))
    button.wait_for()
    button.click()
    ring = page.locator("#phones .ring")
    assert ring.is_visible()
    assert ring.evaluate("node => getComputedStyle(node).animationName") == "none"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()
