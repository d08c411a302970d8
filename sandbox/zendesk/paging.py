"""How are lists paged? By cursor when `page[size]` is given, else by offset (fact sheet Zendesk 7.5)."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import urlencode

from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call
from sandbox.zendesk.wire import Record, RefusalError, whole_number

MOST_PER_PAGE = 100
LAST_OFFSET_ROW = 10_000


def page(account: Account, call: Call, records: Sequence[Record], *, name: str, path: str) -> Record:
    """One page of `records` (in their final order) under `name`.

    With cursors, `links.next` and `after_cursor` are filled also on the last page: only `meta.has_more` ends a loop.
    """
    if any(key.startswith("page[") for key in call.query):
        return _by_cursor(account, call, records, name=name, path=path)
    return _by_offset(account, call, records, name=name, path=path)


def _by_cursor(account: Account, call: Call, records: Sequence[Record], *, name: str, path: str) -> Record:
    size = whole_number(call.query.get("page[size]", MOST_PER_PAGE), name="page[size]")
    if not 1 <= size <= MOST_PER_PAGE:
        raise _bad_page("page[size] must be from 1 to 100")
    ids = [record["id"] for record in records]
    start = 0
    if (after := call.query.get("page[after]")) is not None:
        start = _place_of(ids, after) + 1
    elif (before := call.query.get("page[before]")) is not None:
        start = max(0, _place_of(ids, before) - size)
    shown = list(records[start : start + size])
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, ids[-1] if ids else None)
    others = [(key, value) for key, value in call.query.multi_items() if key not in {"page[after]", "page[before]"}]

    def link(direction: str, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        return account.api_url(f"{path}.json?{urlencode([*others, (f'page[{direction}]', cursor)])}")

    before_cursor, after_cursor = _cursor(first), _cursor(last)
    return {
        name: shown,
        "meta": {
            "has_more": start + size < len(records),
            "after_cursor": after_cursor,
            "before_cursor": before_cursor,
        },
        "links": {"prev": link("before", before_cursor), "next": link("after", after_cursor)},
    }


def _by_offset(account: Account, call: Call, records: Sequence[Record], *, name: str, path: str) -> Record:
    size = call.count("per_page", default=MOST_PER_PAGE, most=MOST_PER_PAGE)
    number = call.count("page", default=1, most=1_000_000)
    if (number - 1) * size >= LAST_OFFSET_ROW:
        raise _bad_page("Offset paging ends at 10,000 records; use cursors")
    others = [(key, value) for key, value in call.query.multi_items() if key != "page"]

    def link(other: int) -> str:
        return account.api_url(f"{path}.json?{urlencode([*others, ('page', str(other))])}")

    return {
        name: list(records[(number - 1) * size : number * size]),
        "count": len(records),
        "next_page": link(number + 1) if number * size < len(records) else None,
        "previous_page": link(number - 1) if number > 1 else None,
    }


def _cursor(record_id: object) -> str | None:
    return None if record_id is None else base64.urlsafe_b64encode(f"after:{record_id}".encode()).decode().rstrip("=")


def _place_of(ids: list[object], cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _bad_page("The cursor is invalid") from error
    wanted = text.removeprefix("after:")
    for place, record_id in enumerate(ids):
        if str(record_id) == wanted:
            return place
    raise _bad_page("The cursor is invalid")


def _bad_page(message: str) -> RefusalError:
    return RefusalError(400, {"error": "InvalidPaginationParameter", "description": message})
