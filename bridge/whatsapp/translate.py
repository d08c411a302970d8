"""What does one item from Meta mean in our words? Pure; no JSON makes it raise, and no customer message is lost.

Items are what the inbox keeps: `{"metadata", "contacts", "message" | "status"}`. Rules of the vendor: fact sheet
WhatsApp 1.6 (messages), 1.8 (statuses), 3.1 (what opens the window), 8 (identity).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bridge.domain.model import (
    Bsuid,
    InboundMessage,
    MarketingPreference,
    MediaRef,
    MessageStatus,
    Sender,
    StatusUpdate,
    SystemNotice,
    Unrecognised,
    WaId,
    Wamid,
)
from bridge.domain.text import flatten, preview
from bridge.whatsapp.wire import (
    Part,
    WireContact,
    WireMessage,
    part_of,
    read_contacts,
    read_form,
    read_message,
    read_status,
)

VOCABULARY = 1
"""Goes up with every version that understands more: what was not understood is then taken in once more."""

_OLDEST_SECONDS = 1_230_768_000
"""2009, the year of WhatsApp: what claims to be older is wrong."""
_MILLISECONDS_FROM = 10**12
_CLOCK_SKEW = timedelta(days=1)

_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{4,30}")
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,39}")

_STATUSES = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.PLAYED,
    "failed": MessageStatus.FAILED,
}
_SYSTEM_ALIASES = {"customer_changed_number": "user_changed_number"}

_NAME_CHARACTERS = 120
_DIRECTION_SIGNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NOT_PASSED_ON = "that WhatsApp does not pass on to businesses"
_UNSUPPORTED = {
    "button": "a message with buttons",
    "gif": "a GIF",
    "group_invite": "an invitation to a group",
    "hsm": "a template message",
    "image": "a picture",
    "interactive": "an interactive message",
    "link_preview": "a link with a preview",
    "list": "a message with a list",
    "location": "a location (a live one, perhaps)",
    "media_placeholder": "a file",
    "order": "an order",
    "poll_creation": "a poll",
    "poll_update": "a vote in a poll",
    "product": "a product",
    "reaction": "a reaction",
}
_UNSUPPORTED_ACTS = {
    "edit": "The customer edited an earlier message. WhatsApp does not say what it reads now.",
    "keep_in_chat": "The customer kept a disappearing message.",
    "pin": "The customer pinned a message.",
}
_UNSUPPORTED_CODES = {
    131052: "The customer sent a file that WhatsApp could not pass on: too big (over 100 MB) or broken.",
    131060: "The customer sent a message that can be seen only in the WhatsApp Business app on the phone.",
}


def translate_message(
    item: Mapping[str, object], *, received_at: datetime
) -> InboundMessage | SystemNotice | Unrecognised:
    """`received_at` stands in for a time that is missing or absurd. `Unrecognised` only for what has no id or no
    sender: nobody could be answered."""
    root = part_of(item)
    message = read_message(root.part("message"))
    kind = _label(message.type)
    if message.id is None:
        return Unrecognised(kind, "it has no id")
    if kind == "request_welcome":
        return Unrecognised(kind, "WhatsApp withdrew it in March 2026")
    sent_at = _time(message.timestamp, received_at=received_at)
    contacts = read_contacts(root)
    if kind == "system":
        return _system_notice(message, contacts, wamid=Wamid(message.id), sent_at=sent_at)
    sender = _sender(message.from_, message.from_user_id, contacts, parent_user_id=message.from_parent_user_id)
    if sender is None:
        return Unrecognised(kind, "it names no sender")
    return _inbound(message, sender, kind=kind, wamid=Wamid(message.id), sent_at=sent_at)


def _inbound(message: WireMessage, sender: Sender, *, kind: str, wamid: Wamid, sent_at: datetime) -> InboundMessage:
    rendering = _RENDERINGS.get(kind, _Rendering(_unknown_type, opens_window=False))
    in_group = message.group_id is not None
    opens = rendering.opens_window and not in_group and (kind != "interactive" or _is_answer(message))
    about = _about(message)
    return InboundMessage(
        wamid=wamid,
        sender=sender,
        sent_at=sent_at,
        kind=kind,
        text=_whole_text(message, rendering.text(message)),
        opens_window=opens,
        quoted=Wamid(message.context.id) if message.context.id and about is None else None,
        about=about,
        says=_says(message, kind),
        media=tuple(_media(message, kind, received_at=sent_at)),
        origin=_origin(message),
        is_understood=_is_understood(message, kind),
        is_referred=bool(message.referral),
        told_number=_told_number(message) if kind == "contacts" else None,
    )


def translate_echo(item: Mapping[str, object], *, received_at: datetime) -> InboundMessage | Unrecognised:
    """What the owner wrote in the WhatsApp Business app (fact sheet 1.12). Its `sender` is whom it went to."""
    root = part_of(item)
    echo = root.part("echo")
    message = read_message(echo)
    kind = _label(message.type)
    customer = _sender(echo.text("to"), echo.text("to_user_id"), read_contacts(root))
    if message.id is None or customer is None:
        return Unrecognised("echo", "it has no id" if message.id is None else "it names nobody")
    sent_at = _time(message.timestamp, received_at=received_at)
    told = _inbound(message, customer, kind=kind, wamid=Wamid(message.id), sent_at=sent_at)
    text = f"[Written in the WhatsApp Business app]\n{told.text}"
    return replace(told, text=text, opens_window=False, is_referred=False, origin=None, is_echo=True)


_CALL_ENDS = {"COMPLETED": "The call ended", "FAILED": "Nobody answered, or the call broke off"}


def translate_call(item: Mapping[str, object], *, received_at: datetime) -> InboundMessage | Unrecognised:
    """A call begins or ends (fact sheet 1.13). The customer's opens the window like a message (3.1)."""
    root = part_of(item)
    call = root.part("call")
    event, call_id = _label((call.text("event") or "").lower()), call.text("id")
    ours = root.part("metadata").text("display_phone_number") or ""
    is_ours = call.text("direction") == "BUSINESS_INITIATED" or (
        call.text("direction") is None and bool(ours) and _wa_id(call.text("from")) == _wa_id(ours)
    )
    whom = ("to", "to_user_id") if is_ours else ("from", "from_user_id")
    customer = _sender(call.text(whom[0]), call.text(whom[1]), read_contacts(root))
    if call_id is None or customer is None:
        return Unrecognised("call", "it has no id" if call_id is None else "it names nobody")
    match event:
        case "connect":
            text = (
                "[We called on WhatsApp]" if is_ours else "[Called on WhatsApp] Calls are not carried to this ticket."
            )
        case "terminate":
            seconds = call.number("duration")
            length = f", after {int(seconds)} s" if seconds is not None and seconds >= 0 else ""
            text = f"[WhatsApp call] {_CALL_ENDS.get(call.text('status') or '', 'The call ended')}{length}."
        case _:
            text = f"[WhatsApp call] {event}"
    return InboundMessage(
        wamid=Wamid(f"{call_id}:{event}"),
        sender=customer,
        sent_at=_time(call.number("timestamp"), received_at=received_at),
        kind="call",
        text=text,
        opens_window=event == "connect" and not is_ours,
        is_understood=event in ("connect", "terminate"),
    )


