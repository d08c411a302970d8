"""Is the account set up for the bridge, and what does a person have to do? Freshdesk's API makes none of it for us.

The automation rule is known by the address that it calls: admins rename. Reading rules is documented, the shape of a
webhook in one is not (fact sheet Freshdesk 6a), so what cannot be read is a warning, and never taken for missing.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from connectors.errors import NeedsOperator, Permanent, RemoteFailure
from connectors.freshdesk import wire
from connectors.freshdesk.api import FreshdeskApi
from connectors.freshdesk.translate import TAG
from connectors.freshdesk.webhook import SECRET_HEADER
from connectors.interface import Finding, FindingLevel

BODY = '{"ticket_id": "{{ticket.id}}"}'
"""Ids only: HTML in another placeholder would break the JSON (fact sheet Freshdesk 6a)."""

_UPDATES = 4
"""The kind of rules that watch ticket updates."""
_FILLED = frozenset({"requester", "subject", "description", "status", "priority", "source"})


async def inspect(api: FreshdeskApi, *, webhook_url: str, webhook_secrets: Sequence[str]) -> list[Finding]:
    """One finding per thing. Never raises a `RemoteFailure`: that is a red finding."""
    steps: Mapping[str, Callable[[], Awaitable[list[Finding]]]] = {
        "credentials": lambda: _inspect_credentials(api),
        "webhook": lambda: _inspect_rule(api, webhook_url=webhook_url, webhook_secrets=webhook_secrets),
        "fields": lambda: _inspect_fields(api),
    }
    findings: list[Finding] = []
    for check, inspect_step in steps.items():
        try:
            findings += await inspect_step()
        except RemoteFailure as failure:
            mend = failure.action if isinstance(failure, NeedsOperator) else "Try again in a minute."
            findings.append(Finding(check, FindingLevel.RED, f"Freshdesk could not be asked ({failure})", mend))
    return findings


def recipe(webhook_url: str) -> str:
    """The automation rule, click by click. The secret itself is never printed."""
    return (
        "In Freshdesk: Admin > Workflows > Automations > Ticket Updates > New rule, name it deskbridge. "
        "When an action performed by: Agent, and there every agent but the one whose FRESHDESK_API_KEY this is. "
        "Involves any of these events: Reply is sent; Note is added, type Public; Note is added, type Private; Status "
        "is changed, from Any status to Any status. "
        f"On tickets with these properties: Ticket, Tag, Contains any of, {TAG}. "
        f"Perform these actions: Trigger webhook, request type POST, URL {webhook_url}, no authentication, custom "
        f"headers: {SECRET_HEADER}: the value of FRESHDESK_WEBHOOK_SECRET, encoding JSON, content Advanced: {BODY} "
        "Then Preview and save, and see that the rule is switched on."
    )


async def _inspect_credentials(api: FreshdeskApi) -> list[Finding]:
    await api.get(wire.Agent, "/agents/me", cause="inspect")
    try:
        await api.get_page(wire.Agent, "/agents", cause="inspect", params={"per_page": 1})
    except NeedsOperator as failure:
        if failure.code not in {"access_denied", "forbidden"}:
            raise
        message = "Accepted, but not of an administrator: light agents cannot be told apart, nor the set-up checked"
        return [Finding("credentials", FindingLevel.WARNING, message, failure.action)]
    return [Finding("credentials", FindingLevel.OK, f"Accepted, {api.plan.total} calls a minute for the account")]


async def _inspect_rule(api: FreshdeskApi, *, webhook_url: str, webhook_secrets: Sequence[str]) -> list[Finding]:
    if not webhook_secrets:
        mend = "Make one with `openssl rand -hex 32`, set FRESHDESK_WEBHOOK_SECRET to it and start again. " + recipe(
            webhook_url
        )
        return [Finding("webhook", FindingLevel.RED, "No secret is set, so every ring is refused", mend)]
    try:
        rules = await _rules(api)
    except (Permanent, NeedsOperator):
        message = "The automation rules may not be read with this key, so whether one calls this bridge is not known"
        return [Finding("webhook", FindingLevel.WARNING, message, recipe(webhook_url))]
    ours = [(rule, action) for rule in rules for action in rule.actions or () if action.url == webhook_url]
    if not ours:
        message = "No automation rule calls this bridge: what agents write is only found by polling"
        return [Finding("webhook", FindingLevel.RED, message, recipe(webhook_url))]
    active = [(rule, action) for rule, action in ours if rule.active]
    if not active:
        message = "The automation rule is switched off"
        return [Finding("webhook", FindingLevel.RED, message, "Switch it on in Admin > Workflows > Automations.")]
    secret = _secret_in(active[0][1].custom_headers)
    if secret is not None and secret not in webhook_secrets:
        mend = f"Put the value of FRESHDESK_WEBHOOK_SECRET into the rule's custom header {SECRET_HEADER}."
        return [Finding("webhook", FindingLevel.RED, "The rule sends another secret, so every ring is refused", mend)]
    return [Finding("webhook", FindingLevel.OK, "An automation rule calls this bridge")]


async def _rules(api: FreshdeskApi) -> Sequence[wire.Rule]:
    kind: Any = list[wire.Rule] | wire.Rules
    found = await api.get(kind, f"/automations/{_UPDATES}/rules", cause="inspect")
    return found.rules if isinstance(found, wire.Rules) else cast(list[wire.Rule], found)


def _secret_in(headers: object) -> str | None:
    """The value of our header, where the rule shows it; None where it does not (unconfirmed)."""
    if isinstance(headers, str):
        try:
            headers = json.loads(headers)
        except ValueError:
            return None
    if not isinstance(headers, dict):
        return None
    found = next((value for name, value in headers.items() if str(name).lower() == SECRET_HEADER.lower()), None)
    is_shown = isinstance(found, str) and found.strip("*\u2022 ") != ""
    return found if is_shown else None


async def _inspect_fields(api: FreshdeskApi) -> list[Finding]:
    fields = await api.get(list[wire.TicketField], "/ticket_fields", cause="inspect")
    defaults = api.settings.ticket_defaults
    given = _FILLED | defaults.keys() | defaults.get("custom_fields", {}).keys()
    missing = [f.name for f in fields if f.required_for_agents and _attribute(f.name) not in given]
    if missing:
        mend = (
            'Give each a value in FRESHDESK_TICKET_DEFAULTS, like {"custom_fields": {"cf_region": "EMEA"}}, or make it '
            "optional for agents in Admin > Workflows > Ticket fields."
        )
        message = f"The account requires ticket fields that have no value: {', '.join(missing)}"
        return [Finding("fields", FindingLevel.RED, message, mend)]
    return [Finding("fields", FindingLevel.OK, "Every required ticket field has a value")]


def _attribute(field_name: str) -> str:
    """The ticket's attribute for a default field: these go by other names in the list of fields."""
    return {"ticket_type": "type", "group": "group_id", "agent": "responder_id", "product": "product_id"}.get(
        field_name, field_name
    )
