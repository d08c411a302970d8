"""Does a file that an agent attaches show on the phone?"""

import pytest
from playwright.sync_api import FilePayload, expect

from tests import files
from tests.browser.conftest import OpenPage
from tests.flow.world import World

pytestmark = pytest.mark.xdist_group("browser")


def test_agent_attaches_files_and_the_phone_shows_and_plays_them(world: World, open_page: OpenPage) -> None:
    ana = world.customer()
    ana.has_ticket()
    page = open_page()
    page.get_by_role("list", name="Customers").get_by_role("button", name=ana.name).click()
    page.get_by_role("list", name="Tickets").get_by_role("button", name=ana.name).click()
    expect(page.locator("#ticket-subject")).to_contain_text(ana.name)
    page.locator("#composer-text").fill("Here they are")
    attached: list[FilePayload] = [
        {"name": "photo.png", "mimeType": "image/png", "buffer": files.picture("PNG")},
        {"name": "tone.wav", "mimeType": "audio/wav", "buffer": files.sound(seconds=0.5)},
        {"name": "offer.pdf", "mimeType": "application/pdf", "buffer": files.PDF},
    ]
    page.locator("#files").set_input_files(attached)
    page.locator("#composer-text").press("Control+Enter")
    picture = page.locator(".bubble.theirs .bubble-file img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 24)
    voice = page.locator(".bubble.theirs [data-file=voice] audio")
    expect(voice).to_be_visible()
    page.wait_for_function("() => document.querySelector('[data-file=voice] audio').duration > 0.3")
    document = page.locator(".bubble.theirs a.bubble-document")
    expect(document).to_contain_text("offer.pdf")
    with page.expect_download() as saved:
        document.click()
    assert saved.value.path().read_bytes() == files.PDF
