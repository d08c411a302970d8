"""What nobody waits for: files that are over, bytes that no row names, messages that this version can show at last."""

import asyncio
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from bridge.runtime.services import Moment, Services
from bridge.store import channels, files, inbox
from bridge.whatsapp.translate import VOCABULARY

AT_ONCE = 200
EVERY = timedelta(minutes=5)
VERSION = "vocabulary"


async def run(services: Services) -> None:
    """Harmless to run in several processes at once. Raises `StoreUnavailable`."""
    await _sweep_files(services)
    await _show_again(services)


async def _sweep_files(services: Services) -> None:
    moment = Moment.take(services.clock)

    def forget(connection: Connection) -> list[str]:
        expired = files.find_expired(connection, now=moment.business, limit=AT_ONCE)
        files.forget(connection, expired)
        return expired

    expired = await services.database.write(forget)
    await asyncio.to_thread(services.files.remove, expired)
    before = moment.real - files.STRAY_AFTER
    on_disk = await asyncio.to_thread(services.files.names_before, before)
    for start in range(0, len(on_disk), AT_ONCE):
        names = on_disk[start : start + AT_ONCE]
        stray = await services.database.read(partial(files.without_row, file_ids=names))
        await asyncio.to_thread(services.files.remove, stray)


async def _show_again(services: Services) -> None:
    """Events that an earlier version had no words for are taken in once more by one that knows more words."""
    version = str(VOCABULARY)

    def unit(connection: Connection) -> int:
        known = channels.load_settings(connection, services.vault, channel_id=services.channel.id)
        if known.get(VERSION) == version:
            return 0
        count = inbox.take_again(connection, limit=AT_ONCE)
        if count < AT_ONCE:
            values = {VERSION: version}
            channels.save_settings(connection, services.vault, channel_id=services.channel.id, values=values)
        return count

    while await services.database.write(unit) == AT_ONCE:
        continue
