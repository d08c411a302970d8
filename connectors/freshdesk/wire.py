"""How does Freshdesk spell things? Both directions.

New attributes may appear any day and empty ones are null: extras are ignored, and only what we cannot work without is
required (fact sheet Freshdesk 1).
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Contact(Wire):
    id: int
    mobile: str | None = Field(default=None, repr=False)
    phone: str | None = Field(default=None, repr=False)
    twitter_id: str | None = Field(default=None, repr=False)
    unique_external_id: str | None = Field(default=None, repr=False)
    deleted: bool | None = None


class ContactSearch(Wire):
    results: tuple[Contact, ...] = ()


class AgentContact(Wire):
    language: str | None = None
    name: str | None = Field(default=None, repr=False)


class Agent(Wire):
    id: int
    contact: AgentContact | None = None
    type: str | None = None
    """`support_agent`, `field_agent` or `collaborator`."""


class Stats(Wire):
    agent_responded_at: datetime | None = None
    status_updated_at: datetime | None = None


class Ticket(Wire):
    id: int
    status: int
    source: int | None = None
    tags: tuple[str, ...] | None = None
    requester_id: int | None = None
    description: str | None = Field(default=None, repr=False)
    description_text: str | None = Field(default=None, repr=False)
    deleted: bool | None = None
    spam: bool | None = None
    created_at: datetime
    updated_at: datetime
    stats: Stats | None = None


class Attachment(Wire):
    """The docs call the size `size` and, in one sample, `file_size`."""

    id: int | None = None
    name: str = Field(default="", repr=False)
    content_type: str | None = None
    size: int | None = None
    file_size: int | None = None
    attachment_url: str | None = Field(default=None, repr=False)


class Conversation(Wire):
    id: int
    user_id: int | None = None
    incoming: bool = False
    private: bool = False
    source: int | None = None
    body: str | None = Field(default=None, repr=False)
    body_text: str | None = Field(default=None, repr=False)
    automation_id: int | None = None
    auto_response: bool | None = None
    attachments: tuple[Attachment, ...] | None = None
    created_at: datetime


class TicketField(Wire):
    name: str
    required_for_agents: bool = False


class RuleAction(Wire):
    url: str | None = None
    custom_headers: object = Field(default=None, repr=False)


class Rule(Wire):
    id: int
    active: bool = False
    actions: tuple[RuleAction, ...] | None = None


class Rules(Wire):
    """The list of rules, where it is wrapped (unconfirmed)."""

    rules: tuple[Rule, ...]