def translate_status(item: Mapping[str, object], *, received_at: datetime) -> StatusUpdate | Unrecognised:
    """`Unrecognised` for statuses of calls and groups, those of the On-Premises API, and new ones."""
    status = read_status(part_of(item).part("status"))
    name = _label(status.status)
    if status.id is None:
        return Unrecognised(name, "it has no id")
    if status.recipient_type == "group":
        return Unrecognised("group", "messages in groups are not carried")
    if status.type not in (None, "message"):
        return Unrecognised(_label(status.type), "it is no status of a message")
    if name not in _STATUSES:
        return Unrecognised(name, "an unknown status")
    error = status.errors[0] if status.errors else None
    return StatusUpdate(
        wamid=Wamid(status.id),
        status=_STATUSES[name],
        at=_time(status.timestamp, received_at=received_at),
        key=status.biz_opaque_callback_data,
        error_code=error.code if error else None,
        error_details=error.details if error else None,
        free_entry_until=_free_entry_until(status.conversation),
        price_category=_price_word(status.pricing.text("category")),
        price_type=_price_word(status.pricing.text("type")),
    )


def _price_word(word: str | None) -> str | None:
    """`authentication-international` has a hyphen here and an underscore elsewhere (fact sheet 1.8)."""
    label = None if word is None else word.replace("-", "_")
    return label if label is not None and _LABEL.fullmatch(label) else None


