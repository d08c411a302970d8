"""What does the agent read of every type and oddity that Meta may send? The cases of `tests/cases/whatsapp/inbound`,
all in one webhook through the real processes, on each helpdesk.

`agent.txt` is what must stand on the ticket. `--update-cases` writes anew what is asked of it.
"""

import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.model import InboundMessage
from bridge.whatsapp.translate import translate_message
from tests.flow.test_files import PNG, attachments, send
from tests.flow.waiting import eventually
from tests.flow.world import Customer, Record, Ticket, World
from tests.whatsapp.test_inbound_cases import FOLDERS, RECEIVED_AT

QUOTED = "wamid.T1VUMQ=="
"""In the cases: a message that we sent."""
OWN = "wamid.T1JJRw=="
"""The customer's own first message."""
MEDIA = "700000000000011"
STAMP = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\]")
MARK = re.compile(r"\s*\u00b7\s*wa-[a-z2-7]{8}")


def body_of(folder: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((folder / "body.json").read_text("ascii"))
    return body


def is_shown(folder: Path) -> bool:
    """Cases that come as a message of somebody who can be answered."""
    body = body_of(folder)
    if not isinstance(body.get("message"), dict):
        return False
    return isinstance(translate_message(body, received_at=RECEIVED_AT), InboundMessage)


SHOWN = [folder for folder in FOLDERS if is_shown(folder)]


def played(folder: Path, customer: Customer, *, at: int, stands_for: dict[str, str]) -> Record:
    """The message of a case, as this customer's."""
    text = json.dumps(body_of(folder)["message"])
    for name, real in stands_for.items():
        text = text.replace(name, real)
    # HTTP carries no lone surrogates.
    message: Record = json.loads(json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace"))
    for name in ("from", "from_user_id", "from_parent_user_id"):
        message.pop(name, None)
    return {**message, "from": customer.wa_id, "id": f"wamid.{secrets.token_hex(16)}", "timestamp": str(at)}


def read_by_agent(ticket: Ticket, first_at: datetime) -> tuple[dict[int, str], list[str]]:
    """What stands on the ticket of each letter, by its place, told by the time that late messages carry; and the notes
    on reactions."""
    text = "\n".join(told for told in ticket.from_customer() if not told.startswith("[The file that was missing"))
    text = MARK.sub("", text.replace("\u00a0", " "))
    parts = STAMP.split(text)
    read = {}
    for stamp, said in zip(parts[1::2], parts[2::2], strict=True):
        place = int((datetime.fromisoformat(stamp).replace(tzinfo=UTC) - first_at).total_seconds())
        read[place] = tidy(said)
    notes = [tidy(MARK.sub("", note)) for note in ticket.notes() if "eact" in note]
    return read, notes


def tidy(text: str) -> str:
    """Line by line, without blanks at the ends, and without what depends on how fast a file came."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("(The file is still on its way"))


def test_every_message_is_shown_as_its_case_says(world: World, request: pytest.FixtureRequest) -> None:
    ana = world.customer()
    ticket = ana.has_ticket("hello")
    hello = ana.thread()[0]
    answer = world.words("We are looking into it")
    ticket.replies(answer)
    ana.gets(answer)
    ours = ana.thread()[-1]["wamid"]
    send(ana, PNG, type="image", mime_type="image/png")
    eventually(lambda: len(attachments(ticket)), 1)
    media = ana.thread()[-1]["content"]["image"]["id"]
    first_at = world.now().replace(microsecond=0) - timedelta(hours=1)
    stands_for = {QUOTED: ours, OWN: hello["wamid"], MEDIA: media}
    letters = [
        played(folder, ana, at=int(first_at.timestamp()) + place, stands_for=stands_for)
        for place, folder in enumerate(SHOWN)
    ]
    number = world.get("/whatsapp/numbers")[0]
    metadata = {name: number[name] for name in ("phone_number_id", "display_phone_number")}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": letters}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    world.post("/whatsapp/webhook", {"body": {"object": "whatsapp_business_account", "entry": [entry]}})
    world.settle(patience_seconds=90)
    read, notes = read_by_agent(ticket, first_at)
    wrong = {}
    for place, folder in enumerate(SHOWN):
        found = notes.pop(0) if folder.name.startswith("reaction__") and notes else read.get(place, "")
        found = found.replace(answer, "ANSWER").replace(hello["text"], "HELLO")
        expected = folder / "agent.txt"
        if request.config.getoption("--update-cases", False):
            expected.write_text(found + "\n", "utf-8")
        if not expected.exists() or expected.read_text("utf-8").strip() != found:
            wrong[folder.name] = found
    assert not wrong
