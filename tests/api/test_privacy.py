"""Is everything of a person handed out, and is nothing of them found once they are forgotten?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, LargeBinary, insert, select

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.runtime import privacy as privacy_role
from bridge.runtime import retention, wiring
from bridge.store import contacts, conversations, files, inbox, messages, outbox, privacy
from bridge.store.rotation import SEALED
from bridge.store.tables import EffectState, media, message, metadata
from tests.api.world import BSUID, NAME, NOW, NUMBER, ROOT, TEXT, WAMID, World
from tests.store.world import sender

OTHER_NUMBER, OTHER_TEXT = "351910000222", "Somebody else wrote this"
FILE = b"a photograph, byte for byte"
MARKERS = (NUMBER, BSUID, NAME, TEXT, WAMID, "We look into it", "photograph")


async def _bytes() -> AsyncIterator[bytes]:
    yield FILE


async def _add_more(world: World) -> str:
    """A file, an event nobody worked on, a ring, and another customer. Returns the file's id."""
    store = world.store
    folder = wiring.open_files(world.settings)
    written = await folder.write(_bytes(), at_most_bytes=1_000)

    def unit(connection: Connection) -> str:
        files.keep(
            connection,
            store.vault,
            written,
            name=f"{NAME}.jpg",
            mime_type="image/jpeg",
            now=NOW,
            expires_at=NOW + timedelta(days=900),
        )
        file_id = written.id
        row_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
        connection.execute(
            insert(media).values(
                id=row_id,
                message_id=world.ids["inbound"],
                position=0,
                kind="image",
                source=store.vault.seal(b"{}", "media.source", row_id),
                state="stored",
                due_at=NOW,
                wait_until_at=NOW,
                gone_at=NOW,
                file_id=file_id,
                created_at=NOW,
            )
        )
        told = [
            InboxItem(InboxKind.STATUS, "c", "k1", "x", f'{{"recipient_id":"{NUMBER}"}}'.encode(), 0),
            InboxItem(InboxKind.MESSAGE, "c", "k2", "x", f'{{"from_user_id":"{BSUID}","t":"{TEXT}"}}'.encode(), 0),
            InboxItem(InboxKind.STATUS, "c", "k3", "x", f'{{"id":"{WAMID}"}}'.encode(), 0),
            InboxItem(InboxKind.RING, "c", "k4", "x", b'{"ticket_id": "4711"}', 0, "zendesk"),
            InboxItem(InboxKind.STATUS, "c", "k5", "x", f'{{"recipient_id":"9{NUMBER}9"}}'.encode(), 0),
            InboxItem(InboxKind.MESSAGE, "c", "k6", "x", f'{{"from":"{OTHER_NUMBER}"}}'.encode(), 0),
        ]
        inbox.insert_rows(connection, inbox.rows_of(told, vault=store.vault, received_at=NOW))
        owner = contacts.find_or_create(connection, store.vault, sender(wa_id=OTHER_NUMBER), shard=3, now=NOW)
        current = conversations.load_or_create(
            connection, contact_id=owner.id, channel_id=world.channel_id, shard=3, now=NOW
        )
        messages.add_inbound(
            connection,
            store.vault,
            channel_id=world.channel_id,
            conversation_id=current.id,
            wamid="wamid.OTHER",
            kind="text",
            text=OTHER_TEXT,
            sent_at=NOW,
            now=NOW,
        )
        return file_id

    return await store.database.write(unit)


def everything(world: World) -> str:
    """All that the product keeps, opened with its own keys: every table, every sealed column."""
    sealed = {table.name: columns for table, columns in SEALED}

    def unit(connection: Connection) -> list[str]:
        found = []
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                for name, value in row._mapping.items():
                    if name in sealed.get(table.name, ()) and value is not None:
                        opened = world.store.vault.unseal(value, f"{table.name}.{name}", row.id)
                        found.append(opened.decode("utf-8", "replace"))
                    else:
                        found.append(str(value))
        return found

    return "\n".join(world.store.database.read_now(unit))


def test_whatever_is_sealed_is_of_a_person_or_known_not_to_be() -> None:
    personal = {table.name for table in metadata.sorted_tables if privacy.leads(table)} | {"contact"}
    sealed = {
        table.name
        for table in metadata.sorted_tables
        if any(isinstance(column.type, LargeBinary) for column in table.columns)
    }
    assert sealed - personal - privacy.IMPERSONAL == set()
    assert personal & privacy.IMPERSONAL == set()


