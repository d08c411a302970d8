"""Do the connector and an independent reading of Freshdesk's rules agree? In one process, over ASGI."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import respx

from connectors.client import remote_client
from connectors.errors import (
    NeedsOperator,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteFailure,
    TicketUnwritable,
)
from connectors.freshdesk import connector, translate, wire
from connectors.freshdesk.connector import Freshdesk
from connectors.freshdesk.definition import DEFINITION
from connectors.freshdesk.settings import FreshdeskSettings
from connectors.interface import (
    AuthorKind,
    EffectKey,
    FeedsChanges,
    FileRef,
    FindingLevel,
    HelpdeskConnector,
    Installs,
    KnowsMerges,
    ReopensAfterwards,
    RequesterDraft,
    RequesterId,
    TicketDraft,
    TicketId,
    TicketStatus,
    WindowMark,
)
from tests.connectors.budget import CountingBudget
from tests.connectors.freshdesk_desk import ANA, HOOK, SECRET, WA_ID, Desk, comment

UNKNOWN_FACTS: list[dict[str, Any]] = [
    {},
    {"duplicate_names_contact": "email"},
    {"duplicate_names_contact": "none"},
    {"mobile_is_unique": False},
    {"phone_is_unique": True},
    {"external_id": "invalid_field"},
    {"external_id": "require_feature"},
    {"external_id": "require_feature", "duplicate_names_contact": "none"},
    {"duplicate_names_contact": "none", "mobile_lookup": "digits"},
]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.account.start()
    yield made
    await made.http.aclose()
    await made.account.stop()


def test_it_can_what_it_says(desk: Desk) -> None:
    helpdesk: HelpdeskConnector = desk.connector
    for ability in (FeedsChanges, KnowsMerges, ReopensAfterwards, Installs):
        assert isinstance(helpdesk, ability)


async def test_credentials_are_checked(desk: Desk) -> None:
    await desk.connector.check()
    for fault in ("token_revoked", "account_suspended"):
        desk.account.faults.update({fault: True})
        with pytest.raises(NeedsOperator) as refused:
            await desk.connector.check()
        assert "FRESHDESK_" in refused.value.action
        desk.account.faults.update({fault: False})


# Requesters


@pytest.mark.parametrize("facts", UNKNOWN_FACTS, ids=str)
@pytest.mark.parametrize("index_delay", [0.0, 3600.0])
async def test_one_customer_is_one_requester(desk: Desk, facts: dict[str, Any], index_delay: float) -> None:
    desk.account.faults.update({**facts, "index_delay_seconds": index_delay})
    first = await desk.connector.find_or_create_requester(ANA)
    again = await desk.connector.find_or_create_requester(ANA)
    other = await desk.connector.find_or_create_requester(RequesterDraft(bsuid=None, wa_id="4917012345678", name=None))
    assert first.id == again.id
    assert other.id != first.id


async def test_customer_without_a_number_is_one_requester(desk: Desk) -> None:
    hidden = RequesterDraft(bsuid="BR.1", wa_id=None, name="Ana")
    first = await desk.connector.find_or_create_requester(hidden)
    assert (await desk.connector.find_or_create_requester(hidden)).id == first.id


async def test_customer_who_shows_the_number_later_is_still_one(desk: Desk) -> None:
    desk.account.faults.update({"index_delay_seconds": 3600.0})
    first = await desk.connector.find_or_create_requester(RequesterDraft(bsuid=ANA.bsuid, wa_id=None, name="Ana"))
    assert (await desk.connector.find_or_create_requester(ANA)).id == first.id


@pytest.mark.parametrize(
    "number",
    [
        {"mobile": f"+{WA_ID}"},
        {"mobile": WA_ID},
        {"phone": f"00{WA_ID}"},
        {"phone": f"+{WA_ID}"},
    ],
    ids=str,
)
async def test_contact_with_the_number_is_adopted_and_two_are_not(desk: Desk, number: dict[str, str]) -> None:
    before = await desk.agent("POST", "/users", {"name": "Ana Souza", **number})
    found = await desk.connector.find_or_create_requester(ANA)
    assert (found.id, found.adopted) == (str(before["id"]), True)
    await desk.agent("POST", "/users", {"name": "Ana's office", "phone": f"00{WA_ID}"})
    second = await desk.connector.find_or_create_requester(ANA)
    assert (second.adopted, second.candidates) == (False, 2)
    assert second.id != found.id
    assert (await desk.connector.find_or_create_requester(ANA)).id == second.id


@pytest.mark.parametrize("names", ["all", "none"])
async def test_contact_who_is_not_in_the_index_yet_is_found_by_the_conflict(desk: Desk, names: str) -> None:
    desk.account.faults.update({"index_delay_seconds": 3600.0, "duplicate_names_contact": names})
    before = await desk.agent("POST", "/users", {"name": "Ana Souza", "mobile": f"+{WA_ID}"})
    found = await desk.connector.find_or_create_requester(ANA)
    assert (found.id, found.adopted) == (str(before["id"]), True)


async def test_contact_in_the_bin_is_brought_back(desk: Desk) -> None:
    first = await desk.connector.find_or_create_requester(ANA)
    await desk.agent("DELETE", f"/users/{first.id}")
    found = await desk.connector.find_or_create_requester(ANA)
    assert found.id == first.id
    written = await desk.open(key="k9")
    assert written[0] == first.id


async def test_number_of_an_agent_never_makes_the_agent_a_customer(desk: Desk) -> None:
    made = await desk.agent("POST", "/users", {"name": "Rui", "mobile": f"+{WA_ID}", "email": "rui@acme.example"})
    await desk.agent("POST", f"/users/{made['id']}/make_agent", {})
    desk.account.faults.update({"index_delay_seconds": 3600.0})
    found = await desk.connector.find_or_create_requester(ANA)
    assert found.id != str(made["id"])
    assert not found.adopted


async def test_requester_is_made_once_however_the_answer_is_lost(desk: Desk) -> None:
    desk.account.faults.update({"index_delay_seconds": 3600.0, "drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.connector.find_or_create_requester(ANA)
    found = await desk.connector.find_or_create_requester(ANA)
    assert [user["id"] for user in await desk.agent("GET", "/users?role=end-user") if user["name"] == "Ana"] == [
        int(found.id)
    ]


# Tickets


async def test_first_message_of_an_unknown_customer_costs_three_calls(desk: Desk) -> None:
    mark = await desk.mark()
    await desk.open()
    assert await desk.calls(mark) == ["GET /search/contacts", "POST /contacts", "POST /tickets"]
    assert desk.warnings == []


async def test_ticket_is_the_customers_and_says_so(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    seen = await desk.agent("GET", f"/tickets/{ticket_id}")
    assert str(seen["requester_id"]) == requester
    assert "whatsapp" in seen["tags"]
    assert seen["status"] == "open"


async def test_ticket_opens_once_however_its_answer_is_lost(desk: Desk) -> None:
    requester = (await desk.connector.find_or_create_requester(ANA)).id
    prepared = desk.prepared(requester, key="k1")
    desk.account.faults.update({"drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=False)
    found = await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=True)
    assert [ticket["id"] for ticket in await desk.agent("GET", "/tickets")] == [int(found.ticket_id)]
    other = await desk.connector.open_ticket(desk.prepared(requester, key="k2"), key=EffectKey("k2"), repeat=True)
    assert other.ticket_id != found.ticket_id


async def test_note_that_opens_a_ticket_is_private_and_ours(desk: Desk) -> None:
    requester = (await desk.connector.find_or_create_requester(ANA)).id
    draft = TicketDraft("WhatsApp: Ana", requester, comment(author=None, public=False, html="<p>held</p>"), "c1")
    prepared = desk.connector.prepare_ticket(draft, key=EffectKey("k1"))
    desk.account.faults.update({"only": "notes", "drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=False)
    opened = await desk.connector.open_ticket(prepared, key=EffectKey("k1"), repeat=True)
    read = await desk.connector.comments_since(opened.ticket_id, desk.long_ago())
    assert [(c.id, c.public, c.text) for c in read] == [(opened.comment_id, False, "held")]
    assert read[0].key is not None
    first, *_ = (await desk.agent("GET", f"/tickets/{opened.ticket_id}"))["comments"]
    assert first["public"]
    assert "held" not in first["html_body"]


async def test_required_fields_come_from_the_settings(desk: Desk) -> None:
    field = {"name": "cf_region", "type": "custom_text", "required_for_agents": True}
    await desk.agent("POST", "/fields", field)
    with pytest.raises(NeedsOperator) as refused:
        await desk.open()
    assert "FRESHDESK_TICKET_DEFAULTS" in refused.value.action
    findings = {f.check: f for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[SECRET])}
    assert findings["fields"].level is FindingLevel.RED
    assert "cf_region" in findings["fields"].message
    desk.connector = desk.connect(FRESHDESK_TICKET_DEFAULTS='{"custom_fields": {"cf_region": "EMEA"}, "source": 13}')
    await desk.open()
    assert desk.warnings == ["source_refused"]
    findings = {f.check: f for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[SECRET])}
    assert findings["fields"].level is FindingLevel.OK


# Comments


async def test_comment_on_an_open_ticket_costs_one_call(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    mark = await desk.mark()
    draft = comment(author=requester, reopen=True, was_open=True, window=WindowMark.OPEN)
    written = await desk.add(ticket_id, draft, key="k2")
    assert await desk.calls(mark) == [f"POST /tickets/{ticket_id}/notes"]
    [entry] = await desk.entries(ticket_id)
    assert (str(entry["user_id"]), entry["incoming"], entry["private"]) == (requester, True, False)
    assert (written.comment_id, written.status) == (str(entry["id"]), None)
    assert desk.warnings == []


async def test_comment_is_added_once_however_its_answer_is_lost(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    desk.account.faults.update({"drop_answer": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.add(ticket_id, comment(author=requester), key="k2")
    again = await desk.add(ticket_id, comment(author=requester), key="k2", repeat=True)
    assert [str(entry["id"]) for entry in await desk.entries(ticket_id)] == [again.comment_id]


async def test_comment_that_never_arrived_is_written_by_the_repeat(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=requester), key="k2")
    written = await desk.add(ticket_id, comment(author=requester), key="k3", repeat=True)
    assert [str(entry["id"]) for entry in await desk.entries(ticket_id)][1:] == [written.comment_id]


@pytest.mark.parametrize("what", ["note", "ticket"])
async def test_first_write_that_lands_while_the_repeat_is_made_leaves_one(desk: Desk, what: str) -> None:
    """The repeat looks, finds nothing, and writes; the late first one is there before the second look."""
    requester, ticket_id = await desk.open()
    prepared = desk.prepared(requester, key="k2")
    note = comment(author=requester)

    async def write(*, repeat: bool) -> None:
        if what == "note":
            await desk.add(ticket_id, note, key="k2", repeat=repeat)
        else:
            await desk.connector.open_ticket(prepared, key=EffectKey("k2"), repeat=repeat)

    method, path = ("POST", "/notes") if what == "note" else ("POST", "/tickets")
    looked = asyncio.Event()
    send = desk.http.send

    async def late(request: Any, **options: Any) -> Any:
        if request.method == method and request.url.path.endswith(path) and not looked.is_set():
            looked.set()
            await send(request, **options)  # the first attempt, on its way all the while
            request = desk.http.build_request(method, request.url, content=request.content, headers=request.headers)
        return await send(request, **options)

    desk.http.send = late  # type: ignore[method-assign]  # the wire, not our code
    await write(repeat=True)
    desk.http.send = send  # type: ignore[method-assign]
    assert looked.is_set()
    assert len(await desk.entries(ticket_id)) == (1 if what == "note" else 0)
    assert len(await desk.agent("GET", "/tickets")) == (1 if what == "note" else 2)
    assert desk.warnings == ["double_removed"]


@pytest.mark.parametrize("count", [99, 100, 101, 250, 730])
async def test_end_of_a_long_ticket_is_found_and_then_known(desk: Desk, count: int) -> None:
    requester, ticket_id = await desk.open()
    last = await desk.add(ticket_id, comment(author=requester), key="n0")
    for number in range(1, count):
        last = await desk.add(ticket_id, comment(author=requester), key=f"n{number}")
    again = await desk.add(ticket_id, comment(author=requester), key=f"n{count - 1}", repeat=True)
    assert again.comment_id == last.comment_id
    mark = await desk.mark()
    since = desk.clock.now() - timedelta(hours=1)
    read = await desk.connector.comments_since(ticket_id, since)
    assert len(read) == count
    assert read[-1].id == last.comment_id
    pages = -(-count // 100)
    assert len(await desk.calls(mark)) <= pages + 1
    mark = await desk.mark()
    await desk.add(ticket_id, comment(author=requester), key=f"n{count - 1}", repeat=True)
    assert len(await desk.calls(mark)) <= 2


async def test_notes_that_were_deleted_do_not_hide_the_end(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    written = [await desk.add(ticket_id, comment(author=requester), key=f"n{number}") for number in range(105)]
    await desk.connector.comments_since(ticket_id, desk.long_ago())
    for one in written[90:]:
        await desk.agent("DELETE", f"/comments/{one.comment_id}")
    read = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert [c.id for c in read] == [one.comment_id for one in written[:90]]


@pytest.mark.parametrize("status", ["pending", "solved", "closed"])
@pytest.mark.parametrize("by_itself", [True, False])
async def test_customer_wakes_the_ticket_with_a_second_call(desk: Desk, status: str, by_itself: bool) -> None:
    desk.account.faults.update({"incoming_note_reopens": by_itself, "incoming_note_by_requester": by_itself})
    requester, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}", {"status": status})
    mark = await desk.mark()
    written = await desk.add(ticket_id, comment(author=requester, reopen=True), key="k3")
    assert written.status is TicketStatus.OPEN
    assert len(await desk.calls(mark)) == 2
    assert (await desk.agent("GET", f"/tickets/{ticket_id}"))["status"] == "open"


async def test_ticket_that_was_put_aside_before_the_customers_last_word_is_opened(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}", {"status": "solved"})
    written = await desk.add(ticket_id, comment(author=requester, reopen=True, was_open=True), key="k2")
    assert written.written_at is not None
    status = await desk.connector.reopen_if_put_aside(ticket_id, before=written.written_at)
    assert status is TicketStatus.OPEN
    desk.clock.set(60)
    await desk.agent("POST", f"/tickets/{ticket_id}", {"status": "solved"})
    status = await desk.connector.reopen_if_put_aside(ticket_id, before=written.written_at)
    assert status is TicketStatus.SOLVED


@pytest.mark.parametrize("how", ["delete", "spam", "archive"])
@pytest.mark.parametrize("status", ["404", "405"])
async def test_ticket_that_is_away_is_gone(desk: Desk, how: str, status: str) -> None:
    desk.account.faults.update({"note_on_deleted": status})
    requester, ticket_id = await desk.open()
    if how == "archive":
        await desk.agent("POST", f"/tickets/{ticket_id}/close")
    await desk.agent(
        *(("DELETE", f"/tickets/{ticket_id}") if how == "delete" else ("POST", f"/tickets/{ticket_id}/{how}"))
    )
    with pytest.raises(TicketUnwritable) as gone:
        await desk.add(ticket_id, comment(author=requester, reopen=True), key="k4")
    assert gone.value.reason == "gone"


async def test_note_that_lands_in_the_bin_is_no_success(desk: Desk) -> None:
    desk.account.faults.update({"note_on_deleted": "201"})
    requester, ticket_id = await desk.open()
    await desk.agent("DELETE", f"/tickets/{ticket_id}")
    with pytest.raises(TicketUnwritable):
        await desk.add(ticket_id, comment(author=requester, reopen=True), key="k4")


@pytest.mark.parametrize("refused", ["forbidden", "invalid"])
async def test_account_that_lets_nobody_speak_for_a_contact_gets_the_message_all_the_same(
    desk: Desk, refused: str
) -> None:
    desk.account.faults.update({"note_by_contact": refused})
    requester, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=requester), key="k2")
    [read] = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert read.author is AuthorKind.CUSTOMER
    assert read.key is not None
    assert desk.warnings == ["author_refused"]


async def test_marks_are_tags_that_leave_the_agents_own_alone(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.agent("POST", f"/tickets/{ticket_id}", {"tags": ["vip", "whatsapp"]})
    draft = comment(author=None, public=False, window=WindowMark.CLOSED, undelivered=True, marks_changed=True)
    await desk.add(ticket_id, draft, key="k2")
    assert set((await desk.agent("GET", f"/tickets/{ticket_id}"))["tags"]) == {
        *("vip", "whatsapp", "wa_window_closed", "wa_undelivered")
    }
    mark = await desk.mark()
    draft = comment(author=requester, window=WindowMark.OPEN, undelivered=False, marks_changed=True, reopen=True)
    await desk.add(ticket_id, draft, key="k3")
    assert set((await desk.agent("GET", f"/tickets/{ticket_id}"))["tags"]) == {"vip", "whatsapp", "wa_window_open"}
    assert len(await desk.calls(mark)) == 3


# Reading


async def test_authors_and_keys_are_told_apart(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=requester), key="k2")
    note = await desk.add(ticket_id, comment(author=None, public=False), key="k3")
    for wish in (
        {"text": "from the agent"},
        {"text": "from the agent of the key", "as_api_user": True},
        {"text": "whisper", "public": False},
        {"text": "automatic", "kind": "automation"},
        {"text": "survey", "kind": "survey"},
        {"text": "forwarded", "kind": "forward"},
    ):
        await desk.agent("POST", f"/tickets/{ticket_id}/comments", wish)
    read = {c.text: c for c in await desk.connector.comments_since(ticket_id, desk.long_ago())}
    assert {text: (c.author, c.public, c.key is not None) for text, c in read.items() if text != "oi"} == {
        "from the agent": (AuthorKind.STAFF, True, False),
        "from the agent of the key": (AuthorKind.STAFF, True, False),
        "whisper": (AuthorKind.STAFF, False, False),
        "automatic": (AuthorKind.SYSTEM, True, False),
        "survey": (AuthorKind.SYSTEM, read["survey"].public, False),
        "forwarded": (AuthorKind.SYSTEM, False, False),
    }
    ours = [c for c in await desk.connector.comments_since(ticket_id, desk.long_ago()) if c.key is not None]
    assert [c.author for c in ours] == [AuthorKind.CUSTOMER, AuthorKind.STAFF]
    assert ours[1].id == note.comment_id


@pytest.mark.parametrize("admin", [True, False])
async def test_collaborators_and_contacts_never_speak_for_staff(desk: Desk, admin: bool) -> None:
    desk.account.faults.update({"key_is_admin": admin})
    requester, ticket_id = await desk.open()
    answer = await desk.http.post(
        f"/api/v2/tickets/{ticket_id}/notes",
        json={"body": "by another app", "private": False, "user_id": int(requester)},
        auth=("k3y", "X"),
    )
    assert answer.status_code == 201
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "by mail", "agent": int(requester)})
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "by an agent"})
    read = {c.text: c.author for c in await desk.connector.comments_since(ticket_id, desk.long_ago())}
    assert read == {
        "by another app": AuthorKind.SYSTEM,
        "by mail": AuthorKind.CUSTOMER,
        "by an agent": AuthorKind.STAFF,
    }


async def test_agent_who_copies_a_marked_text_writes_an_own_one(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=requester), key="k2")
    [seen] = await desk.entries(ticket_id)
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"html": seen["body"]})
    command = {"text": f"/wa resend\n{seen['body_text']}", "public": False}
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", command)
    _, reply, order = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert (reply.key, order.key) == (None, None)
    assert "wa-" not in reply.html + reply.text
    assert order.text.startswith("/wa resend")


async def test_quoted_history_of_a_reply_is_cut(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    html = '<div>yes</div><div class="freshdesk_quote"><blockquote class="freshdesk_quote">canary</blockquote></div>'
    desk.account.faults.update({"html_survives": "all"})
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"html": html})
    [read] = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert "yes" in read.html
    assert "canary" not in read.html


# Merges


@pytest.mark.parametrize("notes", ["names_target", "bare"])
async def test_merge_is_followed_where_it_names_the_target_and_speaks_to_nobody(desk: Desk, notes: str) -> None:
    desk.account.faults.update({"merge_note": notes})
    _, ticket_id = await desk.open()
    _, target_id = await desk.open(key="k2")
    await desk.agent("POST", f"/tickets/{ticket_id}/merge", {"into": int(target_id)})
    read = await desk.connector.comments_since(ticket_id, desk.long_ago())
    successor = await desk.connector.find_successor(ticket_id)
    if notes == "names_target":
        assert read[-1].is_merge
        assert successor is not None
        assert successor.ticket_id == target_id
    else:
        assert successor is None
    public = [c for c in await desk.connector.comments_since(target_id, desk.long_ago()) if c.public]
    assert AuthorKind.STAFF not in {c.author for c in public}


async def test_successor_of_another_customer_is_not_followed(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    _, target_id = await desk.open(key="k2", draft=RequesterDraft(bsuid=None, wa_id="4917012345678", name="Ben"))
    await desk.agent("POST", f"/tickets/{ticket_id}/merge", {"into": int(target_id)})
    assert await desk.connector.find_successor(ticket_id) is None


async def test_ticket_of_freshdesks_own_whatsapp_is_left_alone(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    native = await desk.agent("POST", "/tickets", {"requester_id": int(requester), "text": "native", "source": 13})
    await desk.agent("POST", f"/tickets/{ticket_id}/merge", {"into": native["id"]})
    assert await desk.connector.find_successor(ticket_id) is None


async def test_note_that_names_another_ticket_still_speaks_to_the_customer(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    _, other_id = await desk.open(key="k2")
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": f"see ticket {other_id}"})
    [read] = await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert (read.author, read.public) == (AuthorKind.STAFF, True)
    assert await desk.connector.find_successor(ticket_id) is None


# The feed


async def test_feed_tells_every_change_and_none_twice(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    start = desk.clock.now() - timedelta(minutes=5)
    cursor, told = await _read_all(desk, None, start)
    assert told == [ticket_id]
    cursor, told = await _read_all(desk, cursor, start)
    assert told == []
    desk.clock.set(30)
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "/wa status", "public": False})
    cursor, told = await _read_all(desk, cursor, start)
    assert told == [ticket_id]
    assert (await _read_all(desk, cursor, start))[1] == []


@pytest.mark.parametrize("same_second", [True, False])
@pytest.mark.parametrize("inclusive", [True, False])
async def test_feed_of_many_tickets_has_no_gap(desk: Desk, same_second: bool, inclusive: bool) -> None:
    desk.account.faults.update({"updated_since_inclusive": inclusive})
    requester = (await desk.connector.find_or_create_requester(ANA)).id
    start, opened = desk.clock.now() - timedelta(minutes=5), []
    for number in range(230):
        if not same_second:
            desk.clock.set(number // 3)
        prepared = desk.prepared(requester, key=f"k{number}")
        opened.append((await desk.connector.open_ticket(prepared, key=EffectKey("k"), repeat=False)).ticket_id)
    _, told = await _read_all(desk, None, start)
    assert sorted(set(told)) == sorted(opened)
    assert len(told) == len(opened)


async def test_change_while_pages_are_read_hides_no_other(desk: Desk) -> None:
    requester = (await desk.connector.find_or_create_requester(ANA)).id
    start, opened = desk.clock.now() - timedelta(minutes=5), []
    for number in range(150):
        desk.clock.set(number)
        prepared = desk.prepared(requester, key=f"k{number}")
        opened.append((await desk.connector.open_ticket(prepared, key=EffectKey("k"), repeat=False)).ticket_id)
    page = await desk.connector.changes_since(None, start=start)
    told = [change.ticket_id for change in page.changes]
    desk.clock.set(200)
    for ticket_id in opened[:40]:
        await desk.agent("POST", f"/tickets/{ticket_id}", {"priority": "high"})
    _, rest = await _read_all(desk, page.cursor, start)
    assert set(told + rest) == set(opened)
    assert rest.count(opened[0]) == 1


async def _read_all(desk: Desk, cursor: str | None, start: Any) -> tuple[str, list[TicketId]]:
    told: list[TicketId] = []
    while True:
        page = await desk.connector.changes_since(cursor, start=start)
        told += [change.ticket_id for change in page.changes]
        cursor = page.cursor
        if page.end:
            return cursor, told


async def test_feed_says_what_lets_our_own_writes_be_left_alone(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    written = await desk.add(ticket_id, comment(author=requester), key="k2")
    start = desk.clock.now() - timedelta(minutes=5)
    [change] = (await desk.connector.changes_since(None, start=start)).changes
    assert change.changed_at == written.written_at
    assert (change.status, change.staff_wrote_at) == (TicketStatus.OPEN, None)
    desk.clock.set(60)
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "answer", "status": "solved"})
    [change] = (await desk.connector.changes_since(None, start=start)).changes
    assert change.status is TicketStatus.SOLVED
    assert change.staff_wrote_at is not None
    assert written.written_at is not None
    assert change.staff_wrote_at > written.written_at


# Limits and failures


async def test_limits_follow_the_account(desk: Desk) -> None:
    desk.account.setup({"plan": "pro"})
    await desk.open()
    assert desk.budget.learnt["account"][0] == 400
    start = desk.clock.now()
    for _ in range(100):
        await desk.connector.changes_since(None, start=start)
    with pytest.raises(RateLimited) as limited:
        await desk.connector.changes_since(None, start=start)
    assert limited.value.limit == "tickets-list"
    assert desk.budget.drawn["tickets-create"] == 1


@pytest.mark.parametrize("told", [True, False])
async def test_refusal_of_a_small_limit_closes_that_one_alone(desk: Desk, told: bool) -> None:
    desk.account.setup({"plan": "growth"})
    desk.account.faults.update({"sub_limit_in_headers": told})
    start = desk.clock.now()
    for _ in range(20):
        await desk.connector.changes_since(None, start=start)
    desk.budget.left.clear()
    with pytest.raises(RateLimited) as limited:
        await desk.connector.changes_since(None, start=start)
    assert limited.value.limit == "tickets-list"
    assert set(desk.budget.closed) == {"tickets-list"}
    await desk.connector.check()


async def test_account_that_became_smaller_is_known_by_the_first_call_without_a_limit_of_its_own(desk: Desk) -> None:
    """200 a minute is Growth's limit, and what Pro and Enterprise grant some of their lists."""
    desk.account.setup({"plan": "pro"})
    _, ticket_id = await desk.open()
    assert desk.budget.learnt["account"][0] == 400
    desk.account.setup({"plan": "growth"})
    await desk.connector.changes_since(None, start=desk.long_ago())
    assert desk.budget.learnt["account"][0] == 400
    await desk.connector.comments_since(ticket_id, desk.long_ago())
    assert desk.budget.learnt["account"][0] == 200


