"""What may be wrong beside credentials and webhooks? Checks of this installation, of its address, and of what Meta says
of the account; and the doctor's round that workers make every hour, so that it shows before anybody asks.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, func, select, update

from bridge.runtime.settings import Settings
from bridge.runtime.wiring import Store
from bridge.store import channels, dead_letters
from bridge.store.channels import Channel
from bridge.store.crypto import Vault
from bridge.store.database import StoreUnavailable
from bridge.store.insert_once import insert_once
from bridge.store.tables import channel, inbox, progress, worker
from connectors.client import remote_client
from connectors.interface import Finding, FindingLevel

EVERY = timedelta(hours=1)
AGAIN_WHEN_RED = timedelta(minutes=5)
FIRST_AFTER_SECONDS = 60.0
LOOK_SECONDS = 60.0
ROUND = "doctor's round"
FINDINGS = "findings"
"""The name of the setting that keeps the last round's findings."""
DISK_RED_BYTES, DISK_WARNING_BYTES = 200_000_000, 1_000_000_000
BACKLOG = timedelta(minutes=2)
WORKER_GONE_AFTER = timedelta(seconds=30)
CLOCKS_APART = timedelta(seconds=5)
PIECE_BYTES = 50_000
BODY_BYTES = 70 * PIECE_BYTES
"""Meta sends up to 3 MB (fact sheet WhatsApp 1.1); we take 4 MiB."""
_MANAGER = "look at the account in WhatsApp Manager"

log = structlog.get_logger()


def _ok(check: str, message: str) -> Finding:
    return Finding(check, FindingLevel.OK, message)


def _warning(check: str, message: str, mend: str) -> Finding:
    return Finding(check, FindingLevel.WARNING, message, mend)


def _red(check: str, message: str, mend: str) -> Finding:
    return Finding(check, FindingLevel.RED, message, mend)


def judge_disk(free_bytes: int) -> Finding:
    mend = "make room on the disk of DESKBRIDGE_DATA_DIR"
    message = f"{free_bytes // 1_000_000} MB are left"
    if free_bytes < DISK_RED_BYTES:
        return _red("disk", f"{message}: soon nothing can be kept", mend)
    return _warning("disk", message, mend) if free_bytes < DISK_WARNING_BYTES else _ok("disk", message)


