"""Do we know what Meta's templates are? Full listings, single events, drift, failures, drafts without an answer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from bridge.runtime import template_sync
from bridge.runtime.services import Moment
from bridge.store import migration, templates
from bridge.store.crypto import MasterKeys, Vault
from bridge.store.database import Database
from bridge.store.tables import alarm
from bridge.store.templates import Stored
from bridge.whatsapp.template_api import Listing
from connectors.errors import RetryLater
from templates_registry.events import read_event
from templates_registry.model import Category, Quality, RemoteTemplate, TemplateStatus
from templates_registry.wire import read_draft, read_template
from tests.template_examples import EXAMPLES, body

WABA = "104857600000001"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
VAULT = Vault(MasterKeys([b"k" * 32]), index_key=b"i" * 32)
MOMENT = Moment(NOW, NOW)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    migration.upgrade(database_url)
    async with Database(database_url) as opened:
        yield opened


def remote(name: str = "hello", **changes: Any) -> RemoteTemplate:
    node = {
        "id": f"25{abs(hash(name)) % 10**10}",
        "name": name,
        "language": "en_US",
        "status": "APPROVED",
        "category": "UTILITY",
        "components": [body("There is news about your ticket for you.")],
    }
    found = read_template(node | changes)
    assert found is not None
    return found


def later(**more: float) -> Moment:
    at = NOW + timedelta(**more)
    return Moment(at, at)


async def listing(
    database: Database, *found: RemoteTemplate, moment: Moment = MOMENT, quota: int | None = None
) -> template_sync.SyncReport:
    return await database.write(
        lambda connection: template_sync.take_listing(
            connection, VAULT, Listing(list(found), 0, quota), waba_id=WABA, moment=moment, asked_at=moment.business
        )
    )


async def told(database: Database, field: str, moment: Moment = MOMENT, **value: Any) -> None:
    about = {"message_template_name": "hello", "message_template_language": "en-US", "message_template_id": 1}
    event = read_event(field, about | value)
    assert event is not None
    await database.write(lambda connection: template_sync.take_event(connection, VAULT, WABA, event, moment))


async def the(database: Database, name: str = "hello") -> Stored:
    (found,) = await database.read(lambda connection: templates.find_named(connection, VAULT, waba_id=WABA, name=name))
    return found


async def alarms(database: Database) -> set[str]:
    return await database.read(lambda connection: set(connection.execute(select(alarm.c.kind)).scalars()))


async def test_listing_adds_changes_and_takes_away(database: Database) -> None:
    first = await listing(database, *(remote(name) for name in ("a", "b", "c")), quota=6000)
    assert (first.count, first.added, first.gone) == (3, 3, 0)
    again = await listing(database, *(remote(name) for name in ("a", "b", "c")))
    assert (again.added, again.changed, again.gone) == (0, 0, 0)
    rejected = remote("b", status="REJECTED", rejected_reason="INVALID_FORMAT")
    third = await listing(database, remote("a"), rejected)
    assert (third.changed, third.gone) == (1, 1)
    mine = await the(database, "b")
    assert (mine.status, mine.rejected_reason) == (TemplateStatus.REJECTED, "INVALID_FORMAT")
    names = await database.read(lambda connection: templates.list_all(connection, VAULT, waba_id=WABA))
    assert [one.name for one in names] == ["a", "b"]
    assert await alarms(database) == {"template_not_sendable"}


async def test_every_kind_is_kept_and_opened_as_it_was(database: Database) -> None:
    nodes = [
        remote(example.name, **{key: value for key, value in example.body().items() if key != "name"})
        for example in EXAMPLES
    ]
    await listing(database, *nodes)
    kept = await database.read(lambda connection: templates.list_all(connection, VAULT, waba_id=WABA))
    by_name = {one.name: one.draft for one in kept}
    assert by_name == {example.name: read_draft(example.body()) for example in EXAMPLES}


async def test_what_somebody_changes_at_meta_is_a_version_and_drift(database: Database) -> None:
    await listing(database, remote())
    changed = remote(components=[body("Somebody else wrote this text in the manager.")])
    report = await listing(database, changed, moment=later(hours=1))
    assert report.drifted == 1
    mine = await the(database)
    assert (mine.version, mine.drifted_at) == (2, NOW + timedelta(hours=1))
    versions = await database.read(lambda connection: templates.list_versions(connection, VAULT, mine.id))
    assert [(one.number, one.origin) for one in versions] == [(2, "elsewhere"), (1, "synced")]
    assert (await listing(database, changed)).drifted == 0


async def test_events_hold_at_once_and_the_template_is_read_anew(database: Database) -> None:
    await listing(database, remote(id="1"))
    await told(database, "message_template_status_update", event="PAUSED", reason="NONE")
    assert (await the(database)).status is TemplateStatus.PAUSED
    await told(database, "message_template_quality_update", previous_quality_score="GREEN", new_quality_score="RED")
    assert (await the(database)).quality is Quality.RED
    stale = await database.read(lambda connection: templates.stale_remote_ids(connection, waba_id=WABA, limit=9))
    assert stale == ["1"]
    await database.write(
        lambda connection: template_sync.take_read(
            connection, vault=VAULT, waba_id=WABA, remote_id="1", remote=remote(id="1"), moment=MOMENT
        )
    )
    assert (await the(database)).status is TemplateStatus.APPROVED
    assert await database.read(lambda c: templates.stale_remote_ids(c, waba_id=WABA, limit=9)) == []
    assert await alarms(database) == {"template_not_sendable", "template_quality_low"}


async def test_category_that_meta_changes_is_an_alarm_and_holds_at_once(database: Database) -> None:
    await listing(database, remote(id="1"))
    await told(
        database,
        "template_category_update",
        new_category="UTILITY",
        correct_category="MARKETING",
        category_update_timestamp=1793613600,
    )
    noticed = await the(database)
    assert (noticed.category, noticed.correct_category) == (Category.UTILITY, Category.MARKETING)
    assert await alarms(database) == {"template_category_changed"}
    await told(database, "template_category_update", previous_category="UTILITY", new_category="MARKETING")
    assert (await the(database)).category is Category.MARKETING


async def test_event_of_a_template_nobody_knows_asks_for_the_whole_list(database: Database) -> None:
    await listing(database)
    every, soonest = timedelta(hours=6), timedelta(seconds=20)

    def is_due(connection: Connection) -> bool:
        return templates.is_sync_due(connection, waba_id=WABA, every=every, soonest=soonest, real_now=NOW)

    await database.write(
        lambda c: templates.claim_sync(
            c, waba_id=WABA, every=every, soonest=soonest, real_now=NOW - timedelta(minutes=1)
        )
    )
    assert not await database.read(is_due)
    await told(database, "message_template_status_update", event="APPROVED")
    assert await database.read(is_due)


async def test_fifth_failure_in_a_row_is_an_alarm_that_ends_with_the_next_success(database: Database) -> None:
    for number in range(1, 6):
        await database.write(
            lambda connection: template_sync.record_failure(
                connection, waba_id=WABA, failure=RetryLater("131000"), real_now=NOW
            )
        )
        state = await database.read(lambda connection: templates.sync_state(connection, waba_id=WABA))
        assert (state.failures, state.error, state.error_at) == (number, "131000", NOW)
        assert ("template_sync_failed" in await alarms(database)) is (number == 5)
    await listing(database, remote())
    state = await database.read(lambda connection: templates.sync_state(connection, waba_id=WABA))
    assert (state.failures, state.error, state.synced_at) == (0, None, NOW)
    assert await alarms(database) == set()


async def test_draft_without_an_answer_is_settled_by_the_next_listing(database: Database) -> None:
    def draft(connection: Connection, name: str) -> None:
        wanted = replace(remote(name).draft, content=remote(name).draft.content)
        templates.add(
            connection,
            VAULT,
            waba_id=WABA,
            draft=wanted,
            status=TemplateStatus.DRAFT,
            origin=templates.SUBMITTED,
            now=NOW,
        )

    for name in ("taken", "lost"):
        await database.write(lambda connection, name=name: draft(connection, name))  # type: ignore[misc]
    await listing(database, remote("taken", status="PENDING"), moment=later(minutes=1))
    assert (await the(database, "taken")).status is TemplateStatus.PENDING
    assert (await the(database, "taken")).version == 1
    assert (await the(database, "lost")).status is TemplateStatus.DRAFT
    await listing(database, remote("taken"), moment=later(minutes=10))
    assert await database.read(lambda c: templates.find_named(c, VAULT, waba_id=WABA, name="lost")) == []
