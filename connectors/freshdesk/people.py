"""Who is the customer in Freshdesk, and who of those who write there is staff?"""

import contextlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from connectors.errors import NeedsOperator, Permanent
from connectors.freshdesk import translate, wire
from connectors.freshdesk.api import CONTACTS_LIST, FreshdeskApi, has_next, read
from connectors.freshdesk.failures import FieldError, Refused
from connectors.interface import (
    ContactPage,
    HelpdeskContact,
    RequesterChange,
    RequesterDraft,
    RequesterId,
    RequesterRef,
)

STAFF_REMEMBERED = 10_000
_PAGE_SIZE = 100
_OVERLAP = timedelta(minutes=5)

_EXTERNAL_ID, _MOBILE = "unique_external_id", "mobile"
_COLLABORATOR = "collaborator"
_STAFF: OrderedDict[tuple[str, int], wire.AgentContact] = OrderedDict()
"""By account and user: staff, their language and name, while the process lives. Others are asked for anew: they may
become staff."""


class Requesters:
    """The contact of a customer. One per event loop."""

    def __init__(self, api: FreshdeskApi) -> None:
        self._api = api

    async def find_or_create(self, draft: RequesterDraft) -> RequesterRef:
        """The one contact with the number, in one search; else a contact of our own.

        The search lags by minutes, so it only ever finds contacts who were there long before. Ours are unique by
        `unique_external_id`: whoever makes one twice is told the first, and two first messages at once make one.
        """
        candidates = await self._with_number(draft.wa_id) if draft.wa_id and draft.others is None else []
        if len(candidates) == 1:
            return RequesterRef(RequesterId(str(candidates[0].id)), adopted=True, candidates=1)
        return await self._create(draft, candidates=draft.others or len(candidates))

    async def exists(self, contact_id: object) -> bool:
        try:
            contact = await self._api.get(wire.Contact, f"/contacts/{contact_id}", cause="find_requester")
        except Refused:
            return False
        return not contact.deleted

    async def update(self, requester: RequesterId, change: RequesterChange) -> None:
        """Where somebody else has the number, everything but the number is written, and then the refusal raised."""
        contact = await self._contact(requester)
        changes = translate.changes_of(contact, change)
        if not changes:
            return
        try:
            await self._put(requester, changes)
        except Refused as refusal:
            rest = {name: value for name, value in changes.items() if refusal.duplicate(name) is None}
            if rest and rest != changes:
                await self._put(requester, rest)
            raise

    async def since(self, cursor: str | None) -> ContactPage:
        """Everybody page by page, then who changed, then who was deleted; a run begins where the last one began, less
        an overlap, since pages are by name and shift (fact sheet Freshdesk 4)."""
        at = translate.ContactCursor.decoded(cursor)
        params: dict[str, str | int] = {"per_page": _PAGE_SIZE, "page": at.page}
        if at.since:
            params["updated_since"] = at.since
        if at.deleted:
            params["state"] = "deleted"
        answer = await self._api.send(
            "GET", "/contacts", cause="contacts_since", safe=True, params=params, draws=(CONTACTS_LIST,)
        )
        contacts = read(list[wire.Contact], answer, safe=True)
        started = at.started or translate.seconds_before(answer.headers.get("date"), _OVERLAP)
        step = at.after(more=has_next(answer), started=started)
        found = [translate.to_contact(contact, gone=at.deleted) for contact in contacts]
        return ContactPage(found, step.encoded(), end=step.page == 1 and not step.deleted)

    async def by_id(self, requesters: Sequence[RequesterId]) -> list[HelpdeskContact]:
        found = []
        for requester in requesters:
            with contextlib.suppress(Permanent):
                found.append(translate.to_contact(await self._contact(requester), gone=False))
        return found

    async def _put(self, requester: RequesterId, changes: Mapping[str, str]) -> None:
        content = translate.encoded(changes)
        await self._api.write(wire.Contact, "PUT", f"/contacts/{requester}", cause="update_requester", content=content)

    async def merge(self, loser: RequesterId, *, into: RequesterId) -> None:
        """What both have is settled for who stays; a loser who is deleted has been merged (fact sheet Freshdesk 4)."""
        try:
            secondary = await self._contact(loser)
        except Permanent:
            return
        primary = await self._contact(into)
        both = ("phone", "mobile", "twitter_id", "unique_external_id")
        settled = {name: getattr(primary, name) for name in both if getattr(primary, name) and getattr(secondary, name)}
        content = translate.encoded(
            {"primary_contact_id": primary.id, "secondary_contact_ids": [secondary.id], "contact": settled}
        )
        await self._api.send("POST", "/contacts/merge", cause="merge_requesters", safe=False, content=content)

    async def _contact(self, requester: RequesterId) -> wire.Contact:
        """Raises `Permanent` for one who is deleted, or no contact."""
        contact = await self._api.get(wire.Contact, f"/contacts/{requester}", cause="find_requester")
        if contact.deleted:
            raise Permanent("gone")
        return contact

    async def _with_number(self, wa_id: str) -> list[wire.Contact]:
        params = {"query": translate.number_query(wa_id)}
        try:
            found = await self._api.get(wire.ContactSearch, "/search/contacts", cause="find_requester", params=params)
        except Permanent:
            # In beta for years: without it, customers who are known by number alone are made anew.
            self._api.warn("search_refused")
            return []
        return translate.with_number(wa_id, found.results)

    async def _create(self, draft: RequesterDraft, *, candidates: int) -> RequesterRef:
        with_mobile, with_external_id = True, True
        while True:
            try:
                contact = await self._post(draft, with_mobile=with_mobile, with_external_id=with_external_id)
                return RequesterRef(RequesterId(str(contact.id)), candidates=candidates)
            except Refused as refused:
                refusal = refused
            except NeedsOperator as failure:
                if failure.code != "require_feature" or not with_external_id or draft.wa_id is None:
                    raise
                with_external_id = False
                continue
            if (ours := refusal.duplicate(_EXTERNAL_ID)) is not None:
                return RequesterRef(await self._holder(ours, {_EXTERNAL_ID: translate.external_id(draft)}, refusal))
            if with_mobile and (taken := refusal.duplicate(_MOBILE)) is not None:
                adopted = await self._adopt_holder(taken, draft)
                if adopted is not None and candidates <= 1:
                    return RequesterRef(adopted, adopted=True, candidates=1)
                # Of several with the number, or of an agent: the customer is still one person, without it.
                with_mobile = False
            elif with_mobile and refusal.names(_MOBILE):
                with_mobile = False
            elif with_external_id and refusal.names(_EXTERNAL_ID) and draft.wa_id is not None:
                # Not on this plan (unconfirmed): the number alone has to tell the customer.
                with_external_id = False
            else:
                raise refusal

    async def _post(self, draft: RequesterDraft, *, with_mobile: bool, with_external_id: bool) -> wire.Contact:
        content = translate.contact_request(
            draft,
            self._api.settings.contact_defaults,
            with_mobile=with_mobile,
            with_external_id=with_external_id,
        )
        return await self._api.write(wire.Contact, "POST", "/contacts", cause="create_requester", content=content)

    async def _holder(self, error: FieldError, lookup: dict[str, str], refusal: Refused) -> RequesterId:
        """Who has the value already: as the refusal says, else by asking. Raises the refusal when nobody is found."""
        if error.existing_id is not None:
            return RequesterId(str(await self._revived(error.existing_id) or error.existing_id))
        for state in ({}, {"state": "deleted"}):
            contacts, _ = await self._api.get_page(
                wire.Contact,
                "/contacts",
                cause="find_requester",
                params={**lookup, **state},
                draws=(CONTACTS_LIST,),
            )
            if contacts:
                return RequesterId(str(await self._revived(contacts[0].id) or contacts[0].id))
        raise refusal

    async def _adopt_holder(self, error: FieldError, draft: RequesterDraft) -> RequesterId | None:
        """The one contact who has the number; None for an agent, or one who cannot be found."""
        if error.existing_id is not None:
            found = await self._revived(error.existing_id)
            return None if found is None else RequesterId(str(found))
        contacts, _ = await self._api.get_page(
            wire.Contact,
            "/contacts",
            cause="find_requester",
            params={_MOBILE: f"+{draft.wa_id}"},
            draws=(CONTACTS_LIST,),
        )
        return RequesterId(str(contacts[0].id)) if len(contacts) == 1 else None

    async def _revived(self, contact_id: int) -> int | None:
        """The contact, brought back if it was deleted; None for an agent (fact sheet Freshdesk 9.3)."""
        try:
            contact = await self._api.get(wire.Contact, f"/contacts/{contact_id}", cause="find_requester")
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise
        if contact.deleted:
            await self._api.send("PUT", f"/contacts/{contact_id}/restore", cause="find_requester", safe=True)
        return contact_id


