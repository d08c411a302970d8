"""Where are a ticket's newest notes? Freshdesk lists the oldest first, and says neither how many there are nor since.

A ticket's last page is found once by doubling and halving, and remembered while the process lives: conversations only
grow, so that mostly one call reads the end.
"""

import contextlib
from collections import OrderedDict
from datetime import datetime

from connectors.errors import OutcomeUnknown, RemoteFailure, TicketUnwritable
from connectors.freshdesk import translate, wire
from connectors.freshdesk.api import FreshdeskApi
from connectors.freshdesk.failures import Refused
from connectors.interface import EffectKey, TicketId

PAGE_SIZE = 100
PAGES_REMEMBERED = 50_000
SHORT_PAGE = 30
"""With fewer on the last page, the one before it may hold what was just written."""

_Entries = list[wire.Conversation]
_LAST_PAGES: OrderedDict[tuple[str, TicketId], int] = OrderedDict()
"""By account and ticket. Numbers only, so that loops may follow one another in a process. Only those beyond one."""


class Conversations:
    """Reading the end of tickets, newest matters first. One per event loop."""

    def __init__(self, api: FreshdeskApi) -> None:
        self._api = api

    async def since(self, ticket_id: TicketId, since: datetime) -> _Entries:
        """Every entry created at or after `since`. Raises `TicketUnwritable` when the ticket is not there."""
        number, entries = await self._last_page(ticket_id, cause="comments_since")
        found = list(entries)
        while number > 1 and (not entries or entries[0].created_at >= since):
            number -= 1
            entries, _ = await self._page(ticket_id, number, cause="comments_since")
            found += entries
        return [entry for entry in found if entry.created_at >= since]

    async def newest(self, ticket_id: TicketId, *, cause: str) -> _Entries:
        """The last entries, oldest first; at least `SHORT_PAGE` of them where there are so many."""
        number, entries = await self._last_page(ticket_id, cause=cause)
        if number > 1 and len(entries) < SHORT_PAGE:
            before, _ = await self._page(ticket_id, number - 1, cause=cause)
            entries = [*before, *entries]
        return entries

    async def last(self, ticket_id: TicketId, *, cause: str) -> wire.Conversation | None:
        entries = await self.newest(ticket_id, cause=cause)
        return entries[-1] if entries else None

    async def find(self, ticket_id: TicketId, key: EffectKey, *, cause: str) -> wire.Conversation | None:
        """Our note with this key. A first attempt may come through after it was looked for: of two notes with one key
        the later one goes."""
        found = await self._all_with(ticket_id, key, cause=cause)
        if not found:
            return await self._public_with(ticket_id, key, cause=cause)
        for double in found[1:]:
            self._api.warn("double_removed")
            with contextlib.suppress(RemoteFailure):
                await self._api.send("DELETE", f"/conversations/{double.id}", cause=cause, safe=True)
        return found[0] if found else None

    async def keep_first(self, ticket_id: TicketId, key: EffectKey) -> wire.Conversation | None:
        """`find` after a write: where it cannot look, the next repeat does."""
        try:
            return await self.find(ticket_id, key, cause="add_comment")
        except RemoteFailure:
            raise OutcomeUnknown("not_looked_through") from None

    async def _all_with(self, ticket_id: TicketId, key: EffectKey, *, cause: str) -> _Entries:
        mark = translate.mark_of(key)
        entries = await self.newest(ticket_id, cause=cause)
        return sorted((e for e in entries if translate.key_of(e) == mark), key=lambda entry: entry.id)

    async def _public_with(self, ticket_id: TicketId, key: EffectKey, *, cause: str) -> wire.Conversation | None:
        """A public note of our own, which nothing but its mark tells from an agent's. None of these is ever removed: an
        agent may have copied the mark."""
        mark = translate.mark_of(key)
        notes = [e for e in await self.newest(ticket_id, cause=cause) if translate.is_public_note(e)]
        return next((e for e in notes if translate.mark_in(translate.plain(e)) == mark), None)

    async def _last_page(self, ticket_id: TicketId, *, cause: str) -> tuple[int, _Entries]:
        name = (self._api.settings.url, ticket_id)
        known = _LAST_PAGES.get(name, 1)
        entries, more = await self._page(ticket_id, known, cause=cause)
        if not entries and known > 1:
            # Notes were deleted meanwhile.
            known = 1
            entries, more = await self._page(ticket_id, known, cause=cause)
        if more:
            known, entries = await self._search(ticket_id, known, entries, cause=cause)
        if known > 1:
            _LAST_PAGES[name] = known
            _LAST_PAGES.move_to_end(name)
            if len(_LAST_PAGES) > PAGES_REMEMBERED:
                _LAST_PAGES.popitem(last=False)
        return known, entries

    async def _search(self, ticket_id: TicketId, full: int, entries: _Entries, *, cause: str) -> tuple[int, _Entries]:
        """`full` has a next page. Doubles the step until a page is empty, then halves."""
        step, empty = 1, 0
        while not empty or empty - full > 1:
            probe = (full + empty) // 2 if empty else full + step
            found, more = await self._page(ticket_id, probe, cause=cause)
            if not found:
                empty = probe
                continue
            full, entries, step = probe, found, step * 2
            if not more:
                break
        return full, entries

    async def _page(self, ticket_id: TicketId, number: int, *, cause: str) -> tuple[_Entries, bool]:
        try:
            return await self._api.get_page(
                wire.Conversation,
                f"/tickets/{ticket_id}/conversations",
                cause=cause,
                params={"per_page": PAGE_SIZE, "page": number},
            )
        except Refused as refusal:
            if refusal.status in {404, 405}:
                raise TicketUnwritable("gone") from None
            raise