def _free_entry_until(conversation: Part) -> datetime | None:
    expires = conversation.number("expiration_timestamp")
    if conversation.part("origin").text("type") != "referral_conversion" or expires is None:
        return None
    return datetime.fromtimestamp(expires, UTC) if _OLDEST_SECONDS <= expires < _MILLISECONDS_FROM else None


PREFERENCES_FIELD = "user_preferences"
_PREFERENCES = {"stop": False, "resume": True, "signup": True}


def translate_preferences(
    item: Mapping[str, object], *, received_at: datetime
) -> list[MarketingPreference | Unrecognised]:
    """What a `user_preferences` webhook tells (fact sheet 1.11), each by itself."""
    value = part_of(item).part("value")
    contacts = read_contacts(value)
    found: list[MarketingPreference | Unrecognised] = []
    for told in value.parts("user_preferences"):
        word = _label(told.text("value"))
        sender = _sender(told.text("wa_id"), told.text("user_id"), contacts)
        if told.text("category") != "marketing_messages" or word not in _PREFERENCES:
            found.append(Unrecognised("user_preferences", "an unknown preference"))
        elif sender is None:
            found.append(Unrecognised("user_preferences", "it names nobody"))
        else:
            at = _time(told.number("timestamp"), received_at=received_at)
            found.append(MarketingPreference(sender, at, _PREFERENCES[word], word))
    return found or [Unrecognised("user_preferences", "it tells nothing")]


def _label(kind: str | None) -> str:
    """A vendor's word as a label: never anything that a stranger wrote."""
    return kind if kind and _LABEL.fullmatch(kind) else "unknown"


def _time(timestamp: float | None, *, received_at: datetime) -> datetime:
    if timestamp is None:
        return received_at
    seconds = timestamp / 1000 if timestamp >= _MILLISECONDS_FROM else timestamp
    if not _OLDEST_SECONDS <= seconds <= (received_at + _CLOCK_SKEW).timestamp():
        return received_at
    return datetime.fromtimestamp(seconds, UTC)


def translate_bare(message: Part, *, received_at: datetime) -> tuple[datetime, str]:
    """When a message was sent and how it reads, whoever sent it."""
    read = read_message(message)
    rendering = _RENDERINGS.get(_label(read.type), _Rendering(_unknown_type, opens_window=False))
    return _time(read.timestamp, received_at=received_at), _whole_text(read, rendering.text(read))


# Identity


def sender_of_id(found: str | None) -> Sender | None:
    """Whoever is named by a `wa_id` or a BSUID alone."""
    return _sender(found, None, [])


