"""The schema. Statements live in the modules beside this one; migrations in `migrations/`.

Every column that could tell a stranger anything is `bytes` sealed by `crypto.Vault`, or a keyed hash (`…_index`).
Times are aware UTC datetimes, kept as whole microseconds so that both databases compare them alike. `due_at`,
`expires_at` and `deadline_at` are business time; `not_before_at`, `started_at` and lease times are real time.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlmodel import Field, SQLModel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SHARDS = 32

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = SQLModel.metadata


class UtcMicroseconds(TypeDecorator[datetime]):
    """An aware UTC datetime as an integer."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


def _time(*, index: bool = False) -> Any:
    return Field(sa_type=UtcMicroseconds, index=index)


def _time_or_none(*, index: bool = False) -> Any:
    return Field(default=None, sa_type=UtcMicroseconds, nullable=True, index=index)


def _sealed() -> Any:
    return Field(sa_type=LargeBinary)


def _sealed_or_none() -> Any:
    return Field(default=None, sa_type=LargeBinary, nullable=True)


_SerialId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where their key is a plain INTEGER."""


class InboxState(StrEnum):
    NEW = "new"
    PARKED = "parked"
    """A status whose message is not known (yet)."""
    DONE = "done"
    REFUSED = "refused"
    DEAD = "dead"


class Lane(StrEnum):
    """Effects of one conversation and lane run one after the other; the lanes run side by side."""

    HELPDESK = "helpdesk"
    WHATSAPP = "whatsapp"
    RECEIPTS = "receipts"


class EffectKind(StrEnum):
    POST_MESSAGE = "post_message"
    ADD_NOTE = "add_note"
    ADD_ECHO = "add_echo"
    """What the business wrote to the customer elsewhere: a public comment of ours, never to be sent."""
    SEND_TEXT = "send_text"
    SEND_MEDIA = "send_media"
    MARK_READ = "mark_read"
    SEND_TEMPLATE = "send_template"
    ASK_NUMBER = "ask_number"
    MERGE_REQUESTERS = "merge_requesters"
    """Two helpdesk users are one person."""
    MERGE_TICKETS = "merge_tickets"
    """Two open tickets are one conversation."""
    UPDATE_REQUESTER = "update_requester"
    """The customer's ids changed: so does the helpdesk user."""


class MediaState(StrEnum):
    WAITING = "waiting"
    """To be fetched, now or again later."""
    FETCHED = "fetched"
    """In our file store, to go to the helpdesk."""
    ATTACHING = "attaching"
    """Named by a request that is frozen, and perhaps on its way."""
    ATTACHED = "attached"
    LINKED = "linked"
    """Too big for the helpdesk, or refused by it: the agent has a link."""
    LOST = "lost"
    """WhatsApp does not give it out (any more); the agent was told."""


class EffectState(StrEnum):
    READY = "ready"
    PERFORMING = "performing"
    UNKNOWN = "unknown"
    """Bytes left and no verdict came; later effects of the lane wait (a send: until 34 s after its start)."""
    HELD = "held"
    """Waits for the customer service window."""
    DONE = "done"
    UNCONFIRMED = "unconfirmed"
    """A send that never got a verdict; the agent was told."""
    FAILED = "failed"
    """Refused for good; the agent was told."""
    DROPPED = "dropped"
    DEAD = "dead"


OPEN_STATES = (EffectState.READY, EffectState.PERFORMING, EffectState.UNKNOWN, EffectState.HELD)
"""States in which an effect still stands in its lane."""


def literals(states: Iterable[EffectState]) -> list[ColumnElement[str]]:
    """For an `IN` of a statement that is built once: as parameters, they would be expanded anew by each execution."""
    return [literal_column(f"'{state.value}'", String) for state in states]


class KeyringRow(SQLModel, table=True):
    __tablename__ = "keyring"
    name: str = Field(primary_key=True)
    wrapped: bytes = _sealed()


class ChannelRow(SQLModel, table=True):
    """One phone number x one helpdesk account."""

    __tablename__ = "channel"
    __table_args__ = (UniqueConstraint("phone_number_id", "helpdesk"),)
    id: str = Field(primary_key=True)
    helpdesk: str
    phone_number_id: str
    waba_id: str
    created_at: datetime = _time()


