"""`deskbridge keys rotate`: when may an old master key be removed? Once nothing is left under it, and nobody uses it.

Works while everything runs. Killed in the middle, it is run again.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bridge.runtime import wiring
from bridge.runtime.settings import Settings
from bridge.store import keyring, rotation
from bridge.store.crypto import MasterKeys
from bridge.store.database import Database

PASSES = 5
SETTLED_SECONDS = 3.0
"""Within this time a process that still seals under an old key has put that on record again (`KeyWatch`)."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of the values. `before` and `now` count them by key; `rewritten` and `damaged` by `table.column`.

    `still_used`: old keys under which a running process seals. `removable`: configured keys that nothing needs.
    """

    newest: str
    before: dict[str, int]
    now: dict[str, int]
    rewritten: dict[str, int]
    damaged: dict[str, int]
    still_used: list[str]
    removable: list[str]

    @property
    def left(self) -> int:
        """Values that are not under the newest key."""
        return sum(self.now.values()) - self.now.get(self.newest, 0)


def rotate(settings: Settings, *, pause: Callable[[float], None] = time.sleep) -> Rotation:
    """Seal everything anew under the newest key. Raises `StoreUnavailable`; `UnknownKey` before anything is done when
    values may be there under a key that is not configured."""
    with wiring.open_store(settings) as store:
        return _rotate(store.database, store.vault.keys, pause)


def _rotate(database: Database, keys: MasterKeys, pause: Callable[[float], None]) -> Rotation:
    newest = keys.names[0]
    rewritten: Counter[str] = Counter()
    old: set[str] = set()
    seen = first = rotation.rewrite(database, keys)
    for attempt in range(PASSES):
        if attempt:
            pause(SETTLED_SECONDS)
            seen = rotation.rewrite(database, keys)
        rewritten += seen.rewritten
        old = {key for key, count in seen.left.items() if count and key != newest}
        unneeded = (database.read_now(keyring.on_record) & set(keys.names)) - {newest} - old
        if not unneeded and not seen.rewritten and not seen.passed_over:
            break
        if attempt < PASSES - 1:  # there is another look at who puts them back
            database.write_now(partial(keyring.strike_off, names=unneeded))
    used = database.read_now(keyring.on_record)
    # Last of all: a process of yesterday that starts again needs but the index key to keep what it is told.
    if not old and used <= {newest} and database.write_now(partial(keyring.rewrap, keys=keys)):
        rewritten["keyring.wrapped"] = 1
    needed = used | old | {database.read_now(keyring.wrapped_by)}
    return Rotation(
        newest=newest,
        before=dict(+first.found),
        now=dict(+seen.left),
        rewritten=dict(rewritten),
        damaged=dict(seen.damaged),
        still_used=sorted(used - {newest} - old),
        removable=[name for name in keys.names[1:] if name not in needed],
    )
