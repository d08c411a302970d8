"""Is each of the checks that need no credentials seen red (or, where nothing is lost by it, as a warning)?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from redis.asyncio import Redis
from sqlalchemy import Connection, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.runtime import checkup, exposition
from bridge.store import channels
from bridge.store.tables import inbox
from connectors.interface import Finding, FindingLevel
from tests.api.world import NOW, World, open_world
from tests.sandbox.world import listening

OK, WARNING, RED = FindingLevel.OK, FindingLevel.WARNING, FindingLevel.RED


def _levels(findings: list[Finding]) -> dict[str, FindingLevel]:
    assert all(finding.mend for finding in findings if finding.level is not OK)
    return {finding.check: finding.level for finding in findings}


@pytest.mark.parametrize(("free", "level"), [(10**8, RED), (5 * 10**8, WARNING), (10**10, OK)])
def test_disk(free: int, level: FindingLevel) -> None:
    assert checkup.judge_disk(free).level is level


def test_backlog_says_whether_anybody_works() -> None:
    old = NOW - timedelta(minutes=5)
    assert checkup.judge_backlog(None, workers=0, now=NOW).level is OK
    assert checkup.judge_backlog(NOW, workers=0, now=NOW).level is OK
    assert "no worker lives" in checkup.judge_backlog(old, workers=0, now=NOW).message
    assert checkup.judge_backlog(old, workers=2, now=NOW).level is RED


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({"appendonly": "no", "save": ""}, WARNING),
        ({"appendonly": "yes", "maxmemory": "1000", "maxmemory-policy": "allkeys-lru"}, WARNING),
        ({"appendonly": "yes", "save": ""}, OK),
        ({}, OK),
    ],
)
def test_redis_persistence(said: dict[str, str], level: FindingLevel) -> None:
    assert checkup.judge_persistence(said).level is level


def test_clock() -> None:
    assert checkup.judge_clock(timedelta(seconds=-6)).level is RED
    assert checkup.judge_clock(timedelta(seconds=4)).level is OK


@pytest.mark.parametrize(
    ("said", "check", "level"),
    [
        ({"account_review_status": "REJECTED"}, "business account", RED),
        ({"account_review_status": "PENDING"}, "business account", WARNING),
        ({"currency": ""}, "payment", RED),
        (
            {"health_status": {"entities": [{"entity_type": "APP", "can_send_message": "BLOCKED"}, 7]}},
            "business account",
            RED,
        ),
        ({"currency": "EUR", "account_review_status": "APPROVED"}, "business account", OK),
        ({"health_status": "nonsense"}, "business account", OK),
    ],
)
def test_business_account(said: dict[str, object], check: str, level: FindingLevel) -> None:
    assert _levels(checkup.judge_account(said)) == {check: level}


@pytest.mark.parametrize(
    ("said", "check", "level"),
    [
        ({"platform_type": "ON_PREMISE"}, "number registration", RED),
        ({"account_mode": "SANDBOX"}, "number registration", WARNING),
        ({"quality_rating": "RED"}, "quality", WARNING),
        ({"name_status": "DECLINED"}, "display name", WARNING),
        ({"platform_type": "CLOUD_API", "quality_rating": "GREEN"}, "quality", OK),
    ],
)
def test_number(said: dict[str, object], check: str, level: FindingLevel) -> None:
    assert _levels(checkup.judge_number(said)) == {check: level}


@pytest.mark.parametrize(
    ("said", "check", "level"),
    [
        ({"payload_encryption": {"status": "ENABLED"}}, "payload encryption", RED),
        ({"storage_configuration": {"status": "NO_STORAGE_ENABLED"}}, "storage", WARNING),
        ({"payload_encryption": {"status": "DISABLED"}, "storage_configuration": 7}, "number settings", OK),
    ],
)
def test_number_settings(said: dict[str, object], check: str, level: FindingLevel) -> None:
    assert _levels(checkup.judge_number_settings(said)) == {check: level}


@pytest.fixture
async def small(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(sqlite_url, tmp_path) as opened:
        yield opened


async def test_installation_is_looked_at_as_it_is(small: World, redis_url: str) -> None:
    def age(connection: Connection) -> None:
        long_ago = small.store.clock.business_now() - timedelta(hours=1)
        connection.execute(update(inbox).where(inbox.c.state == "new").values(received_at=long_ago))

    await small.store.database.write(age)
    async with Redis.from_url(redis_url) as redis:
        levels = _levels(await checkup.look_around(small.settings, small.store, redis))
    assert levels.items() >= {"backlog": RED, "dead letters": WARNING, "clock": OK}.items()
    assert {"disk", "Redis persistence"} <= levels.keys()


async def test_round_is_made_once_an_hour_and_shown(small: World, redis_url: str) -> None:
    channel = small.store.database.write_now(
        lambda connection: channels.ensure_channel(
            connection, helpdesk="zendesk", phone_number_id="990011223344556", waba_id="104857600000001", now=NOW
        )
    )
    found = [Finding("disk", RED, "is full", "make room"), Finding("clock", OK, "agrees")]

    def unit(connection: Connection) -> list[bool]:
        claimed = [checkup.claim(connection, now=NOW + timedelta(minutes=minutes)) for minutes in (0, 59, 61)]
        checkup.keep(connection, vault=small.store.vault, of_channel=channel, findings=found, now=NOW)
        return claimed

    assert await small.store.database.write(unit) == [True, False, True]
    kept = await small.store.database.read(lambda connection: checkup.kept_findings(connection, small.store.vault))
    assert kept == (NOW, found)
    from prometheus_client import CollectorRegistry

    async with Redis.from_url(redis_url) as redis:
        said = await exposition.render(CollectorRegistry(), small.store, redis, data_dir=small.settings.data_dir)
    assert b'deskbridge_doctor_findings{level="red"} 1.0' in said


@pytest.mark.parametrize(
    ("get", "post", "check", "level"),
    [(403, 401, "public address", OK), (200, 401, "public address", RED), (403, 413, "body limit", RED)],
)
async def test_public_address_and_its_body_limit(get: int, post: int, check: str, level: FindingLevel) -> None:
    async def answer(request: Request) -> Response:
        await request.body()
        return Response(status_code=get if request.method == "GET" else post)

    app = Starlette(routes=[Route("/webhooks/whatsapp", answer, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    async with listening(server) as base:
        assert _levels([await checkup.look_from_outside(base)]) == {check: level}


async def test_address_that_nobody_answers_is_said() -> None:
    finding = await checkup.look_from_outside("http://127.0.0.1:9")
    assert (finding.check, finding.level) == ("public address", WARNING)
