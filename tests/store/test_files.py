"""Do files come back as they went in, to nobody but whom they are for, and never whole in memory?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store import file_links, files
from bridge.store.crypto import MasterKeys, Vault
from bridge.store.database import Database
from bridge.store.files import HEAD_BYTES, PIECE_BYTES, FileFolder, FileMissing, FileTooBig, StoredFile, Written
from tests.store.world import NOW, SECOND

FAR = NOW + timedelta(days=4000)
"""The time of a file on disk is the machine's."""
VAULT = Vault(MasterKeys([b"k" * 32]), index_key=b"i" * 32)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def stored(written: Written) -> StoredFile:
    return StoredFile(written.id, written.key, "a.bin", "application/octet-stream", written.size_bytes, NOW)


async def content_of(folder: FileFolder, file: StoredFile) -> bytes:
    return b"".join([piece async for piece in folder.read(file)])


def on_disk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 2 * PIECE_BYTES + 7]


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_comes_back_whatever_its_size(tmp_path: Path, size: int) -> None:
    folder = FileFolder(tmp_path)
    plain = bytes(number % 251 for number in range(size))
    written = await folder.write(chunks(plain[: size // 3], plain[size // 3 :]), at_most_bytes=size)
    assert (written.size_bytes, written.head) == (size, plain[:HEAD_BYTES])
    assert await content_of(folder, stored(written)) == plain
    (path,) = on_disk(tmp_path)
    assert size < 100 or plain[:64] not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_too_much_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = FileFolder(tmp_path)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(PIECE_BYTES)

    with pytest.raises(FileTooBig):
        await folder.write(endless(), at_most_bytes=3 * PIECE_BYTES)
    assert on_disk(tmp_path) == []


@pytest.mark.parametrize("harm", ["cut", "cut at a piece", "altered", "emptied", "swapped", "gone"])
async def test_bytes_that_somebody_touched_do_not_open(tmp_path: Path, harm: str) -> None:
    folder = FileFolder(tmp_path)
    written = await folder.write(chunks(bytes(2 * PIECE_BYTES + 5)), at_most_bytes=10**9)
    (path,) = on_disk(tmp_path)
    raw = path.read_bytes()
    sealed_piece = PIECE_BYTES + 16
    match harm:
        case "cut":
            path.write_bytes(raw[:-1])
        case "cut at a piece":
            path.write_bytes(raw[: 4 + 2 * sealed_piece])
        case "altered":
            path.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
        case "emptied":
            path.write_bytes(b"")
        case "swapped":
            one, two = raw[4 : 4 + sealed_piece], raw[4 + sealed_piece : 4 + 2 * sealed_piece]
            path.write_bytes(raw[:4] + two + one + raw[4 + 2 * sealed_piece :])
        case _:
            path.unlink()
    with pytest.raises(FileMissing):
        await content_of(folder, stored(written))


async def test_a_kept_file_is_found_until_it_is_forgotten(database: Database, tmp_path: Path) -> None:
    folder = FileFolder(tmp_path)
    written = await folder.write(chunks(b"hello"), at_most_bytes=100)
    later = NOW + timedelta(days=1)
    kept = await database.write(
        lambda connection: files.keep(
            connection, VAULT, written, name="Anna's.pdf", mime_type="application/pdf", now=NOW, expires_at=later
        )
    )
    found = await database.read(lambda connection: files.load(connection, VAULT, [written.id, "unknown"]))
    assert found == {written.id: kept}
    assert await content_of(folder, found[written.id]) == b"hello"
    assert await database.read(lambda c: files.find_expired(c, now=later - SECOND, limit=9)) == []
    assert await database.read(lambda c: files.find_expired(c, now=later, limit=9)) == [written.id]
    stray = await folder.write(chunks(b"stray"), at_most_bytes=100)
    names = sorted(folder.names_before(FAR))
    assert names == sorted([written.id, stray.id])
    assert await database.read(lambda c: files.without_row(c, names)) == [stray.id]
    await database.write(lambda connection: files.forget(connection, [written.id]))
    folder.remove([written.id, stray.id, "never was"])
    assert await database.read(lambda connection: files.load(connection, VAULT, [written.id])) == {}
    assert folder.names_before(FAR) == []


def test_a_link_opens_until_it_expires() -> None:
    token = file_links.make_token(VAULT, "01KAGX0000000000000000FILE", expires_at=NOW + SECOND)
    assert file_links.read_token(VAULT, token, now=NOW) == "01KAGX0000000000000000FILE"
    assert file_links.read_token(VAULT, token, now=NOW + SECOND) is None
    other = Vault(MasterKeys([b"k" * 32]), index_key=b"o" * 32)
    assert file_links.read_token(other, token, now=NOW) is None


@given(st.text(max_size=100), st.integers(0, 90), st.characters())
def test_no_other_text_is_a_link(text: str, at: int, char: str) -> None:
    token = file_links.make_token(VAULT, "01KAGX0000000000000000FILE", expires_at=NOW + SECOND)
    changed = token[:at] + char + token[at + 1 :]
    assert file_links.read_token(VAULT, text, now=NOW) is None
    # The last character carries four bits alone: another spelling of it is no other signature.
    assert changed == token or file_links.read_token(VAULT, changed, now=NOW) is None
