"""Which webhooks do the triggers call after an update, and how are triggers kept? Fact sheet Zendesk 5.4."""

import orjson

from sandbox.zendesk import conditions, paging, placeholders, texts
from sandbox.zendesk.account import Account, Update
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.webhooks import CONDITIONAL, Sender
from sandbox.zendesk.wire import Answer, Record, invalid_attribute, not_found, record_invalid, split_tags, truth

KEYS = frozenset({"title", "raw_title", "active", "position", "conditions", "actions", "description", "category_id"})
SIMULATED_ACTIONS = frozenset({"notification_webhook", "notification_user", "notification_group", "current_tags"})


class TriggerRunner:
    """Runs every active trigger, top to bottom, over each update. Webhooks alone have an effect outside."""

    def __init__(self, account: Account, sender: Sender) -> None:
        self._account = account
        self._sender = sender
        account.after_update.append(self.run)

    def run(self, update: Update) -> None:
        """Call what the triggers whose conditions are met name; a deletion runs none."""
        if update.ticket["status"] == "deleted":
            return
        for trigger in in_order(self._account):
            if trigger["active"] and conditions.met(self._account, trigger["conditions"], update):
                for action in trigger["actions"]:
                    self._act(action, update)

    def _act(self, action: Record, update: Update) -> None:
        account = self._account
        if action["field"] == "current_tags":
            tags = sorted({*update.ticket["tags"], *split_tags(action["value"])})
            account.store.change_ticket(update.ticket, {"tags": tags})
        if action["field"] != "notification_webhook":
            return
        webhook = account.store.webhooks.get(action["value"][0])
        if webhook is None or webhook["status"] != "active":
            return
        body = action["value"][1]
        if "{{" in body:
            named = placeholders.values(account, update.ticket, actor=update.actor)
            if account.faults.is_on("escape_placeholders"):
                named = {name: _escaped(value) for name, value in named.items()}
            body = texts.interpolated(body, named)
        self._sender.ring(webhook, body.encode(), cause=f"ticket {update.ticket['id']}")


def in_order(account: Account) -> list[Record]:
    """All triggers by position."""
    return sorted(account.store.triggers.values(), key=lambda trigger: (trigger["position"], trigger["id"]))


def index(account: Account, call: Call) -> Answer:
    """`GET /triggers`, also `?active=true`."""
    found = in_order(account)
    if "active" in call.query:
        found = [trigger for trigger in found if trigger["active"] == call.flag("active")]
    if (category_id := call.query.get("category_id")) is not None:
        found = [trigger for trigger in found if trigger["category_id"] == category_id]
    return Answer(paging.page(account, call, found, name="triggers", path="triggers"))


def index_active(account: Account, call: Call) -> Answer:
    """`GET /triggers/active`."""
    found = [trigger for trigger in in_order(account) if trigger["active"]]
    return Answer(paging.page(account, call, found, name="triggers", path="triggers/active"))


def show(account: Account, call: Call) -> Answer:
    """`GET /triggers/{id}`."""
    return Answer({"trigger": _trigger(account, call)})


def create(account: Account, call: Call) -> Answer:
    """`POST /triggers`; `category_id` is required."""
    wanted = call.envelope("trigger", KEYS)
    for name in ("title", "conditions", "actions"):
        if not wanted.get(name):
            raise record_invalid(name, f"{name.capitalize()}: cannot be blank", "BlankValue")
    if wanted.get("category_id") is None:
        raise record_invalid("category_id", "Category: cannot be blank", "BlankValue")
    _check(account, wanted)
    trigger = add_trigger(account, wanted)
    return Answer({"trigger": trigger}, 201, {"Location": trigger["url"]})


