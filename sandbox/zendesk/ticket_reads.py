"""The reading half of the tickets API: tickets, comments, audits, jobs (fact sheet Zendesk 2.8, 2.9, 2.13)."""

from typing import Any

from sandbox.zendesk import paging
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.wire import Answer, Record, invalid_attribute, not_found, too_many_values


def show(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}`."""
    ticket = ticket_of(account, call)
    answer: Record = {"ticket": ticket}
    includes = _includes(call)
    if "comment_count" in includes:
        answer["ticket"] = {**ticket, "comment_count": len(account.store.comments[ticket["id"]])}
    if "users" in includes:
        answer["users"] = _people(account, {ticket["requester_id"], ticket["submitter_id"], ticket["assignee_id"]})
    return Answer(answer)


def show_many(account: Account, call: Call) -> Answer:
    """`GET /tickets/show_many?ids=`, at most 100."""
    ids = [int(part) for part in call.query.get("ids", "").split(",") if part.strip().isdigit()]
    if len(ids) > 100:
        raise too_many_values(100)
    found = [ticket for ticket_id in ids if (ticket := account.store.ticket(ticket_id)) is not None]
    return Answer({"tickets": found, "count": len(found), "next_page": None, "previous_page": None})


def index(account: Account, call: Call) -> Answer:
    """`GET /tickets`, all or by `external_id` (which may be several tickets')."""
    external_id = call.query.get("external_id")
    found = account.store.tickets_with_external_id(external_id) if external_id else list(account.store.live_tickets())
    return Answer(paging.page(account, call, found, name="tickets", path="tickets"))


def comments(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}/comments`."""
    ticket = ticket_of(account, call)
    by_cursor = any(key.startswith("page[") for key in call.query)
    order = call.query.get("sort" if by_cursor or "sort" in call.query else "sort_order", "created_at")
    if order not in {"created_at", "-created_at", "asc", "desc"}:
        raise invalid_attribute("sort is not valid")
    kept = account.store.comments[ticket["id"]]
    if order in {"-created_at", "desc"}:
        kept = kept[::-1]
    path = f"tickets/{ticket['id']}/comments"
    answer = paging.page(account, call, kept, name="comments", path=path)
    answer["comments"] = [
        shown_comment(account, comment, inline=call.flag("include_inline_images")) for comment in answer["comments"]
    ]
    if "users" in _includes(call):
        answer["users"] = _people(account, {comment["author_id"] for comment in answer["comments"]})
    return Answer(answer)


def count_comments(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}/comments/count`."""
    ticket = ticket_of(account, call)
    total = len(account.store.comments[ticket["id"]])
    return Answer({"count": {"value": total, "refreshed_at": account.now_iso()}})


def audits(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}/audits`, 500 a minute."""
    account.limits.endpoint(call.headers, "zendesk-ratelimit-ticket-audits", limit=500)
    ticket = ticket_of(account, call)
    path = f"tickets/{ticket['id']}/audits"
    return Answer(paging.page(account, call, account.store.audits[ticket["id"]], name="audits", path=path))


def show_tags(account: Account, call: Call) -> Answer:
    """`GET /tickets/{id}/tags`."""
    return Answer({"tags": ticket_of(account, call)["tags"]})


def show_job(account: Account, call: Call) -> Answer:
    """`GET /job_statuses/{id}`."""
    job = account.store.jobs.get(call.path[0])
    if job is None:
        raise not_found()
    return Answer({"job_status": job})


def ticket_of(account: Account, call: Call) -> Record:
    """The ticket of the path. Raises the 404."""
    ticket = account.store.ticket(call.number())
    if ticket is None:
        raise not_found()
    return ticket


def shown_comment(account: Account, comment: Record, *, inline: bool) -> Record:
    """A comment as answers show it: inline images only when asked for, metadata as the switch says."""
    shown = comment
    if not inline and any(file["inline"] for file in comment["attachments"]):
        shown = {**shown, "attachments": [file for file in comment["attachments"] if not file["inline"]]}
    if comment["metadata"].get("custom") and not account.faults.is_on("comment_metadata_visible"):
        shown = {**shown, "metadata": {**comment["metadata"], "custom": {}}}
    return shown


def _includes(call: Call) -> set[str]:
    return {part.strip() for part in call.query.get("include", "").split(",")}


def _people(account: Account, ids: set[Any]) -> list[Record]:
    return [account.store.users[user_id] for user_id in sorted(one for one in ids if one in account.store.users)]


ENDPOINTS = [
    Endpoint("GET", "tickets/{id}", show),
    Endpoint("GET", "tickets/{id}/comments", comments),
    Endpoint("GET", "tickets", index),
    Endpoint("GET", "tickets/show_many", show_many),
    Endpoint("GET", "tickets/{id}/comments/count", count_comments),
    Endpoint("GET", "tickets/{id}/audits", audits),
    Endpoint("GET", "tickets/{id}/tags", show_tags),
    Endpoint("GET", "job_statuses/{text}", show_job),
]
