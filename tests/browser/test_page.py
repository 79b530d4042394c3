"""The page itself: what stands where, in light and dark, wide and narrow, by keyboard alone, and whatever is typed into it."""

from typing import Any

import pytest

REACHABLE = ("#be", "#break", "[data-advance='60']", "#channels a", "#directs a", ".thing", "#line", "#composer .primary", "#production")


def test_a_stranger_sees_a_deploy_production_and_what_to_try(page: Any) -> None:
    page.sees("done · Deploy v1.2.0 to prod.*asked by @engineer, approved by @lead")
    side = page.page.get_by_label("Production", exact=True)
    for text in ("prod", "healthy", "gateway-production", "ready", "gateway, errors", "@devops", "may deploy and approve"):
        side.get_by_text(text).first.wait_for()
    assert side.get_by_role("img", name="gateway-production-").count() >= 3
    assert page.page.locator("#things > li").count() == 11
    page.opens("Ship a version")
    assert page.page.locator("#things .steps > li").count() == 4


@pytest.mark.parametrize(("width", "dark"), [(480, True), (480, False), (390, False), (1440, True), (900, False)])
def test_it_fits_wide_and_narrow_light_and_dark(open_page: Any, width: int, dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    page.sees("Deploy v1.2.0 to prod")
    assert not page.wide()
    hint = page.page.get_by_label("Message", exact=True)
    assert hint.evaluate("node => node.scrollHeight <= node.clientHeight + 1")  # what it offers is one line, whole or cut
    brightness = page.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)")
    assert (brightness < 200) is dark
    if dark:
        page.pictures("workspace-narrow" if width == 480 else "workspace-dark")
    if width <= 480:
        page.page.get_by_label("Channels and things to try").click()
        assert page.page.locator("#things .thing").first.is_visible()
        page.page.keyboard.press("Escape")
        page.page.get_by_label("Production", exact=True).and_(page.page.locator("button")).click()
        assert page.page.locator("#production .dot").first.is_visible()
        assert not page.wide()


def test_everything_is_reached_by_keyboard(page: Any) -> None:
    page.sees("Deploy v1.2.0 to prod")
    reached = set()
    for _ in range(60):
        page.page.keyboard.press("Tab")
        reached |= {one for one in REACHABLE if page.page.evaluate("selector => Boolean(document.activeElement?.matches(selector))", one)}
    assert reached == {*REACHABLE}


def test_a_command_is_completed_word_by_word(page: Any) -> None:
    box = page.page.get_by_label("Message", exact=True)
    box.press_sequentially("/aiec hist")
    box.press("Tab")
    assert box.input_value() == "/aiec history "
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    assert box.input_value() == "/aiec history prod "
    box.press_sequentially("gate")
    box.press("Tab")
    box.press("Enter")
    page.sees("History of gateway in prod")
    box.fill("/aiec deploy prod v1.3.0-c")
    assert "crashes at start" in page.page.locator("#completions li").first.inner_text()


def test_whoever_was_just_chosen_says_it(page: Any) -> None:
    page.page.route("**/_sandbox/slack/state*", lambda route: None)  # unanswered: what the page knows stays as it was before the choice
    page.page.get_by_label("Who you are").select_option("U0NEWCOMER")
    with page.page.expect_response("**/_sandbox/slack/say"):
        page.says("/aiec deploy prod v1.2.1")
    page.page.unroute("**/_sandbox/slack/state*")
    page.sees("only you see this.*not granted to you")


def test_time_is_moved_and_troubles_are_shown_while_they_last(page: Any) -> None:
    clock = page.page.locator("#now")
    before = clock.get_attribute("datetime")
    page.page.get_by_role("button", name="+1 h").click()
    page.page.wait_for_function("before => Date.parse(document.querySelector('#now').dateTime) - Date.parse(before) >= 3600000", arg=before)
    page.page.get_by_role("button", name="Break something").click()
    page.page.get_by_role("switch", name="The registry is down").click()
    page.page.keyboard.press("Escape")
    page.says("/aiec deploy staging v1.2.0")
    page.sees("registry")
    page.page.locator("#alarms").get_by_role("button", name="End it").click()
    page.page.locator("#alarms p").wait_for(state="detached")
    page.page.get_by_role("button", name="Break something").wait_for()


@pytest.mark.parametrize("typed", ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "&lt;b&gt; *bold* `x` <@U0LEAD>", "a" * 3000])
def test_what_is_typed_stays_text(page: Any, typed: str) -> None:
    page.page.on("dialog", lambda _: pytest.fail("something that was typed ran"))
    page.page.get_by_role("link", name="devops-alerts").click()
    page.page.get_by_role("heading", name="devops-alerts").first.wait_for()
    before = page.page.locator("#messages article").count()
    page.says(typed)
    page.page.wait_for_function("before => document.querySelectorAll('#messages article').length > before", arg=before)
    assert page.page.locator("#messages script, #messages img").count() == 0
    assert not page.wide()
