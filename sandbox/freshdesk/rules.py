"""Which webhooks do the automation rules call after a change, and how are rules kept? Fact sheet Freshdesk 6a.

Rules are made in the UI, so the control API makes them; the API only shows them.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from sandbox.freshdesk import texts
from sandbox.freshdesk.account import STATUSES, Account, Event, Update
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.webhooks import Sender
from sandbox.freshdesk.wire import Answer, Record, not_found

AGENT, REQUESTER, EITHER, SYSTEM = 1, 2, 3, 4
TYPE_IDS = {"creation": 1, "updates": 4}
EVENT_FIELDS = frozenset({"reply_sent", "note_type", "status", "priority", "tags", "responder_id", "ticket_action"})
CONDITIONS = frozenset({"tag", "status", "source", "priority"})
OPERATORS = frozenset({"in", "not_in"})
SECRET_HEADER = "X-Deskbridge-Secret"  # noqa: S105  # a header's name
RULE_KEYS = frozenset({"name", "type", "active", "performer", "events", "conditions", "webhook"})
WEBHOOK_KEYS = frozenset({"url", "request_type", "custom_headers", "auth_header", "content_layout", "body", "fields"})


class RuleRunner:
    """Runs every active rule over each change. Several may fire for one change; each tells one event."""

    def __init__(self, account: Account, sender: Sender) -> None:
        self._account = account
        self._sender = sender
        account.after_update.append(self.run)

    def run(self, update: Update) -> None:
        """Call the webhook of every rule that waits for this."""
        is_creation = any(event.told == "{ticket_action:created}" for event in update.events)
        for rule in self._account.store.rules.values():
            if rule["active"] and (rule["type"] == "creation") == is_creation and self._performs(rule, update):
                event = next((one for one in update.events if is_creation or _waits_for(rule, one)), None)
                if event is not None and all(_holds(condition, update.ticket) for condition in rule["conditions"]):
                    self._ring(rule, update, event)

    def _performs(self, rule: Record, update: Update) -> bool:
        kind, members = rule["performer"]["type"], rule["performer"]["members"]
        if update.actor.channel == "rule":
            return bool(kind == SYSTEM)
        if not update.actor.is_agent:
            return kind in {REQUESTER, EITHER}
        everybody = not members or (rule["by_setup"] and self._account.faults.is_on("rings_for_own_writes"))
        return kind in {AGENT, EITHER} and (everybody or update.actor.user["id"] in members)

    def _ring(self, rule: Record, update: Update, event: Event) -> None:
        named = _placeholders(self._account, update, event)
        webhook = rule["webhook"]
        if webhook["content_layout"] == "simple":
            told = {name.replace(".", "_"): named.get(name) for name in webhook["fields"]}
            body = orjson.dumps({"freshdesk_webhook": told})
        else:
            text = texts.interpolated(webhook["body"], named)
            wrapped = self._account.faults.is_on("ring_body_wrapped")
            body = (f'{{"freshdesk_webhook": {text}}}' if wrapped else text).encode()
        self._sender.ring(rule, body, cause=f"ticket {update.ticket['id']}")


def make_rule(account: Account, wish: Mapping[str, Any], *, by_setup: bool = False) -> Record:
    """A rule as an admin builds it in the UI. Raises ValueError for nonsense."""
    _only(wish, RULE_KEYS, "a rule")
    webhook = wish.get("webhook")
    if not isinstance(webhook, dict) or not str(webhook.get("url", "")).startswith("http"):
        raise ValueError("a rule has a webhook with a url")
    _only(webhook, WEBHOOK_KEYS, "a webhook")
    if wish.get("type", "updates") not in TYPE_IDS:
        raise ValueError("a rule's type is creation or updates")
    performer = wish.get("performer") or {"type": EITHER}
    if performer.get("type") not in {AGENT, REQUESTER, EITHER, SYSTEM}:
        raise ValueError("a performer's type is 1 agent, 2 requester, 3 either or 4 system")
    for event in wish.get("events") or []:
        if not isinstance(event, dict) or event.get("field_name") not in EVENT_FIELDS:
            raise ValueError(f"an event's field_name is one of {', '.join(sorted(EVENT_FIELDS))}")
    for condition in wish.get("conditions") or []:
        if condition.get("field_name") not in CONDITIONS or condition.get("operator") not in OPERATORS:
            raise ValueError(
                "a condition has a field_name (tag, status, source, priority) and an operator (in, not_in)"
            )
        if not isinstance(condition.get("value"), list):
            raise ValueError("a condition's value is a list")
    now = account.now_iso()
    rule: Record = {
        "id": account.store.next_id(),
        "name": str(wish.get("name") or "webhook"),
        "type": wish.get("type", "updates"),
        "active": bool(wish.get("active", True)),
        "performer": {"type": performer["type"], "members": list(performer.get("members") or [])},
        "events": list(wish.get("events") or []),
        "conditions": list(wish.get("conditions") or []),
        "webhook": {
            "url": webhook["url"],
            "request_type": str(webhook.get("request_type") or "POST"),
            "custom_headers": dict(webhook.get("custom_headers") or {}),
            "auth_header": webhook.get("auth_header"),
            "content_layout": str(webhook.get("content_layout") or "advanced"),
            "body": str(webhook.get("body") or '{"ticket_id": {{ticket.id}}}'),
            "fields": list(webhook.get("fields") or ["ticket.id", "ticket.url", "triggered_event"]),
        },
        "by_setup": by_setup,
        "created_at": now,
        "updated_at": now,
    }
    account.store.rules[rule["id"]] = rule
    return rule


def make_recipe_rule(account: Account, *, url: str, secret: str, own_agent_id: int) -> None:
    """The rule that the bridge asks an admin for: other agents' replies and notes ring it. Made anew each time."""
    rules = account.store.rules
    for rule_id in [rule["id"] for rule in rules.values() if rule["by_setup"]]:
        del rules[rule_id]
    others = [agent["id"] for agent in account.store.agents() if agent["id"] != own_agent_id]
    make_rule(
        account,
        {
            "name": "deskbridge",
            "performer": {"type": AGENT, "members": others},
            "events": [{"field_name": "reply_sent"}, {"field_name": "note_type"}, {"field_name": "status"}],
            "conditions": [{"field_name": "tag", "operator": "in", "value": ["whatsapp"]}],
            "webhook": {
                "url": url,
                "custom_headers": {SECRET_HEADER: secret},
                "body": '{"ticket_id": "{{ticket.id}}"}',
            },
        },
        by_setup=True,
    )


