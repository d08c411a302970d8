"""How does Zendesk spell things? Both directions.

Answers hold more keys than the reference lists and differ by account: extras are ignored, and only what we cannot
work without is required (fact sheet Zendesk 0).
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class TokenAnswer(Wire):
    access_token: str = Field(repr=False)
    expires_in: float | None = None


class PageMeta(Wire):
    has_more: bool = False
    after_cursor: str | None = None


class Page(Wire):
    """`links.next` and `after_cursor` are filled on the last page as well: only `has_more` counts."""

    meta: PageMeta = PageMeta()


class User(Wire):
    id: int | None = None
    name: str | None = Field(default=None, repr=False)
    phone: str | None = Field(default=None, repr=False)
    external_id: str | None = Field(default=None, repr=False)
    role: str | None = None
    role_type: int | None = None
    active: bool | None = None
    only_private_comments: bool | None = None
    locale: str | None = None


class Identity(Wire):
    id: int
    type: str
    value: str | None = Field(default=None, repr=False)


class IdentityAnswer(Wire):
    identity: Identity


class IdentitiesAnswer(Wire):
    identities: tuple[Identity, ...]


class UserAnswer(Wire):
    user: User


class UsersExport(Wire):
    users: tuple[User, ...]
    after_cursor: str | None = None
    end_of_stream: bool = True


class UsersAnswer(Wire):
    users: tuple[User, ...] = ()


class ViaFrom(Wire):
    ticket_id: int | None = None


class ViaSource(Wire):
    rel: str | None = None
    origin: ViaFrom | None = Field(default=None, alias="from")
    to: ViaFrom | None = None


class Via(Wire):
    channel: str | int | None = None
    source: ViaSource | None = None


class Metadata(Wire):
    """`custom` is whatever JSON the writer gave."""

    custom: object = None


class Attachment(Wire):
    id: int | None = None
    file_name: str = Field(default="", repr=False)
    content_type: str = ""
    size: int | None = None
    inline: bool = False
    deleted: bool = False
    content_url: str | None = Field(default=None, repr=False)
    malware_scan_result: str | None = None
    malware_access_override: bool = False


class AttachmentAnswer(Wire):
    attachment: Attachment


class Comment(Wire):
    id: int
    type: str = "Comment"
    author_id: int | None = None
    body: str | None = Field(default=None, repr=False)
    html_body: str | None = Field(default=None, repr=False)
    plain_body: str | None = Field(default=None, repr=False)
    public: bool = False
    attachments: tuple[Attachment, ...] = ()
    via: Via | None = None
    created_at: datetime
    metadata: Metadata | None = None


class CommentsPage(Page):
    comments: tuple[Comment, ...]
    users: tuple[User, ...] = ()


class Ticket(Wire):
    id: int
    status: str
    updated_at: str | None = None
    """Kept as text: it goes back as `updated_stamp`."""
    external_id: str | None = None
    tags: tuple[str, ...] = ()
    from_messaging_channel: bool = False


class AuditEvent(Wire):
    id: int | None = None
    type: str | None = None
    body: str | None = Field(default=None, repr=False)


class Audit(Wire):
    created_at: datetime | None = None
    events: tuple[AuditEvent, ...] = ()
    metadata: Metadata | None = None
    via: Via | None = None


class AuditsPage(Page):
    audits: tuple[Audit, ...]


class TicketAnswer(Wire):
    ticket: Ticket
    audit: Audit | None = None


class Upload(Wire):
    token: str


class UploadAnswer(Wire):
    upload: Upload


class TicketsAnswer(Wire):
    tickets: tuple[Ticket, ...]


class ChildEvent(Wire):
    id: int | None = None
    event_type: str | None = None
    type: str | None = None


class TicketEvent(Wire):
    ticket_id: int
    metadata: object = None
    child_events: tuple[ChildEvent, ...] = ()


class TicketEventsPage(Wire):
    ticket_events: tuple[TicketEvent, ...]
    end_time: int | None = None
    end_of_stream: bool = True


class Webhook(Wire):
    id: str
    name: str | None = None
    endpoint: str | None = None
    status: str | None = None
    subscriptions: tuple[str, ...] = ()


class WebhookAnswer(Wire):
    webhook: Webhook


class WebhooksPage(Page):
    webhooks: tuple[Webhook, ...]


class SigningSecret(Wire):
    secret: str = Field(repr=False)


class SigningSecretAnswer(Wire):
    signing_secret: SigningSecret


class Condition(Wire):
    field: str
    operator: str | None = None
    value: object = None


class Conditions(Wire):
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()


class Action(Wire):
    field: str
    value: object = None


class Trigger(Wire):
    id: int | str
    title: str | None = None
    active: bool = False
    conditions: Conditions = Conditions()
    actions: tuple[Action, ...] = ()


class TriggersPage(Page):
    triggers: tuple[Trigger, ...]


class TriggerCategory(Wire):
    id: int | str
    name: str | None = None


class TriggerCategoriesPage(Page):
    trigger_categories: tuple[TriggerCategory, ...]


class TriggerCategoryAnswer(Wire):
    trigger_category: TriggerCategory


class FieldOption(Wire):
    id: int | None = None
    name: str | None = None
    value: str


class TicketField(Wire):
    id: int
    type: str
    active: bool = True
    tag: str | None = None
    regexp_for_validation: str | None = None
    custom_field_options: tuple[FieldOption, ...] | None = None


class TicketFieldAnswer(Wire):
    ticket_field: TicketField


class TicketFieldsPage(Page):
    ticket_fields: tuple[TicketField, ...]


class TicketForm(Wire):
    id: int
    default: bool = False
    active: bool = True
    ticket_field_ids: tuple[int, ...] = ()


class TicketFormsPage(Page):
    ticket_forms: tuple[TicketForm, ...]