async def test_every_refusal_is_a_failure_of_ours(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    for fault in (
        {"down": True},
        {"down": False, "rate_limited": 1},
        {"server_error_next": 1},
        {"access_denied": True},
    ):
        desk.account.faults.update(fault)
        with pytest.raises(RemoteFailure):
            await desk.add(ticket_id, comment(author=None, public=False), key="k2")


async def test_conflict_on_an_update_leaves_the_note_and_says_so(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    desk.account.faults.update({"conflict_next": 1})
    written = await desk.add(ticket_id, comment(author=requester, reopen=True), key="k2")
    assert written.comment_id is not None
    assert desk.warnings == ["not_followed_up"]


async def test_write_that_takes_too_long_in_all_is_broken_off_without_a_verdict(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    requester, ticket_id = await desk.open()
    monkeypatch.setattr(connector, "LIMITS", replace(connector.LIMITS, write_timeout_seconds=0.01))
    desk.account.faults.update({"slow_seconds": 3600.0})
    with pytest.raises(OutcomeUnknown, match="timed_out"):
        await desk.add(ticket_id, comment(author=requester, reopen=True), key="k2")
    with pytest.raises(OutcomeUnknown, match="timed_out"):
        await desk.connector.open_ticket(desk.prepared(requester, key="k3"), key=EffectKey("k3"), repeat=True)


async def test_marks_that_could_not_be_told_are_said_to_be_untold(desk: Desk) -> None:
    requester, ticket_id = await desk.open()
    draft = comment(author=requester, window=WindowMark.CLOSING, marks_changed=True)
    desk.account.faults.update({"conflict_next": 1})
    assert not (await desk.add(ticket_id, draft, key="k2")).marks_told
    assert (await desk.add(ticket_id, draft, key="k3")).marks_told
    assert "wa_window_closing" in (await desk.agent("GET", f"/tickets/{ticket_id}"))["tags"]


async def test_ticket_that_ours_went_into_gets_the_tag_that_rings_us(desk: Desk) -> None:
    requester, _ = await desk.open()
    by_hand = await desk.agent("POST", "/tickets", {"requester_id": int(requester), "text": "by phone"})
    draft = comment(author=requester, window=WindowMark.OPEN, marks_changed=True)
    await desk.add(TicketId(str(by_hand["id"])), draft, key="k2")
    assert "whatsapp" in (await desk.agent("GET", f"/tickets/{by_hand['id']}"))["tags"]


# Set-up and rings


async def test_set_up_is_found_whole_and_what_is_missing_is_told_click_by_click(desk: Desk) -> None:
    assert await desk.connector.install(webhook_url=HOOK) == {}
    whole = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=["older", SECRET])
    assert {f.level for f in whole} == {FindingLevel.OK}
    stranger = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=["another"])
    assert [f.check for f in stranger if f.level is FindingLevel.RED] == ["webhook"]
    assert SECRET not in str(stranger)
    none = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[])
    assert "FRESHDESK_WEBHOOK_SECRET" in next(f.mend for f in none if f.check == "webhook")
    [rule] = await desk.agent("GET", "/rules")
    await desk.agent("DELETE", f"/rules/{rule['id']}")
    [broken] = [
        f for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[SECRET]) if f.check == "webhook"
    ]
    assert broken.level is FindingLevel.RED
    for piece in (HOOK, "X-Deskbridge-Secret", '{"ticket_id": "{{ticket.id}}"}', "Private", "whatsapp"):
        assert piece in broken.mend
    desk.account.faults.update({"key_is_admin": False})
    levels = {f.check: f.level for f in await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[SECRET])}
    assert levels["credentials"] is levels["webhook"] is FindingLevel.WARNING
    desk.account.faults.update({"token_revoked": True})
    dead = await desk.connector.inspect(webhook_url=HOOK, webhook_secrets=[SECRET])
    assert all("FRESHDESK_API_KEY" in f.mend for f in dead if f.level is FindingLevel.RED)
    assert {f.check for f in dead if f.level is FindingLevel.RED} >= {"credentials"}


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("public", [True, False])
async def test_agent_rings_for_the_ticket_and_we_do_not(desk: Desk, wrapped: bool, public: bool) -> None:
    desk.account.faults.update({"ring_body_wrapped": wrapped})
    _, ticket_id = await desk.open()
    await desk.add(ticket_id, comment(author=None, public=False), key="k2")
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": "Olá", "public": public})
    async with asyncio.timeout(10):
        rung = await desk.rings.get()
    headers, body = dict(rung.headers), await rung.aread()
    ring = DEFINITION.read_ring(headers=headers, body=body, secrets=["older", SECRET], now=desk.clock.now())
    assert ring.ticket_id == ticket_id
    assert desk.rings.empty()


