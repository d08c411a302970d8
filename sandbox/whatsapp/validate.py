"""Would the Cloud API take this send request (fact sheet WhatsApp 2.1 to 2.4)? Pure."""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sandbox.whatsapp.errors import RefusedError

BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}\Z")
DIALLED = re.compile(r"\+[0-9 ()\-]+\Z")
OPAQUE_LENGTH = 512
TOP_LEVEL = frozenset(
    [
        "messaging_product",
        "recipient_type",
        "to",
        "recipient",
        "type",
        "context",
        "biz_opaque_callback_data",
        "recipient_identity_key_hash",
        "messaging_account_id",
    ]
)


@dataclass(frozen=True, slots=True)
class Strictness:
    """Which way the open questions go (the switches of the same names)."""

    type_defaults_to_text: bool = False
    count_code_points: bool = False
    empty_emoji_refused: bool = False
    first_name_needed: bool = True
    contacts_limit: int = 5

    def length(self, text: str) -> int:
        """How long WhatsApp says this text is."""
        return len(text) if self.count_code_points else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Send:
    """A send that may pass. `recipient`: `+` and digits, or a BSUID when `to_bsuid`; `input`: as it was written."""

    recipient: str
    to_bsuid: bool
    input: str
    type: str
    content: Any
    context: str
    opaque: str | None

    @property
    def text(self) -> str:
        """What a phone shows of it, in words."""
        return words_of(self.type, self.content)


@dataclass(frozen=True, slots=True)
class MarkRead:
    """A request to mark a customer's message as read, with or without a typing indicator."""

    message_id: str
    typing: bool


def words_of(kind: str, content: Any) -> str:
    """A message in words: its text or caption, else its kind in brackets."""
    if isinstance(content, Mapping):
        for path in (("body",), ("caption",), ("emoji",), ("body", "text"), ("text",), ("button_reply", "title")):
            found: Any = content
            for step in path:
                found = found.get(step) if isinstance(found, Mapping) else None
            if isinstance(found, str) and found:
                return found
    return f"[{kind}]"


def read_request(body: Any, strict: Strictness) -> Send | MarkRead:
    """The request in `body`. Raises RefusedError (100, 131008, 131009, 131051)."""
    if not isinstance(body, dict):
        raise RefusedError(100, "The body must be a JSON object.")
    if body.get("messaging_product") != "whatsapp":
        raise RefusedError(100, "The parameter messaging_product is required and must be whatsapp.")
    if "status" in body:
        return _mark_read(body)
    kind = _type_of(body, strict)
    _only(body, TOP_LEVEL | {kind}, "the message")
    recipient, to_bsuid, written = _recipient(body)
    if kind not in body:
        raise RefusedError(131008, f"The parameter {kind} is required.")
    content = body[kind]
    TYPES[kind](content, strict)
    return Send(
        recipient=recipient,
        to_bsuid=to_bsuid,
        input=written,
        type=kind,
        content=content,
        context=_context(body, kind),
        opaque=_opaque(body),
    )


def _mark_read(body: dict[str, Any]) -> MarkRead:
    _only(body, frozenset({"messaging_product", "status", "message_id", "typing_indicator"}), "the request")
    if body["status"] != "read":
        raise RefusedError(100, "status must be read.")
    if not isinstance(body.get("message_id"), str):
        raise RefusedError(100, "The parameter message_id is required.")
    typing = body.get("typing_indicator")
    if typing is not None and typing != {"type": "text"}:
        raise RefusedError(100, "typing_indicator must be an object whose type is text.")
    return MarkRead(message_id=body["message_id"], typing=typing is not None)


def _type_of(body: dict[str, Any], strict: Strictness) -> str:
    kind = body.get("type", "text" if strict.type_defaults_to_text else None)
    if kind is None:
        raise RefusedError(131008, "The parameter type is required.")
    if not isinstance(kind, str) or kind not in TYPES:
        raise RefusedError(131009, "The type is not one that can be sent.")
    return kind


def _recipient(body: dict[str, Any]) -> tuple[str, bool, str]:
    if body.get("recipient_type", "individual") != "individual":
        raise RefusedError(100, "recipient_type must be individual: this number has no groups.")
    if "to" in body:
        written = body["to"]
        if not isinstance(written, str) or not written:
            raise RefusedError(100, "to must be a string.")
        if BSUID.match(written):
            raise RefusedError(131009, "to takes a phone number; a business-scoped user ID goes into recipient.")
        if not DIALLED.match(written):
            raise RefusedError(131009, "to must be a phone number that starts with + and its country code.")
        digits = "".join(filter(str.isdigit, written))
        if not 7 <= len(digits) <= 15:
            raise RefusedError(131009, "to is not a phone number.")
        return "+" + digits, False, written
    if "recipient" in body:
        written = body["recipient"]
        if not isinstance(written, str) or not BSUID.match(written):
            raise RefusedError(131009, "recipient must be a business-scoped user ID.")
        return written, True, written
    raise RefusedError(131008, "The parameter to is required.")


