"""Is the account set up for the bridge, and how is what is missing made? Repeatable: nothing is made twice.

Webhook, trigger and ticket fields are known by what they do (address, webhook, values), not by title: admins rename.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from connectors.errors import NeedsOperator, Permanent, RemoteFailure
from connectors.interface import Finding, FindingLevel
from connectors.zendesk import wire
from connectors.zendesk.api import ZendeskApi
from connectors.zendesk.translate import (
    TAG,
    UNDELIVERED_FIELD,
    UNDELIVERED_TAG,
    UNTIL_FIELD,
    WINDOW_FIELD,
    WINDOW_VALUES,
    encoded,
)

API_TOKENS_END = date(2027, 4, 30)
"""Fact sheet Zendesk 1.1."""
TITLE = "deskbridge"
SUBSCRIPTION = "conditional_ticket_events"
CONDITIONS: Mapping[str, list[dict[str, str]]] = {
    "all": [
        {"field": "comment_is_public", "operator": "is", "value": "not_relevant"},
        {"field": "current_via_id", "operator": "is_not", "value": "5"},
    ],
    "any": [],
}
"""Any update or creation with a comment, private ones too (they may be commands), unless made through the API."""
BODY = '{"ticket_id": "{{ticket.id}}"}'
"""Ids only: whether Zendesk escapes other placeholders is unconfirmed (fact sheet Zendesk 5.4)."""

_PAGE_SIZE = 100
_UNTIL_PATTERN = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC$"
_WINDOW_OPTIONS = {"wa_window_open": "Open", "wa_window_closing": "Closing", "wa_window_closed": "Closed"}
_REQUESTER_NOTIFICATIONS = frozenset({"requester_id", "requester_and_ccs", "all_ccs"})
_FIX = "Run `deskbridge doctor --fix`."
_ADMIN = "In Zendesk, give the user of the credentials the admin role."

_Page = TypeVar("_Page", bound=wire.Page)


async def inspect(api: ZendeskApi, *, webhook_url: str, webhook_secrets: Sequence[str]) -> list[Finding]:
    """One finding per thing. Never raises a `RemoteFailure`: that is a red finding."""
    steps: Mapping[str, Callable[[], Awaitable[list[Finding]]]] = {
        "credentials": lambda: _inspect_credentials(api),
        "webhook": lambda: _inspect_webhook(api, webhook_url=webhook_url, webhook_secrets=webhook_secrets),
        "fields": lambda: _inspect_fields(api),
        "e-mail triggers": lambda: _inspect_mail(api),
    }
    findings: list[Finding] = []
    for check, inspect_step in steps.items():
        try:
            findings += await inspect_step()
        except RemoteFailure as failure:
            mend = failure.action if isinstance(failure, NeedsOperator) else "Try again in a minute."
            findings.append(Finding(check, FindingLevel.RED, f"Zendesk could not be asked ({failure})", mend))
    return findings


async def install(api: ZendeskApi, *, webhook_url: str) -> Mapping[str, str]:
    """Make or mend webhook, trigger and fields. Returns `webhook_secret`. Raises any `RemoteFailure`."""
    webhook = await _ensure_webhook(api, webhook_url)
    await _ensure_trigger(api, webhook)
    await _ensure_fields(api)
    return {"webhook_secret": await _signing_secret(api, webhook, cause="install")}


async def fetch_field_ids(api: ZendeskApi) -> dict[str, int]:
    """Ids of our fields that exist whole and active."""
    ours = _our_fields(await _ticket_fields(api, cause="fetch_field_ids"))
    ids = {}
    if ours.window is not None and not _missing_options(ours.window):
        ids[WINDOW_FIELD] = ours.window.id
    if ours.undelivered is not None:
        ids[UNDELIVERED_FIELD] = ours.undelivered.id
    if ours.until is not None:
        ids[UNTIL_FIELD] = ours.until.id
    return ids


# Credentials


async def _inspect_credentials(api: ZendeskApi) -> list[Finding]:
    me = (await api.get(wire.UserAnswer, "/users/me", cause="inspect")).user
    if me.id is None:
        return [Finding("credentials", FindingLevel.RED, "Zendesk does not know the credentials", "Renew them.")]
    if me.role != "admin":
        return [Finding("credentials", FindingLevel.RED, "The user of the credentials is no admin", _ADMIN)]
    if api.uses_api_token:
        mend = "Make an OAuth client in Zendesk and set ZENDESK_OAUTH_CLIENT_ID and ZENDESK_OAUTH_CLIENT_SECRET."
        message = f"Accepted, and of an admin; but API tokens stop working on {API_TOKENS_END:%Y-%m-%d}"
        return [Finding("credentials", FindingLevel.WARNING, message, mend)]
    return [Finding("credentials", FindingLevel.OK, "Accepted, and of an admin")]


# Webhook and trigger


async def _inspect_webhook(api: ZendeskApi, *, webhook_url: str, webhook_secrets: Sequence[str]) -> list[Finding]:
    webhook = await _find_webhook(api, webhook_url, cause="inspect")
    if webhook is None:
        return [
            Finding("webhook", FindingLevel.RED, "No webhook calls this bridge", _FIX, fixable=True),
            Finding("trigger", FindingLevel.RED, "No trigger can call it either", _FIX, fixable=True),
        ]
    findings = []
    if webhook.status != "active":
        findings.append(Finding("webhook", FindingLevel.RED, "The webhook is switched off", _FIX, fixable=True))
    elif await _signing_secret(api, webhook, cause="inspect") not in webhook_secrets:
        message = "The bridge does not know the webhook's secret, so every ring is refused"
        findings.append(Finding("webhook", FindingLevel.RED, message, _FIX, fixable=True))
    else:
        findings.append(Finding("webhook", FindingLevel.OK, "Active, and its secret is known"))
    triggers = await _triggers(api, cause="inspect")
    if any(_rings(trigger, webhook) and _is_right(trigger) for trigger in triggers):
        findings.append(Finding("trigger", FindingLevel.OK, "Rings for every comment"))
    elif any(_rings(trigger, webhook) for trigger in triggers):
        message = "The trigger was changed or switched off, so comments may be missed"
        findings.append(Finding("trigger", FindingLevel.RED, message, _FIX, fixable=True))
    else:
        findings.append(Finding("trigger", FindingLevel.RED, "No trigger calls the webhook", _FIX, fixable=True))
    return findings


async def _find_webhook(api: ZendeskApi, webhook_url: str, *, cause: str) -> wire.Webhook | None:
    """By address alone: another bridge may serve the same account under the same name."""
    pages = _pages(api, wire.WebhooksPage, "/webhooks", cause=cause)
    webhooks = [webhook async for page in pages for webhook in page.webhooks]
    return next((w for w in webhooks if w.endpoint == webhook_url and SUBSCRIPTION in w.subscriptions), None)


async def _ensure_webhook(api: ZendeskApi, webhook_url: str) -> wire.Webhook:
    webhook = await _find_webhook(api, webhook_url, cause="install")
    if webhook is None:
        content = encoded(
            {
                "webhook": {
                    "name": TITLE,
                    "endpoint": webhook_url,
                    "http_method": "POST",
                    "request_format": "json",
                    "status": "active",
                    "subscriptions": [SUBSCRIPTION],
                }
            }
        )
        return (await api.write(wire.WebhookAnswer, "POST", "/webhooks", cause="install", content=content)).webhook
    if webhook.status != "active":
        content = encoded({"webhook": {"status": "active"}})
        await api.send("PATCH", f"/webhooks/{webhook.id}", cause="install", safe=True, content=content)
    return webhook


async def _signing_secret(api: ZendeskApi, webhook: wire.Webhook, *, cause: str) -> str:
    answer = await api.get(wire.SigningSecretAnswer, f"/webhooks/{webhook.id}/signing_secret", cause=cause)
    return answer.signing_secret.secret


async def _triggers(api: ZendeskApi, *, cause: str) -> list[wire.Trigger]:
    return [t async for page in _pages(api, wire.TriggersPage, "/triggers", cause=cause) for t in page.triggers]


def _rings(trigger: wire.Trigger, webhook: wire.Webhook) -> bool:
    return any(webhook_id == webhook.id for webhook_id, _ in _webhook_calls(trigger))


async def _ensure_trigger(api: ZendeskApi, webhook: wire.Webhook) -> None:
    ours = [trigger for trigger in await _triggers(api, cause="install") if _rings(trigger, webhook)]
    if any(_is_right(trigger) for trigger in ours):
        return
    trigger = {
        "active": True,
        "conditions": CONDITIONS,
        "actions": [{"field": "notification_webhook", "value": [webhook.id, BODY]}],
    }
    if ours:
        # An update replaces both arrays whole; the title stays the admin's.
        content = encoded({"trigger": trigger})
        await api.send("PUT", f"/triggers/{ours[0].id}", cause="install", safe=True, content=content)
        return
    category_id = str((await _ensure_category(api)).id)
    content = encoded({"trigger": {"title": f"{TITLE}: comment", "category_id": category_id, **trigger}})
    await api.send("POST", "/triggers", cause="install", safe=False, content=content)


async def _ensure_category(api: ZendeskApi) -> wire.TriggerCategory:
    pages = _pages(api, wire.TriggerCategoriesPage, "/trigger_categories", cause="install")
    categories = [category async for page in pages for category in page.trigger_categories]
    found = next((category for category in categories if category.name == TITLE), None)
    if found is not None:
        return found
    content = encoded({"trigger_category": {"name": TITLE}})
    answer = await api.write(
        wire.TriggerCategoryAnswer, "POST", "/trigger_categories", cause="install", content=content
    )
    return answer.trigger_category


def _is_right(trigger: wire.Trigger) -> bool:
    """Active, rings for what we need or more, and names the ticket."""
    wanted = {(c["field"], c["operator"], c["value"]) for c in CONDITIONS["all"]}
    given = {(c.field, c.operator, str(c.value)) for c in trigger.conditions.all}
    names_ticket = any(_names_ticket(body) for _, body in _webhook_calls(trigger))
    return trigger.active and given == wanted and not trigger.conditions.any and names_ticket


def _webhook_calls(trigger: wire.Trigger) -> list[tuple[str, str]]:
    """(webhook id, body) of each."""
    return [
        (str(action.value[0]), str(action.value[1]))
        for action in trigger.actions
        if action.field == "notification_webhook" and isinstance(action.value, list | tuple) and len(action.value) == 2
    ]


def _names_ticket(body: str) -> bool:
    try:
        payload = json.loads(body)
    except ValueError:
        return False
    return isinstance(payload, dict) and payload.get("ticket_id") == "{{ticket.id}}"


# Ticket fields


async def _inspect_fields(api: ZendeskApi) -> list[Finding]:
    ours = _our_fields(await _ticket_fields(api, cause="inspect"))
    missing = []
    if ours.window is None or _missing_options(ours.window):
        missing.append("the drop-down with the window's state")
    if ours.undelivered is None:
        missing.append(f"the checkbox with the tag {UNDELIVERED_TAG}")
    if ours.until is None:
        missing.append("the field that says until when the window is open")
    if missing:
        message = f"Missing: {' and '.join(missing)}"
        return [Finding("fields", FindingLevel.RED, message, _FIX, fixable=True)]
    form = await _default_form(api, cause="inspect")
    if form is not None and not ours.ids <= set(form.ticket_field_ids):
        return [
            Finding("fields", FindingLevel.RED, "The fields are not on the default ticket form", _FIX, fixable=True)
        ]
    return [Finding("fields", FindingLevel.OK, "Window and delivery fields are there")]


async def _ticket_fields(api: ZendeskApi, *, cause: str) -> list[wire.TicketField]:
    pages = _pages(api, wire.TicketFieldsPage, "/ticket_fields", cause=cause)
    return [field async for page in pages for field in page.ticket_fields]


@dataclass(frozen=True, slots=True)
class _OurFields:
    window: wire.TicketField | None
    undelivered: wire.TicketField | None
    until: wire.TicketField | None

    @property
    def ids(self) -> set[int]:
        return {field.id for field in (self.window, self.undelivered, self.until) if field is not None}


def _our_fields(fields: Sequence[wire.TicketField]) -> _OurFields:
    """Drop-down, checkbox, and the time. Option values are unique in an account, so one of ours makes a drop-down ours;
    the time is known by the pattern that its values have to fit."""
    active = [field for field in fields if field.active]
    return _OurFields(
        window=next((f for f in active if f.type == "tagger" and _option_values(f) & set(WINDOW_VALUES)), None),
        undelivered=next((f for f in active if f.type == "checkbox" and f.tag == UNDELIVERED_TAG), None),
        until=next((f for f in active if f.type == "regexp" and f.regexp_for_validation == _UNTIL_PATTERN), None),
    )


def _option_values(field: wire.TicketField) -> set[str]:
    return {option.value for option in field.custom_field_options or ()}


def _missing_options(field: wire.TicketField) -> list[str]:
    return [value for value in WINDOW_VALUES if value not in _option_values(field)]


async def _ensure_fields(api: ZendeskApi) -> None:
    ours = _our_fields(await _ticket_fields(api, cause="install"))
    window, undelivered, until = ours.window, ours.undelivered, ours.until
    if window is None:
        window = await _create_field(
            api,
            {
                "type": "tagger",
                "title": "WhatsApp window",
                "agent_can_edit": False,
                "visible_in_portal": False,
                "custom_field_options": [{"name": _WINDOW_OPTIONS[value], "value": value} for value in WINDOW_VALUES],
            },
        )
    elif missing := _missing_options(window):
        # An update deletes every option that it does not name.
        options = [option.model_dump(exclude_none=True) for option in window.custom_field_options or ()]
        options += [{"name": _WINDOW_OPTIONS[value], "value": value} for value in missing]
        content = encoded({"ticket_field": {"custom_field_options": options}})
        await api.send("PUT", f"/ticket_fields/{window.id}", cause="install", safe=True, content=content)
    if undelivered is None:
        undelivered = await _create_field(
            api,
            {
                "type": "checkbox",
                "title": "WhatsApp undelivered",
                "tag": UNDELIVERED_TAG,
                "agent_can_edit": False,
                "visible_in_portal": False,
            },
        )
    if until is None:
        until = await _create_field(
            api,
            {
                "type": "regexp",
                "title": "WhatsApp window until",
                "regexp_for_validation": _UNTIL_PATTERN,
                "agent_can_edit": False,
                "visible_in_portal": False,
            },
        )
    form = await _default_form(api, cause="install")
    if form is None:
        return
    absent = [field_id for field_id in (window.id, undelivered.id, until.id) if field_id not in form.ticket_field_ids]
    if absent:
        content = encoded({"ticket_form": {"ticket_field_ids": [*form.ticket_field_ids, *absent]}})
        await api.send("PUT", f"/ticket_forms/{form.id}", cause="install", safe=True, content=content)


async def _create_field(api: ZendeskApi, field: Mapping[str, object]) -> wire.TicketField:
    content = encoded({"ticket_field": field})
    answer = await api.write(wire.TicketFieldAnswer, "POST", "/ticket_fields", cause="install", content=content)
    return answer.ticket_field


async def _default_form(api: ZendeskApi, *, cause: str) -> wire.TicketForm | None:
    """None on plans without ticket forms: there every field shows."""
    try:
        pages = _pages(api, wire.TicketFormsPage, "/ticket_forms", cause=cause)
        forms = [form async for page in pages for form in page.ticket_forms]
    except (Permanent, NeedsOperator):
        return None
    return next((form for form in forms if form.default), None)


# E-mail that would tell the customer twice


async def _inspect_mail(api: ZendeskApi) -> list[Finding]:
    titles = [t.title or str(t.id) for t in await _triggers(api, cause="inspect") if _mails_requester(t)]
    if not titles:
        return [Finding("e-mail triggers", FindingLevel.OK, "None writes to WhatsApp customers as well")]
    mend = (
        f"Add the condition `Tags contain none of the following: {TAG}` to each; the bridge never edits your triggers."
    )
    message = f"Customers with an e-mail address are told twice by: {'; '.join(titles)}"
    return [Finding("e-mail triggers", FindingLevel.WARNING, message, mend)]


def _mails_requester(trigger: wire.Trigger) -> bool:
    if not trigger.active or any(_excludes_us(condition) for condition in trigger.conditions.all):
        return False
    return any(
        action.field == "notification_user" and _recipient(action) in _REQUESTER_NOTIFICATIONS
        for action in trigger.actions
    )


def _recipient(action: wire.Action) -> str:
    value = action.value
    return str(value[0] if isinstance(value, list | tuple) and value else value)


def _excludes_us(condition: wire.Condition) -> bool:
    return (
        condition.field == "current_tags"
        and condition.operator == "not_includes"
        and TAG in str(condition.value).split()
    )


async def _pages(api: ZendeskApi, model: type[_Page], path: str, *, cause: str) -> AsyncIterator[_Page]:
    after: str | None = None
    while True:
        params: dict[str, str | int] = {"page[size]": _PAGE_SIZE}
        if after is not None:
            params["page[after]"] = after
        page = await api.get(model, path, cause=cause, params=params)
        yield page
        after = page.meta.after_cursor
        if not page.meta.has_more or after is None:
            return
