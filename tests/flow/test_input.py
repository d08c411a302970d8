"""Story: what comes in is odd, broken, huge, or for somebody else."""

import hashlib
import hmac
import json
from typing import Any

import httpx

from tests.flow.installation import ACCOUNTS
from tests.flow.waiting import eventually
from tests.flow.world import Customer, World, in_order

CHARACTERS_OF_A_TEXT = 4096


def _signed(world: World, raw: bytes) -> int:
    signature = hmac.new(ACCOUNTS["whatsapp"]["app_secret"].encode(), raw, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    url = f"{world.installation.url}/webhooks/whatsapp"
    return httpx.post(url, content=raw, headers=headers, timeout=30).status_code


def _webhook(messages: list[Any], *, customer: Customer, phone_number_id: str | None = None) -> dict[str, Any]:
    account = ACCOUNTS["whatsapp"]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": account["display_phone_number"],
            "phone_number_id": phone_number_id or account["phone_number_id"],
        },
        "contacts": [{"profile": {"name": customer.name}, "wa_id": customer.wa_id, "user_id": customer.user_id}],
        "messages": messages,
    }
    entry = {"id": account["waba_id"], "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _text(world: World, customer: Customer, body: str, *, number: int = 0) -> dict[str, Any]:
    return {
        "from": customer.wa_id,
        "from_user_id": customer.user_id,
        "id": f"wamid.{hashlib.sha256(f'{customer.id}{number}{body[:50]!r}'.encode()).hexdigest()}",
        "timestamp": str(int(world.now().timestamp())),
        "type": "text",
        "text": {"body": body},
    }


def test_message_to_an_unknown_number_is_kept_visible_and_alarmed(world: World) -> None:
    ana = world.customer()
    text = world.words("wrong door")
    body = _webhook([_text(world, ana, text)], customer=ana, phone_number_id="999999999999999")
    before = _alarms(world)
    known = {event["id"] for event in _dead(world)}

    assert _signed(world, json.dumps(body).encode()) == 200
    fresh = eventually(lambda: [event for event in _dead(world) if event["id"] not in known], bool)
    assert len(fresh) == 1
    assert "unknown phone_number_id" in fresh[0]["reason"]
    assert _alarms(world) > before
    assert world.tickets(ana) == []
    shown = world.installation.run("events", "show", fresh[0]["id"], "--json")
    assert text not in shown
    assert text in world.installation.run("events", "show", fresh[0]["id"], "--reveal", "--json")
    world.installation.run("events", "drop", fresh[0]["id"])
    assert fresh[0]["id"] not in {event["id"] for event in _dead(world)}


def _alarms(world: World) -> float:
    return sum(value for (name, _), value in world.installation.metrics().items() if name == "deskbridge_alarms")


def _dead(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.installation.run("events", "list", "--json"))
    return found


def test_broken_events_among_a_thousand_lose_nobody_elses(world: World) -> None:
    ana, ben = world.customer(), world.customer("Ben")
    of_ana, of_ben = world.words("before the broken ones"), world.words("after the broken ones")
    nobody = "15550009999"
    broken: list[Any] = [
        None,
        "a text",
        [],
        {},
        {"id": None, "from": None, "timestamp": None, "type": None},
        {"id": "wamid.broken1", "from": nobody, "timestamp": "9" * 30, "type": "text", "text": {"body": "x"}},
        {"id": "wamid.broken2", "from": nobody, "timestamp": "-5", "type": "text", "text": {"body": ["x"]}},
        {"id": "wamid.broken3", "from": nobody, "timestamp": "1", "type": "text", "text": None},
        {"id": 7, "from": {"a": 1}, "timestamp": 1.5, "type": "text", "text": {"body": None}},
    ]
    unknown = [
        {"id": f"wamid.status{number}", "status": "delivered", "timestamp": "1790000000", "recipient_id": "15550000000"}
        for number in range(990)
    ]
    first = _webhook([_text(world, ana, of_ana), *broken], customer=ana)
    first["entry"][0]["changes"][0]["value"]["statuses"] = unknown
    last = _webhook([_text(world, ben, of_ben)], customer=ben)
    first["entry"] += last["entry"]

    assert _signed(world, json.dumps(first).encode()) == 200
    ana.ticket().shows(of_ana)
    ben.ticket().shows(of_ben)


def test_bodies_that_are_not_ours_are_refused(world: World) -> None:
    url = f"{world.installation.url}/webhooks/whatsapp"
    raw = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()
    assert httpx.post(url, content=raw).status_code == 401
    assert httpx.post(url, content=raw, headers={"X-Hub-Signature-256": "sha256=" + "0" * 64}).status_code == 401
    assert _signed(world, raw) == 200
    assert _signed(world, raw[:-3]) == 400
    assert _signed(world, b" " * (4 * 2**20 + 1)) == 413
    assert _signed(world, b"[]") == 200
    assert httpx.get(url, params={"hub.mode": "subscribe", "hub.verify_token": "no"}).status_code == 403


def test_placeholders_in_a_customers_text_stay_text(world: World) -> None:
    ana = world.customer()
    text = world.words("{{ticket.requester.phone}} {{ticket.id}} {% if 1 %}x{% endif %} {{dc.secret}}")
    ana.writes(text)
    ticket = ana.ticket()
    shown = eventually(ticket.from_customer, bool)[0]
    assert "ticket.requester.phone" in shown
    assert "dc.secret" in shown
    assert ana.wa_id not in shown


def test_odd_texts_stand_on_the_ticket_as_they_were_written(world: World) -> None:
    ana = world.customer()
    texts = [
        world.words("👩‍👩‍👧 🇵🇹 café ﬁ"),
        world.words("שלום עולם مرحبا"),
        world.words("<b>not bold</b> & <script>alert(1)</script>"),
        world.words("line one\nline two\r\nline three"),
        world.words("x" * CHARACTERS_OF_A_TEXT),
    ]
    ana.writes_one_after_the_other(texts)
    ticket = ana.ticket()
    ends = [text[-10:] for text in texts]
    for end in ends:
        ticket.shows(end)  # one whose webhook was overtaken stands later, with its time
    shown = "\n".join(ticket.from_customer())
    for piece in ("👩‍👩‍👧 🇵🇹 café", "שלום עולם", "<script>alert(1)</script>", "line three", "x" * CHARACTERS_OF_A_TEXT):
        assert piece in shown, piece


def test_text_larger_than_a_comment_and_unwritable_characters_lose_nothing_else(world: World) -> None:
    ana = world.customer()
    end, after = world.words("the end"), world.words("afterwards")
    huge = "ä€😀 " * 16_000 + end
    nul = f"a\x00b {world.words('nul')}"
    surrogate = "broken \ud83d half " + world.words("surrogate")

    for number, text in enumerate((huge, nul, surrogate)):
        body = json.dumps(_webhook([_text(world, ana, text, number=number)], customer=ana)).encode()
        assert _signed(world, body) == 200
    ticket = ana.ticket()
    for text in (end, nul[4:], surrogate[9:]):
        eventually(lambda text=text: "\n".join(ticket.from_customer()).count(text), 1)  # type: ignore[misc]  # bound now
    ana.writes(after)
    ticket.shows(after)
    assert "\n".join(ticket.from_customer()).count("😀") == 16_000


def test_long_reply_is_split_in_order(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    sentences = [f"Sentence number {number} of a long answer." for number in range(250)]
    text = " ".join(sentences)
    assert len(text) > 2 * CHARACTERS_OF_A_TEXT

    ticket.replies(text)
    eventually(lambda: " ".join(ana.received()).endswith(sentences[-1]), True)
    parts = ana.received()
    assert all(len(part) <= CHARACTERS_OF_A_TEXT for part in parts)
    assert " ".join(" ".join(parts).split()) == text


def test_formatting_of_a_reply_becomes_whatsapps(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    word = world.words("bold")
    ticket.replies(
        html=f"<p><b>{word}</b> and <i>slanted</i></p><ul><li>one</li><li>two</li></ul>"
        '<p>see <a href="https://help.example/a?b=1&amp;c=2">this page</a> &amp; &lt;that&gt;</p>'
    )
    text = eventually(ana.received, bool)[0]
    assert f"*{word}*" in text
    assert "_slanted_" in text
    assert "https://help.example/a?b=1&c=2" in text
    assert "& <that>" in text
    assert "<p>" not in text
    assert in_order([text], ["one", "two"])


def test_kinds_that_are_not_text_are_told_in_words(world: World) -> None:
    ana = world.customer()
    end = world.words("that was all")
    ana.writes(message={"type": "location", "location": {"latitude": 38.7, "longitude": -9.1, "name": "Lisbon"}})
    ana.writes(message={"type": "hologram", "hologram": {"id": "1"}})
    ana.writes(message={"type": "image", "image": {"id": "123", "mime_type": "image/jpeg", "caption": "a caption"}})
    ticket = ana.ticket()
    ana.writes(end)
    ticket.shows(end)
    eventually(lambda: "\n".join(ticket.from_customer()), lambda shown: "Lisbon" in shown and "a caption" in shown)