def judge_backlog(oldest_at: datetime | None, *, workers: int, now: datetime) -> Finding:
    if oldest_at is None or now - oldest_at < BACKLOG:
        return _ok("backlog", "no event waits for long")
    minutes = int((now - oldest_at).total_seconds() // 60)
    if not workers:
        return _red("backlog", f"events wait for {minutes} min and no worker lives", "start `deskbridge worker`")
    mend = "start more workers, and read the log for lane.failed"
    return _red("backlog", f"events wait for {minutes} min: the workers do not keep up", mend)


def judge_dead_letters(count: int) -> Finding:
    if not count:
        return _ok("dead letters", "there are none")
    mend = "see `deskbridge events causes`, mend the cause, replay or drop"
    return _warning("dead letters", f"{count} could not be done and wait for a decision", mend)


def judge_persistence(redis: Mapping[str, str]) -> Finding:
    """`redis`: what CONFIG GET says. What is lost with Redis is made anew, so none of it is red."""
    mend = "set `appendonly yes` and `maxmemory-policy noeviction` in Redis"
    if redis.get("maxmemory", "0") != "0" and redis.get("maxmemory-policy", "noeviction") != "noeviction":
        return _warning("Redis persistence", "limits may be evicted, and then forgotten", mend)
    if redis.get("appendonly") == "no" and not redis.get("save", ""):
        return _warning("Redis persistence", "a restart forgets limits and counters", mend)
    return _ok("Redis persistence", "limits and counters outlive a restart")


def judge_clock(apart: timedelta) -> Finding:
    if abs(apart) <= CLOCKS_APART:
        return _ok("clock", "agrees with Redis")
    seconds = int(abs(apart).total_seconds())
    mend = "synchronise the clocks of all machines (chrony, systemd-timesyncd): windows and signatures go by them"
    return _red("clock", f"is {seconds} s apart from the one of Redis", mend)


def judge_account(waba: Mapping[str, object]) -> list[Finding]:
    """What Meta says of the business account (fact sheet WhatsApp 7.2, 7.4). What it does not say is not judged."""
    findings = []
    review = str(waba.get("account_review_status") or "APPROVED")
    if review != "APPROVED":
        level = _warning if review == "PENDING" else _red
        findings.append(level("business account", f"its review stands at {review}", _MANAGER))
    if "currency" in waba and not waba["currency"]:
        mend = "add a payment method in WhatsApp Manager > Payment settings (131042 otherwise)"
        findings.append(_red("payment", "no currency is set, so nothing that costs can be sent", mend))
    health = waba.get("health_status")
    for entity in _entities(health):
        if entity.get("can_send_message") == "BLOCKED":
            kind = str(entity.get("entity_type", "account")).lower().replace("_", " ")
            findings.append(_red("business account", f"Meta blocks the {kind}", _advice(entity)))
    return findings or [_ok("business account", "Meta has nothing against it")]


def _entities(health: object) -> list[Mapping[str, object]]:
    entities = health.get("entities") if isinstance(health, Mapping) else None
    return [one for one in entities if isinstance(one, Mapping)] if isinstance(entities, list) else []


def _advice(entity: Mapping[str, object]) -> str:
    errors = entity.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    code = first.get("error_code")
    return _MANAGER + (f" (code {code})" if isinstance(code, int) else "")


def judge_number(number: Mapping[str, object]) -> list[Finding]:
    """Beside its connection (fact sheet WhatsApp 7.3)."""
    findings = []
    if number.get("platform_type") not in (None, "CLOUD_API"):
        mend = "register the number for the Cloud API"
        findings.append(_red("number registration", f"it is on {number['platform_type']}, not CLOUD_API", mend))
    if number.get("quality_rating") == "RED":
        mend = "send fewer messages that nobody asked for: WhatsApp lowers the limits next"
        findings.append(_warning("quality", "customers block or report what this number sends", mend))
    if number.get("name_status") in ("DECLINED", "EXPIRED"):
        mend = "choose another display name in WhatsApp Manager"
        findings.append(_warning("display name", f"it is {str(number['name_status']).lower()}", mend))
    if number.get("account_mode") == "SANDBOX":
        mend = "use a number of your own: a test number reaches five recipients"
        findings.append(_warning("number registration", "it is a test number", mend))
    return findings or [_ok("quality", f"{number.get('quality_rating', 'unknown')}")]


def judge_number_settings(settings: Mapping[str, object]) -> list[Finding]:
    """Fact sheet WhatsApp 7.8: what would make webhooks unreadable, or messages vanish."""
    findings = []
    encryption = settings.get("payload_encryption")
    if isinstance(encryption, Mapping) and str(encryption.get("status")).upper() == "ENABLED":
        mend = "switch payload encryption off in the number's settings"
        findings.append(_red("payload encryption", "bodies are encrypted for a key that is not here", mend))
    storage = settings.get("storage_configuration")
    if isinstance(storage, Mapping) and storage.get("status") == "NO_STORAGE_ENABLED":
        mend = "keep it only if you must: after an outage of ours Meta has nothing to repeat"
        findings.append(_warning("storage", "Meta keeps no messages", mend))
    return findings or [_ok("number settings", "nothing in the way")]


async def look_around(settings: Settings, store: Store, redis: Redis) -> list[Finding]:
    """This installation: disk, backlog, dead letters, Redis, clocks. Raises `StoreUnavailable`."""
    real_now = store.clock.real_now()
    oldest_at, workers, dead = await store.database.read(partial(_standing, real_now=real_now))
    findings = [
        judge_disk(await asyncio.to_thread(lambda: shutil.disk_usage(settings.data_dir).free)),
        judge_backlog(oldest_at, workers=workers, now=store.clock.business_now()),
        judge_dead_letters(dead),
    ]
    try:
        seconds, microseconds = await redis.time()
        there = timedelta(seconds=int(seconds), microseconds=int(microseconds))
        findings.append(judge_clock(there - timedelta(seconds=real_now.timestamp())))
        said: dict[str, str] = {}
        for pattern in ("appendonly", "save", "maxmemory*"):
            said |= _texts(await redis.config_get(pattern))
        findings.append(judge_persistence(said))
    except (RedisError, OSError):
        return findings  # the first lines say that it does not answer, or that it keeps its configuration to itself
    return findings


def _texts(values: Mapping[Any, Any]) -> dict[str, str]:
    def text(value: object) -> str:
        return value.decode() if isinstance(value, bytes) else str(value)

    return {text(name): text(value) for name, value in values.items()}


def _standing(connection: Connection, *, real_now: datetime) -> tuple[datetime | None, int, int]:
    oldest_at = connection.execute(select(func.min(inbox.c.received_at)).where(inbox.c.state == "new")).scalar_one()
    alive = select(func.count()).select_from(worker).where(worker.c.seen_at > real_now - WORKER_GONE_AFTER)
    dead = sum(cause.count for cause in dead_letters.causes(connection))
    return oldest_at, connection.execute(alive).scalar_one(), dead


async def _long_body() -> AsyncIterator[bytes]:
    for _ in range(BODY_BYTES // PIECE_BYTES):
        yield b"x" * PIECE_BYTES


async def look_from_outside(public_url: str) -> Finding:
    """Does the public address lead here, and does what stands before us let whole bodies through?"""
    url = f"{public_url}/webhooks/whatsapp"
    mend = "see that DESKBRIDGE_PUBLIC_URL leads to the web part, and that its name and certificate are right"
    async with remote_client(public_url, timeout_seconds=15) as client:
        try:
            shaken = await client.get("/webhooks/whatsapp")
            length = {"content-length": str(BODY_BYTES)}
            sent = await client.post("/webhooks/whatsapp", content=_long_body(), headers=length)
        except httpx.HTTPError as exc:
            return _warning("public address", f"cannot be reached from here ({type(exc).__name__})", mend)
    if shaken.status_code != httpx.codes.FORBIDDEN:
        return _red(
            "public address", f"{url} answers {shaken.status_code} to a stranger, not 403: it is not ours", mend
        )
    if sent.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        limit = "let the proxy pass bodies of 4 MiB (nginx: client_max_body_size 4m)"
        return _red("body limit", "the proxy refuses bodies that Meta may send", limit)
    return _ok("public address", f"webhooks come to {public_url}")


Round = Callable[[], Awaitable[Sequence[Finding]]]


async def keep_looking(store: Store, of_channel: Channel, look: Round) -> None:
    """Once an hour one of all workers makes the round and keeps what it found. Ends by being cancelled."""
    await asyncio.sleep(FIRST_AFTER_SECONDS)
    every = EVERY
    while True:
        try:
            now = store.clock.real_now()
            if await store.database.write(partial(claim, now=now, every=every)):
                findings = await look()
                await store.database.write(
                    partial(keep, vault=store.vault, of_channel=of_channel, findings=findings, now=now)
                )
                red = sum(finding.level is FindingLevel.RED for finding in findings)
                log.info("doctor.looked", count=red)
                every = AGAIN_WHEN_RED if red else EVERY
        except StoreUnavailable:
            log.warning("store.unavailable")
        except Exception as exc:
            log.error("doctor.failed", exc_info=exc)
        await asyncio.sleep(LOOK_SECONDS)


def claim(connection: Connection, *, now: datetime, every: timedelta = EVERY) -> bool:
    """Is a round due, and is it ours?"""
    insert_once(connection, progress, {"name": ROUND, "reached": ""}, unique=(progress.c.name,))
    due = progress.c.reached <= (now - every).isoformat()
    mine = update(progress).where(progress.c.name == ROUND, due).values(reached=now.isoformat())
    return bool(connection.execute(mine).rowcount)


def keep(
    connection: Connection, *, vault: Vault, of_channel: Channel, findings: Sequence[Finding], now: datetime
) -> None:
    kept = {"at": now, "findings": [[one.check, one.level.value, one.message, one.mend] for one in findings]}
    channels.save_settings(connection, vault, channel_id=of_channel.id, values={FINDINGS: orjson.dumps(kept).decode()})


def kept_findings(connection: Connection, vault: Vault) -> tuple[datetime | None, list[Finding]]:
    """What the last round found on every channel, and when it was made. Raises `UnknownKey`."""
    found: list[Finding] = []
    at: datetime | None = None
    for channel_id in connection.execute(select(channel.c.id)).scalars().all():
        text = channels.load_settings(connection, vault, channel_id=channel_id).get(FINDINGS)
        if text is None:
            continue
        kept = orjson.loads(text)
        at = datetime.fromisoformat(kept["at"])
        found += [
            Finding(check, FindingLevel(level), message, mend) for check, level, message, mend in kept["findings"]
        ]
    return at, found
