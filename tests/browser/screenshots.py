"""How do the README and the docs get their pictures? The guided story is played for real, and photographed.

Run it with `./scripts/screenshots`; it writes `docs/images/`. Names, numbers and the sandbox's clock are always the
same, so the pictures change only where the pages do (and where a minute turns meanwhile).
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser import chromium
from tests.browser.conftest import DESK, PATIENCE_MILLISECONDS, PHONE
from tests.flow.desks import DESKS
from tests.flow.installation import Installation
from tests.flow.world import World

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHARPNESS = 1.5
BEGINS_AT = datetime(2030, 3, 4, 9, 40, 30, tzinfo=UTC)
"""A Monday in winter, when Lisbon keeps UTC: the pages and the bridge's notes tell the same time."""
COLORS = 192
MOST_BYTES = 200_000
ANIMATION_WIDTH = 1088
MOST_ANIMATION_BYTES = 2_000_000
INES = {"name": "Ines Duarte", "wa_id": "351910000111", "user_id": "PT.10000000000000000001"}
OMAR = {"name": "Omar Haddad", "wa_id": "962790000222", "user_id": "JO.10000000000000000002"}
CHLOE = {"name": "Chloé Martin", "wa_id": "33600000333", "user_id": "FR.10000000000000000003", "hidden_number": True}


