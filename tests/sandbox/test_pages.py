"""What the sandbox serves to a browser, and what its pages ask of the control API."""

import re

import pytest

from sandbox.page_routes import PAGES
from tests.sandbox.world import NUMBER_ID, SETUP, World

FILES = sorted(str(path.relative_to(PAGES)) for path in PAGES.rglob("*") if path.suffix in {".css", ".html", ".js"})


@pytest.mark.parametrize(("path", "shown"), [("/", "both"), ("/phone", "phone"), ("/agent", "desk")])
async def test_page_says_what_it_shows_and_may_load_nothing_from_elsewhere(world: World, path: str, shown: str) -> None:
    page = await world.http.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<html lang="en" data-shows="{shown}"' in page.text
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)


@pytest.mark.parametrize("name", FILES)
async def test_files_of_the_pages_are_served_and_name_no_other_host(world: World, name: str) -> None:
    file = await world.http.get(f"/pages/{name}")
    assert file.status_code == 200
    assert file.headers["cache-control"] == "no-cache"
    assert "://" not in file.text


async def test_every_file_that_a_page_names_is_there(world: World) -> None:
    named = set(re.findall(r'(?:src|href)="/pages/([^"]+)"', (PAGES / "index.html").read_text("utf-8")))
    for name in FILES:
        folder = (PAGES / name).parent
        imported = re.findall(r'from "(\.[^"]+)"', (PAGES / name).read_text("utf-8"))
        named |= {str((folder / one).resolve().relative_to(PAGES)) for one in imported}
    assert {name for name in FILES if name != "index.html"} <= named
    for name in named:
        assert (await world.http.get(f"/pages/{name}")).status_code == 200, name


async def test_state_names_the_helpdesk_once_it_has_a_way_in(bare_world: World) -> None:
    assert (await bare_world.look("/state"))["helpdesks"] == []
    wish = {"zendesk": {"oauth_client_id": "deskbridge", "oauth_client_secret": "secret"}}
    assert (await bare_world.control("/setup", wish))["helpdesks"] == ["zendesk"]


async def test_business_numbers_are_told_without_secrets(bare_world: World) -> None:
    assert await bare_world.look("/whatsapp/numbers") == [
        {
            "phone_number_id": NUMBER_ID,
            "display_phone_number": SETUP["display_phone_number"],
            "name": "Deskbridge Sandbox",
        }
    ]


async def test_journal_goes_on_after_a_number(world: World) -> None:
    await world.customer()
    await world.product.until(lambda: world.product.requests)
    entries = await world.look("/journal")
    second = entries[-2]["number"]
    assert [entry["number"] for entry in await world.look(f"/journal?after={second}")] == [
        entry["number"] for entry in entries if entry["number"] > second
    ]
    assert await world.look(f"/journal?after={entries[0]['number']}") == []
    assert (await world.http.get("/sandbox/api/journal?after=-1")).status_code == 400
