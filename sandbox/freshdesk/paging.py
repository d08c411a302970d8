"""How are lists paged? `page` from 1, at most 100 a page, the next page in the `link` header (fact sheet 1)."""

from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import Call
from sandbox.freshdesk.wire import Answer, Record, invalid_value

USUAL, MOST = 30, 100
LAST_PAGE_OF_TICKETS = 300
LAST_PAGE = 100_000


def page(
    account: Account, call: Call, records: Sequence[Record], *, path: str, show: Callable[[Record], Record]
) -> Answer:
    """One page of `records` (in their final order). Raises the 400 for a page or a size out of bounds."""
    size = call.count("per_page", default=USUAL, most=MOST)
    number = call.count("page", default=1, most=LAST_PAGE)
    if path == "tickets" and number > LAST_PAGE_OF_TICKETS:
        raise invalid_value("page", f"You cannot access tickets beyond the {LAST_PAGE_OF_TICKETS}th page")
    headers = {}
    if number * size < len(records):
        others = [(key, value) for key, value in call.query.multi_items() if key != "page"]
        address = account.api_url(f"{path}?{urlencode([*others, ('page', str(number + 1))])}")
        headers["link"] = f'<{address}>; rel="next"'
    return Answer([show(record) for record in records[(number - 1) * size : number * size]], headers=headers)