class Album:
    """Pictures of one page, kept as files or as frames of the animation."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._frames: list[tuple[Image.Image, int]] = []

    def shoot(self, name: str, *, of: str | None = None) -> None:
        """Write `docs/images/NAME.png`, of the whole page or of one part of it (a selector)."""
        taken = self.page.locator(of).screenshot() if of else self.page.screenshot()
        _write(name, Image.open(io.BytesIO(taken)))

    def frame(self, milliseconds: int) -> None:
        """The next frame of the animation, and how long it stands."""
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        height = picture.height * ANIMATION_WIDTH // picture.width
        self._frames.append((picture.resize((ANIMATION_WIDTH, height), Image.Resampling.LANCZOS), milliseconds))

    def animate(self, name: str) -> None:
        """Write the frames as `docs/images/NAME.webp`."""
        path = IMAGES / f"{name}.webp"
        pictures = [picture for picture, _ in self._frames]
        durations = [milliseconds for _, milliseconds in self._frames]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=82, method=5
        )
        _tell(path, most=MOST_ANIMATION_BYTES)


def _write(name: str, picture: Image.Image) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    few = picture.convert("RGB").quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    _tell(path, most=MOST_BYTES)


def _tell(path: Path, *, most: int) -> None:
    size = path.stat().st_size
    if size > most:
        sys.exit(f"{path.name} has {size} bytes, more than {most}")
    print(f"{path.name}: {size // 1000} kB")


def _open(browser: Browser, url: str, *, size: ViewportSize = DESK, guided: bool = False) -> Page:
    context = browser.new_context(
        viewport=size,
        device_scale_factor=SHARPNESS,
        locale="en-GB",
        timezone_id="Europe/Lisbon",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    if not guided:
        context.add_init_script("localStorage.setItem('deskbridge.sandbox.story', '\"dismissed\"')")
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#write-text:enabled")
    # How far ahead the clock is depends on the day on which the pictures are taken.
    page.evaluate("document.getElementById('clock-ahead').style.setProperty('display', 'none', 'important')")
    return page


def _at_step(page: Page, name: str) -> None:
    page.wait_for_selector(f"#story[data-step={name}]")


def _type(album: Album, field: str, text: str) -> None:
    """Writes with a frame in the middle and one at the end."""
    box = album.page.locator(field)
    box.focus()
    for part in (text[: len(text) // 2], text[len(text) // 2 :]):
        album.page.keyboard.insert_text(part)
        album.frame(450)


def play_the_story(album: Album, beside: Page) -> None:
    """The guided story, step by step, with the pictures that tell it. `beside`: a page without the guide."""
    page = album.page
    _at_step(page, "write")
    album.frame(1800)
    _type(album, "#write-text", "Hello, my order has not arrived yet")
    page.keyboard.press("Enter")
    _at_step(page, "answer")
    expect(page.locator(".comment.customer")).to_be_visible()
    expect(page.locator(".bubble.own .ticks.delivered")).to_be_visible()
    album.frame(2000)
    album.shoot("guide-answer")
    _type(album, "#composer-text", "I am looking into it. You will hear from me today.")
    page.click("#composer-submit")
    _at_step(page, "wait")
    expect(page.locator(".bubble.theirs .ticks.delivered")).to_be_visible()
    album.frame(2400)
    page.click("#clock-day")
    _at_step(page, "again")
    album.frame(1800)
    _type(album, "#composer-text", "Good news: your parcel left the warehouse.")
    page.click("#composer-submit")
    _at_step(page, "held")
    expect(page.locator(".comment.bridge")).to_be_visible()
    page.locator("#composer-text").blur()
    album.frame(3600)
    album.shoot("note-held", of=".comment.bridge")
    _photograph_whole(beside)
    _type(album, "#write-text", "Any news about my order?")
    page.keyboard.press("Enter")
    _at_step(page, "status")
    expect(page.locator(".bubble.theirs .ticks.delivered")).to_have_count(1)
    album.frame(2600)
    page.locator("#composer").get_by_text("Internal note").click()
    _type(album, "#composer-text", "/wa status")
    page.click("#composer-submit")
    _at_step(page, "end")
    page.locator("#composer-text").blur()
    album.frame(3600)
    album.shoot("note-status", of=".comment.bridge >> nth=-1")


def _photograph_whole(page: Page) -> None:
    """What a visitor sees, in light and dark."""
    expect(page.locator(".comment.bridge")).to_be_visible()
    album = Album(page)
    for colors in ("light", "dark"):
        page.emulate_media(color_scheme=colors)
        album.shoot(f"sandbox-{colors}")
    page.emulate_media(color_scheme="light")


def photograph_the_rest(browser: Browser, world: World, page: Page) -> None:
    """The log, the switches, and the phone's width."""
    url = world.installation.sandbox_url
    album = Album(page)
    page.click("#log-toggle")
    page.mouse.move(0, 0)
    expect(page.locator("#log-rows li").first).to_be_visible()
    album.shoot("log", of="#log")
    page.click("#log-toggle")
    world.faults({"whatsapp.drop_answer": 1})
    page.click("#switches-open")
    page.fill("#switches-search", "answer")
    expect(page.locator(".switch-row.touched")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    album.shoot("switches", of="#switches")

    narrow = _open(browser, url, size=PHONE)
    expect(narrow.locator(".bubble.theirs").last).to_be_visible()
    shots = [narrow.screenshot()]
    narrow.click(".tabs [data-tab=desk]")
    narrow.click(".queue-row >> nth=0")
    expect(narrow.locator(".comment.bridge").last).to_be_visible()
    narrow.evaluate("document.activeElement.blur()")
    shots.append(narrow.screenshot())
    narrow.click(".tabs [data-tab=log]")
    expect(narrow.locator("#log-rows li").first).to_be_visible()
    shots.append(narrow.screenshot())
    _write("phone-width", _side_by_side([Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]))


def _side_by_side(pictures: list[Image.Image], *, gap: int = 24) -> Image.Image:
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, pictures[0].height), "white")
    at = 0
    for picture in pictures:
        whole.paste(picture, (at, 0))
        at += picture.width + gap
    return whole


def main() -> None:
    """Start everything, play, photograph."""
    path = chromium.find()
    if path is None:
        sys.exit("no Chromium on this machine: apt install chromium")
    with Installation(None) as installation, chromium.running(path) as browser:
        world = World(installation)
        world.post("/setup", {"whatsapp": {"verified_name": "Acme Store"}})
        # Nothing is switched in the pictures.
        world.faults(dict.fromkeys(DESKS["zendesk"].baseline))
        world.advance(seconds=(BEGINS_AT - world.now()).total_seconds())
        for customer in (INES, OMAR, CHLOE):
            world.post("/customers", customer)
        page = _open(browser, installation.sandbox_url, guided=True)
        album = Album(page)
        play_the_story(album, _open(browser, installation.sandbox_url))
        album.animate("story")
        photograph_the_rest(browser, world, page)
        world.mend()
        world.close()


if __name__ == "__main__":
    main()
