"""How do the two sides spell things? What your system answers to our events, and what it tells by itself.

What is not known is left alone: an answer may hold whatever the system likes beside it, or be no JSON at all. An id is
a text of 1 to 128 printable ASCII characters without a space, or a number.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

ID = r"^[\x21-\x7e]{1,128}$"
MOST_CHARACTERS = 200_000
MOST_FILES = 20


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


RemoteId = Annotated[str, BeforeValidator(_as_text), StringConstraints(pattern=ID)]
Body = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
Name = Annotated[str, StringConstraints(max_length=100)]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", max_length=35)]
EventId = Annotated[str, StringConstraints(pattern=ID, max_length=64)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Answer(Wire):
    """To a write. What is not named is named by us; a status of other words than ours says nothing."""

    requester_id: RemoteId | None = None
    adopted: bool = False
    ticket_id: RemoteId | None = None
    comment_id: RemoteId | None = None
    status: object = None


class Refusal(Wire):
    """The body of a 4xx, where it says something."""

    error: str = ""
    successor: RemoteId | None = None
    merged_at: AwareDatetime | None = None


class Attachment(Wire):
    """A file by its address, which must give it to whoever asks."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=2_000)] = Field(repr=False)
    name: Annotated[str, StringConstraints(max_length=300)] = Field(default="", repr=False)
    mime_type: Annotated[str, StringConstraints(max_length=200)] = ""
    size_bytes: Annotated[int, Field(ge=0)] | None = None


class Comment(Wire):
    """A comment as it stands on a ticket. `event_id`: of the event of ours that it was made for."""

    id: RemoteId
    created_at: AwareDatetime
    public: bool
    author: Literal["staff", "customer", "system"]
    author_name: Name | None = Field(default=None, repr=False)
    locale: Locale | None = None
    text: Body = Field(default="", repr=False)
    html: Body = Field(default="", repr=False)
    event_id: EventId | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MOST_FILES)] = Field(default=(), repr=False)


class Comments(Wire):
    """To `comments.wanted`."""

    comments: tuple[Comment, ...]


class Change(Wire):
    ticket_id: RemoteId
    comment_id: RemoteId | None = None
    event_id: EventId | None = None


class Changes(Wire):
    """To `changes.wanted`."""

    changes: tuple[Change, ...]
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    end: bool = True


class Told(Wire):
    """What your system tells by itself. `type` missing: look at the ticket."""

    type: Literal["reply", "note", "solve", "close", "merge", "look"] = "look"
    ticket_id: RemoteId
    id: RemoteId | None = None
    text: Body = Field(default="", repr=False)
    html: Body = Field(default="", repr=False)
    author_name: Name | None = Field(default=None, repr=False)
    locale: Locale | None = None
    into: RemoteId | None = None
    created_at: AwareDatetime | None = None
    event_id: EventId | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MOST_FILES)] = Field(default=(), repr=False)