def _sender(
    from_: str | None, from_user_id: str | None, contacts: list[WireContact], *, parent_user_id: str | None = None
) -> Sender | None:
    bsuid, wa_id = _bsuid(from_user_id) or _bsuid_in(from_), _wa_id(from_)
    contact = _contact_of(bsuid, wa_id, contacts)
    if contact is not None:
        bsuid = bsuid or _bsuid(contact.user_id) or _bsuid_in(contact.wa_id)
        wa_id = wa_id or _wa_id(contact.wa_id)
    if bsuid is None and wa_id is None:
        return None
    parent_bsuid = _bsuid(parent_user_id) or _bsuid(contact.parent_user_id if contact else None)
    return Sender(
        bsuid=bsuid,
        wa_id=wa_id,
        name=_name(contact),
        parent_bsuid=parent_bsuid if parent_bsuid != bsuid else None,
    )


def _contact_of(bsuid: Bsuid | None, wa_id: WaId | None, contacts: list[WireContact]) -> WireContact | None:
    """The contact with the same ids, else the only one if it does not contradict."""
    for contact in contacts:
        if bsuid is not None and bsuid in (contact.user_id, contact.wa_id):
            return contact
    for contact in contacts:
        known = _bsuid(contact.user_id)
        if wa_id is not None and _wa_id(contact.wa_id) == wa_id and (bsuid is None or known in (None, bsuid)):
            return contact
    if len(contacts) == 1 and (bsuid is None or _bsuid(contacts[0].user_id) is None):
        return contacts[0]
    return None


def _bsuid(user_id: str | None) -> Bsuid | None:
    """Taken as it is, whatever Meta makes of the format; a parent's id (`US.ENT.…`) as well, for want of a better."""
    user_id = (user_id or "").strip()
    return Bsuid(user_id) if user_id and len(user_id) <= 256 else None


def _bsuid_in(from_: str | None) -> Bsuid | None:
    return Bsuid(from_) if from_ and _BSUID.fullmatch(from_) else None


def _wa_id(from_: str | None) -> WaId | None:
    if not from_ or not _PHONE.fullmatch(from_.strip()):
        return None
    return WaId("".join(char for char in from_ if char in "0123456789"))


def _name(contact: WireContact | None) -> str | None:
    if contact is None:
        return None
    username = flatten(contact.username or "").lstrip("@")
    return flatten(contact.name or "") or (f"@{username}" if username else None)


def _system_notice(
    message: WireMessage, contacts: list[WireContact], *, wamid: Wamid, sent_at: datetime
) -> SystemNotice | Unrecognised:
    system = message.body
    kind = _label(system.text("type"))
    new_bsuid, previous_bsuid = _bsuid(system.text("user_id")), _bsuid(system.text("previous_user_id"))
    new_wa_id = _wa_id(system.text("wa_id") or system.text("new_wa_id"))
    # Where an id changes, a contact beside it may hold the new ones already; the sender is who they were.
    known = contacts if kind == "customer_identity_changed" else []
    sender = _sender(message.from_, previous_bsuid or message.from_user_id, known) or _sender(None, new_bsuid, [])
    if sender is None:
        return Unrecognised("system", "it names nobody")
    return SystemNotice(
        wamid=wamid,
        sender=sender,
        sent_at=sent_at,
        kind=_SYSTEM_ALIASES.get(kind, kind),
        new_wa_id=new_wa_id,
        new_bsuid=new_bsuid,
        previous_bsuid=previous_bsuid,
        new_parent_bsuid=_bsuid(system.text("parent_user_id")),
        previous_parent_bsuid=_bsuid(system.text("previous_parent_user_id")),
    )


def _told_number(message: WireMessage) -> str | None:
    """The customer's own number, where they gave it when asked (fact sheet 1.6.2, contacts)."""
    for contact in message.root.parts("contacts"):
        if "contact_request" not in (contact.text("origin"), message.root.text("origin")):
            continue
        for phone in contact.parts("phones"):
            number = _wa_id(phone.text("wa_id")) or _wa_id(phone.text("phone"))
            if number is not None:
                return number
    return None


def _about(message: WireMessage) -> Wamid | None:
    about = (
        message.root.part("reaction").text("message_id")
        or message.root.part("edit").text("original_message_id")
        or message.root.part("revoke").text("original_message_id")
    )
    return Wamid(about) if about else None


