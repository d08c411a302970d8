"""Do the pages serve everybody: with the keyboard alone, read out, in the dark, on a narrow screen?"""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage
from tests.flow.world import World

pytestmark = pytest.mark.xdist_group("browser")

ACCESSIBLE = Path(__file__).with_name("accessible.js").read_text("utf-8")
MOST_TABS = 60


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{MOST_TABS} tabs do not reach {selector}")


def test_keyboard_alone_writes_answers_and_turns_the_clock(world: World, open_page: OpenPage) -> None:
    ana = world.customer("Keya")
    page = open_page()
    expect(page.get_by_role("list", name="Customers").get_by_role("button", name=ana.name)).to_be_visible()
    _tab_to(page, ".person")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    _tab_to(page, "#write-text")
    page.keyboard.type("typed without a mouse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Tickets").get_by_role("button", name=ana.name)).to_be_visible()
    _tab_to(page, ".queue-row")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#ticket-subject")).to_contain_text(ana.name)
    _tab_to(page, "#composer-text")
    page.keyboard.type("answered without a mouse")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".bubble.theirs")).to_contain_text("answered without a mouse")
    before = world.get("/clock")["offset_seconds"]
    _tab_to(page, "#clock [data-hours='1']")
    page.keyboard.press("Enter")
    expect(page.locator("#clock-ahead")).to_have_text(f"{before / 3600 + 1:g} h ahead")


def test_every_page_has_names_landmarks_and_contrast_in_light_and_dark(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    ana.has_ticket().commands("/wa status")
    world.faults(whatsapp_drop_answer=3)
    for path in ("/", "/phone", "/agent"):
        page = open_page(path, guided=True)
        page.get_by_role("button", name="What was said").click()
        expect(page.locator("#log-rows li").first).to_be_visible()
        if path != "/phone":
            page.get_by_role("list", name="Tickets").get_by_role("button", name=ana.name).click()
            expect(page.locator(".comment.bridge")).to_be_visible()
        if path != "/agent":
            page.get_by_role("list", name="Customers").get_by_role("button", name=ana.name).click()
            expect(page.locator(".bubble.own")).to_have_count(1)
        assert _wrong(page) == [], path
        page.get_by_role("button", name="Switches").first.click()
        expect(page.locator(".switch-row").first).to_be_visible()
        assert _wrong(page) == [], f"switches of {path}"


def _wrong(page: Page) -> list[str]:
    found: list[str] = []
    for colors in ("light", "dark"):
        page.emulate_media(color_scheme=colors, reduced_motion="reduce")
        found += [f"{colors}: {wrong}" for wrong in page.evaluate(ACCESSIBLE)]
    return found


def test_narrow_screen_shows_a_part_at_a_time_and_nothing_is_cut_off(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    ana.has_ticket()
    page = open_page(size=PHONE)
    tabs = page.get_by_role("navigation", name="Parts of the sandbox")
    for tab, part in (("Phone", "#thread"), ("Desk", "#queue"), ("Log", "#log-rows"), ("Switches", "#switches-body")):
        tabs.get_by_role("button", name=tab).click()
        expect(page.locator(part)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], tab
        assert _wrong(page) == [], tab
    tabs.get_by_role("button", name="Desk").click()
    page.get_by_role("list", name="Tickets").get_by_role("button", name=ana.name).click()
    page.get_by_role("textbox", name="Public reply").fill("from a small screen")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".comment.staff")).to_contain_text("from a small screen")
    page.get_by_role("button", name="Back to the list of tickets").click()
    expect(page.locator("#queue")).to_be_visible()
    ana.gets("from a small screen")
