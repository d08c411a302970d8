"""The incremental exports: what changed since, a minute late (fact sheet Zendesk 6)."""

import base64
import binascii
import bisect
from datetime import datetime

from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.wire import Answer, Record, RefusalError, invalid_attribute, whole_number

MOST_PER_PAGE = 1_000
TEXTS = ("body", "html_body", "plain_body", "attachments", "author_id", "public", "audit_id")


def ticket_events(account: Account, call: Call) -> Answer:
    """`GET /incremental/ticket_events?start_time=`: a page never splits a second, and may therefore exceed 1,000."""
    account.limits.incremental(call.headers)
    start_time = _start_time(account, call)
    events = account.store.events
    hidden_from = _first_hidden_second(account)
    first = bisect.bisect_left(events, start_time, key=lambda entry: entry[0])
    end = (
        bisect.bisect_left(events, hidden_from, key=lambda entry: entry[0]) if hidden_from is not None else len(events)
    )
    size = call.count("per_page", default=MOST_PER_PAGE, most=MOST_PER_PAGE)
    last = min(first + size, end)
    while first < last < end and events[last][0] == events[last - 1][0]:
        last += 1
    shown = [event for _, _, event in events[first:last]]
    if "comment_events" not in call.query.get("include", "").split(","):
        shown = [_without_texts(event) for event in shown]
    end_time = shown[-1]["timestamp"] + 1 if shown else None
    include = f"&include={call.query['include']}" if call.query.get("include") else ""
    next_page = account.api_url(f"incremental/ticket_events.json?start_time={end_time}{include}") if shown else None
    return Answer(
        {
            "ticket_events": shown,
            "next_page": next_page,
            "count": len(shown),
            "end_of_stream": last >= end,
            "end_time": end_time,
        }
    )


def tickets(account: Account, call: Call) -> Answer:
    """`GET /incremental/tickets/cursor?start_time=|cursor=`: each ticket once, at its latest `generated_timestamp`."""
    account.limits.incremental(call.headers)
    changes = account.store.changes
    if (cursor := call.query.get("cursor")) is not None:
        place = _place_of(cursor)
    else:
        place = bisect.bisect_left(changes, _start_time(account, call), key=lambda entry: entry[0])
    size = call.count("per_page", default=MOST_PER_PAGE, most=MOST_PER_PAGE)
    seen_until = account.real_seconds() - account.faults.number("export_delay_seconds")
    with_deleted = account.faults.is_on("deleted_in_export") and not call.flag("exclude_deleted")
    shown: list[Record] = []
    while place < len(changes) and len(shown) < size and changes[place][1] <= seen_until:
        ticket_id = changes[place][2]
        ticket = account.store.tickets[ticket_id]
        if account.store.latest_change[ticket_id] == place and (ticket["status"] != "deleted" or with_deleted):
            shown.append(ticket)
        place += 1
    after = base64.urlsafe_b64encode(f"change:{place}".encode()).decode()
    answer: Record = {
        "tickets": shown,
        "after_cursor": after,
        "after_url": account.api_url(f"incremental/tickets/cursor.json?cursor={after}"),
        "before_cursor": None,
        "before_url": None,
        "end_of_stream": place >= len(changes) or changes[place][1] > seen_until,
    }
    if "users" in call.query.get("include", "").split(","):
        ids = sorted({ticket["requester_id"] for ticket in shown} | {ticket["submitter_id"] for ticket in shown})
        answer["users"] = [account.store.users[user_id] for user_id in ids if user_id in account.store.users]
    return Answer(answer)


def users(account: Account, call: Call) -> Answer:
    """`GET /incremental/users/cursor?start_time=|cursor=`: each user as they are now, by their last change."""
    account.limits.incremental(call.headers)
    if (cursor := call.query.get("cursor")) is not None:
        since, after_id = _user_place(cursor)
    else:
        since, after_id = whole_number(call.query.get("start_time", ""), name="start_time"), 0
    size = call.count("per_page", default=MOST_PER_PAGE, most=MOST_PER_PAGE)
    changed = sorted((_seconds(user["updated_at"]), user["id"]) for user in account.store.users.values())
    due = [place for place in changed if place[0] > since or (place[0] == since and place[1] > after_id)]
    shown = due[:size]
    is_end = len(due) <= size
    # The last second may not be over: the next run begins with it again.
    newest, newest_id = (shown[-1] if shown else (since, 0)) if not is_end else ((shown or [(since, 0)])[-1][0], 0)
    after = base64.urlsafe_b64encode(f"user:{newest}:{newest_id}".encode()).decode()
    return Answer(
        {
            "users": [account.store.users[user_id] for _, user_id in shown],
            "after_cursor": after,
            "after_url": account.api_url(f"incremental/users/cursor.json?cursor={after}"),
            "before_cursor": None,
            "before_url": None,
            "end_of_stream": is_end,
        }
    )


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def _user_place(cursor: str) -> tuple[int, int]:
    try:
        _, seconds, user_id = base64.urlsafe_b64decode(cursor).decode().split(":")
        return int(seconds), int(user_id)
    except (binascii.Error, ValueError) as error:
        raise RefusalError(
            400, {"error": "InvalidPaginationParameter", "description": "The cursor is invalid"}
        ) from error


def _start_time(account: Account, call: Call) -> int:
    """The query's `start_time`, at least a minute of sandbox time ago. Raises the 400 or 422."""
    if "start_time" not in call.query:
        raise invalid_attribute("start_time is required")
    start_time = whole_number(call.query["start_time"], name="start_time")
    if start_time < 0:
        raise invalid_attribute("start_time is not valid")
    if start_time > account.clock.now().timestamp() - 60:
        raise RefusalError(
            422,
            {
                "error": "StartTimeTooRecent",
                "description": "Too recent start_time. Use a start_time older than 60 seconds",
            },
        )
    return start_time


def _first_hidden_second(account: Account) -> int | None:
    """The second of the earliest event that is too young, by real time, to be shown; None when there is none."""
    seen_until = account.real_seconds() - account.faults.number("export_delay_seconds")
    hidden: int | None = None
    for at, real_at, _ in reversed(account.store.events):
        if real_at <= seen_until:
            break
        hidden = at
    return hidden


def _without_texts(event: Record) -> Record:
    children = [
        {name: value for name, value in child.items() if name not in TEXTS}
        if child["event_type"] == "Comment"
        else child
        for child in event["child_events"]
    ]
    return {**event, "child_events": children}


def _place_of(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("change:"))
    except (binascii.Error, ValueError) as error:
        raise RefusalError(
            400, {"error": "InvalidPaginationParameter", "description": "The cursor is invalid"}
        ) from error


ENDPOINTS = [
    Endpoint("GET", "incremental/ticket_events", ticket_events, admin=True),
    Endpoint("GET", "incremental/tickets/cursor", tickets, admin=True),
    Endpoint("GET", "incremental/users/cursor", users, admin=True),
]