def update(account: Account, call: Call) -> Answer:
    """`PUT /triggers/{id}`; conditions and actions are replaced whole."""
    trigger = _trigger(account, call)
    wanted = call.envelope("trigger", KEYS)
    _check(account, wanted)
    if "category_id" in wanted:
        wanted["category_id"] = str(wanted["category_id"])
    if "conditions" in wanted:
        wanted["conditions"] = _both(wanted["conditions"])
    trigger.update({**wanted, "updated_at": account.now_iso()})
    return Answer({"trigger": trigger})


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /triggers/{id}`."""
    del account.store.triggers[_trigger(account, call)["id"]]
    return Answer(status=204)


def categories(account: Account, call: Call) -> Answer:
    """`GET /trigger_categories`."""
    found = list(account.store.categories.values())
    return Answer(paging.page(account, call, found, name="trigger_categories", path="trigger_categories"))


def create_category(account: Account, call: Call) -> Answer:
    """`POST /trigger_categories`."""
    wanted = call.envelope("trigger_category", frozenset({"name", "position"}))
    if not wanted.get("name"):
        raise record_invalid("name", "Name: cannot be blank", "BlankValue")
    return Answer({"trigger_category": add_category(account, str(wanted["name"]))}, 201)


def add_category(account: Account, name: str) -> Record:
    """A new category at the end. Ids of categories are strings on the wire."""
    category_id, now = str(account.store.next_id()), account.now_iso()
    position = len(account.store.categories) + 1
    category = {"id": category_id, "name": name, "position": position, "created_at": now, "updated_at": now}
    account.store.categories[category_id] = category
    return category


def add_trigger(account: Account, wanted: Record) -> Record:
    """A new trigger, last unless it has a position."""
    trigger_id, now = account.store.next_id(), account.now_iso()
    last = max((trigger["position"] for trigger in account.store.triggers.values()), default=0)
    trigger: Record = {
        "id": trigger_id,
        "url": account.api_url(f"triggers/{trigger_id}.json"),
        "title": str(wanted["title"]),
        "raw_title": str(wanted["title"]),
        "active": truth(wanted.get("active", True)),
        "position": int(wanted.get("position") or last + 1),
        "description": wanted.get("description"),
        "default": False,
        "conditions": _both(wanted["conditions"]),
        "actions": wanted["actions"],
        "category_id": str(wanted["category_id"]),
        "created_at": now,
        "updated_at": now,
    }
    account.store.triggers[trigger_id] = trigger
    return trigger


def _check(account: Account, wanted: Record) -> None:
    if "category_id" in wanted and str(wanted["category_id"]) not in account.store.categories:
        raise record_invalid("category_id", "Category: is invalid", "InvalidValue")
    if "conditions" in wanted:
        if not isinstance(wanted["conditions"], dict):
            raise invalid_attribute("conditions must be an object")
        both = _both(wanted["conditions"])
        if not both["all"] and not both["any"]:
            raise record_invalid("base", "Conditions: cannot be blank", "BlankValue")
        for condition in [*both["all"], *both["any"]]:
            if not isinstance(condition, dict) or not conditions.known(str(condition.get("field"))):
                raise record_invalid("conditions", f"Conditions: {condition!r} is not known here", "InvalidValue")
    for action in wanted.get("actions", []):
        if not isinstance(action, dict) or action.get("field") not in SIMULATED_ACTIONS:
            raise record_invalid("actions", "Actions: is not known here", "InvalidValue")
        if action["field"] == "notification_webhook":
            _check_webhook(account, action.get("value"))


def _check_webhook(account: Account, value: object) -> None:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(part, str) for part in value):
        raise record_invalid("actions", "Actions: notification_webhook takes an id and a body as text", "InvalidValue")
    webhook = account.store.webhooks.get(value[0])
    if webhook is None or CONDITIONAL not in webhook["subscriptions"]:
        raise record_invalid("actions", "Actions: webhook is invalid", "InvalidValue")
    if webhook["request_format"] == "json":
        try:
            orjson.loads(texts.interpolated(value[1], {}))
        except orjson.JSONDecodeError as error:
            raise record_invalid("actions", "Actions: the body is not valid JSON", "InvalidValue") from error


def _both(given: Record) -> Record:
    return {"all": given.get("all") or [], "any": given.get("any") or []}


def _trigger(account: Account, call: Call) -> Record:
    trigger = account.store.triggers.get(call.number())
    if trigger is None:
        raise not_found()
    return trigger


def _escaped(value: object) -> str:
    return "" if value is None else orjson.dumps(str(value)).decode()[1:-1]


ENDPOINTS = [
    Endpoint("GET", "triggers", index, admin=True),
    Endpoint("GET", "triggers/active", index_active, admin=True),
    Endpoint("GET", "triggers/{id}", show, admin=True),
    Endpoint("POST", "triggers", create, admin=True),
    Endpoint("PUT", "triggers/{id}", update, admin=True),
    Endpoint("DELETE", "triggers/{id}", delete, admin=True),
    Endpoint("GET", "trigger_categories", categories, admin=True),
    Endpoint("POST", "trigger_categories", create_category, admin=True),
]
