"""Where do files lie while they wait for somebody? On disk, each sealed under a key of its own that the database holds.

A file is written and read in pieces, never whole in memory. On disk it is nonsense without its row: `FORMAT`, then
pieces of `PIECE_BYTES`, each AES-256-GCM under the file's key with its number and whether it is the last in the nonce,
and the file's id as associated data; so what was cut, swapped or moved does not open. Rotation of the master keys only
rewrites the row. A row that is gone makes the bytes unreadable, before they are deleted. Several machines need one
folder that all of them see.
"""

import asyncio
import contextlib
import hashlib
import os
import struct
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Row, delete, insert, select

from bridge.store.crypto import KEY_BYTES, CannotDecrypt, Vault
from bridge.store.ids import new_id
from bridge.store.tables import stored_file

FORMAT = b"dbf1"
PIECE_BYTES = 256 * 1024
HEAD_BYTES = 4096
"""As much of the beginning as tells what kind of file it is."""
KEY = "stored_file.key"
NAME = "stored_file.name"
STRAY_AFTER = timedelta(days=1)
"""Bytes without a row: somebody was writing them, or died doing so."""

_TAG_BYTES = 16


class FileTooBig(Exception):
    """More came than was allowed. What was written of it is gone."""


class FileMissing(Exception):
    """The row is there and the bytes are not, or they do not open."""


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes on disk that no row names yet: `keep` it, or it is swept away after a day."""

    id: str
    key: bytes = field(repr=False)
    size_bytes: int
    sha256: bytes = field(repr=False)
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`expires_at` is business time."""

    id: str
    key: bytes = field(repr=False)
    name: str = field(repr=False)
    mime_type: str
    size_bytes: int
    expires_at: datetime


