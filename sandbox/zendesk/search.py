"""Which users does the search index know by now? New and changed users come into it late (fact sheet Zendesk 3.4)."""

import re
from collections import defaultdict, deque
from collections.abc import Callable

from sandbox.zendesk.wire import Record


class SearchIndex:
    """A copy of what can be searched of each user, as old as the delay says. Real time."""

    def __init__(self, *, real_seconds: Callable[[], float], delay_seconds: Callable[[], float]) -> None:
        self._real_seconds = real_seconds
        self._delay_seconds = delay_seconds
        self.clear()

    def clear(self) -> None:
        self._pending: deque[tuple[float, int, frozenset[str]]] = deque()
        self._words: dict[int, frozenset[str]] = {}
        self._user_ids: dict[str, set[int]] = defaultdict(set)

    def note(self, user: Record) -> None:
        """A user was made or changed; the index hears of it after the delay."""
        self._pending.append((self._real_seconds(), user["id"], _words_of(user)))

    def rebuild(self, users: list[Record]) -> None:
        """Know all of `users` at once, as after a restart."""
        self.clear()
        for user in users:
            self._learn(user["id"], _words_of(user))

    def find(self, query: str) -> list[int]:
        """Ids of the users that match every term of `query`: `phone:…`, `email:…`, `role:…`, `external_id:…`, words."""
        self._catch_up()
        found: set[int] | None = None
        for term in re.findall(r'(?:\w+:)?"[^"]*"|\S+', query):
            name, colon, value = term.partition(":")
            value = value.strip('"').lower()
            if colon and name == "type":
                continue
            word = f"{name}:{value}" if colon else f"any:{term.strip(chr(34)).lower()}"
            matching = self._user_ids.get(word, set())
            found = matching if found is None else found & matching
        return sorted(found or ())

    def _catch_up(self) -> None:
        seen_until = self._real_seconds() - self._delay_seconds()
        while self._pending and self._pending[0][0] <= seen_until:
            _, user_id, words = self._pending.popleft()
            self._learn(user_id, words)

    def _learn(self, user_id: int, words: frozenset[str]) -> None:
        for word in self._words.get(user_id, frozenset()):
            self._user_ids[word].discard(user_id)
        self._words[user_id] = words
        for word in words:
            self._user_ids[word].add(user_id)


def _words_of(user: Record) -> frozenset[str]:
    if not user["active"]:
        return frozenset()
    words = {f"role:{user['role']}"}
    for name in ("phone", "email", "external_id"):
        if user[name]:
            words |= {f"{name}:{user[name].lower()}", f"any:{user[name].lower()}"}
    if user["name"]:
        words.add(f"name:{user['name'].lower()}")
        words |= {f"any:{word}" for word in user["name"].lower().split()}
    return frozenset(words)
