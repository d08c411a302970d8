"""`deskbridge backup` and `restore`: a whole installation in one file, and out of it, on either kind of database.

The file is a tar: `manifest.json` (what is in it), `rows.jsonl` (a row a line), `files/…` (files on their way,
encrypted as they lie). Keys are not in it: without them it is nonsense, to a thief as well as to you.
"""

import hashlib
import io
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
from alembic import command
from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError, OperationalError

from bridge.runtime import wiring
from bridge.runtime.clock import Clock
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.settings import Settings
from bridge.store import archive, keyring, migration, tables, triggers
from bridge.store.database import StoreUnavailable, make_engine

FORMAT = 1
MANIFEST, ROWS, FILES = "manifest.json", "rows.jsonl", "files/"
PIECE_BYTES = 1024 * 1024


class BackupRefused(OperatorError):
    """It cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class Saved:
    """`rows`: how many, by table."""

    revision: str
    rows: dict[str, int]
    files: int
    size_bytes: int


def save(settings: Settings, target: Path) -> Saved:
    """Write a backup while everything runs; whole or not at all. Raises `BackupRefused` and `StoreUnavailable`."""
    if target.exists():
        raise BackupRefused(f"{target} is there already: name a file that is not")
    with wiring.open_store(settings, seals=False, every_key=False) as store:
        created_at = store.clock.real_now()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryFile(dir=target.parent) as rows:
            engine = archive.snapshot_engine(settings.database_url.get_secret_value())
            try:
                with engine.connect() as connection, connection.begin():
                    manifest = _write_rows(connection, rows)
            finally:
                engine.dispose()
            manifest |= {"format": FORMAT, "created_at": created_at}
            with _new_file(draft) as sink, tarfile.open(fileobj=sink, mode="w") as tar:
                files = _pack(tar, manifest, rows, settings.files_dir)
                sink.flush()
                os.fsync(sink.fileno())
        draft.rename(target)
    except OSError as exc:
        raise BackupRefused(f"{target} cannot be written ({exc.strerror}): see that its folder is there") from None
    except OperationalError as exc:
        raise StoreUnavailable(type(exc.orig).__name__) from None
    finally:
        draft.unlink(missing_ok=True)
    return Saved(manifest["revision"], manifest["rows"], files, target.stat().st_size)


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write_rows(connection: Connection, sink: IO[bytes]) -> dict[str, Any]:
    digest, found = hashlib.sha256(), Counter[str]()
    for name, values in archive.take(connection):
        line = orjson.dumps([name, values]) + b"\n"
        digest.update(line)
        sink.write(line)
        found[name] += 1
    return {
        "revision": archive.revision_of(connection),
        "columns": archive.columns_of(connection),
        "rows": dict(found),
        "sha256": digest.hexdigest(),
        "key": keyring.wrapped_by(connection),
        "keys": sorted(keyring.on_record(connection)),
    }


def _pack(tar: tarfile.TarFile, manifest: dict[str, Any], rows: IO[bytes], folder: Path) -> int:
    head = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    _add(tar, MANIFEST, io.BytesIO(head), len(head))
    size = rows.seek(0, os.SEEK_END)
    rows.seek(0)
    _add(tar, ROWS, rows, size)
    count = 0
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        try:
            content = path.open("rb")
        except OSError:
            continue  # fetched and removed meanwhile
        with content:
            _add(tar, FILES + path.name, content, os.fstat(content.fileno()).st_size)
        count += 1
    return count


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def restore(settings: Settings, source: Path, *, as_read: bool) -> Saved:
    """Fill an empty database, of whichever kind, and the files' folder. Raises `BackupRefused`.

    `as_read`: what stands on tickets by now counts as dealt with, so that agents' replies of the time since are not
    sent again.
    """
    url = settings.database_url.get_secret_value()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with tarfile.open(source, "r:") as tar:
            manifest = _read_manifest(tar)
            _require_key(settings, manifest)
            _check_rows(tar, manifest)
            engine = make_engine(url, writes=True)
            try:
                with engine.begin() as connection:
                    _fill(connection, tar, manifest, as_read=as_read, clock=Clock(settings.clock_file))
            finally:
                engine.dispose()
            files = _unpack(tar, settings.files_dir)
    except archive.NotEmpty:
        raise BackupRefused(
            "the database is not empty: name one that is (DESKBRIDGE_DATABASE_URL), or move the old one away"
        ) from None
    except (tarfile.TarError, KeyError, ValueError) as exc:
        raise BackupRefused(
            f"{source} is no backup, or is damaged ({type(exc).__name__}): nothing was changed"
        ) from None
    except OperationalError as exc:
        raise StoreUnavailable(type(exc.orig).__name__) from None
    except DBAPIError as exc:
        name = type(exc.orig).__name__
        raise BackupRefused(f"the database refuses a row ({name}): nothing was changed") from None
    except OSError as exc:
        raise BackupRefused(f"{source} cannot be read ({exc.strerror})") from None
    wiring.migrate(settings)
    return Saved(manifest["revision"], manifest["rows"], files, source.stat().st_size)


def _read_manifest(tar: tarfile.TarFile) -> dict[str, Any]:
    content = tar.extractfile(MANIFEST)
    assert content is not None
    manifest: dict[str, Any] = orjson.loads(content.read())
    if manifest["format"] != FORMAT:
        raise BackupRefused("this backup is of another version of deskbridge: use that version")
    if manifest["revision"] not in migration.known():
        raise BackupRefused("this backup is of a newer version of deskbridge: use that version, or a newer one")
    return manifest


def _require_key(settings: Settings, manifest: dict[str, Any]) -> None:
    have = wiring.master_keys(settings).names
    missing = sorted({manifest["key"], *manifest["keys"]}.difference(have))
    if missing:
        raise BackupRefused(
            f"the backup needs the encryption key {missing[0]}, which is not configured here: "
            "add it to DESKBRIDGE_ENCRYPTION_KEYS (or to the file encryption-keys in the data dir)"
        )


def _check_rows(tar: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    content = tar.extractfile(ROWS)
    assert content is not None
    digest = hashlib.sha256()
    while piece := content.read(PIECE_BYTES):
        digest.update(piece)
    if digest.hexdigest() != manifest["sha256"]:
        raise ValueError("its rows were changed")


def _fill(
    connection: Connection, tar: tarfile.TarFile, manifest: dict[str, Any], *, as_read: bool, clock: Clock
) -> None:
    archive.require_empty(connection)
    command.upgrade(migration.config_for(connection), manifest["revision"])
    archive.put(connection, manifest["columns"], _rows(tar))
    found = archive.counts(connection)
    if found != Counter(manifest["rows"]):
        raise ValueError("not every row arrived")
    command.upgrade(migration.config_for(connection), "head")
    triggers.see_to(connection)
    now = clock.business_now()
    connection.execute(update(tables.shard).values(holder=None))
    if as_read:
        connection.execute(update(tables.ticket).values(read_since_at=now, unread_since=None))


def _rows(tar: tarfile.TarFile) -> Iterator[tuple[str, list[Any]]]:
    content = tar.extractfile(ROWS)
    assert content is not None
    for line in content:
        name, values = orjson.loads(line)
        yield name, values


def _unpack(tar: tarfile.TarFile, folder: Path) -> int:
    """Only plain names of ours are taken: a file cannot end up anywhere else."""
    count = 0
    for member in tar.getmembers():
        name = member.name.removeprefix(FILES)
        if not member.isreg() or not member.name.startswith(FILES) or not name.isalnum():
            continue
        content = tar.extractfile(member)
        assert content is not None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / name
        if not path.exists():
            with _new_file(path) as sink:
                while piece := content.read(PIECE_BYTES):
                    sink.write(piece)
        count += 1
    return count
