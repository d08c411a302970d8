"""Is a customer one person, whichever of their ids a message bears?"""

import asyncio

import pytest
from sqlalchemy import Connection, func, select, update

from bridge.store import contacts, conversations
from bridge.store.contacts import Address, ContactRaced, ContactRef
from bridge.store.conversations import ConversationChanged
from bridge.store.crypto import CannotDecrypt, Vault
from bridge.store.database import Database
from bridge.store.tables import contact, contact_identity
from tests.store.world import NOW, SECOND, conversation, sender

BSUID, OTHER_BSUID = "PT.30991122334455667788", "PT.999"
WA_ID, OTHER_WA_ID = "351910000111", "5491155550000"


class People:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._seconds = 0

    async def met(
        self, bsuid: str | None = None, wa_id: str | None = None, name: str | None = None, *, shard: int = 1
    ) -> ContactRef:
        self._seconds += 1
        now = NOW + self._seconds * SECOND
        return await self._database.write(
            lambda connection: contacts.find_or_create(
                connection, self._vault, sender(bsuid, wa_id, name), shard=shard, now=now
            )
        )

    async def address(self, known: ContactRef) -> Address:
        return await self._database.read(lambda connection: contacts.load_address(connection, self._vault, known.id))

    async def learn(self, known: ContactRef, *, bsuid: str | None = None, wa_id: str | None = None) -> ContactRef:
        return await self._database.write(
            lambda connection: contacts.learn(
                connection, self._vault, known.id, bsuid=bsuid, wa_id=wa_id, now=NOW + 99 * SECOND
            )
        )

    async def count(self) -> int:
        return await self._database.read(
            lambda connection: connection.execute(select(func.count()).select_from(contact)).scalar_one()
        )


@pytest.fixture
def people(database: Database, vault: Vault) -> People:
    return People(database, vault)


@pytest.mark.parametrize(
    "messages",
    [
        [(BSUID, WA_ID), (BSUID, None), (None, WA_ID)],
        [(BSUID, None), (BSUID, WA_ID), (None, WA_ID)],
        [(None, WA_ID), (BSUID, WA_ID), (BSUID, None)],
        [(BSUID, WA_ID), (BSUID, OTHER_WA_ID), (None, WA_ID), (None, OTHER_WA_ID)],
    ],
)
async def test_any_of_their_ids_leads_to_the_same_person(
    people: People, messages: list[tuple[str | None, str | None]]
) -> None:
    met = [await people.met(bsuid, wa_id) for bsuid, wa_id in messages]
    assert len({known.id for known in met}) == 1
    assert not any(known.merging for known in met)
    assert await people.count() == 1


async def test_ids_that_differ_in_case_are_two_people(people: People) -> None:
    assert (await people.met("PT.abc")).id != (await people.met("PT.ABC")).id


async def test_bsuid_wins_over_the_number_and_the_two_are_to_be_merged(people: People) -> None:
    by_id, by_number = await people.met(BSUID), await people.met(None, WA_ID)
    both = await people.met(BSUID, WA_ID)
    assert both == ContactRef(by_id.id, by_id.shard, merging=True)
    assert (await people.met(None, WA_ID)).id == by_number.id
    assert await people.count() == 2


async def test_contact_stays_on_its_shard(people: People) -> None:
    assert (await people.met(BSUID, WA_ID, shard=4)).shard == 4
    assert (await people.met(None, WA_ID, shard=9)).shard == 4


async def test_address_is_what_was_seen_last(people: People) -> None:
    known = await people.met(BSUID, WA_ID, "Ines")
    await people.met(BSUID, OTHER_WA_ID, "Inês D.")
    assert await people.address(known) == Address(BSUID, OTHER_WA_ID, "Inês D.")  # type: ignore[arg-type]
    await people.met(BSUID, WA_ID)
    assert await people.address(known) == Address(BSUID, WA_ID, "Inês D.")  # type: ignore[arg-type]


async def test_id_that_came_back_is_learnt_unless_it_is_somebody_elses(people: People) -> None:
    known, somebody = await people.met(None, WA_ID), await people.met(OTHER_BSUID)
    assert not (await people.learn(known, bsuid=BSUID, wa_id=WA_ID)).merging
    assert (await people.met(BSUID)).id == known.id
    assert (await people.learn(known, bsuid=OTHER_BSUID)).merging
    assert (await people.met(OTHER_BSUID)).id == somebody.id


async def test_person_who_is_met_twice_at_once_is_made_once(database: Database, other: Database, vault: Vault) -> None:
    """Whoever comes second is told to try again, and then finds the first one's."""
    made = await asyncio.gather(
        *(People(chosen, vault).met(BSUID, WA_ID) for chosen in [database, other] * 3), return_exceptions=True
    )
    found = {known.id for known in made if isinstance(known, ContactRef)}
    assert len(found) == 1
    assert all(isinstance(failure, ContactRef | ContactRaced) for failure in made)
    assert {(await People(other, vault).met(BSUID)).id} == found
    assert await People(database, vault).count() == 1


async def test_value_of_one_person_put_into_anothers_row_does_not_open(
    people: People, database: Database, vault: Vault
) -> None:
    one, _ = await people.met(BSUID), await people.met(OTHER_BSUID)

    def swap(connection: Connection) -> None:
        foreign = connection.execute(
            select(contact_identity.c.value).where(contact_identity.c.contact_id != one.id)
        ).scalar_one()
        connection.execute(
            update(contact_identity).where(contact_identity.c.contact_id == one.id).values(value=foreign)
        )

    await database.write(swap)
    with pytest.raises(CannotDecrypt):
        await people.address(one)


async def test_conversation_saved_by_another_meanwhile_is_not_overwritten(database: Database, vault: Vault) -> None:
    def stale(connection: Connection) -> None:
        first = conversation(connection, vault)
        second = conversations.load(connection, first.id)
        second.requester_id = "42"
        conversations.save(connection, second)
        first.requester_id = "7"
        conversations.save(connection, first)

    with pytest.raises(ConversationChanged):
        await database.write(stale)


async def test_contact_has_one_conversation_with_a_number(database: Database, vault: Vault) -> None:
    ids = {(await database.write(lambda connection: conversation(connection, vault))).id for _ in range(2)}
    assert len(ids) == 1