async def test_contact_is_erased_for_good_and_one_who_is_gone_is_erased() -> None:
    client = remote_client("https://acme.freshdesk.test", timeout_seconds=5)
    variables = {"FRESHDESK_URL": "https://acme.freshdesk.test", "FRESHDESK_API_KEY": "k3y"}
    freshdesk = Freshdesk(
        client, FreshdeskSettings.from_environment(variables), budget=CountingBudget(), on_warning=lambda _: None
    )
    with respx.mock(using="httpx") as router:
        erased = router.delete("https://acme.freshdesk.test/api/v2/contacts/77/hard_delete?force=true")
        for status in (204, 404):
            erased.respond(status)
            await freshdesk.erase_requester(RequesterId("77"))
        assert erased.call_count == 2
    await client.aclose()


async def test_agents_files_are_given_out_by_a_fresh_address_and_without_our_key(desk: Desk) -> None:
    _, ticket_id = await desk.open()
    data = b64encode(b"%PDF-1.7 offer").decode()
    file = {"filename": "offer.pdf", "content_type": "application/pdf", "data": data}
    pasted = {"filename": "screen.png", "content_type": "image/png", "data": data, "inline": True}
    wish = {"html": "<p>Here</p>", "attachments": [file, pasted]}
    await desk.agent("POST", f"/tickets/{ticket_id}/comments", wish)
    *_, read = await desk.connector.comments_since(ticket_id, datetime(2000, 1, 1, tzinfo=UTC))
    offer, screen = read.files
    assert (offer.name, offer.mime_type, offer.size_bytes, offer.src) == ("offer.pdf", "application/pdf", 14, None)
    assert screen.src is not None
    assert screen.src.replace("&", "&amp;") in read.html
    desk.account.faults.update({"attachment_url_seconds": 60.0})
    for found in (offer, screen):
        ref = FileRef(ticket_id, read.id, read.created_at, found.id)
        async with desk.connector.open_file(ref) as pieces:
            assert b"".join([piece async for piece in pieces]) == b"%PDF-1.7 offer"
        with pytest.raises(Permanent):
            async with desk.connector.open_file(replace(ref, file_id="inline-0000000000000000")):
                pass


@pytest.mark.parametrize("piece", ["<div ", "<div>", "<blockquote class='", "<img ", " ", "<p> ", "\u00b7 wa-"])
def test_body_of_a_hundred_kilobytes_is_read_at_once(piece: str) -> None:
    """A pattern that looks at everything again from each place would take minutes: the suite would not end."""
    body = piece * (100_000 // len(piece))
    entry = wire.Conversation(
        id=1, private=True, body=body, body_text=body, created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert translate.to_comment(entry, AuthorKind.STAFF, is_merge=False).key is None