def _says(message: WireMessage, kind: str) -> str | None:
    """The emoji of a reaction (empty: taken back), the new words of an edit."""
    if kind == "reaction":
        return flatten(message.body.text("emoji") or "")
    if kind != "edit":
        return None
    edited, rendering = _edited(message)
    return None if rendering is None else rendering.text(edited)


def _edited(message: WireMessage) -> tuple[WireMessage, "_Rendering | None"]:
    edited = read_message(message.body.part("message"))
    rendering = _RENDERINGS.get(_label(edited.type))
    return edited, rendering if rendering is not None and rendering.opens_window else None


_ORIGIN_ID = re.compile(r"[0-9A-Za-z_-]{1,40}")


def _origin(message: WireMessage) -> str | None:
    if not message.referral:
        return None
    where = "post" if message.referral.text("source_type") == "post" else "ad"
    source_id = message.referral.text("source_id") or ""
    return f"{where}:{source_id}" if _ORIGIN_ID.fullmatch(source_id) else where


def _is_understood(message: WireMessage, kind: str) -> bool:
    """What Meta says that it does not pass on is understood: nobody will ever know more."""
    if kind == "interactive":
        return message.body.text("type") in (None, "button_reply", "list_reply", "nfm_reply", "call_permission_reply")
    return kind in _RENDERINGS and (kind != "unknown" or bool(message.errors))


# Files


_FILES = frozenset({"image", "video", "document", "audio", "voice", "sticker"})


def _media(message: WireMessage, kind: str, *, received_at: datetime) -> Iterable[MediaRef]:
    if kind in _FILES and not message.errors:
        body = message.body
        word = "voice" if kind == "voice" or body.flag("voice") else kind
        if body.text("id"):
            yield MediaRef(
                word,
                media_id=body.text("id"),
                name=body.text("filename"),
                mime_type=body.text("mime_type"),
                sha256=body.text("sha256"),
            )
    elif kind == "contacts":
        for contact in message.root.parts("contacts")[:_MOST_CARDS]:
            card = _vcard(contact, message)
            if card is not None:
                yield MediaRef("contact", name=_full_name(contact) or "contact", mime_type="text/vcard", content=card)
    elif kind == "edit":
        edited, rendering = _edited(message)
        if rendering is not None and edited.type in _FILES:
            yield from _media(edited, edited.type, received_at=received_at)


_MOST_CARDS = 50


def _vcard(contact: Part, message: WireMessage) -> str | None:
    """The card that came along, else one made of what is there; none of a number that customers gave as their own."""
    if contact.text("vcard"):
        return contact.text("vcard")
    if _is_own(contact, message) or not (contact.parts("phones") or contact.parts("emails")):
        return None
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{_escaped(_full_name(contact) or 'Contact')}"]
    name = contact.part("name")
    lines.append(f"N:{_escaped(name.text('last_name') or '')};{_escaped(name.text('first_name') or '')};;;")
    lines += [f"TEL:{_escaped(one.text('phone') or one.text('wa_id') or '')}" for one in contact.parts("phones")]
    lines += [f"EMAIL:{_escaped(one.text('email') or '')}" for one in contact.parts("emails")]
    if contact.part("org").text("company"):
        lines.append(f"ORG:{_escaped(contact.part('org').text('company') or '')}")
    return "\r\n".join([*lines, "END:VCARD", ""])


def _escaped(text: str) -> str:
    return re.sub(r"([\\,;])", r"\\\1", flatten(text))


# What the agent reads


def _whole_text(message: WireMessage, text: str) -> str:
    return _lines([*_marks(message), text]) or "[A message without content]"


def _lines(lines: Iterable[str | None]) -> str:
    return "\n".join(line for line in lines if line and line.strip())


def _list(parts: Iterable[str | None]) -> str:
    return ", ".join(flat for part in parts if part and (flat := flatten(part)))


