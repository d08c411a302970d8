"""What is a message template? Values in our own words, of every kind of component (fact sheet WhatsApp 4.1 to 4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Category(StrEnum):
    MARKETING = "MARKETING"
    UTILITY = "UTILITY"
    AUTHENTICATION = "AUTHENTICATION"


class ParameterFormat(StrEnum):
    POSITIONAL = "POSITIONAL"
    NAMED = "NAMED"


class TemplateStatus(StrEnum):
    """Only `APPROVED` may be sent; a word of Meta's that is not listed here counts as `UNKNOWN`."""

    DRAFT = "DRAFT"
    """Ours alone: on its way to Meta, and not confirmed."""
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"
    DISABLED = "DISABLED"
    IN_APPEAL = "IN_APPEAL"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    ARCHIVED = "ARCHIVED"
    UNKNOWN = "UNKNOWN"


class Quality(StrEnum):
    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


class HeaderFormat(StrEnum):
    TEXT = "TEXT"
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    DOCUMENT = "DOCUMENT"
    LOCATION = "LOCATION"
    PRODUCT = "PRODUCT"
    GIF = "GIF"


MEDIA_FORMATS = (HeaderFormat.IMAGE, HeaderFormat.VIDEO, HeaderFormat.DOCUMENT, HeaderFormat.GIF)


class ButtonKind(StrEnum):
    QUICK_REPLY = "QUICK_REPLY"
    URL = "URL"
    PHONE_NUMBER = "PHONE_NUMBER"
    COPY_CODE = "COPY_CODE"
    OTP = "OTP"
    FLOW = "FLOW"
    CATALOG = "CATALOG"
    MPM = "MPM"
    SPM = "SPM"
    VOICE_CALL = "VOICE_CALL"
    REQUEST_CONTACT_INFO = "REQUEST_CONTACT_INFO"


@dataclass(frozen=True, slots=True)
class Header:
    """`text` for TEXT; `handle` names an uploaded sample for media, and is never sent to a customer."""

    format: HeaderFormat
    text: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    """(variable, example), in order."""
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """`add_security_recommendation` is set on authentication templates alone, whose text is Meta's."""

    text: str
    examples: tuple[tuple[str, str], ...] = ()
    add_security_recommendation: bool | None = None


@dataclass(frozen=True, slots=True)
class Footer:
    text: str
    code_expiration_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """`extra`: what only that kind has, as Meta spells it (a flow's id, the apps of a one-tap code)."""

    kind: ButtonKind
    text: str = ""
    url: str = ""
    example: str = ""
    phone_number: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """Limited-time offer."""

    text: str
    has_expiration: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One of a carousel."""

    header: Header | None = None
    body: Body | None = None
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """`unknown`: component or button types that we have no words for; what has any is shown and never sent."""

    body: Body | None = None
    header: Header | None = None
    footer: Footer | None = None
    buttons: tuple[Button, ...] = ()
    offer: Offer | None = None
    cards: tuple[Card, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A template as it is submitted. `send_ttl_seconds`: how long Meta tries to deliver, if not as usual."""

    name: str
    language: str
    category: Category
    content: Content
    parameter_format: ParameterFormat = ParameterFormat.POSITIONAL
    send_ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteTemplate:
    """A template as Meta tells it. `status_word` is Meta's own, for people; `quality_at` aware UTC."""

    id: str
    draft: Draft
    status: TemplateStatus
    status_word: str
    rejected_reason: str = ""
    rejection_words: str = ""
    quality: Quality = Quality.UNKNOWN
    quality_at: datetime | None = None
    previous_category: Category | None = None
    correct_category: Category | None = None
