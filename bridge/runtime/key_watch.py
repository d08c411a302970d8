"""Does this process know every key that values may be sealed under? While a key is being changed, not always.

Whoever does not must not work: it would meet what it cannot open. It says so once, and looks again every second.
"""

import structlog

from bridge.runtime.clock import Clock
from bridge.store import channels, keyring
from bridge.store.crypto import MasterKeys, UnknownKey
from bridge.store.database import Database

log = structlog.get_logger()


class KeyWatch:
    """One per process. Keeps our newest key on record as well, or a rotation could not know that we seal under it."""

    def __init__(self, database: Database, keys: MasterKeys, clock: Clock, *, seals_anyway: bool) -> None:
        """`seals_anyway`: this process goes on sealing although it cannot open everything, like the edge."""
        self._seals_anyway = seals_anyway
        self._database = database
        self._keys = keys
        self._clock = clock
        self._told: set[str] = set()

    async def look(self) -> None:
        """Raises `UnknownKey`, `StoreUnavailable`. An unknown key is one alarm and one line, however often we look."""
        names = await self._database.read(keyring.on_record)
        newest = self._keys.names[0]
        unknown = sorted(names.difference(self._keys.names))
        if newest not in names and (self._seals_anyway or not unknown):
            await self._database.write(lambda connection: keyring.put_on_record(connection, newest))
        for name in unknown:
            await self._tell(name)
        if unknown:
            raise UnknownKey(unknown[0])

    async def _tell(self, name: str) -> None:
        if name in self._told:
            return
        real_now = self._clock.real_now()
        await self._database.write(
            lambda connection: channels.raise_alarm(connection, kind="unknown_key", subject=name, now=real_now)
        )
        self._told.add(name)
        log.warning("key.unknown", code=name)
