"""Do connectors list everybody whom a helpdesk knows, and then who changed? Against the simulated helpdesks."""

from typing import Any

import httpx
import pytest

from connectors.interface import ContactPage, HelpdeskContact, ListsContacts, RequesterId
from tests.connectors.freshdesk_desk import Desk as FreshdeskDesk
from tests.connectors.test_zendesk_against_sandbox import Desk as ZendeskDesk

NUMBER = "+55 (11) 98765-4321"
API = "http://127.0.0.1:9/sandbox/api"


async def everybody(connector: ListsContacts, cursor: str | None = None) -> tuple[dict[str, HelpdeskContact], str]:
    found: dict[str, HelpdeskContact] = {}
    while True:
        page: ContactPage = await connector.contacts_since(cursor)
        found |= {contact.id: contact for contact in page.contacts}
        cursor = page.cursor
        if page.end:
            return found, cursor


async def _made(http: httpx.AsyncClient, path: str, **values: Any) -> RequesterId:
    answer = await http.post(f"{API}{path}", json=values)
    assert answer.is_success, answer.text
    return RequesterId(str(answer.json()["id"]))


@pytest.mark.parametrize(
    ("make_desk", "name", "field"), [(ZendeskDesk, "zendesk", "phone"), (FreshdeskDesk, "freshdesk", "mobile")]
)
async def test_everybody_is_listed_and_then_who_changed(make_desk: Any, name: str, field: str) -> None:
    desk = make_desk()
    if name == "zendesk":
        desk.account.faults.update({"validate_phone_numbers": False})
    ana = await _made(desk.http, f"/{name}/users", role="end-user", name="Ana", **{field: NUMBER})
    known, cursor = await everybody(desk.connector)
    assert known[ana] == HelpdeskContact(ana, (NUMBER,))
    bia = await _made(desk.http, f"/{name}/users", role="end-user", name="Bia", **{field: "+351 910 000 222"})
    changed, _ = await everybody(desk.connector, cursor)
    assert changed[bia].numbers == ("+351 910 000 222",)
    found = await desk.connector.contacts_by_id([ana, RequesterId("999")])
    assert [one.id for one in found] == [ana]
