"""How is an end user of Zendesk brought up to date, and how do two become one? Fact sheet Zendesk 3."""

import re
from collections.abc import Sequence

from connectors.errors import NeedsOperator, Permanent, TicketUnwritable
from connectors.interface import (
    ContactPage,
    Draw,
    HelpdeskContact,
    RequesterChange,
    RequesterId,
    TicketId,
    TicketStatus,
)
from connectors.zendesk import translate, wire
from connectors.zendesk.api import INCREMENTAL, ZendeskApi
from connectors.zendesk.failures import Refused

USERS_UPDATE = Draw("users-update", 1, 1)
"""One update of a user a second for the whole account (fact sheet Zendesk 7.2)."""
_USER_WRITES, _USER_WRITES_PERIOD_SECONDS = 5, 60
_PHONE = "phone_number"
_PER_PAGE = 1_000


class People:
    """One per event loop."""

    def __init__(self, api: ZendeskApi) -> None:
        self._api = api

    async def update(self, requester: RequesterId, change: RequesterChange) -> None:
        """The number as an identity, which never replaces another one; then the external_id, if it is ours."""
        user = await self._live(requester)
        refused: Refused | None = None
        try:
            await self._write_number(requester, user, change)
        except Refused as refusal:
            refused = refusal
        external_id = translate.own_external_id(change)
        if change.is_ours and (user.external_id or "").casefold() != external_id.casefold():
            await self._api.write(
                wire.UserAnswer,
                "PUT",
                f"/users/{requester}",
                cause="update_requester",
                content=translate.encoded({"user": {"external_id": external_id}}),
                draws=(
                    USERS_UPDATE,
                    Draw(f"user:{requester}", _USER_WRITES, _USER_WRITES_PERIOD_SECONDS, shared=False),
                ),
            )
        if refused is not None:
            raise refused

    async def _write_number(self, requester: RequesterId, user: wire.User, change: RequesterChange) -> None:
        path = f"/users/{requester}/identities"
        held = (await self._api.get(wire.IdentitiesAnswer, path, cause="update_requester")).identities
        numbers = {_digits(one.value): one.id for one in held if one.type == _PHONE and one.value}
        if change.is_ours:
            for number in set(change.former_numbers) & numbers.keys():
                # The one way to take a number off; whoever gets it next must not be taken for this customer.
                await self._api.send("DELETE", f"{path}/{numbers[number]}", cause="update_requester", safe=True)
        if change.wa_id is None or change.wa_id in {*numbers, _digits(user.phone)}:
            return
        identity = {"type": _PHONE, "value": f"+{change.wa_id}", "skip_verify_email": True}
        content = translate.encoded({"identity": identity})
        await self._api.write(wire.IdentityAnswer, "POST", path, cause="update_requester", content=content)

    async def merge(self, loser: RequesterId, *, into: RequesterId) -> None:
        """End users only. A loser who is not there any more has been merged."""
        found = await self.live([loser, into])
        if loser not in found:
            return
        if into not in found:
            raise Permanent("gone")
        content = translate.encoded({"user": {"id": int(into)}})
        try:
            await self._api.send("PUT", f"/users/{loser}/merge", cause="merge_requesters", safe=False, content=content)
        except NeedsOperator as failure:
            if failure.code != "forbidden":
                raise
            raise Permanent("not_end_users") from None

    async def live(self, requesters: Sequence[RequesterId]) -> dict[RequesterId, wire.User]:
        """Those of these who are end users now."""
        answer = await self._api.get(
            wire.UsersAnswer,
            "/users/show_many",
            cause="find_requester",
            params={"ids": ",".join(requesters)},
        )
        return {RequesterId(str(user.id)): user for user in answer.users if translate.is_live_customer(user)}

    async def _live(self, requester: RequesterId) -> wire.User:
        found = (await self.live([requester])).get(requester)
        if found is None:
            raise Permanent("gone")
        return found

    async def since(self, cursor: str | None) -> ContactPage:
        """The users export: everybody, then who changed (fact sheet Zendesk 6)."""
        params: dict[str, str | int] = {"per_page": _PER_PAGE}
        params |= {"start_time": 0} if cursor is None else {"cursor": cursor}
        page = await self._api.get(
            wire.UsersExport,
            "/incremental/users/cursor",
            cause="contacts_since",
            params=params,
            draws=(INCREMENTAL,),
        )
        contacts = [translate.to_contact(user) for user in page.users if user.id is not None]
        return ContactPage(contacts, page.after_cursor or cursor or "", end=page.end_of_stream)

    async def by_id(self, requesters: Sequence[RequesterId]) -> list[HelpdeskContact]:
        return [translate.to_contact(user) for user in (await self.live(requesters)).values()]


async def merge_tickets(api: ZendeskApi, ticket: wire.Ticket, target: wire.Ticket, *, note: str) -> None:
    """A job, which is as good as done: it closes the one ticket, and both get a private comment (fact sheet 2.11)."""
    if translate.to_status(ticket) in {TicketStatus.CLOSED, TicketStatus.GONE}:
        return
    if translate.to_status(target) in {TicketStatus.CLOSED, TicketStatus.GONE}:
        raise TicketUnwritable("closed")
    content = translate.encoded(
        {
            "ids": [ticket.id],
            "target_comment": f"{note} (#{ticket.id})",
            "source_comment": f"{note} (#{target.id})",
            "target_comment_is_public": False,
            "source_comment_is_public": False,
        }
    )
    path = f"/tickets/{TicketId(str(target.id))}/merge"
    await api.send("POST", path, cause="merge_tickets", safe=False, content=content)


def _digits(number: str | None) -> str:
    return re.sub(r"\D", "", number or "")