class ShardRow(SQLModel, table=True):
    __tablename__ = "shard"
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    fence: int = Field(sa_type=BigInteger, default=0)
    holder: str | None = None
    expires_at: datetime = _time()


class WorkerRow(SQLModel, table=True):
    """Which workers live, so that each takes its share of the shards."""

    __tablename__ = "worker"
    id: str = Field(primary_key=True)
    seen_at: datetime = _time()


class InboxRow(SQLModel, table=True):
    """One thing that a far side told us."""

    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_due", "state", "shard", "due_at"),
        Index("ix_inbox_parked", "match_index", postgresql_where=text("match_index IS NOT NULL")),
        Index("ix_inbox_received", "state", "received_at"),
    )
    id: str = Field(primary_key=True)
    source: str
    kind: str
    channel: str
    shard: int
    event_key: bytes | None = Field(default=None, sa_column=Column(LargeBinary, unique=True, nullable=True))
    match_index: bytes | None = _sealed_or_none()
    body: bytes = _sealed()
    position: int
    received_at: datetime = _time()
    state: str
    due_at: datetime = _time()
    not_before_at: datetime | None = _time_or_none()
    attempts: int = 0
    reason: str | None = None


class ContactRow(SQLModel, table=True):
    __tablename__ = "contact"
    id: str = Field(primary_key=True)
    shard: int
    name: bytes | None = _sealed_or_none()
    merged_into: str | None = None
    """The contact that turned out to be the same person, and has everything now."""
    created_at: datetime = _time()


class ContactIdentityRow(SQLModel, table=True):
    """An id by which WhatsApp knows a contact. Rows are added, and never removed while the contact lives; one whose
    number changed hands becomes the other contact's."""

    __tablename__ = "contact_identity"
    __table_args__ = (UniqueConstraint("kind", "value_index"),)
    id: str = Field(primary_key=True)
    contact_id: str = Field(foreign_key="contact.id", index=True)
    kind: str
    value_index: bytes = _sealed()
    value: bytes = _sealed()
    evidence: str = Field(default="message", sa_column_kwargs={"server_default": "message"})
    since_at: datetime | None = _time_or_none()
    """WhatsApp's time of what first showed it; None for rows of before this was kept."""
    last_seen_at: datetime = _time()
    retired_at: datetime | None = _time_or_none()
    """Since when it is theirs no more, by WhatsApp's word; void where it was seen later."""


class PastIdentityRow(SQLModel, table=True):
    """Who held an id until somebody else used it, so that late events still find them."""

    __tablename__ = "past_identity"
    __table_args__ = (Index("ix_past_identity_value", "kind", "value_index"),)
    id: str = Field(primary_key=True)
    contact_id: str = Field(foreign_key="contact.id", index=True)
    kind: str
    value_index: bytes = _sealed()
    since_at: datetime = _time()
    until_at: datetime = _time()


class ContactMergeRow(SQLModel, table=True):
    """Two contacts that turned out to be one person, and why. Merged as soon as nothing of either is on its way."""

    __tablename__ = "contact_merge"
    __table_args__ = (UniqueConstraint("one_id", "other_id"),)
    id: str = Field(primary_key=True)
    one_id: str = Field(foreign_key="contact.id")
    other_id: str = Field(foreign_key="contact.id")
    evidence: str
    found_at: datetime = _time()
    done_at: datetime | None = _time_or_none(index=True)


class ConsentRow(SQLModel, table=True):
    """A line of the ledger of what customers said of marketing messages: added, and never changed."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_contact_id", "contact_id", "at"),)
    id: str = Field(primary_key=True)
    contact_id: str = Field(foreign_key="contact.id")
    action: str
    source: str
    at: datetime = _time()
    recorded_at: datetime = _time()
    detail: bytes = _sealed()


class DirectoryRow(SQLModel, table=True):
    """How far the helpdesk's list of users was read, and when it was whole for the first time."""

    __tablename__ = "directory"
    channel_id: str = Field(primary_key=True)
    cursor: str | None = None
    claimed_at: datetime = _time()
    complete_at: datetime | None = _time_or_none()


