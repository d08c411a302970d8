"""What else has the account: agents, groups, roles, settings. Fact sheet Freshdesk 1 and 8."""

from typing import Any

from sandbox.freshdesk import paging, people
from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.store import Store
from sandbox.freshdesk.wire import Answer, Record, invalid_value, not_found

ADMIN_ROLE, AGENT_ROLE, COLLABORATOR_ROLE = 70_000_333_001, 70_000_333_002, 70_000_333_003
STAFF: tuple[tuple[str, dict[str, Any]], ...] = (
    ("api_agent_id", {"name": "deskbridge", "email": "deskbridge@acme.example", "admin": True}),
    ("bia", {"name": "Bia", "email": "bia@acme.example", "admin": True}),
    ("otto", {"name": "Otto", "email": "otto@acme.example"}),
    ("lena", {"name": "Lena", "email": "lena@acme.example", "type": people.COLLABORATOR}),
)


def furnish(account: Account) -> None:
    """The staff and the groups, where they are missing; they keep their ids over a reset."""
    store = account.store
    for key, values in STAFF:
        known = store.setup.get(key)
        if known is None or known not in store.people:
            store.setup[key] = people.make_agent(account, values, person_id=known)["id"]
    if "groups" not in store.setup:
        everybody = [store.setup[key] for key, _ in STAFF]
        store.setup["groups"] = [
            _group(account, "Support", everybody),
            _group(account, "Night", [store.setup["otto"]]),
        ]
    for agent in store.agents():
        agent["_agent"]["group_ids"] = [
            group["id"] for group in store.setup["groups"] if agent["id"] in group["agent_ids"]
        ]


def own_agent(store: Store) -> Record:
    """The agent whose key the bridge has."""
    return store.people[store.setup["api_agent_id"]]


def me(_account: Account, call: Call) -> Answer:
    """`GET /agents/me`."""
    return Answer(_shown(call.agent))


def agents(account: Account, call: Call) -> Answer:
    """`GET /agents` by e-mail, mobile or phone."""
    call.known_query("email", "mobile", "phone", "state")
    if call.query.get("state") not in {None, "fulltime", "occasional"}:
        raise invalid_value("state", "It should be one of these values: 'fulltime,occasional'")
    found = [] if call.query.get("state") == "occasional" else account.store.agents()
    for name in ("email", "mobile", "phone"):
        if (value := call.query.get(name)) is not None:
            same = account.store.people_with(name, value)
            found = [one for one in found if one in same]
    found = sorted(found, key=lambda one: one["name"].lower())
    return paging.page(account, call, found, path="agents", show=_shown)


def agent(account: Account, call: Call) -> Answer:
    """`GET /agents/{id}`."""
    found = account.store.agent(call.path[0])
    if found is None:
        raise not_found()
    return Answer(_shown(found))


def groups(account: Account, call: Call) -> Answer:
    """`GET /groups`."""
    return paging.page(account, call, account.setting("groups") or [], path="groups", show=lambda group: group)


def roles(_account: Account, _call: Call) -> Answer:
    """`GET /roles`."""
    names = {ADMIN_ROLE: "Administrator", AGENT_ROLE: "Agent", COLLABORATOR_ROLE: "Ticket Collaborator"}
    return Answer([{"id": role, "name": name, "description": name, "default": True} for role, name in names.items()])


def account_of_key(account: Account, _call: Call) -> Answer:
    """`GET /account`."""
    return Answer(
        {
            "organisation_id": 70_000_000_001,
            "organisation_name": "Acme",
            "account_id": 1_207_001,
            "account_name": "Acme",
            "account_domain": "acme.freshdesk.com",
            "timezone": "Lisbon",
            "data_center": "EU",
            "tier_type": account.limits.plan_name.capitalize(),
            "hipaa_compliant": False,
            "total_agents": {"full_time": len(account.store.agents()), "occasional": 0},
        }
    )


def helpdesk_settings(_account: Account, _call: Call) -> Answer:
    """`GET /settings/helpdesk`."""
    return Answer({"primary_language": "en", "supported_languages": ["pt-PT"], "portal_languages": ["en"]})


def products(account: Account, call: Call) -> Answer:
    """`GET /products`: none."""
    return paging.page(account, call, [], path="products", show=lambda product: product)


def _group(account: Account, name: str, agent_ids: list[int]) -> Record:
    now = account.now_iso()
    return {
        "id": account.store.next_id(),
        "name": name,
        "description": name,
        "agent_ids": agent_ids,
        "escalate_to": None,
        "unassigned_for": None,
        "business_hour_id": None,
        "group_type": "support_agent_group",
        "created_at": now,
        "updated_at": now,
    }


def _shown(agent: Record) -> Record:
    inner = agent["_agent"]
    role = ADMIN_ROLE if inner["admin"] else COLLABORATOR_ROLE if people.is_collaborator(agent) else AGENT_ROLE
    named = ("active", "name", "email", "mobile", "phone", "job_title", "language", "time_zone")
    stamps = {name: agent[name] for name in ("created_at", "updated_at")}
    return {
        "id": agent["id"],
        "available": True,
        "occasional": False,
        "ticket_scope": 1,
        "type": inner["type"],
        "group_ids": inner["group_ids"],
        "role_ids": [role],
        "skill_ids": [],
        "signature": None,
        "focus_mode": True,
        "available_since": None,
        **stamps,
        "contact": {**{name: agent[name] for name in named}, "last_login_at": None, **stamps},
    }


ENDPOINTS = [
    Endpoint("GET", "agents/me", me),
    Endpoint("GET", "agents", agents, admin=True),
    Endpoint("GET", "agents/{id}", agent, admin=True),
    Endpoint("GET", "groups", groups, admin=True),
    Endpoint("GET", "admin/groups", groups, admin=True),
    Endpoint("GET", "roles", roles, admin=True),
    Endpoint("GET", "account", account_of_key),
    Endpoint("GET", "settings/helpdesk", helpdesk_settings),
    Endpoint("GET", "products", products),
]
