"""What does a message look like on its way to Meta? Pure: the part of a request that depends on its type.

Limits and shapes are the fact sheet's (WhatsApp 2.2); who sends sees to it that they hold.
"""

from collections.abc import Mapping

Payload = Mapping[str, object]
"""`type`, and the object named like it."""


def text(body: str) -> Payload:
    """Free text of 1 to 4096 UTF-16 units; the first address in it gets a preview."""
    return {"type": "text", "text": {"body": body, "preview_url": True}}


def media(kind: str, media_id: str, *, caption: str, name: str, voice: bool) -> Payload:
    """A file that was uploaded. A caption of at most 1024 UTF-16 units; sounds take none, and only documents a name."""
    content: dict[str, object] = {"id": media_id}
    if caption and kind != "audio":
        content["caption"] = caption
    if kind == "document":
        content["filename"] = name
    if voice:
        content["voice"] = True
    return {"type": kind, kind: content}


def request_contact_info(body: str) -> Payload:
    """A button by which the customer shares their own number (fact sheet WhatsApp 2.3). Up to 1024 characters."""
    interactive = {"type": "request_contact_info", "body": {"text": body}, "action": {"name": "request_contact_info"}}
    return {"type": "interactive", "interactive": interactive}


def template(filled: Mapping[str, object]) -> Payload:
    """A template with its values, as `templates_registry.wire_send` wrote it."""
    return {"type": "template", "template": filled}
