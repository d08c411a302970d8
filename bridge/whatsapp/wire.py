"""What does Meta write inside one message or one status? Its spelling, read so that no shape of JSON can raise.

Every member is optional: what is missing, null or of another type than expected reads as absent. The envelope
around (`entry`, `changes`) is not known here. Source: fact sheet WhatsApp 1.6 to 1.9.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.domain.text import clean

_LARGEST_NUMBER = 10**18


@dataclass(frozen=True, slots=True)
class Part:
    """A JSON object, or what stands where one should be."""

    members: Mapping[str, object] = field(default_factory=dict, repr=False)

    def text(self, name: str) -> str | None:
        """A string, or a number as a string; None when absent or empty. Storable text: no NUL, no lone surrogate."""
        value = self.members.get(name)
        if isinstance(value, str):
            return clean(value) or None
        number = _number(value)
        return None if number is None else f"{number:.12g}" if isinstance(number, float) else str(number)

    def number(self, name: str) -> int | float | None:
        """A finite number, also one that was written as a string."""
        value = self.members.get(name)
        if isinstance(value, str):
            try:
                value = int(value) if value.strip().lstrip("-").isdecimal() and len(value) < 20 else float(value)
            except ValueError:
                return None
        return _number(value)

    def flag(self, name: str) -> bool:
        return self.members.get(name) is True

    def part(self, name: str) -> "Part":
        return part_of(self.members.get(name))

    def parts(self, name: str) -> list["Part"]:
        """The objects of a list; what is no object in it is skipped."""
        value = self.members.get(name)
        return (
            [part_of(element) for element in value if isinstance(element, Mapping)] if isinstance(value, list) else []
        )

    def __bool__(self) -> bool:
        return bool(self.members)


def part_of(value: object) -> Part:
    return Part(value) if isinstance(value, Mapping) else Part()


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Not a number compares as false, infinity as too large.
    return value if abs(value) < _LARGEST_NUMBER else None


@dataclass(frozen=True, slots=True)
class WireContact:
    wa_id: str | None = field(repr=False)
    user_id: str | None = field(repr=False)
    name: str | None = field(repr=False)
    username: str | None = field(repr=False)
    parent_user_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WireError:
    code: int | None
    details: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class WireContext:
    id: str | None = field(repr=False)
    forwarded: bool
    frequently_forwarded: bool
    referred_product: Part


@dataclass(frozen=True, slots=True)
class WireMessage:
    """The members that every type of message may have. `body` is the object named like the type."""

    id: str | None = field(repr=False)
    from_: str | None = field(repr=False)
    from_user_id: str | None = field(repr=False)
    from_parent_user_id: str | None = field(repr=False)
    group_id: str | None = field(repr=False)
    timestamp: int | float | None
    type: str | None
    context: WireContext
    referral: Part
    errors: list[WireError]
    body: Part
    root: Part


@dataclass(frozen=True, slots=True)
class WireStatus:
    id: str | None = field(repr=False)
    status: str | None
    timestamp: int | float | None
    recipient_type: str | None
    type: str | None
    biz_opaque_callback_data: str | None
    conversation: Part
    pricing: Part
    errors: list[WireError]


def read_message(message: Part) -> WireMessage:
    kind = message.text("type")
    context = message.part("context")
    return WireMessage(
        id=message.text("id"),
        from_=message.text("from"),
        from_user_id=message.text("from_user_id"),
        from_parent_user_id=message.text("from_parent_user_id"),
        group_id=message.text("group_id"),
        timestamp=message.number("timestamp"),
        type=kind,
        context=WireContext(
            id=context.text("id"),
            forwarded=context.flag("forwarded"),
            frequently_forwarded=context.flag("frequently_forwarded"),
            referred_product=context.part("referred_product"),
        ),
        referral=message.part("referral"),
        errors=read_errors(message),
        body=message.part(kind) if kind else Part(),
        root=message,
    )


def read_status(status: Part) -> WireStatus:
    return WireStatus(
        id=status.text("id"),
        status=status.text("status"),
        timestamp=status.number("timestamp"),
        recipient_type=status.text("recipient_type"),
        type=status.text("type"),
        biz_opaque_callback_data=status.text("biz_opaque_callback_data"),
        conversation=status.part("conversation"),
        pricing=status.part("pricing"),
        errors=read_errors(status),
    )


def read_contacts(item: Part) -> list[WireContact]:
    return [
        WireContact(
            wa_id=contact.text("wa_id"),
            user_id=contact.text("user_id"),
            name=contact.part("profile").text("name"),
            username=contact.part("profile").text("username"),
            parent_user_id=contact.text("parent_user_id"),
        )
        for contact in item.parts("contacts")
    ]


def read_errors(holder: Part) -> list[WireError]:
    """`details` stands in `error_data` or, seen in real traffic, beside the code; `error_data` may be a string."""
    errors = []
    for error in holder.parts("errors"):
        details = error.part("error_data").text("details") or error.text("error_data") or error.text("details")
        errors.append(WireError(code=read_code(error), details=details or error.text("message") or error.text("title")))
    return errors


def read_code(error: Part) -> int | None:
    code = error.number("code")
    return int(code) if code is not None and code == int(code) else None


def read_form(response_json: str | None) -> Iterator[tuple[str, str]]:
    """Label and value of each field of a Flow's answer, which comes as JSON in a string written by the customer's app.

    Nothing for what is no JSON object. The flow token is ours, not an answer, and left out.
    """
    try:
        answer = json.loads(response_json or "")
        if isinstance(answer, dict):
            for name, value in answer.items():
                if name != "flow_token":
                    yield clean(str(name)), _form_value(value)
    except (ValueError, RecursionError):
        return


def _form_value(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return clean(", ".join(value))
    return clean(json.dumps(value, ensure_ascii=False))
