"""What is one API call, and which have there been?"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import QueryParams

from sandbox.freshdesk.account import Account, Actor
from sandbox.freshdesk.multipart import Part
from sandbox.freshdesk.wire import Answer, Record, invalid, problem, unexpected

KEPT = 20_000


@dataclass
class Call:
    """One authenticated API call. `body` is the JSON object, or the values of a form, which are all text (`is_form`).

    What a handler puts in `warnings` is told to whoever watches the calls: things that Freshdesk drops in silence.
    """

    agent: Record
    path: tuple[int, ...]
    query: QueryParams
    body: Record
    is_form: bool = False
    files: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        """The key's agent, working through the API."""
        return Actor(user=self.agent, channel="api")

    def known_query(self, *names: str) -> None:
        """Raises the 400 for a parameter that the endpoint does not know."""
        known = {*names, "page", "per_page"}
        if wrong := [name for name in self.query if name not in known]:
            raise invalid([unexpected(name) for name in wrong], warning=f"unknown query parameter {wrong[0]}")

    def count(self, name: str, *, default: int, most: int) -> int:
        """A number from 1 to `most` in the query. Raises the 400 for anything else."""
        given = self.query.get(name)
        if given is None:
            return default
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= most:
            raise invalid([problem(name, f"It should be a Positive Integer less than {most + 1}", "invalid_value")])
        return int(given)

    def includes(self, *known: str) -> list[str]:
        """What `include` asks for. Raises the 400 for anything unknown."""
        wanted = [part.strip() for part in self.query.get("include", "").split(",") if part.strip()]
        if any(part not in known for part in wanted):
            message = f"It should be one of these values: '{','.join(known)}'"
            raise invalid([problem("include", message, "invalid_value")])
        return wanted


Handler = Callable[[Account, Call], Answer]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path, where `{id}` stands for digits.

    `sub_limit` is a limit of its own (a field of `Plan`); each `include` costs `include_cost` more credits.
    """

    method: str
    path: str
    handler: Handler
    admin: bool = False
    sub_limit: str | None = None
    include_cost: int = 1

    @property
    def name(self) -> str:
        return f"{self.method} /{self.path}"


class CallLog:
    """How often each endpoint was called, what that cost, and the latest calls one by one."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self._calls: deque[Record] = deque(maxlen=KEPT)
        self._number = 0
        self._credits = 0

    def note(
        self,
        *,
        endpoint: str,
        path: str,
        status: int | None,
        at: str,
        user_id: object,
        warning: str | None,
        cost: int,
    ) -> None:
        """Keep one call; `status` is None when no answer was given, `cost` in credits of the account's limit."""
        self._number += 1
        self._credits += cost
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
                "credits": cost,
            }
        )

    def since(self, mark: int) -> dict[str, Any]:
        """`{"mark", "counters", "total", "credits", "warnings", "calls"}` of the calls after number `mark`."""
        calls = [call for call in self._calls if call["number"] > mark]
        return {
            "mark": self._number,
            "counters": dict(Counter(call["endpoint"] for call in calls)) if mark else dict(self.counters),
            "total": self._number - mark,
            "credits": sum(call["credits"] for call in calls) if mark else self._credits,
            "warnings": [call for call in calls if call["warning"]],
            "calls": calls,
        }

    def clear(self) -> None:
        """Forget the calls; numbers go on."""
        self.counters.clear()
        self._calls.clear()
        self._credits = 0
