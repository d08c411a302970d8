"""Fixtures: one browser, one installation that really runs, and for each test a fresh profile with open eyes."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser import chromium
from tests.flow.installation import Installation
from tests.flow.world import World

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE_MILLISECONDS = 25_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Debian's Chromium is; without one nothing of this folder is tested, and the summary says so."""
    path = chromium.find()
    if path is None:
        pytest.skip("NO BROWSER: the sandbox's pages are NOT TESTED on this machine. Install it: apt install chromium")
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Not for the session: while it runs so does Playwright's event loop, beside which async tests cannot run."""
    with chromium.running(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="session")
def installation(chromium_path: str) -> Iterator[Installation]:
    """Everything running for real, on SQLite; not started where there is no browser."""
    with Installation(None) as made:
        yield made


@pytest.fixture
def world(installation: Installation) -> Iterator[World]:
    """People and switches for what a test does not do by hand; afterwards what must always hold is checked."""
    world = World(installation)
    try:
        yield world
        world.mend()
        world.settle()
        world.check()
    finally:
        world.mend()
        world.close()


@pytest.fixture
def open_page(browser: Browser, installation: Installation) -> Iterator[OpenPage]:
    """Opens a page of the sandbox in a profile that was never here: `open_page("/phone", size=PHONE)`.

    `guided` False: the guide was closed before. Nothing may fail in the page, and it may ask no other host.
    """
    wrong: list[str] = []
    contexts = []

    def look(
        path: str = "/",
        *,
        size: ViewportSize = DESK,
        guided: bool = False,
    ) -> Page:
        context = browser.new_context(viewport=size, locale="en-GB", timezone_id="Europe/Lisbon")
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        if not guided:
            context.add_init_script("localStorage.setItem('deskbridge.sandbox.story', '\"dismissed\"')")
        page = context.new_page()
        page.on("console", lambda told: wrong.append(told.text) if told.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(url) else wrong.append(f"asked {asked.url}"))
        page.goto(f"{url}{path}")
        page.wait_for_selector("html[data-live=yes]")
        return page

    url = installation.sandbox_url
    yield look
    for context in contexts:
        context.close()
    assert not wrong