def _context(body: dict[str, Any], kind: str) -> str:
    context = body.get("context")
    if context is None:
        return ""
    if kind == "reaction":
        raise RefusedError(100, "A reaction cannot have a context.")
    if not isinstance(context, dict) or set(context) != {"message_id"} or not isinstance(context["message_id"], str):
        raise RefusedError(100, "context must be an object with message_id.")
    if not context["message_id"].startswith("wamid."):
        raise RefusedError(131009, "context.message_id is not a message id.")
    return str(context["message_id"])


def _opaque(body: dict[str, Any]) -> str | None:
    opaque = body.get("biz_opaque_callback_data")
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > OPAQUE_LENGTH):
        raise RefusedError(100, f"biz_opaque_callback_data must be a string of at most {OPAQUE_LENGTH} characters.")
    return opaque


def _only(found: Mapping[str, Any], allowed: AbstractSet[str], where: str) -> None:
    unknown = sorted(set(found) - allowed)
    if unknown:
        raise RefusedError(100, f"Unexpected key {unknown[0]!r} in {where}.")


def _object(content: Any, what: str, required: set[str], optional: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RefusedError(100, f"{what} must be an object.")
    _only(content, required | optional, what)
    missing = sorted(required - set(content))
    if missing:
        raise RefusedError(131008, f"{what} needs {missing[0]}.")
    return content


def _string(value: Any, what: str, longest: int, strict: Strictness, *, shortest: int = 1) -> str:
    if not isinstance(value, str):
        raise RefusedError(100, f"{what} must be a string.")
    if not shortest <= strict.length(value) <= longest:
        raise RefusedError(100, f"{what} must have {shortest} to {longest} characters.")
    return value


def _text(content: Any, strict: Strictness) -> None:
    content = _object(content, "text", {"body"}, {"preview_url"})
    if not _string(content["body"], "text.body", 4096, strict).strip():
        raise RefusedError(100, "text.body must not be blank.")
    if not isinstance(content.get("preview_url", False), bool):
        raise RefusedError(100, "text.preview_url must be true or false.")


def _media(*optional: str) -> Callable[[Any, Strictness], None]:
    def check(content: Any, strict: Strictness) -> None:
        content = _object(content, "media", set(), {"id", "link", *optional})
        if ("id" in content) == ("link" in content):
            raise RefusedError(100, "Media needs either id or link.")
        source = _string(content.get("id", content.get("link")), "media id or link", 4096, strict)
        if "link" in content and not source.startswith(("https://", "http://")):
            raise RefusedError(131009, "media link must be an http or https address.")
        if "caption" in content:
            _string(content["caption"], "caption", 1024, strict)
        if "filename" in content:
            _string(content["filename"], "filename", 240, strict)
        if not isinstance(content.get("voice", False), bool):
            raise RefusedError(100, "audio.voice must be true or false.")

    return check


def _location(content: Any, strict: Strictness) -> None:
    content = _object(content, "location", {"latitude", "longitude"}, {"name", "address"})
    for axis, most in (("latitude", 90.0), ("longitude", 180.0)):
        try:
            inside = -most <= float(content[axis]) <= most
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise RefusedError(131009, f"location.{axis} is not a coordinate.")
    for key in ("name", "address"):
        if key in content:
            _string(content[key], f"location.{key}", 1024, strict)


def _contacts(content: Any, strict: Strictness) -> None:
    if not isinstance(content, list) or not 1 <= len(content) <= strict.contacts_limit:
        raise RefusedError(100, f"contacts must be a list of 1 to {strict.contacts_limit} contacts.")
    for contact in content:
        name = contact.get("name") if isinstance(contact, dict) else None
        if not isinstance(name, dict) or not name.get("formatted_name"):
            raise RefusedError(131008, "A contact needs name.formatted_name.")
        if strict.first_name_needed and len([part for part in name.values() if part]) < 2:
            raise RefusedError(131009, "A contact needs another name part besides formatted_name.")


def _reaction(content: Any, strict: Strictness) -> None:
    content = _object(content, "reaction", {"message_id", "emoji"})
    if not isinstance(content["message_id"], str) or not content["message_id"].startswith("wamid."):
        raise RefusedError(131009, "reaction.message_id is not a message id.")
    _string(content["emoji"], "reaction.emoji", 40, strict, shortest=1 if strict.empty_emoji_refused else 0)


def _interactive(content: Any, strict: Strictness) -> None:
    content = _object(content, "interactive", {"type", "action"}, {"body", "footer", "header"})
    kind = content["type"]
    if kind not in INTERACTIVES:
        raise RefusedError(131009, "interactive.type is not one that can be sent.")
    if kind != "product":
        body = _object(content.get("body"), "interactive.body", {"text"})
        _string(body["text"], "interactive.body.text", 1024, strict)
    if "footer" in content:
        footer = _object(content["footer"], "interactive.footer", {"text"})
        _string(footer["text"], "interactive.footer.text", 60, strict)
    header = content.get("header")
    if header is not None:
        _header(header, kind, strict)
    action = content["action"]
    if not isinstance(action, dict):
        raise RefusedError(100, "interactive.action must be an object.")
    INTERACTIVES[kind](action, strict)


def _header(header: Any, kind: str, strict: Strictness) -> None:
    shape = header.get("type") if isinstance(header, dict) else None
    if shape not in ("text", "image", "video", "document") or (kind == "list" and shape != "text"):
        raise RefusedError(131009, "interactive.header has a type that is not allowed here.")
    _object(header, "interactive.header", {"type", shape}, {"sub_text"})
    if shape == "text":
        _string(header["text"], "interactive.header.text", 60, strict)
    else:
        TYPES[shape](header[shape], strict)


def _buttons(action: dict[str, Any], strict: Strictness) -> None:
    buttons = _object(action, "interactive.action", {"buttons"})["buttons"]
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise RefusedError(131009, "There must be 1 to 3 buttons.")
    titles, ids = [], []
    for button in buttons:
        reply = _object(_object(button, "button", {"type", "reply"})["reply"], "button.reply", {"id", "title"})
        titles.append(_string(reply["title"], "button.reply.title", 20, strict))
        ids.append(_string(reply["id"], "button.reply.id", 256, strict))
        if ids[-1] != ids[-1].strip():
            raise RefusedError(131009, "button.reply.id must not begin or end with a space.")
    if len(set(titles)) < len(titles) or len(set(ids)) < len(ids):
        raise RefusedError(131009, "Buttons must have titles and ids of their own.")


def _list(action: dict[str, Any], strict: Strictness) -> None:
    action = _object(action, "interactive.action", {"button", "sections"})
    _string(action["button"], "action.button", 20, strict)
    sections = action["sections"]
    if not isinstance(sections, list) or not 1 <= len(sections) <= 10:
        raise RefusedError(131009, "There must be 1 to 10 sections.")
    rows = 0
    for section in sections:
        section = _object(section, "section", {"rows"}, {"title"})
        if "title" in section or len(sections) > 1:
            _string(section.get("title"), "section.title", 24, strict)
        if not isinstance(section["rows"], list) or not section["rows"]:
            raise RefusedError(131009, "A section needs rows.")
        for row in section["rows"]:
            row = _object(row, "row", {"id", "title"}, {"description"})
            _string(row["id"], "row.id", 200, strict)
            _string(row["title"], "row.title", 24, strict)
            if "description" in row:
                _string(row["description"], "row.description", 72, strict)
            rows += 1
    if rows > 10:
        raise RefusedError(131009, "There must be at most 10 rows in all.")


def _cta_url(action: dict[str, Any], strict: Strictness) -> None:
    action = _object(action, "interactive.action", {"name", "parameters"})
    parameters = _object(action["parameters"], "action.parameters", {"display_text", "url"})
    _string(parameters["display_text"], "display_text", 20, strict)
    if action["name"] != "cta_url" or not str(parameters["url"]).startswith(("https://", "http://")):
        raise RefusedError(131009, "A cta_url action needs its name and an http or https address.")


def _named(name: str) -> Callable[[dict[str, Any], Strictness], None]:
    def check(action: dict[str, Any], _strict: Strictness) -> None:
        if _object(action, "interactive.action", {"name"})["name"] != name:
            raise RefusedError(131009, f"action.name must be {name}.")

    return check


def _any(_action: Any, _strict: Strictness) -> None:
    """Kinds that only have to be objects here."""


def _template(content: Any, strict: Strictness) -> None:
    content = _object(content, "template", {"name", "language"}, {"components"})
    _string(content["name"], "template.name", 512, strict)
    language = _object(content["language"], "template.language", {"code"}, {"policy"})
    _string(language["code"], "template.language.code", 20, strict)


INTERACTIVES: dict[str, Callable[[dict[str, Any], Strictness], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _cta_url,
    "location_request_message": _named("send_location"),
    "request_contact_info": _named("request_contact_info"),
    "flow": _any,
    "product": _any,
    "product_list": _any,
    "catalog_message": _any,
    "carousel": _any,
}

TYPES: dict[str, Callable[[Any, Strictness], None]] = {
    "text": _text,
    "image": _media("caption"),
    "video": _media("caption"),
    "document": _media("caption", "filename"),
    "audio": _media("voice"),
    "sticker": _media(),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    "template": _template,
}
