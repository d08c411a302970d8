"""The account's own furniture: ticket fields, forms, brands, groups, statuses, settings (fact sheet Zendesk 2.14)."""

from sandbox.zendesk import fields, paging
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.changes import CUSTOM_STATUS_IDS
from sandbox.zendesk.store import BRAND_ID, FORM_ID, GROUP_ID
from sandbox.zendesk.triggers import add_category, add_trigger
from sandbox.zendesk.wire import Answer, Record, invalid_attribute, not_found, record_invalid

TYPES = frozenset(
    {
        "text",
        "textarea",
        "checkbox",
        "date",
        "integer",
        "decimal",
        "regexp",
        "partialcreditcard",
        "multiselect",
        "tagger",
        "lookup",
    }
)
FIELD_KEYS = frozenset(
    {
        "type",
        "title",
        "raw_title",
        "description",
        "raw_description",
        "active",
        "required",
        "position",
        "collapsed_for_agents",
        "regexp_for_validation",
        "title_in_portal",
        "raw_title_in_portal",
        "visible_in_portal",
        "editable_in_portal",
        "required_in_portal",
        "agent_can_edit",
        "agent_description",
        "tag",
        "custom_field_options",
        "sub_type_id",
        "relationship_target_type",
        "key",
    }
)
SYSTEM_FIELDS = ("subject", "description", "status", "tickettype", "priority", "group", "assignee")
MOST_FIELDS, MOST_OPTIONS = 400, 2_000


def furnish(account: Account) -> None:
    """What every new account has: system fields, one form, a trigger category and the e-mail triggers."""
    if account.store.forms:
        return
    for kind in SYSTEM_FIELDS:
        _add_field(account, {"type": kind, "title": kind.capitalize()})
    account.store.forms[FORM_ID] = {
        "id": FORM_ID,
        "url": account.api_url(f"ticket_forms/{FORM_ID}.json"),
        "name": "Default Ticket Form",
        "raw_name": "Default Ticket Form",
        "display_name": "Default Ticket Form",
        "raw_display_name": "Default Ticket Form",
        "position": 0,
        "end_user_visible": True,
        "default": True,
        "active": True,
        "in_all_brands": True,
        "restricted_brand_ids": [],
        "ticket_field_ids": list(account.store.fields),
        "created_at": account.now_iso(),
        "updated_at": account.now_iso(),
    }
    category = add_category(account, "Notifications")
    mail = [{"field": "notification_user", "value": ["requester_id", "Re: {{ticket.title}}", "{{ticket.comments}}"]}]
    for title, kind in (
        ("Notify requester of new proactive ticket", "Create"),
        ("Notify requester and CCs of comment update", "Change"),
    ):
        conditions = [
            {"field": "update_type", "operator": "is", "value": kind},
            {"field": "comment_is_public", "operator": "is", "value": "true"},
            {"field": "role", "operator": "is", "value": "agent"},
        ]
        add_trigger(
            account,
            {"title": title, "conditions": {"all": conditions}, "actions": mail, "category_id": category["id"]},
        )


def index_fields(account: Account, call: Call) -> Answer:
    """`GET /ticket_fields`."""
    return Answer(
        paging.page(account, call, list(account.store.fields.values()), name="ticket_fields", path="ticket_fields")
    )


def show_field(account: Account, call: Call) -> Answer:
    """`GET /ticket_fields/{id}`."""
    return Answer({"ticket_field": _field(account, call)})


def create_field(account: Account, call: Call) -> Answer:
    """`POST /ticket_fields`; option values are unique across the drop-downs of the account."""
    wanted = call.envelope("ticket_field", FIELD_KEYS)
    if wanted.get("type") not in TYPES:
        raise record_invalid("type", "Type: is not included in the list", "InvalidValue")
    if not wanted.get("title"):
        raise record_invalid("title", "Title: cannot be blank", "BlankValue")
    if len(account.store.fields) >= MOST_FIELDS:
        raise record_invalid("base", "Ticket fields: limit reached", "LimitReached")
    _check_options(account, wanted, field_id=None)
    if wanted["type"] == "tagger" and not wanted.get("custom_field_options"):
        raise record_invalid("custom_field_options", "Field options: cannot be blank", "BlankValue")
    field = _add_field(account, wanted)
    return Answer({"ticket_field": field}, 201, {"Location": field["url"]})


def update_field(account: Account, call: Call) -> Answer:
    """`PUT /ticket_fields/{id}`; options that are not sent again are deleted."""
    field = _field(account, call)
    wanted = call.envelope("ticket_field", FIELD_KEYS)
    wanted.pop("type", None)
    _check_options(account, wanted, field_id=field["id"])
    if "custom_field_options" in wanted:
        wanted["custom_field_options"] = _options(account, wanted["custom_field_options"])
    field.update({**wanted, "updated_at": account.now_iso()})
    return Answer({"ticket_field": field})


def index_forms(account: Account, call: Call) -> Answer:
    """`GET /ticket_forms`."""
    return Answer(
        paging.page(account, call, list(account.store.forms.values()), name="ticket_forms", path="ticket_forms")
    )


def show_form(account: Account, call: Call) -> Answer:
    """`GET /ticket_forms/{id}`."""
    return Answer({"ticket_form": _form(account, call)})


def update_form(account: Account, call: Call) -> Answer:
    """`PUT /ticket_forms/{id}`; `ticket_field_ids` is the full list."""
    form = _form(account, call)
    allowed = frozenset(
        {"name", "display_name", "position", "end_user_visible", "active", "ticket_field_ids", "default"}
    )
    wanted = call.envelope("ticket_form", allowed)
    ids = wanted.get("ticket_field_ids")
    if ids is not None and (not isinstance(ids, list) or any(one not in account.store.fields for one in ids)):
        raise record_invalid("ticket_field_ids", "Ticket fields: is invalid", "InvalidValue")
    form.update({**wanted, "updated_at": account.now_iso()})
    return Answer({"ticket_form": form})