def _marks(message: WireMessage) -> list[str]:
    marks = []
    if message.group_id is not None:
        marks.append("[Written in a WhatsApp group, which cannot be answered from here: a reply goes to this person]")
    if message.referral:
        referral = message.referral
        where = "a post" if referral.text("source_type") == "post" else "an ad"
        marks.append(f"[Came through {where}] {flatten(referral.text('headline') or '')}".strip())
        marks.append(flatten(referral.text("body") or ""))
        marks.append(flatten(referral.text("source_url") or ""))
    product = message.context.referred_product.text("product_retailer_id")
    if product:
        marks.append(f"[About product {flatten(product)}]")
    if message.context.frequently_forwarded:
        marks.append("[Forwarded many times]")
    elif message.context.forwarded:
        marks.append("[Forwarded]")
    return marks


def _text(message: WireMessage) -> str:
    return message.body.text("body") or "[A text message without text]"


def _file(message: WireMessage) -> str:
    body = message.body
    word = {
        "image": "Image",
        "video": "Video",
        "document": "Document",
        "audio": "Voice message" if body.flag("voice") else "Audio",
        "voice": "Voice message",
        "sticker": "Animated sticker" if body.flag("animated") else "Sticker",
    }[message.type or ""]
    why = ""
    if message.errors:
        why = "(WhatsApp could not pass the file on: too big or broken)"
    elif not body.text("id"):
        why = "(WhatsApp did not pass the file on)"
    # What a stranger calls it may run backwards, or be a page long.
    name = preview(_DIRECTION_SIGNS.sub("", body.text("filename") or ""), _NAME_CHARACTERS)
    return _lines([" ".join(part for part in (f"[{word}]", name, why) if part), body.text("caption")])


def _location(message: WireMessage) -> str:
    body = message.body
    latitude, longitude = body.number("latitude"), body.number("longitude")
    link = None
    if latitude is not None and longitude is not None:
        link = f"https://maps.google.com/?q={latitude:.10g},{longitude:.10g}"
    return _lines(
        [f"[Location] {_list([body.text('name'), body.text('address')])}".strip(), link, body.text("url")],
    )


def _contacts(message: WireMessage) -> str:
    return _lines(_contact(contact, message) for contact in message.root.parts("contacts")) or "[Contact]"


def _contact(contact: Part, message: WireMessage) -> str:
    own = _is_own(contact, message)
    full_name = _full_name(contact)
    organisation = contact.part("org")
    details = _list(
        [
            full_name,
            organisation.text("title"),
            organisation.text("department"),
            organisation.text("company"),
            *(phone.text("phone") or phone.text("wa_id") for phone in contact.parts("phones")),
            *(email.text("email") for email in contact.parts("emails")),
            *(url.text("url") for url in contact.parts("urls")),
            *(_postal(address) for address in contact.parts("addresses")),
        ]
    )
    return f"[{'The number of the customer' if own else 'Contact'}] {details}".strip()


def _is_own(contact: Part, message: WireMessage) -> bool:
    """An early version of Meta's documentation has `origin` on the message."""
    return "contact_request" in (contact.text("origin"), message.root.text("origin"))


def _full_name(contact: Part) -> str:
    name = contact.part("name")
    return _list([name.text("formatted_name")]) or flatten(
        f"{name.text('first_name') or ''} {name.text('last_name') or ''}"
    )


def _postal(address: Part) -> str:
    return _list(address.text(member) for member in ("street", "zip", "city", "state", "country"))


def _reaction(message: WireMessage) -> str:
    emoji = flatten(message.body.text("emoji") or "")
    return f"[Reacted {emoji}]" if emoji else "[Took a reaction back]"


def _is_answer(message: WireMessage) -> bool:
    """An answer that a person gave: a call permission may also be given by WhatsApp itself."""
    return message.body.text("type") in ("button_reply", "list_reply", "nfm_reply")


