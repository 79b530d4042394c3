"""The demo as a stranger starts it, and a browser in front of its page. Everything is done and seen through the page alone."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
CHROMIUM = os.environ.get("TEST_CHROMIUM")
STARTS_WITHIN = 120.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A demo for each file of tests, one browser for all: they run in one process, in their order."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="TEST_CHROMIUM names no browser"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page of a running demo is, its story told. What one file leaves behind (a phone that rings, an hour gone by) is not the next one's."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "BROWSER": "true"}
    command = (sys.executable, "-m", "bot", "demo", "--port", "0")
    process = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("demo"), env=environment, stdout=subprocess.PIPE, text=True)
    late = threading.Timer(STARTS_WITHIN, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if found := re.search(r"open at (http\S+)", line):
                late.cancel()
                yield found[1]
                break
        else:
            pytest.fail("the demo ended: " + "".join(told))
    finally:
        late.cancel()
        process.terminate()
        process.wait(30)
        process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Page:
    """What somebody in front of the page does and sees."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def be(self, name: str) -> None:
        self.page.get_by_label("Who you are").select_option(f"U0{name.upper()}")
        self.page.wait_for_function("name => document.querySelector('#be').selectedOptions[0].text.startsWith(name)", arg=name)

    def says(self, line: str) -> None:
        box = self.page.get_by_label("Message", exact=True)
        box.fill(line)
        box.press("Enter")

    def message(self, text: str) -> Any:
        """The latest message that shows `text` (a regular expression)."""
        return self.page.locator("#messages article").filter(has_text=re.compile(text)).last

    def sees(self, text: str, seconds: float = 20) -> None:
        self.message(text).wait_for(timeout=seconds * 1000)

    def approves(self, title: str) -> None:
        self.be("lead")
        self.message(f"waiting · {title}").get_by_role("button", name="Approve").click()

    def thing(self, title: str) -> Any:
        return self.page.locator(f'#things > li[data-thing="{title}"]')

    def opens(self, title: str) -> None:
        """Opens a thing to try, if it is not open."""
        if "open" not in (self.thing(title).get_attribute("class") or ""):
            self.thing(title).get_by_role("button").first.click()

    def presses_step(self, title: str, button: str) -> None:
        self.thing(title).get_by_role("button", name=button).click()
        if button.startswith("/"):
            self.page.wait_for_function("said => document.querySelector('#line').value.startsWith(said)", arg=button)

    def sends(self) -> None:
        self.page.get_by_role("button", name="Send").click()

    def ticked(self, title: str, seconds: float = 40) -> None:
        self.page.locator(f'#things > li.done[data-thing="{title}"]').wait_for(timeout=seconds * 1000)

    def goes(self, channel: str) -> None:
        """Chooses a conversation at the left."""
        self.page.locator("#channels a, #directs a").filter(has_text=re.compile(rf"^\W*{channel}")).first.click()

    def breaks(self, title: str) -> None:
        self.page.get_by_role("button", name=re.compile("^(Break something|Broken)")).click()
        self.page.get_by_role("switch", name=title).click()
        self.page.keyboard.press("Escape")

    def passes(self, seconds: int) -> None:
        """Moves the clock forward by one of its buttons."""
        self.page.locator(f"[data-advance='{seconds}']").first.click()

    def comes(self, what: Any, seconds: float = 10) -> bool:
        """Whether something is there within that time."""
        from playwright.sync_api import TimeoutError

        try:
            what.wait_for(timeout=seconds * 1000)
        except TimeoutError:
            return False
        return True

    def version(self, service: str, version: str, seconds: float = 20) -> None:
        """Waits until production shows this version of a service."""
        self.page.locator(f'#production [data-service="{service}"][data-version="{version}"]').wait_for(timeout=seconds * 1000)

    def wide(self) -> bool:
        """Whether something sticks out at the side."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def pictures(self, name: str) -> None:
        """Takes the picture that the documentation shows, when that is asked for."""
        if os.environ.get("AIEC_SCREENSHOTS"):
            self.page.mouse.move(0, 0)
            self.page.screenshot(path=CHECKOUT / "docs" / f"{name}.png")


@pytest.fixture
def open_page(browser: Any, url: str) -> Iterator[Any]:
    """Opens the page: open_page(width=1440, height=900, dark=False). Nothing may have been complained about in its console by the end."""
    contexts, complaints = [], []

    def opened(width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", timezone_id="UTC")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.locator("#things > li").first.wait_for(state="attached")
        return Page(page)

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Any) -> Any:
    return open_page()
