"""Story: somebody who has seen nothing opens the sandbox, plays the guided story to its end, and goes on working.

The guided story comes first, while nobody has a phone yet.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.flow.world import World

pytestmark = pytest.mark.xdist_group("browser")


def _at_step(page: Page, name: str) -> None:
    page.wait_for_selector(f"#story[data-step={name}]")


def _write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def _reply(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Public reply").fill(text)
    page.get_by_role("button", name="Submit", exact=True).click()


def test_guided_story_is_played_to_its_end_and_not_shown_again(world: World, open_page: OpenPage) -> None:
    page = open_page(guided=True)
    phone, desk = page.locator("#phone"), page.locator("#desk")

    _at_step(page, "write")
    expect(page.locator("#story-title")).to_have_text("You are Ines, a customer")
    _write(page, "Hello, is anybody there?")
    _at_step(page, "answer")
    expect(desk.locator(".comment.customer")).to_contain_text("Hello, is anybody there?")
    _reply(page, "Yes, how can I help?")
    _at_step(page, "wait")
    expect(phone.locator(".bubble.theirs")).to_contain_text("Yes, how can I help?")
    page.get_by_role("button", name="Turn the clock 25 hours forward").click()
    _at_step(page, "again")
    expect(desk.locator("#ticket-window")).to_contain_text("Window closed")
    _reply(page, "Your parcel left today.")
    _at_step(page, "held")
    expect(desk.locator(".comment.bridge").last).to_contain_text("held")
    expect(desk.locator("#ticket-undelivered")).to_be_visible()
    expect(phone.locator(".bubble.theirs")).to_have_count(1)
    page.reload()
    _at_step(page, "held")
    page.get_by_role("button", name="Fill in an example").click()
    page.keyboard.press("Enter")
    _at_step(page, "status")
    expect(phone.locator(".bubble.theirs").last).to_contain_text("Your parcel left today.")
    page.get_by_role("button", name="Fill in an example").click()
    expect(page.get_by_role("textbox", name="Internal note")).to_have_value("/wa status")
    page.keyboard.press("Control+Enter")
    _at_step(page, "end")
    expect(desk.locator(".comment.bridge").last).to_contain_text("Window: open until")
    expect(phone.locator(".bubble.theirs")).to_have_count(2)

    page.reload()
    expect(phone.locator(".bubble.theirs")).to_have_count(2)
    expect(page.locator("#story")).to_be_hidden()
    page.get_by_role("button", name="Guide").click()
    _at_step(page, "write")
    page.get_by_role("button", name="Close the guide").click()
    expect(page.locator("#story")).to_be_hidden()


def test_new_customer_with_hidden_number_is_answered_in_arabic(world: World, open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name="New customer").first.click()
    page.get_by_label("Name", exact=True).fill("Layla Nasser")
    page.get_by_label("Hides the number: businesses see an id only").check()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("button", name="Layla Nasser")).to_have_attribute("aria-current", "true")
    _write(page, "مرحبا، *أين* طلبي؟")
    row = page.get_by_role("list", name="Tickets").get_by_role("button", name="Layla Nasser")
    row.click()
    expect(page.locator("#requester")).not_to_contain_text("+")
    _reply(page, "أهلاً ليلى")

    bubbles = page.get_by_role("log", name="Messages on this phone").locator(".bubble")
    expect(bubbles.last).to_contain_text("أهلاً ليلى")
    expect(bubbles.first.locator("strong")).to_have_text("أين")
    assert page.evaluate("getComputedStyle(document.querySelector('.bubble-text')).direction") == "rtl"
    expect(page.locator(".comment.customer .comment-text strong")).to_have_text("أين")


def test_phone_that_is_off_gets_its_messages_once_it_is_on(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    ana.has_ticket()
    page = open_page()
    page.get_by_role("list", name="Customers").get_by_role("button", name=ana.name).click()
    page.get_by_label("This phone's settings").click()
    page.get_by_label("Phone is on").uncheck()
    expect(page.get_by_text("The phone is off.")).to_be_visible()
    page.get_by_role("list", name="Tickets").get_by_role("button", name=ana.name).click()
    _reply(page, "one moment please")
    expect(page.get_by_text("1 message waits at WhatsApp.")).to_be_visible()
    bubble = page.locator(".bubble.theirs")
    expect(bubble).to_have_count(0)

    page.get_by_role("button", name="Turn it on").click()
    expect(bubble).to_contain_text("one moment please")
    expect(bubble.get_by_role("img", name="the business knows: delivered")).to_be_visible()
    expect(page.get_by_text("The phone is off.")).to_be_hidden()


def test_internal_note_stays_and_a_merged_ticket_goes_on_in_the_other(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    first = ana.has_ticket()
    second = world.post("/zendesk/tickets", {"requester_id": first.look()["requester_id"], "text": "by telephone"})
    page = open_page()
    page.get_by_role("list", name="Tickets").get_by_role("button", name=f"#{first.id}").click()
    page.locator("#composer").get_by_text("Internal note", exact=True).click()
    page.get_by_role("textbox", name="Internal note").fill("she called yesterday")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".comment.note").last).to_contain_text("she called yesterday")
    page.get_by_role("button", name="Merge…").click()
    page.get_by_label("Into").select_option(str(second["id"]))
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator("#ticket-over")).to_contain_text("This ticket is closed")

    world.settle()
    text = world.words("and now")
    ana.writes(text)
    world.ticket(second["id"]).shows(text)
    assert ana.received() == []


def test_switch_is_found_turned_and_put_back_and_the_log_tells_what_it_did(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    page = open_page()
    page.get_by_role("button", name="Switches").first.click()
    switches = page.get_by_role("complementary", name="Switches")
    switches.get_by_role("searchbox").fill("lose rings")
    expect(switches.locator(".switch-row")).to_have_count(1)
    switches.get_by_label("Lose rings").fill("-1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Switches, 2 not at their default")).to_be_visible()
    assert world.fault("zendesk.lose_rings") == -1
    switches.get_by_role("button", name="All back to default").click()
    expect(page.locator("#switches-count")).to_be_hidden()
    assert world.fault("zendesk.lose_rings") == 0
    switches.get_by_role("button", name="Close the switches").click()

    page.get_by_role("button", name="What was said").click()
    text = world.words("tell the log")
    ana.writes(text)
    rows = page.get_by_role("list", name="What was said")
    expect(rows.get_by_text(f"{ana.name}: “{text}”")).to_be_visible()
    expect(rows.get_by_text("opens a ticket").first).to_be_visible()
    page.get_by_label("Search what was said").fill(text)
    expect(rows.get_by_role("listitem")).to_have_count(1)
    rows.get_by_text(text).click()
    expect(rows.locator("pre")).to_contain_text('"whatsapp_business_account"')