async def test_export_holds_all_of_a_person_and_nobody_else(world: World, tmp_path: Path) -> None:
    file_id = await _add_more(world)
    answer = await world.admin.get(f"/api/v1/contacts/{world.ids['contact']}/export")
    assert [marker for marker in MARKERS[:-1] if marker not in answer.text] == []
    assert OTHER_NUMBER not in answer.text
    assert f"9{NUMBER}9" not in answer.text
    assert len(answer.json()["told"]) == 5
    assert (await world.agent.get(f"/api/v1/contacts/{world.ids['contact']}/export")).status_code == 403
    whole, kept = privacy_role.export(world.store, world.ids["contact"], ROOT, origin="test")
    assert kept.file_ids == {file_id}
    folder = tmp_path / "handed-out"
    folder.mkdir()
    assert await privacy_role._write_files(world.store, world.settings, [file_id], folder) == 1
    assert (folder / file_id).read_bytes() == FILE
    assert orjson.loads(orjson.dumps(whole))["contact"][0]["name"] == NAME


async def test_nothing_of_a_person_is_found_after_erasure_and_all_of_others_stays(world: World) -> None:
    file_id = await _add_more(world)
    before = everything(world)
    assert [marker for marker in MARKERS[:-1] if marker not in before] == []
    answer = await world.admin.post(f"/api/v1/contacts/{world.ids['contact']}/erase", json={})
    assert answer.status_code == 200, answer.text
    assert answer.json()["files"] == 1
    after = everything(world)
    assert f"9{NUMBER}9" in after
    after = after.replace(f"9{NUMBER}9", "")
    assert [marker for marker in MARKERS if marker in after] == []
    for name in ("conversation", "inbound", "outbound", "post", "send"):
        assert world.ids[name] not in after
    assert OTHER_NUMBER in after
    assert OTHER_TEXT in after
    assert not wiring.open_files(world.settings).has(file_id)
    deed = (await world.admin.get("/api/v1/audit")).json()["items"][0]
    assert (deed["action"], deed["subject"]) == ("contact.erase", world.ids["contact"])
    again = await world.admin.post(f"/api/v1/contacts/{world.ids['contact']}/erase", json={})
    assert again.status_code == 404


async def test_repetition_of_what_an_erased_person_wrote_is_still_known(world: World) -> None:
    await _add_more(world)
    await world.admin.post(f"/api/v1/contacts/{world.ids['contact']}/erase", json={})
    again = [InboxItem(InboxKind.MESSAGE, "c", "k2", "x", TEXT.encode(), 0)]
    rows = inbox.rows_of(again, vault=world.store.vault, received_at=NOW)
    assert await world.store.database.write(lambda connection: inbox.insert_rows(connection, rows)) == 0


async def test_person_with_a_call_under_way_is_not_forgotten_yet(small_world: World) -> None:
    send = small_world.ids["send"]
    mark = {"effect_ids": [send], "real_now": NOW}
    await small_world.store.database.write(lambda connection: outbox.mark_performing(connection, **mark))
    path = f"/api/v1/contacts/{small_world.ids['contact']}/erase"
    refused = await small_world.admin.post(path, json={})
    assert refused.status_code == 409
    assert "under way" in refused.json()["detail"]
    assert NAME in everything(small_world)
    await small_world.store.database.write(lambda connection: outbox.set_state(connection, [send], EffectState.DONE))
    assert (await small_world.admin.post(path, json={})).status_code == 200


async def test_contents_are_emptied_after_their_time_and_skeletons_stay(world: World) -> None:
    store, real = world.store, world.store.clock.real_now()
    await _add_more(world)

    def live(connection: Connection) -> None:
        outbox.set_state(connection, [world.ids["send"]], EffectState.DONE)

    await store.database.write(live)

    def purge(connection: Connection, *, days: int) -> int:
        later = real + timedelta(days=days)
        return retention.run(connection, store.vault, keep_for=timedelta(days=90), real_now=later)

    assert await store.database.write(lambda connection: purge(connection, days=89)) == 0
    assert "We look into it" in everything(world)
    assert await store.database.write(lambda connection: purge(connection, days=91)) == 2
    kept = everything(world)
    assert "We look into it" not in kept
    assert OTHER_TEXT not in kept
    assert TEXT in kept  # it is about a dead letter: a person decides first
    assert world.ids["outbound"] in kept
    assert world.ids["send"] not in kept
    await store.database.write(
        lambda connection: outbox.set_state(connection, [world.ids["post"]], EffectState.DROPPED)
    )
    assert await store.database.write(lambda connection: purge(connection, days=91)) == 1
    texts = await store.database.read(
        lambda connection: [
            store.vault.unseal_text(row.text, messages.TEXT, row.id) for row in connection.execute(select(message))
        ]
    )
    assert texts == ["", "", ""]
    assert await store.database.write(lambda connection: purge(connection, days=91)) == 0


@pytest.mark.parametrize("who", [NUMBER, f"+{NUMBER}", BSUID])
async def test_customer_is_named_by_number_or_bsuid(small_world: World, who: str) -> None:
    found = await small_world.store.database.read(
        lambda connection: privacy_role.find_contact(connection, small_world.store, who)
    )
    assert found == small_world.ids["contact"]
    with pytest.raises(privacy_role.NoSuchContact):
        await small_world.store.database.read(
            lambda connection: privacy_role.find_contact(connection, small_world.store, "351999999999")
        )