def settings(account: Account, call: Call) -> Answer:
    """`GET /account/settings`; the keys are unconfirmed."""
    del call
    private = account.faults.is_on("private_attachments")
    return Answer(
        {
            "settings": {
                "active_features": {"ticket_forms": True, "custom_statuses_enabled": True, "agent_workspace": True},
                "tickets": {
                    "private_attachments": private,
                    "agent_ticket_deletion": True,
                    "maximum_personal_views_to_list": 8,
                },
                "user": {"tagging": True, "phone_number_validation": account.faults.is_on("validate_phone_numbers")},
                "limits": {"attachment_size": 52_428_800},
                "localization": {"locale_ids": [19]},
                "brands": {"default_brand_id": BRAND_ID},
            }
        }
    )


def brands(account: Account, call: Call) -> Answer:
    """`GET /brands`."""
    brand = {
        "id": BRAND_ID,
        "name": "Acme",
        "brand_url": account.url,
        "subdomain": "acme",
        "active": True,
        "default": True,
    }
    return Answer(paging.page(account, call, [brand], name="brands", path="brands"))


def groups(account: Account, call: Call) -> Answer:
    """`GET /groups`."""
    group = {"id": GROUP_ID, "name": "Support", "default": True, "deleted": False, "is_public": True}
    return Answer(paging.page(account, call, [group], name="groups", path="groups"))


def custom_statuses(account: Account, call: Call) -> Answer:
    """`GET /custom_statuses`."""
    del account, call
    found = [
        {"id": number, "status_category": status, "agent_label": status.capitalize(), "active": True, "default": True}
        for status, number in CUSTOM_STATUS_IDS.items()
    ]
    return Answer({"custom_statuses": found})


def _add_field(account: Account, wanted: Record) -> Record:
    field_id, now = account.store.next_id(), account.now_iso()
    is_system = wanted["type"] in fields.SYSTEM_TYPES
    field: Record = {
        "id": field_id,
        "url": account.api_url(f"ticket_fields/{field_id}.json"),
        "type": wanted["type"],
        "title": wanted["title"],
        "raw_title": wanted["title"],
        "description": wanted.get("description", ""),
        "position": len(account.store.fields),
        "active": wanted.get("active", True),
        "required": wanted.get("required", False),
        "agent_can_edit": wanted.get("agent_can_edit", True),
        "visible_in_portal": wanted.get("visible_in_portal", False),
        "editable_in_portal": wanted.get("editable_in_portal", False),
        "regexp_for_validation": wanted.get("regexp_for_validation"),
        "tag": wanted.get("tag"),
        "removable": not is_system,
        "key": wanted.get("key"),
        "created_at": now,
        "updated_at": now,
    }
    if wanted["type"] in {"tagger", "multiselect"}:
        field["custom_field_options"] = _options(account, wanted.get("custom_field_options") or [])
    account.store.fields[field_id] = field
    return field


def _options(account: Account, wanted: list[Record]) -> list[Record]:
    return [
        {
            "id": option.get("id") or account.store.next_id(),
            "name": option["name"],
            "raw_name": option["name"],
            "value": option["value"],
            "default": bool(option.get("default")),
        }
        for option in wanted
    ]


def _check_options(account: Account, wanted: Record, *, field_id: int | None) -> None:
    options = wanted.get("custom_field_options")
    if options is None:
        options = []
    if not isinstance(options, list) or len(options) > MOST_OPTIONS:
        raise invalid_attribute("custom_field_options must be a list of at most 2000")
    taken = {
        option["value"]
        for other in account.store.fields.values()
        if other["id"] != field_id
        for option in other.get("custom_field_options", [])
    }
    taken |= {other["tag"] for other in account.store.fields.values() if other["id"] != field_id and other.get("tag")}
    for option in options:
        if not isinstance(option, dict) or not option.get("name") or not option.get("value"):
            raise record_invalid("custom_field_options", "Field options: need name and value", "BlankValue")
        if option["value"] in taken:
            text = f"Field options: tag {option['value']} is already used"
            raise record_invalid("custom_field_options", text, "DuplicateValue")
        taken.add(option["value"])
    if wanted.get("tag") and wanted["tag"] in taken:
        raise record_invalid("tag", f"Tag: {wanted['tag']} is already used", "DuplicateValue")


def _field(account: Account, call: Call) -> Record:
    field = account.store.fields.get(call.number())
    if field is None:
        raise not_found()
    return field


def _form(account: Account, call: Call) -> Record:
    form = account.store.forms.get(call.number())
    if form is None:
        raise not_found()
    return form


ENDPOINTS = [
    Endpoint("GET", "ticket_fields", index_fields),
    Endpoint("GET", "ticket_fields/{id}", show_field),
    Endpoint("POST", "ticket_fields", create_field, admin=True),
    Endpoint("PUT", "ticket_fields/{id}", update_field, admin=True),
    Endpoint("GET", "ticket_forms", index_forms),
    Endpoint("GET", "ticket_forms/{id}", show_form),
    Endpoint("PUT", "ticket_forms/{id}", update_form, admin=True),
    Endpoint("GET", "account/settings", settings, admin=True),
    Endpoint("GET", "brands", brands),
    Endpoint("GET", "groups", groups),
    Endpoint("GET", "custom_statuses", custom_statuses),
]