def _interactive(message: WireMessage) -> str:
    kind = message.body.text("type")
    reply = message.body.part(kind) if kind else Part()
    match kind:
        case "button_reply" | "list_reply":
            return _tapped(reply.text("title"), reply.text("description"))
        case "nfm_reply":
            fields = [_row(name, value) for name, value in read_form(reply.text("response_json"))]
            return _lines(["[Form]", *fields, None if fields else flatten(reply.text("body") or "")])
        case "call_permission_reply":
            return "[Allows calls]" if reply.text("response") == "accept" else "[Does not allow calls]"
        case None:
            return _unsupported(message)
        case _:
            return _unknown(kind)


def _row(*cells: str) -> str:
    """A row of a table, as `render` knows it: its cells hold neither tabs nor line ends."""
    return "\t".join(flatten(cell) for cell in cells)


def _button(message: WireMessage) -> str:
    return _tapped(message.body.text("text"), None)


def _tapped(title: str | None, description: str | None) -> str:
    title, description = flatten(title or ""), flatten(description or "")
    return f"[Tapped] {title}{f' ({description})' if description else ''}" if title else "[Tapped a button]"


def _order(message: WireMessage) -> str:
    items = []
    for item in message.body.parts("product_items"):
        price = _list([f"{item.text('item_price') or ''} {item.text('currency') or ''}"])
        name = flatten(item.text("product_retailer_id") or "") or "a product"
        items.append(_row(f"{item.text('quantity') or '?'} x", name, price))
    said = (message.body.text("text") or "").replace("\t", " ")
    return _lines(["[Order]", *items, said])


def _unsupported(message: WireMessage) -> str:
    kind = message.root.part("unsupported").text("type") or ""
    if kind in _UNSUPPORTED_ACTS:
        return f"[Not shown] {_UNSUPPORTED_ACTS[kind]}"
    for error in message.errors:
        if error.code in _UNSUPPORTED_CODES:
            return f"[Not shown] {_UNSUPPORTED_CODES[error.code]}"
    return f"[Not shown] The customer sent {_UNSUPPORTED.get(kind, 'a message of a kind')} {_NOT_PASSED_ON}."


def _edit(message: WireMessage) -> str:
    edited, rendering = _edited(message)
    if rendering is None:
        return "[Edited an earlier message] WhatsApp does not say what it reads now."
    return _lines(["[Edited an earlier message; it reads now:]", rendering.text(edited)])


def _revoke(_: WireMessage) -> str:
    return "[Deleted an earlier message in WhatsApp]"


def _unknown_type(message: WireMessage) -> str:
    if message.errors:
        return _unsupported(message)
    # Some text is better than none, should Meta rename the type and keep the rest.
    return _lines([_unknown(message.type), message.root.part("text").text("body") or message.body.text("caption")])


def _unknown(kind: str | None) -> str:
    return f"[Not shown] A message of type {_label(kind)} that WhatsApp does not pass on."


@dataclass(frozen=True, slots=True)
class _Rendering:
    text: Callable[[WireMessage], str]
    opens_window: bool


_RENDERINGS = {
    "text": _Rendering(_text, opens_window=True),
    **dict.fromkeys(("image", "video", "document", "audio", "voice", "sticker"), _Rendering(_file, opens_window=True)),
    "location": _Rendering(_location, opens_window=True),
    "contacts": _Rendering(_contacts, opens_window=True),
    "interactive": _Rendering(_interactive, opens_window=True),
    "button": _Rendering(_button, opens_window=True),
    "order": _Rendering(_order, opens_window=True),
    "reaction": _Rendering(_reaction, opens_window=False),
    "unsupported": _Rendering(_unsupported, opens_window=False),
    "unknown": _Rendering(_unknown_type, opens_window=False),
    "edit": _Rendering(_edit, opens_window=False),
    "revoke": _Rendering(_revoke, opens_window=False),
}
"""Whether a kind opens the window: fact sheet 3.1, on the careful side where it says unconfirmed."""