def index(account: Account, call: Call) -> Answer:
    """`GET /automations/{type}/rules`."""
    found = [_shown(rule) for rule in account.store.rules.values() if TYPE_IDS[rule["type"]] == call.path[0]]
    return Answer({"rules": found, "meta": {"count": len(found), "cascading_rules": True}})


def show(account: Account, call: Call) -> Answer:
    """`GET /automations/{type}/rules/{id}`."""
    rule = account.store.rules.get(call.path[1])
    if rule is None or TYPE_IDS[rule["type"]] != call.path[0]:
        raise not_found()
    return Answer(_shown(rule))


def _shown(rule: Record) -> Record:
    """As the API shows a rule; the name of the webhook action's field is unconfirmed."""
    webhook = rule["webhook"]
    return {
        "id": rule["id"],
        "name": rule["name"],
        "active": rule["active"],
        "automation_type_id": TYPE_IDS[rule["type"]],
        "performer": rule["performer"],
        "events": rule["events"],
        "conditions": [{"name": "condition_set_1", "match_type": "all", "properties": rule["conditions"]}],
        "actions": [
            {
                "field_name": "trigger_webhook",
                "url": webhook["url"],
                "request_type": webhook["request_type"],
                "custom_headers": webhook["custom_headers"],
                "auth_header": webhook["auth_header"],
                "content": {"content_layout": webhook["content_layout"], "content_type": "json"},
            }
        ],
        "created_at": rule["created_at"],
        "updated_at": rule["updated_at"],
    }


def _waits_for(rule: Record, event: Event) -> bool:
    for wanted in rule["events"]:
        if wanted["field_name"] != event.field_name:
            continue
        values = (("value", event.value), ("to", event.value), ("from", event.before))
        if all(wanted.get(name) in (None, value) for name, value in values):
            return True
    return False


def _holds(condition: Record, ticket: Record) -> bool:
    given = ticket["tags"] if condition["field_name"] == "tag" else [ticket[condition["field_name"]]]
    found = any(value in condition["value"] for value in given)
    return bool(found == (condition["operator"] == "in"))


def _placeholders(account: Account, update: Update, event: Event) -> dict[str, Any]:
    ticket, people = update.ticket, account.store.people
    public = [one for one in account.store.conversations[ticket["id"]][-20:] if not one["private"]]
    author = people.get(public[-1]["user_id"]) if public else None
    requester = people.get(ticket["requester_id"])
    agent = people.get(ticket["responder_id"] or 0)
    named: dict[str, Any] = {
        "ticket.id": ticket["id"],
        "ticket.subject": ticket["subject"],
        "ticket.description": ticket["description"],
        "ticket.url": f"{account.url}/a/tickets/{ticket['id']}",
        "ticket.status": STATUSES[ticket["status"]][0],
        "ticket.priority": ticket["priority"],
        "ticket.source": ticket["source"],
        "ticket.ticket_type": ticket["type"],
        "ticket.tags": ", ".join(ticket["tags"]),
        "ticket.latest_public_comment": f"{author['name'] if author else ''} : {public[-1]['body']}" if public else "",
        "ticket.agent.name": agent["name"] if agent else None,
        "triggered_event": event.told,
        "helpdesk_name": "Acme",
        **{f"ticket.{name}": value for name, value in ticket["custom_fields"].items()},
    }
    if requester is not None:
        shown = ("name", "email", "phone", "unique_external_id")
        named |= {f"ticket.requester.{name}": requester[name] for name in shown}
    return named


def _only(given: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{what} has no {unknown[0]}")


ENDPOINTS = [
    Endpoint("GET", "automations/{id}/rules", index, admin=True),
    Endpoint("GET", "automations/{id}/rules/{id}", show, admin=True),
]