class DirectoryEntryRow(SQLModel, table=True):
    """A helpdesk user has a number."""

    __tablename__ = "directory_entry"
    __table_args__ = (
        UniqueConstraint("channel_id", "remote_id", "number_index"),
        Index("ix_directory_entry_number", "channel_id", "number_index"),
    )
    id: str = Field(primary_key=True)
    channel_id: str
    remote_id: str
    number_index: bytes = _sealed()


class ConversationRow(SQLModel, table=True):
    """Contact x channel. `version` is compared and swapped by every change."""

    __tablename__ = "conversation"
    __table_args__ = (
        UniqueConstraint("contact_id", "channel_id"),
        Index(
            "ix_conversation_look",
            "shard",
            "look_at",
            postgresql_where=text("look_at IS NOT NULL"),
            sqlite_where=text("look_at IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    contact_id: str = Field(foreign_key="contact.id")
    channel_id: str = Field(foreign_key="channel.id")
    shard: int = Field(index=True)
    version: int = 0
    next_seq: int = 1
    requester_id: str | None = None
    requester_origin: str | None = None
    """`made` by us, or `adopted`: it was there before; None where that was not kept."""
    merged_into: str | None = None
    """The conversation that has everything of this one now."""
    ticket_id: str | None = None
    last_inbound_at: datetime | None = _time_or_none()
    window_refused_at: datetime | None = _time_or_none()
    posted_until_at: datetime | None = _time_or_none()
    unanswered_since_at: datetime | None = _time_or_none()
    """When the customer wrote whom nobody has answered since."""
    look_at: datetime | None = _time_or_none()
    """Business time at which the window is to be looked at by itself."""
    referred_at: datetime | None = _time_or_none()
    """When the customer came by an advertisement and nobody had answered yet (WhatsApp's time)."""
    free_entry_until_at: datetime | None = _time_or_none()
    ask_id: str | None = None
    """The effect that asks the customer to come back, while they have not written since."""
    origin: str | None = None
    """What brought the customer here first: `ad` or `post`, and Meta's id of it where there is one."""
    created_at: datetime = _time()


class TicketRow(SQLModel, table=True):
    """A helpdesk ticket that the bridge opened, or that follows one, or into which one was merged."""

    __tablename__ = "ticket"
    __table_args__ = (UniqueConstraint("channel_id", "remote_id"),)
    id: str = Field(primary_key=True)
    channel_id: str = Field(foreign_key="channel.id")
    conversation_id: str = Field(foreign_key="conversation.id", index=True)
    remote_id: str
    status: str
    read_since_at: datetime = _time()
    next_post_at: datetime = _time()
    """Real time: customer messages wait for company until then, when the helpdesk's budget is short."""
    marks: str | None = None
    """What the ticket was last told of window and delivery."""
    unread_since: datetime | None = _time_or_none(index=True)
    """When we last wrote without reading afterwards, where the change feed cannot tell whose a change is."""
    language: str | None = None
    """The locale of the member of staff who last wrote there, as the helpdesk spells it."""
    created_at: datetime = _time()


class CommentRow(SQLModel, table=True):
    """Every comment that was seen or written, once. `role`: `ours`, `reply`, `command` or `other`."""

    __tablename__ = "comment"
    __table_args__ = (UniqueConstraint("channel_id", "remote_id"),)
    id: str = Field(primary_key=True)
    channel_id: str
    ticket_id: str = Field(foreign_key="ticket.id", index=True)
    remote_id: str
    role: str
    created_at: datetime = _time()


class EffectRow(SQLModel, table=True):
    """Something we resolved to do at a far side, once."""

    __tablename__ = "effect"
    __table_args__ = (
        Index("ix_effect_due", "state", "shard", "due_at"),
        Index("ix_effect_urgency", "state", "lane", "urgency", "due_at", "id"),
        Index("ix_effect_lane", "conversation_id", "lane", "state", "seq"),
    )
    id: str = Field(primary_key=True)
    conversation_id: str = Field(foreign_key="conversation.id")
    shard: int
    lane: str
    urgency: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Of what waits, the smallest number goes first (`bridge.domain.meta_limits.Urgency`)."""
    seq: int
    kind: str
    state: str
    payload: bytes = _sealed()
    message_id: str | None = Field(default=None, index=True)
    ticket_id: str | None = None
    """Our id of the ticket that a note belongs on, or that a reply came from."""
    batch_id: str | None = Field(default=None, index=True)
    """The first effect of the batch that was frozen together; it alone holds `frozen`."""
    frozen: bytes | None = _sealed_or_none()
    attempts: int = 0
    """Never goes back: the keys of requests are made of it."""
    failures: int = 0
    refusals: int = 0
    created_at: datetime = _time()
    due_at: datetime = _time()
    not_before_at: datetime = _time()
    started_at: datetime | None = _time_or_none()
    expires_at: datetime | None = _time_or_none()
    told: str | None = None
    """The reason of waiting that the agent was told of, so that it is said once."""
    code: str | None = None


class StepRow(SQLModel, table=True):
    """A state that an effect came into, and why. Written by the database (`triggers`), never by us. `at` is real time.
    No personal data: the effect and the message say whose it is."""

    __tablename__ = "step"
    id: int | None = Field(default=None, sa_column=Column(_SerialId, primary_key=True, autoincrement=True))
    effect_id: str = Field(index=True)
    message_id: str | None = Field(default=None, index=True)
    batch_id: str | None = None
    state: str
    code: str | None = None
    attempt: int
    due_at: datetime = _time()
    not_before_at: datetime = _time()
    at: datetime = _time()


class MessageRow(SQLModel, table=True):
    """A WhatsApp message, in either direction. For `out`, one row per attempt to send."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("channel_id", "wamid_index"),
        Index("ix_message_deadline_at", "deadline_at"),
        Index("ix_message_conversation_id", "conversation_id", "created_at"),
        Index("ix_message_tier_at", "tier_at", postgresql_where=text("tier_at IS NOT NULL")),
        Index(
            "ix_message_about_index",
            "about_index",
            sqlite_where=text("about_index IS NOT NULL"),
            postgresql_where=text("about_index IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    channel_id: str
    conversation_id: str = Field(foreign_key="conversation.id")
    direction: str
    kind: str
    wamid_index: bytes | None = _sealed_or_none()
    wamid: bytes | None = _sealed_or_none()
    text: bytes = _sealed()
    about_index: bytes | None = _sealed_or_none()
    """Hash of the wamid that it reacts to, edits or revokes."""
    content: bytes | None = _sealed_or_none()
    """JSON of what is sent, where the text alone does not say it: a file, a template, a quoted message. Of what came:
    what it `says` of another message."""
    status: str
    status_at: datetime = _time()
    occurred_at: datetime = _time()
    deadline_at: datetime | None = _time_or_none()
    """When the agent is told that it is still not delivered; None once it is, or was told."""
    error_code: int | None = None
    tier_at: datetime | None = _time_or_none()
    """Since when the person counts towards the messaging limit because of this message; business time."""
    created_at: datetime = _time()


class StoredFileRow(SQLModel, table=True):
    """A file in the file store: `key` opens its content, which lies encrypted on disk under the row's id."""

    __tablename__ = "stored_file"
    id: str = Field(primary_key=True)
    key: bytes = _sealed()
    name: bytes = _sealed()
    mime_type: str
    size_bytes: int = Field(sa_type=BigInteger)
    created_at: datetime = _time()
    expires_at: datetime = _time(index=True)


class MediaRow(SQLModel, table=True):
    """A file that belongs to a message of WhatsApp, on its way to the helpdesk."""

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_due", "state", "due_at"),)
    id: str = Field(primary_key=True)
    message_id: str = Field(foreign_key="message.id", index=True)
    position: int
    kind: str
    source: bytes = _sealed()
    state: str
    due_at: datetime = _time()
    wait_until_at: datetime = _time()
    """Real time: the message waits for its file until then, and goes without it afterwards."""
    gone_at: datetime = _time()
    """When WhatsApp forgets it."""
    attempts: int = 0
    file_id: str | None = None
    reason: str | None = None
    created_at: datetime = _time()


class GateRow(SQLModel, table=True):
    """A far side that does nothing until a person acts. One caller at a time may probe it."""

    __tablename__ = "gate"
    __table_args__ = (UniqueConstraint("channel_id", "scope"),)
    id: str = Field(primary_key=True)
    channel_id: str
    scope: str
    code: str
    action: str
    by_status: bool = False
    """Closed by a status webhook: an accepted call does not open it, a later good status does."""
    closed_at: datetime = _time()
    next_probe_at: datetime = _time()


class FeedRow(SQLModel, table=True):
    """How far the helpdesk's change feed was read, and when last."""

    __tablename__ = "feed"
    channel_id: str = Field(primary_key=True)
    cursor: str | None = None
    claimed_at: datetime = _time()
    polled_at: datetime | None = _time_or_none()


class SettingRow(SQLModel, table=True):
    """What was found out or made at a far side (a webhook's secret, field ids), sealed."""

    __tablename__ = "setting"
    __table_args__ = (UniqueConstraint("channel_id", "name"),)
    id: str = Field(primary_key=True)
    channel_id: str
    name: str
    value: bytes = _sealed()


class NumberLimitRow(SQLModel, table=True):
    """What Meta allows a number, in its own words (`bridge.domain.number_facts`), and when it was asked last."""

    __tablename__ = "number_limit"
    channel_id: str = Field(primary_key=True)
    claimed_at: datetime = _time()
    facts: str = "{}"
    """JSON; nothing of it is personal."""


class LimitSampleRow(SQLModel, table=True):
    """How much of the limits was used at a time, so that it can be plotted and continued. Business time."""

    __tablename__ = "limit_sample"
    channel_id: str = Field(primary_key=True)
    taken_at: datetime = Field(sa_type=UtcMicroseconds, primary_key=True)
    people: int
    tier: int | None = None
    """Unique people in 24 hours; -1 without a limit, None while not known."""
    sent: int
    """Messages sent since the sample before."""
    waiting_replies: int
    waiting_transactions: int
    waiting_marketing: int
    quality: str | None = None


class AlarmRow(SQLModel, table=True):
    """Something that a person should look at. No personal data."""

    __tablename__ = "alarm"
    __table_args__ = (UniqueConstraint("kind", "subject"),)
    id: str = Field(primary_key=True)
    kind: str
    subject: str
    count: int = 1
    first_at: datetime = _time()
    last_at: datetime = _time()


class ProgressRow(SQLModel, table=True):
    """How far something came that is done little by little, by the id it reached."""

    __tablename__ = "progress"
    name: str = Field(primary_key=True)
    reached: str


class AdminTokenRow(SQLModel, table=True):
    """Tokens for the API and the console, hashed. Real time."""

    __tablename__ = "admin_token"
    id: str = Field(primary_key=True)
    name: str
    token_hash: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    role: str
    created_at: datetime = _time()
    expires_at: datetime | None = _time_or_none()
    last_used_at: datetime | None = _time_or_none()
    revoked_at: datetime | None = _time_or_none()


class AuditRow(SQLModel, table=True):
    """What people did. The database itself refuses to change or remove a row. No personal data of customers."""

    __tablename__ = "audit"
    id: str = Field(primary_key=True)
    at: datetime = _time()
    actor: str
    role: str
    origin: str
    action: str
    subject: str
    detail: str


class TemplateRow(SQLModel, table=True):
    """One language of a message template, as Meta has it (`DRAFT`: as we asked for it, not confirmed yet)."""

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("waba_id", "name", "language"),)
    id: str = Field(primary_key=True)
    waba_id: str
    name: str
    language: str
    remote_id: str | None = Field(default=None, index=True)
    category: str
    previous_category: str | None = None
    correct_category: str | None = None
    """What Meta will file it under, from `category_change_at` on."""
    category_change_at: datetime | None = _time_or_none()
    parameter_format: str
    status: str
    status_word: str
    rejected_reason: str | None = None
    rejection_words: str | None = None
    quality: str
    quality_at: datetime | None = _time_or_none()
    version: int = 0
    confirmed_digest: str | None = None
    """Of the content as Meta last told it; None after a change of ours, until Meta tells."""
    drifted_at: datetime | None = _time_or_none()
    """Since when its content is what somebody changed at Meta's side; None once it is ours again."""
    send_ttl_seconds: int | None = None
    is_stale: bool = False
    """Is to be read anew."""
    changed_at: datetime = _time()
    last_used_at: datetime | None = _time_or_none()
    created_at: datetime = _time()


class TemplateVersionRow(SQLModel, table=True):
    """Content that a template had, from `created_at` on. `origin`: `submitted`, `edited`, `synced` or `elsewhere`."""

    __tablename__ = "template_version"
    __table_args__ = (UniqueConstraint("template_id", "number"),)
    id: str = Field(primary_key=True)
    template_id: str = Field(foreign_key="template.id")
    number: int
    digest: str
    origin: str
    content: bytes = _sealed()
    """JSON: Meta's `components`."""
    created_at: datetime = _time()


class TemplateEventRow(SQLModel, table=True):
    """What happened to a template: its history. Texts are ours or Meta's, never a customer's."""

    __tablename__ = "template_event"
    __table_args__ = (Index("ix_template_event_template_id", "template_id", "at"),)
    id: str = Field(primary_key=True)
    template_id: str = Field(foreign_key="template.id")
    kind: str
    word: str
    detail: str
    at: datetime = _time()


class TemplateSyncRow(SQLModel, table=True):
    """How the synchronising with an account goes. Times are real."""

    __tablename__ = "template_sync"
    waba_id: str = Field(primary_key=True)
    claimed_at: datetime = _time()
    wanted_at: datetime | None = _time_or_none()
    synced_at: datetime | None = _time_or_none()
    failures: int = 0
    error: str | None = None
    error_at: datetime | None = _time_or_none()
    listed: int | None = None
    quota: int | None = None


class TemplateNameLockRow(SQLModel, table=True):
    """A name that Meta does not take until then, after a deletion."""

    __tablename__ = "template_name_lock"
    __table_args__ = (UniqueConstraint("waba_id", "name"),)
    id: str = Field(primary_key=True)
    waba_id: str
    name: str
    locked_until: datetime = _time()


class TemplateSendRow(SQLModel, table=True):
    """A template that went to somebody: the message says what became of it. `day` is the UTC day of business time."""

    __tablename__ = "template_send"
    __table_args__ = (Index("ix_template_send_template_id", "template_id", "day"), Index("ix_template_send_day", "day"))
    message_id: str = Field(primary_key=True)
    template_id: str = Field(foreign_key="template.id")
    version: int
    sent_by: str
    """The helpdesk's id of the agent, or `bridge`."""
    day: str
    category: str
    price_category: str | None = None
    price_type: str | None = None


def _table(model: type[SQLModel]) -> Table:
    return cast(Table, vars(model)["__table__"])


keyring = _table(KeyringRow)
channel = _table(ChannelRow)
shard = _table(ShardRow)
worker = _table(WorkerRow)
inbox = _table(InboxRow)
contact = _table(ContactRow)
contact_identity = _table(ContactIdentityRow)
consent = _table(ConsentRow)
past_identity = _table(PastIdentityRow)
contact_merge = _table(ContactMergeRow)
directory = _table(DirectoryRow)
directory_entry = _table(DirectoryEntryRow)
conversation = _table(ConversationRow)
ticket = _table(TicketRow)
comment = _table(CommentRow)
effect = _table(EffectRow)
step = _table(StepRow)
message = _table(MessageRow)
stored_file = _table(StoredFileRow)
media = _table(MediaRow)
gate = _table(GateRow)
feed = _table(FeedRow)
setting = _table(SettingRow)
number_limit = _table(NumberLimitRow)
limit_sample = _table(LimitSampleRow)
alarm = _table(AlarmRow)
progress = _table(ProgressRow)
admin_token = _table(AdminTokenRow)
audit = _table(AuditRow)
template = _table(TemplateRow)
template_version = _table(TemplateVersionRow)
template_event = _table(TemplateEventRow)
template_sync = _table(TemplateSyncRow)
template_name_lock = _table(TemplateNameLockRow)
template_send = _table(TemplateSendRow)
