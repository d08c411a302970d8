"""What does somebody get who follows a link to a stored file, or makes one up?"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bridge.runtime.file_pages import FilePages
from bridge.store import file_links, files, migration
from bridge.store.crypto import MasterKeys, Vault
from bridge.store.database import Database
from bridge.store.files import FileFolder

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VAULT = Vault(MasterKeys([b"k" * 32]), index_key=b"i" * 32)


class Shelf:
    """A file store with its endpoint."""

    def __init__(self, database: Database, folder: FileFolder) -> None:
        self.database = database
        self.folder = folder
        self.now = NOW
        pages = FilePages(database, VAULT, folder, now=lambda: self.now)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://bridge")

    async def link_to(self, content: bytes, *, name: str, mime_type: str, days: int = 7) -> str:
        async def once() -> AsyncIterator[bytes]:
            yield content

        written = await self.folder.write(once(), at_most_bytes=10**9)
        expires_at = NOW + timedelta(days=days)
        await self.database.write(
            lambda connection: files.keep(
                connection, VAULT, written, name=name, mime_type=mime_type, now=NOW, expires_at=expires_at
            )
        )
        return file_links.PATH + file_links.make_token(VAULT, written.id, expires_at=expires_at)


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    url = f"sqlite:///{tmp_path / 'deskbridge.sqlite3'}"
    migration.upgrade(url)
    async with Database(url) as database:
        shelf = Shelf(database, FileFolder(tmp_path / "files"))
        async with shelf.client:
            yield shelf


async def test_whoever_has_the_link_gets_the_file_and_a_browser_does_nothing_with_it(shelf: Shelf) -> None:
    content = bytes(range(256)) * 3000
    link = await shelf.link_to(content, name="Fatura nº 7 \u202e.html", mime_type="text/html")
    answer = await shelf.client.get(link)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''Fatura%20n%C2%BA%207")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    head = await shelf.client.head(link)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


async def test_a_photo_is_shown_and_an_empty_file_is_empty(shelf: Shelf) -> None:
    link = await shelf.link_to(b"", name="a.png", mime_type="image/png")
    answer = await shelf.client.get(link)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"].startswith("inline")


async def test_a_link_ends_with_its_time_and_with_its_file(shelf: Shelf) -> None:
    link = await shelf.link_to(b"secret", name="a.txt", mime_type="text/plain")
    again = await shelf.link_to(b"secret", name="b.txt", mime_type="text/plain")
    shelf.now = NOW + timedelta(days=7)
    assert (await shelf.client.get(link)).status_code == 404
    shelf.now = NOW
    assert (await shelf.client.get(link)).status_code == 200
    names = shelf.folder.names_before(NOW + timedelta(days=4000))
    await shelf.database.write(lambda connection: files.forget(connection, names[:1]))
    shelf.folder.remove(names[1:])
    assert {(await shelf.client.get(one)).status_code for one in (link, again)} == {404}


@pytest.mark.parametrize(
    "path", ["/files/", "/files/x", "/files/../etc/passwd", "/files/" + "A" * 26 + "-1-" + "b" * 43]
)
async def test_what_is_no_link_of_ours_tells_nothing(shelf: Shelf, path: str) -> None:
    assert (await shelf.client.get(path)).status_code == 404
    assert (await shelf.client.post(path)).status_code == 405
