"""Story: a customer stays one person, whatever WhatsApp calls them."""

import secrets
from typing import Any

import pytest

from tests.flow.waiting import eventually
from tests.flow.world import Customer, World

DIRECTORY = "deskbridge_directory_contacts_total"
PHONES = {"zendesk": ("phone",), "freshdesk": ("mobile", "phone")}


def _number(world: World) -> str:
    number = f"351960{secrets.randbelow(10**6):06d}"
    world.private.add(number)
    return number


def _renumber(world: World, ana: Customer, number: str, **wish: Any) -> dict[str, Any]:
    changed: dict[str, Any] = world.post(f"/customers/{ana.id}/number", {"wa_id": number, **wish})
    return changed


def _living(world: World, ana: Customer) -> list[dict[str, Any]]:
    """Without those who were merged into another one."""
    return [user for user in world.users(ana) if world.desk.name != "zendesk" or user["active"]]


def _phones(world: World, ana: Customer) -> list[str]:
    return [
        "".join(filter(str.isdigit, str(user.get(name) or "")))
        for user in world.users(ana)
        for name in PHONES.get(world.desk.name, ())
    ]


def test_new_number_is_the_same_customer_with_the_same_ticket_and_window(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    number = _number(world)
    _renumber(world, ana, number)
    ticket.note(ana.wa_id, number)

    answer, again = world.words("to the new number"), world.words("from the new number")
    ticket.replies(answer)
    ana.gets(answer)
    ana.writes(again)
    ticket.shows(again)
    world.settle()
    assert len(world.tickets(ana)) == len(world.users(ana)) == 1
    if world.desk.name in PHONES:
        assert number in _phones(world, ana)
        assert ana.wa_id not in _phones(world, ana)


def test_customer_met_under_new_ids_before_whatsapp_told_of_them_becomes_one_again(world: World) -> None:
    ana = world.customer()
    first = ana.has_ticket()
    number = _number(world)
    changed = _renumber(world, ana, number, told=False)
    meanwhile = world.words("who am I")
    ana.writes(meanwhile)
    second = eventually(lambda: world.tickets(ana), lambda tickets: len(tickets) == 2)[1]
    second.shows(meanwhile)
    world.settle()

    account = {"display_phone_number": "15550001234", "phone_number_id": "900000000000001"}
    system = {
        "type": "user_changed_number",
        "wa_id": number,
        "user_id": changed["user_id"],
        "previous_user_id": ana.user_id,
    }
    notice = {
        "id": f"wamid.{secrets.token_hex(12)}",
        "from": ana.wa_id,
        "timestamp": str(int(world.now().timestamp()) - 60),
        "type": "system",
        "system": system,
    }
    value = {"messaging_product": "whatsapp", "metadata": account, "messages": [notice]}
    entry = {"id": "800000000000001", "changes": [{"field": "messages", "value": value}]}
    world.post("/whatsapp/webhook", {"body": {"object": "whatsapp_business_account", "entry": [entry]}})

    if world.desk.name in PHONES:
        eventually(lambda: len(_living(world, ana)), 1)
        eventually(lambda: [ticket.status for ticket in (first, second)].count("closed"), 1)
    again = world.words("it is me")
    ana.writes(again)
    shown = eventually(lambda: [t for t in (first, second) if again in "".join(t.from_customer())], bool)
    answer = world.words("welcome back")
    shown[0].replies(answer)
    ana.gets(answer)
    world.settle()
    assert len(world.tickets(ana)) == 2


def test_customer_who_hides_the_number_is_asked_for_it_and_gives_it(world: World) -> None:
    ana = world.customer(hidden_number=True, username="ana.souza")
    ticket = ana.has_ticket()
    assert "hidden" in ticket.commands("/wa contact")
    assert "asked" in ticket.commands("/wa ask number")
    asked = eventually(lambda: [m for m in ana.thread() if m["direction"] == "out"], bool)
    assert asked[0]["content"]["type"] == "request_contact_info"
    contact = {"origin": "contact_request", "phones": [{"phone": f"+{ana.wa_id}", "type": "CELL"}]}
    ana.writes(message={"type": "contacts", "contacts": [contact]})

    ticket.shows(ana.wa_id)
    world.settle()
    assert ana.wa_id in ticket.commands("/wa contact")
    if world.desk.name in PHONES:
        eventually(lambda: ana.wa_id in _phones(world, ana), True)
    answer = world.words("thank you")
    ticket.replies(answer)
    eventually(lambda: ana.received()[-1], answer)
    assert len(world.users(ana)) == 1


def _known(world: World, **wish: Any) -> int:
    """Somebody whom the helpdesk has known before, and the directory now."""
    if world.desk.name == "zendesk":
        world.faults({"zendesk.validate_phone_numbers": False})
    before = world.installation.metric(DIRECTORY)
    made: dict[str, Any] = world.post("/helpdesk/users", {"role": "end-user", **wish})
    eventually(lambda: world.installation.metric(DIRECTORY), lambda count: count > before, patience_seconds=90)
    world.settle()
    return int(made["id"])


@pytest.mark.parametrize("installation", ["sqlite", "freshdesk"], indirect=True)
def test_customer_whom_the_helpdesk_knows_by_another_spelling_of_the_number_is_that_one(world: World) -> None:
    digits = f"11 9{secrets.randbelow(10**4):04d}-{secrets.randbelow(10**4):04d}"
    name = world.words("Old Acquaintance")
    field = "phone" if world.desk.name == "zendesk" else "mobile"
    known = _known(world, name=name, **{field: f"+55 ({digits[:2]}) {digits[3:]}"})
    spelt = "55" + digits[:2] + "".join(filter(str.isdigit, digits[4:]))

    ana = world.customer(wa_id=spelt)
    text = world.words("it is me")
    ana.writes(text)
    mine = eventually(lambda: [row for row in world.get("/helpdesk/tickets") if row["requester_id"] == known], bool)
    world.ticket(mine[0]["id"]).shows(text)
    assert world.users(ana) == []


@pytest.mark.parametrize("installation", ["sqlite", "freshdesk"], indirect=True)
def test_of_several_who_may_be_the_customer_an_agent_says_which(world: World) -> None:
    number = _number(world)
    fields = ("phone", "phone") if world.desk.name == "zendesk" else ("mobile", "phone")
    users = [
        _known(world, name=world.words(f"Candidate {place}"), **{field: f"+{number[:3]} {number[3:]}"})
        for place, field in enumerate(fields)
    ]
    ana = world.customer(wa_id=number)
    ticket = ana.has_ticket()
    ticket.note(*(str(user) for user in users))
    assert ticket.look()["requester_id"] not in users

    assert str(users[1]) in ticket.commands(f"/wa contact {users[1]}")
    eventually(lambda: ticket.look()["requester_id"], users[1])
    again = world.words("thanks")
    ana.writes(again)
    ticket.shows(again)
