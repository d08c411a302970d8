"""When a message is refused although it is well formed: window, unknown people, throughput, pair limit."""

import pytest

from sandbox.whatsapp.limits import PairLimit, Throughput
from tests.sandbox.world import World, code_of

TO = "+351910000111"
HOUR = 3600


async def _failed(world: World, wamid: str) -> int:
    await world.product.until(lambda: world.product.statuses_of(wamid))
    (status,) = world.product.statuses_of(wamid)
    assert status["status"] == "failed"
    code: int = status["errors"][0]["code"]
    return code


async def test_reply_outside_the_window_is_accepted_and_then_fails(world: World) -> None:
    customer = await world.customer(wa_id="351910000111")
    await world.control("/clock", {"advance_seconds": 24 * HOUR + 1})
    answer = await world.text(TO, biz_opaque_callback_data="outbox:1")
    assert answer.status_code == 200
    wamid = answer.json()["messages"][0]["id"]
    assert await _failed(world, wamid) == 131047
    (value,) = [one for one in world.product.values() if "statuses" in one]
    assert "contacts" not in value
    (status,) = value["statuses"]
    assert status["biz_opaque_callback_data"] == "outbox:1"
    assert status["recipient_id"] == "351910000111"
    assert "recipient_user_id" not in status
    thread = await world.look(f"/customers/{customer['id']}/messages")
    assert [bubble["direction"] for bubble in thread] == ["in"]
    (refused,) = await world.look("/whatsapp/refused")
    assert (refused["code"], refused["where"], refused["injected"]) == (131047, "status", False)


async def test_window_error_comes_at_once_when_the_switch_says_so(world: World) -> None:
    await world.customer(wa_id="351910000111", writes=False)
    await world.faults(window_error_sync=True)
    answer = await world.text(TO)
    assert (answer.status_code, code_of(answer)) == (400, 131047)


async def test_window_counts_from_the_timestamp_of_the_last_message(world: World) -> None:
    customer = await world.customer(wa_id="351910000111", writes=False)
    now = world.sandbox.clock.timestamp()
    path = f"/customers/{customer['id']}/messages"
    await world.control(path, {"text": "old", "timestamp": now - 23 * HOUR})
    await world.control(path, {"text": "older, told later", "timestamp": now - 30 * HOUR})
    assert (await world.text(TO)).status_code == 200
    await world.control("/clock", {"advance_seconds": HOUR + 1})
    await world.faults(pair_limit=False)
    assert await _failed(world, (await world.text(TO)).json()["messages"][0]["id"]) == 131047


@pytest.mark.parametrize(
    ("message", "switch"),
    [
        ({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}, "reaction_opens_window"),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, "unsupported_opens_window"),
    ],
)
async def test_reactions_and_unsupported_messages_open_the_window_only_by_switch(
    world: World, message: dict[str, object], switch: str
) -> None:
    customer = await world.customer(wa_id="351910000111", writes=False)
    await world.faults(pair_limit=False)
    path = f"/customers/{customer['id']}/messages"
    await world.control(path, {"message": message})
    assert await _failed(world, (await world.text(TO)).json()["messages"][0]["id"]) == 131047
    await world.faults(**{switch: True})
    await world.control(path, {"message": message})
    wamid = (await world.text(TO)).json()["messages"][0]["id"]
    await world.product.until(lambda: world.product.statuses_of(wamid))
    assert world.product.statuses_of(wamid)[0]["status"] != "failed"


async def test_unknown_person_is_accepted_and_then_fails(world: World) -> None:
    answer = await world.text("+351999999999")
    assert answer.status_code == 200
    assert await _failed(world, answer.json()["messages"][0]["id"]) == 131026


async def test_reaction_to_an_unknown_message_fails_later(world: World) -> None:
    await world.customer(wa_id="351910000111")
    reaction = {"message_id": "wamid.unknown", "emoji": "👍"}
    answer = await world.send({"to": TO, "type": "reaction", "reaction": reaction})
    assert await _failed(world, answer.json()["messages"][0]["id"]) == 131009


async def test_second_message_within_6_s_borrows_and_the_46th_is_refused(world: World) -> None:
    await world.customer(wa_id="351910000111")
    answers = [await world.text(TO) for _ in range(46)]
    assert [answer.status_code for answer in answers[:45]] == [200] * 45
    assert (answers[45].status_code, code_of(answers[45])) == (400, 131056)
    await world.faults(pair_limit=False)
    assert (await world.text(TO)).status_code == 200


async def test_throughput_of_the_number_counts_customers_too(world: World) -> None:
    await world.faults(throughput_per_second=3, pair_limit=False)
    customer = await world.customer(wa_id="351910000111")
    await world.control(f"/customers/{customer['id']}/messages", {"text": "again"})
    assert (await world.text(TO)).status_code == 200
    assert code_of(await world.text(TO)) == 130429
    await world.faults(throughput_per_second=0)
    assert (await world.text(TO)).status_code == 200


def test_throughput_looks_at_any_stretch_of_one_second() -> None:
    throughput = Throughput()
    for step in range(80):
        assert not throughput.full(now=0.5 + step / 1000, per_second=80)
        throughput.count(now=0.5 + step / 1000)
    assert throughput.full(now=1.499, per_second=80)
    assert not throughput.full(now=1.5, per_second=80)


def test_pair_limit_allows_one_message_per_6_s() -> None:
    limit, pair = PairLimit(), ("number", "customer")
    for step in range(100):
        assert limit.allows(pair, now=step * 6.0)
        limit.count(pair, now=step * 6.0)


def test_after_a_burst_of_20_nothing_passes_for_2_minutes() -> None:
    limit, pair = PairLimit(), ("number", "customer")
    for step in range(20):
        assert limit.allows(pair, now=100.0 + step * 0.1)
        limit.count(pair, now=100.0 + step * 0.1)
    assert limit.allows(pair, now=105.9)
    assert not limit.allows(pair, now=106.0)
    assert not limit.allows(pair, now=219.9)
    assert limit.allows(pair, now=220.0)
    assert limit.allows(("number", "another"), now=106.0)


def test_burst_ends_at_45() -> None:
    limit, pair = PairLimit(), ("number", "customer")
    for _ in range(45):
        assert limit.allows(pair, now=1.0)
        limit.count(pair, now=1.0)
    assert not limit.allows(pair, now=1.0)
    assert not limit.allows(pair, now=270.9)
    assert limit.allows(pair, now=271.0)
