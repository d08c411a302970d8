"""Story: Redis forgets or stops, workers are killed: nothing is lost and nothing is doubled."""

import json
from collections.abc import Iterator

import pytest
import redis

from tests.flow.installation import Installation
from tests.flow.waiting import eventually
from tests.flow.world import World


@pytest.fixture
def stopped_redis(world: World) -> Iterator[Installation]:
    """Redis is ended for the test, and runs again afterwards."""
    world.installation.redis_disturbed = True
    world.installation.redis.stop()
    yield world.installation
    world.installation.redis.stop()
    world.installation.redis.start()


def test_wiped_redis_loses_nothing(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    said = [world.words(f"said {number}") for number in range(4)]
    answered = [world.words(f"answered {number}") for number in range(4)]
    world.installation.redis_disturbed = True
    with redis.Redis.from_url(world.installation.redis.url) as client:
        for text, answer in zip(said, answered, strict=True):
            ana.writes(text)
            client.flushall()
            ticket.replies(answer)
            client.flushall()
            ticket.shows(text)
    ana.gets(*answered)
    world.settle()
    ticket.shows(*said)
    ana.gets(*answered)


def test_without_redis_messages_reach_the_ticket_and_replies_wait(world: World, stopped_redis: Installation) -> None:
    ana = world.customer()
    text, answer = world.words("is anybody there"), world.words("yes")
    eventually(stopped_redis.readiness, lambda ready: ready[0] == 200 and "degraded" in ready[1])

    ana.writes(text)
    ticket = ana.ticket()
    ticket.shows(text)
    ticket.replies(answer)
    eventually(lambda: stopped_redis.metric("deskbridge_effect_rows", kind="send_text", state="ready"), 1.0)
    assert ana.received() == []
    stopped_redis.redis.start()
    ana.gets(answer)
    eventually(stopped_redis.readiness, lambda ready: "degraded" not in ready[1])
    world.settle()
    ana.gets(answer)


def test_workers_that_were_away_take_up_what_came_meanwhile(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    worker = world.installation.worker
    said, answered = world.words("said meanwhile"), world.words("answered meanwhile")
    worker.stop()
    ana.writes(said)
    ticket.replies(answered)
    worker.start()
    ticket.shows(said)
    ana.gets(answered)
    world.settle()
    ana.gets(answered)


def test_dead_letter_is_listed_and_replayed(world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.faults({"helpdesk.down": True})
    text = world.words("three days late")
    known = {event["id"] for event in _dead(world)}
    mark = world.calls_mark()
    ana.writes(text)
    eventually(lambda: world.calls_since(mark), bool)

    world.advance(hours=73)
    fresh = eventually(lambda: [event for event in _dead(world) if event["id"] not in known], bool)
    assert [event["kind"] for event in fresh] == ["post_message"]
    assert world.installation.metric("deskbridge_alarms", kind="dead_letter") > 0
    world.faults({"helpdesk.down": False})
    assert json.loads(world.installation.run("events", "replay", fresh[0]["id"], "--json"))
    ticket.shows(text)
    assert fresh[0]["id"] not in {event["id"] for event in _dead(world)}


def _dead(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(world.installation.run("events", "list", "--json"))
    return found


def test_metrics_count_what_happened_and_name_nobody(world: World) -> None:
    ana = world.customer()
    names = ("messages_received", "replies_received", "tickets_read")
    before = {name: world.installation.metric(f"deskbridge_{name}_total") for name in names}
    ticket = ana.has_ticket()
    answer = world.words("an answer")
    ticket.replies(answer)
    ana.gets(answer)
    world.settle()

    for name in names:
        eventually(
            lambda name=name: world.installation.metric(f"deskbridge_{name}_total"),  # type: ignore[misc]  # bound now
            lambda value, name=name: value > before[name],
        )
    told = str(world.installation.metrics())
    assert not [text for text in world.private if text in told]
    assert world.installation.metric("deskbridge_database_up") == 1.0
    assert world.installation.metric("deskbridge_ticket_fields", helpdesk=world.desk.name) == world.desk.ticket_fields


def test_doctor_is_green_once_everything_is_set_up(world: World) -> None:
    findings = json.loads(world.installation.run("doctor", "--json"))
    assert findings
    assert {finding["level"] for finding in findings} <= {"ok", "warning"}