class Staff:
    """Who may speak to customers. One per event loop."""

    def __init__(self, api: FreshdeskApi) -> None:
        self._api = api

    async def may_reply(self, user_id: int) -> bool:
        """An agent who is no collaborator. Asked once for each, unless the answer is no."""
        name = (self._api.settings.url, user_id)
        if name in _STAFF:
            _STAFF.move_to_end(name)
            return True
        agent = await self._ask(user_id)
        if agent is None:
            return False
        _STAFF[name] = agent
        if len(_STAFF) > STAFF_REMEMBERED:
            _STAFF.popitem(last=False)
        return True

    def known(self, user_id: int) -> wire.AgentContact:
        """What Freshdesk shows of a member of staff who was asked for: language and name."""
        return _STAFF.get((self._api.settings.url, user_id)) or wire.AgentContact()

    async def _ask(self, user_id: int) -> wire.AgentContact | None:
        """What is shown of a member of staff; None of anybody else."""
        with contextlib.suppress(NeedsOperator):
            try:
                agent = await self._api.get(wire.Agent, f"/agents/{user_id}", cause="find_author")
            except Refused as refusal:
                if refusal.status == 404:
                    return None
                raise
            return None if agent.type == _COLLABORATOR else agent.contact or wire.AgentContact()
        # Agents are shown to administrators alone; that somebody is no contact, to everybody.
        try:
            await self._api.get(wire.Contact, f"/contacts/{user_id}", cause="find_author")
        except Refused as refusal:
            if refusal.status == 404:
                return wire.AgentContact()
            raise
        return None
