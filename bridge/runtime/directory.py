"""Is the customer somebody whom the helpdesk knows? By a directory of its users' numbers, kept up to date from time to
time, so that a new customer costs no search, however their number is written there.
"""

from collections.abc import Mapping

import structlog
from sqlalchemy import Connection

from bridge.domain.identity import choose_user, spellings
from bridge.runtime import phone_numbers
from bridge.runtime.services import Moment, Services
from bridge.store import channels
from bridge.store import directory as store
from bridge.store.contacts import Address
from connectors.errors import RemoteFailure
from connectors.interface import ContactPage, HelpdeskContact, ListsContacts, RequesterId

PAGES_AT_ONCE = 5
"""Others need the same limits: the rest is asked for in the next interval."""
OUR_NUMBER = "display_phone_number"

log = structlog.get_logger()


class Suggestion:
    """What the directory says of a customer. `others` None: it is not complete yet, or cannot tell."""

    def __init__(self, adopt: HelpdeskContact | None, candidates: tuple[str, ...], others: int | None) -> None:
        self.adopt = adopt
        self.candidates = candidates
        self.others = others


NOTHING = Suggestion(None, (), None)


async def suggest(services: Services, address: Address, *, contact_id: str) -> Suggestion:
    """Who the customer may be. Whoever is suggested alone was asked for just now, and has the number still. Raises any
    `RemoteFailure`."""
    connector, number = services.connector, address.number
    if not isinstance(connector, ListsContacts) or number is None:
        return NOTHING
    other = spellings(number)
    channel_id = services.channel.id

    def look(connection: Connection) -> tuple[list[str], list[str], frozenset[str]] | None:
        if not store.is_complete(connection, channel_id):
            return None
        certain = store.find(connection, services.vault, channel_id=channel_id, numbers=(number, *other.same))
        possible = store.find(connection, services.vault, channel_id=channel_id, numbers=other.possible)
        found = [*certain, *possible]
        bound = store.bound_elsewhere(connection, channel_id=channel_id, contact_id=contact_id, remote_ids=found)
        return certain, possible, bound

    known = await services.database.read(look)
    if known is None:
        return NOTHING
    certain, possible, bound = known
    choice = choose_user(certain, possible)
    if choice.user is not None and choice.user not in bound:
        alive = {one.id: one for one in await connector.contacts_by_id([RequesterId(choice.user)])}
        if (found := alive.get(RequesterId(choice.user))) is not None and found.is_customer:
            return Suggestion(found, (choice.user,), 1)
        return Suggestion(None, (), 0)
    return Suggestion(None, choice.candidates, len(choice.candidates))


async def run_if_due(services: Services) -> None:
    """Ask who changed, when the interval is over, in one process at a time."""
    connector = services.connector
    if not isinstance(connector, ListsContacts):
        return
    moment = Moment.take(services.clock)
    channel_id = services.channel.id
    claimed, cursor = await services.database.write(
        lambda connection: store.claim(
            connection, channel_id=channel_id, every=services.reconcile_every, real_now=moment.real
        )
    )
    if not claimed:
        return
    try:
        region = phone_numbers.region_of(await _our_number(services))
        for _ in range(PAGES_AT_ONCE):
            page = await connector.contacts_since(cursor)
            await _keep(services, page, region)
            cursor = page.cursor
            services.metrics.count("deskbridge_directory_contacts_total", amount=len(page.contacts))
            if page.end:
                break
    except RemoteFailure as failure:
        log.warning("directory.failed", exc_type=type(failure).__name__)


async def _our_number(services: Services) -> str:
    """Where numbers without country code are dialled from; asked once and kept."""
    kept: Mapping[str, str] = await services.database.read(
        lambda connection: channels.load_settings(connection, services.vault, channel_id=services.channel.id)
    )
    if OUR_NUMBER in kept:
        return kept[OUR_NUMBER]
    told = str((await services.cloud_api.phone_number([OUR_NUMBER])).get(OUR_NUMBER) or "")
    number = "".join(filter(str.isdigit, told))
    await services.database.write(
        lambda connection: channels.save_settings(
            connection, services.vault, channel_id=services.channel.id, values={OUR_NUMBER: number}
        )
    )
    return number


async def _keep(services: Services, page: ContactPage, region: str | None) -> None:
    numbers: dict[str, list[str]] = {
        contact.id: [number for typed in contact.numbers for number in phone_numbers.read(typed, region=region)]
        if contact.is_customer and not contact.is_ours
        else []
        for contact in page.contacts
    }
    real_now = services.clock.real_now()
    await services.database.write(
        lambda connection: store.save_page(
            connection,
            services.vault,
            channel_id=services.channel.id,
            numbers=numbers,
            cursor=page.cursor,
            end=page.end,
            real_now=real_now,
        )
    )
