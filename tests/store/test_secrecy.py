"""What does a stranger with the files read? No text, name, number or id of a customer, in any spelling."""

import base64
import sqlite3
from pathlib import Path

from sqlalchemy import Connection

from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource
from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.domain.model import MediaRef, MessageStatus
from bridge.store import channels, consents, contacts, conversations, files, inbox, media, messages, outbox, templates
from bridge.store.crypto import MasterKeys, Vault, new_wrapped_index_key
from bridge.store.database import Database
from bridge.store.files import Written
from bridge.store.messages import StatusChange
from bridge.store.migration import upgrade
from bridge.store.tables import EffectKind, Lane, keyring
from templates_registry.model import Body, Category, Content, Draft, TemplateStatus
from tests.store.world import NOW, conversation, seed, sender

NUMBER = "351910000111"
WAMID = "wamid." + base64.b64encode(b"\x1d\x06\x0c" + NUMBER.encode() + b"\x15\x02\x00").decode()
OUT_WAMID = "wamid." + base64.b64encode(b"\x1d\x06\x0c" + NUMBER.encode() + b"\x11\x18\x12").decode()
BSUID = "PT.30991122334455667788"
NAME = "Inês Margarida Duarte"
TEXT = "The parcel went to the wrong street ✉ confidential-marker"
SECRET = "webhook-secret-marker"
KEY = bytes(range(32))
MARKERS = (NUMBER, f"+{NUMBER}", "351 910 000 111", WAMID, OUT_WAMID, BSUID, NAME, TEXT, SECRET, "confidential-marker")


