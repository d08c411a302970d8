"""What is kept of a file that goes to a customer, beside its message's text? JSON, sealed with the message.

`file`: where the helpdesk gives it out. `caption`, `quote`. `form`: which of its forms is tried, and `forms`: how many
there are, once it was looked at. `sent`: what Meta has of it, or the link, once that is so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from bridge.domain.decide import SendFile
from bridge.domain.outgoing import OutgoingFile, described
from bridge.runtime.services import Services
from bridge.store import messages, outbox
from bridge.store.messages import Outbound
from bridge.whatsapp import payloads
from bridge.whatsapp.payloads import Payload

UPLOAD_KEPT_FOR = timedelta(days=29)
"""Meta keeps an upload for 30 days (fact sheet WhatsApp 2.5)."""
REFUSED_FILE = 131053


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file as it can be sent: by Meta's id of it as a message of type `kind`, or by a link (`kind` empty)."""

    kind: str
    reference: str = field(repr=False)
    name: str = field(repr=False)
    voice: bool
    at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "reference": self.reference,
            "name": self.name,
            "voice": self.voice,
            "at": self.at.isoformat(),
        }


def outbound_of(effect: SendFile) -> Outbound:
    content = {"file": effect.file.to_json(), "caption": effect.caption, "quote": effect.quote, "form": 0, "forms": 0}
    return Outbound("media", described(effect.caption, effect.file), content)


def file_of(content: Mapping[str, Any]) -> OutgoingFile:
    return OutgoingFile.from_json(content["file"])


def uploaded_of(content: Mapping[str, Any], *, now: datetime) -> Uploaded | None:
    """None where it has to be made ready (again)."""
    sent = content.get("sent")
    if sent is None:
        return None
    uploaded = Uploaded(**{**sent, "at": datetime.fromisoformat(sent["at"])})
    return uploaded if now - uploaded.at < UPLOAD_KEPT_FOR else None


def payload_of(content: Mapping[str, Any], uploaded: Uploaded) -> Payload:
    caption = content["caption"]
    if uploaded.kind:
        return payloads.media(
            uploaded.kind, uploaded.reference, caption=caption, name=uploaded.name, voice=uploaded.voice
        )
    return payloads.text("\n\n".join(part for part in (caption, f"📎 {uploaded.name}\n{uploaded.reference}") if part))


def has_other_form(connection: Connection, services: Services, message_id: str, *, code: int | None) -> bool:
    """Whether the message that was refused with this code is a file that may go in another form."""
    if code != REFUSED_FILE:
        return False
    content = messages.load_outbound(connection, services.vault, message_id).content or {}
    return "file" in content and content["form"] + 1 < content["forms"]


def choose_next_form(connection: Connection, services: Services, effect_id: str) -> None:
    """The next attempt sends the file in its next form."""
    message_id = outbox.load(connection, services.vault, effect_id).message_id
    assert message_id is not None
    content = messages.load_outbound(connection, services.vault, message_id).content or {}
    rest = {name: value for name, value in content.items() if name != "sent"}
    messages.save_content(connection, services.vault, message_id, {**rest, "form": content["form"] + 1})
