"""What is one API call, and which have there been?"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, QueryParams

from sandbox.zendesk.account import WEB_SERVICE, Account, Actor
from sandbox.zendesk.wire import Answer, Record, forbidden, invalid_attribute, whole_number

KEPT = 20_000


@dataclass
class Call:
    """One authenticated API call. What a handler puts in `headers` goes with the answer, a refusal too."""

    user: Record
    path: tuple[str, ...]
    query: QueryParams
    request_headers: Headers
    raw: bytes
    body: Record
    headers: dict[str, str] = field(default_factory=dict)
    unpermitted: list[str] = field(default_factory=list)
    invalid_values: list[str] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        """The caller, working through the API."""
        return Actor(user=self.user, via_id=WEB_SERVICE, client=self.request_headers.get("user-agent", ""))

    def number(self, place: int = 0) -> int:
        """The id at `place` among the variable parts of the path."""
        return int(self.path[place])

    def envelope(self, name: str, allowed: frozenset[str]) -> Record:
        """The object `{name: {…}}` of the body with only the keys that the API knows; the others become a warning.

        Raises a 400 when the object is missing.
        """
        wanted = self.body.get(name)
        if not isinstance(wanted, dict):
            raise invalid_attribute(f"Parameter {name} is required and must be an object")
        self.unpermitted += [key for key in self.body if key != name]
        return self.permitted(wanted, allowed, path=name)

    def permitted(self, wanted: Record, allowed: frozenset[str], *, path: str) -> Record:
        """`wanted` without unknown keys, which become a warning (fact sheet Zendesk 1)."""
        self.unpermitted += [f"{path}.{key}" for key in wanted if key not in allowed]
        return {key: value for key, value in wanted.items() if key in allowed}

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in {"true", "1"}

    def count(self, name: str, *, default: int, most: int) -> int:
        """A positive number in the query, at most `most`. Raises a 400 for anything that is no number."""
        return max(1, min(most, whole_number(self.query.get(name, default), name=name)))


Handler = Callable[[Account, Call], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path, where `{id}` stands for digits and `{text}` for anything. Only staff may call it, with
    `admin` only admins, with `anonymous` anybody."""

    method: str
    path: str
    handler: Handler
    admin: bool = False
    anonymous: bool = False
    idempotent_key: bool = False
    binary: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} /{self.path}"

    def check_role(self, user: Record) -> None:
        """Raises a 403 for a user who may not."""
        if user["role"] == "end-user" or (self.admin and user["role"] != "admin"):
            raise forbidden()


class CallLog:
    """How often each endpoint was called, and the latest calls one by one."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self._calls: deque[Record] = deque(maxlen=KEPT)
        self._number = 0

    def note(
        self, *, endpoint: str, path: str, status: int | None, at: str, user_id: object, warning: str | None
    ) -> None:
        """Keep one call; `status` is None when no answer was given."""
        self._number += 1
        self.counters[endpoint] += 1
        self._calls.append(
            {
                "number": self._number,
                "endpoint": endpoint,
                "path": path,
                "status": status,
                "at": at,
                "user_id": user_id,
                "warning": warning,
            }
        )

    def since(self, mark: int) -> dict[str, Any]:
        """`{"mark", "counters", "total", "warnings", "calls"}` of the calls after number `mark`, and the next mark."""
        calls = [call for call in self._calls if call["number"] > mark]
        return {
            "mark": self._number,
            "counters": dict(Counter(call["endpoint"] for call in calls)) if mark else dict(self.counters),
            "total": self._number - mark,
            "warnings": [call for call in calls if call["warning"]],
            "calls": calls,
        }

    def clear(self) -> None:
        """Forget the calls; numbers go on."""
        self.counters.clear()
        self._calls.clear()