def spellings(marker: str) -> set[bytes]:
    raw = marker.encode()
    inner = base64.b64encode(raw)
    ascii_only = marker.encode("unicode_escape")
    return {
        raw,
        raw.lower(),
        raw.upper(),
        raw[::-1],
        marker.encode("utf-16-le"),
        marker.encode("utf-16-be"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        ascii_only,
        # Base64 of a longer text that holds it: the middle, at each of three offsets.
        *(base64.b64encode(b"x" * offset + raw)[4 * (offset > 0) : -4] for offset in range(3)),
        inner.rstrip(b"="),
    }


def fill(connection: Connection, vault: Vault) -> None:
    """Every table that a customer leaves traces in, by the ways of the product."""
    known = contacts.find_or_create(connection, vault, sender(BSUID, NUMBER, NAME), shard=3, now=NOW)
    contacts.find_or_create(connection, vault, sender(BSUID, None, NAME + " M."), shard=3, now=NOW)
    consents.add(
        connection, vault, known.id, ConsentEntry(ConsentAction.OPT_IN, ConsentSource.AGENT, NOW, TEXT), now=NOW
    )
    current = conversation(connection, vault, wa_id=NUMBER)
    assert current.contact_id == known.id
    told = [
        InboxItem(InboxKind.MESSAGE, "c", f"c:{WAMID}", BSUID, f'{{"from": "{NUMBER}"}}'.encode() + TEXT.encode(), 0),
        InboxItem(InboxKind.STATUS, "c", f"c:{OUT_WAMID}:sent", NUMBER, OUT_WAMID.encode(), 1),
    ]
    rows = inbox.rows_of(told, vault=vault, received_at=NOW)
    inbox.insert_rows(connection, rows)
    inbox.park(connection, [(rows[1]["id"], messages.wamid_index(vault, OUT_WAMID))], now=NOW)
    kept = messages.add_inbound(
        connection,
        vault,
        channel_id=current.channel_id,
        conversation_id=current.id,
        wamid=WAMID,
        kind="text",
        text=TEXT,
        sent_at=NOW,
        now=NOW,
        about=OUT_WAMID,
        says=TEXT,
    )
    assert kept is not None
    ref = MediaRef("document", media_id="700000000000011", name=f"{TEXT}.pdf")
    media.add(connection, vault, message_id=kept, refs=[ref], now=NOW, wait_until_at=NOW, gone_at=NOW)
    files.keep(
        connection,
        vault,
        Written("01KAGX0000000000000000FILE", b"k" * 32, 1, b"", b""),
        name=f"{TEXT}.pdf",
        mime_type="application/pdf",
        now=NOW,
        expires_at=NOW,
    )
    sent = messages.add_outbound(
        connection,
        vault,
        channel_id=current.channel_id,
        conversation_id=current.id,
        text=TEXT,
        now=NOW,
        content={"quote": WAMID, "name": TEXT},
    )
    messages.save_statuses(connection, vault, [StatusChange(sent, MessageStatus.SENT, NOW, wamid=OUT_WAMID)])
    effect = outbox.add(
        connection,
        vault,
        conversation_id=current.id,
        shard=3,
        lane=Lane.HELPDESK,
        seq=current.take_seq(),
        kind=EffectKind.ADD_NOTE,
        now=NOW,
        payload=TEXT,
    )
    outbox.freeze(connection, vault, [effect], request=f"{TEXT} {NUMBER}".encode(), real_now=NOW)
    conversations.save(connection, current)
    draft = Draft("greeting", "en_US", Category.UTILITY, Content(Body(TEXT)))
    templates.add(
        connection, vault, waba_id="1", draft=draft, status=TemplateStatus.DRAFT, origin=templates.SUBMITTED, now=NOW
    )
    channels.save_settings(connection, vault, channel_id=current.channel_id, values={"webhook_secret": SECRET})
    channels.raise_alarm(connection, kind="identity_conflict", subject=known.id, now=NOW)


def test_nothing_of_a_customer_stands_in_the_files_of_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deskbridge.sqlite3'}"
    upgrade(url)
    keys = MasterKeys([KEY])
    wrapped = new_wrapped_index_key(keys)
    vault = Vault.unwrap(keys, wrapped)
    database = Database(url)
    database.write_now(seed)
    database.write_now(
        lambda connection: connection.execute(keyring.insert().values(name="blind_index", wrapped=wrapped))
    )
    database.write_now(lambda connection: fill(connection, vault))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    database.close()
    files |= {f"{path.name} afterwards": path.read_bytes() for path in tmp_path.iterdir()}
    assert any(name.endswith("-wal") for name in files)
    assert sum(map(len, files.values())) > 50_000
    found = [
        (name, marker)
        for name, content in files.items()
        for marker in MARKERS
        for spelling in spellings(marker)
        if spelling in content
    ]
    assert found == []
    assert all(KEY not in content for content in files.values())


def test_search_finds_what_is_written_in_clear(tmp_path: Path) -> None:
    """The search above can fail."""
    path = tmp_path / "clear.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (value)")
        connection.executemany("INSERT INTO t VALUES (?)", [(marker,) for marker in MARKERS])
        connection.execute("INSERT INTO t VALUES (?)", (base64.b64encode(b"{" + NUMBER.encode() + b"}..."),))
    connection.close()
    content = path.read_bytes()
    assert all(any(spelling in content for spelling in spellings(marker)) for marker in MARKERS)
    assert base64.b64encode(b"x" + NUMBER.encode())[4:-4] in content


def test_no_value_shows_itself_in_a_repr(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deskbridge.sqlite3'}"
    upgrade(url)
    vault = Vault(MasterKeys([KEY]), index_key=KEY)
    database = Database(url)
    database.write_now(seed)
    database.write_now(lambda connection: fill(connection, vault))

    def shown(connection: Connection) -> str:
        contact = contacts.find(connection, vault, kind=contacts.WA_ID_KIND, value=NUMBER)
        assert contact is not None
        current = conversation(connection, vault, wa_id=NUMBER)
        values = (
            contacts.load_address(connection, vault, contact.id),
            outbox.load_head(connection, vault, conversation_id=current.id, lane=Lane.HELPDESK),
            inbox.load_due(connection, vault, shards=range(32), now=NOW, real_now=NOW, limit=9),
            outbox.load_last_sends(connection, vault, current.id, limit=9),
        )
        assert all(values[:3])
        return repr(values)

    text = database.write_now(shown)
    database.close()
    assert not [marker for marker in MARKERS if marker in text]