class FileFolder:
    """The bytes. Safe for several processes; every name is written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, content: AsyncIterable[bytes], *, at_most_bytes: int) -> Written:
        """Keep what comes, piece by piece, durable on return. Raises `FileTooBig`, and what `content` raises."""
        file_id, key = new_id(), os.urandom(KEY_BYTES)
        path = self._path(file_id)
        digest, head, size = hashlib.sha256(), b"", 0
        sink = await asyncio.to_thread(_create, path)
        try:
            async with contextlib.aclosing(_pieces(content)) as pieces:
                async for number, is_last, piece in pieces:
                    size += len(piece)
                    if size > at_most_bytes:
                        raise FileTooBig
                    head += piece[: max(0, HEAD_BYTES - len(head))]
                    await asyncio.to_thread(_add, sink, digest, key, file_id, number, is_last, piece)
            await asyncio.to_thread(_finish, sink)
        except BaseException:
            sink.close()
            path.unlink(missing_ok=True)
            raise
        return Written(file_id, key, size, digest.digest(), head)

    async def read(self, file: StoredFile) -> AsyncGenerator[bytes, None]:
        """The content, piece by piece. Raises `FileMissing`, also in the middle."""
        source = await asyncio.to_thread(_open, self._path(file.id))
        try:
            number, is_last = 0, False
            while not is_last:
                piece, is_last = await asyncio.to_thread(_next, source, file, number)
                number += 1
                if piece:
                    yield piece
        finally:
            source.close()

    def has(self, file_id: str) -> bool:
        return self._path(file_id).exists()

    def remove(self, file_ids: Sequence[str]) -> None:
        for file_id in file_ids:
            self._path(file_id).unlink(missing_ok=True)

    def names_before(self, real_time: datetime) -> list[str]:
        """Ids of everything on disk that was last written before then."""
        return [
            path.name
            for path in self._folder.glob("??/*")
            if path.stat(follow_symlinks=False).st_mtime < real_time.timestamp()
        ]

    def _path(self, file_id: str) -> Path:
        # The end of a ULID is random, so the folders fill alike.
        return self._folder / file_id[-2:] / file_id


async def _pieces(content: AsyncIterable[bytes]) -> AsyncGenerator[tuple[int, bool, bytes], None]:
    """(number, whether it is the last, bytes): pieces of one size whatever comes; the last one may be empty."""
    number, waiting = 0, bytearray()
    async for chunk in content:
        waiting += chunk
        while len(waiting) > PIECE_BYTES:
            yield number, False, bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
            number += 1
    yield number, True, bytes(waiting)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return struct.pack(">QI", number, is_last)


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sink = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    sink.write(FORMAT)
    return sink


def _add(
    sink: BinaryIO, digest: "hashlib._Hash", key: bytes, file_id: str, number: int, is_last: bool, piece: bytes
) -> None:
    digest.update(piece)
    sink.write(AESGCM(key).encrypt(_nonce(number, is_last=is_last), piece, file_id.encode()))


def _finish(sink: BinaryIO) -> None:
    sink.flush()
    os.fsync(sink.fileno())
    sink.close()


def _open(path: Path) -> BinaryIO:
    try:
        source = path.open("rb")
    except OSError:
        raise FileMissing from None
    if source.read(len(FORMAT)) != FORMAT:
        source.close()
        raise FileMissing
    return source


def _next(source: BinaryIO, file: StoredFile, number: int) -> tuple[bytes, bool]:
    sealed = source.read(PIECE_BYTES + _TAG_BYTES)
    is_last = (number + 1) * PIECE_BYTES >= file.size_bytes
    try:
        return AESGCM(file.key).decrypt(_nonce(number, is_last=is_last), sealed, file.id.encode()), is_last
    except (InvalidTag, ValueError):
        raise FileMissing from None


# Rows


def keep(
    connection: Connection,
    vault: Vault,
    written: Written,
    *,
    name: str,
    mime_type: str,
    now: datetime,
    expires_at: datetime,
) -> StoredFile:
    """From here on the bytes are a file, until `expires_at` (business time) or `forget`."""
    connection.execute(
        insert(stored_file).values(
            id=written.id,
            key=vault.seal(written.key, KEY, written.id),
            name=vault.seal_text(name, NAME, written.id),
            mime_type=mime_type,
            size_bytes=written.size_bytes,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return StoredFile(written.id, written.key, name, mime_type, written.size_bytes, expires_at)


def load(connection: Connection, vault: Vault, file_ids: Sequence[str]) -> dict[str, StoredFile]:
    """Those of the files that (still) have a row, and whose row opens."""
    rows = connection.execute(select(stored_file).where(stored_file.c.id.in_(file_ids)))
    return {row.id: opened for row in rows if (opened := _opened(row, vault)) is not None}


def _opened(row: Row[tuple[object, ...]], vault: Vault) -> StoredFile | None:
    try:
        key, name = vault.unseal(row.key, KEY, row.id), vault.unseal_text(row.name, NAME, row.id)
    except CannotDecrypt:
        return None
    return StoredFile(row.id, key, name, row.mime_type, row.size_bytes, row.expires_at)


def set_expiry(connection: Connection, file_id: str, expires_at: datetime) -> None:
    connection.execute(stored_file.update().where(stored_file.c.id == file_id).values(expires_at=expires_at))


def forget(connection: Connection, file_ids: Sequence[str]) -> None:
    """Nobody can read these any more; `FileFolder.remove` the bytes once this is committed."""
    connection.execute(delete(stored_file).where(stored_file.c.id.in_(file_ids)))


def find_expired(connection: Connection, *, now: datetime, limit: int) -> list[str]:
    wanted = select(stored_file.c.id).where(stored_file.c.expires_at <= now).limit(limit)
    return list(connection.execute(wanted).scalars())


def without_row(connection: Connection, file_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no row names."""
    known = set(connection.execute(select(stored_file.c.id).where(stored_file.c.id.in_(file_ids))).scalars())
    return [file_id for file_id in file_ids if file_id not in known]
