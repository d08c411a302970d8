"""How the sandbox is scripted."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.sandbox.world import SETUP, World


async def test_setup_again_changes_nothing_and_resets_nothing(world: World) -> None:
    await world.customer()
    before = await world.look("/state")
    after = await world.control("/setup", {"whatsapp": SETUP})
    assert before["whatsapp"] == after["whatsapp"]
    assert after["whatsapp"]["customers"] == 1


async def test_the_desk_that_was_chosen_is_named_first(world: World) -> None:
    await world.control("/setup", {"zendesk": {"oauth_client_id": "a", "oauth_client_secret": "b" * 64}})
    await world.control("/setup", {"freshdesk": {"api_key": "sandbox-key-0123456789"}})
    assert (await world.look("/state"))["helpdesks"] == ["zendesk", "freshdesk"]
    assert (await world.control("/setup", {"desk": {"name": "freshdesk"}}))["helpdesks"] == ["freshdesk", "zendesk"]


async def test_setup_refuses_what_it_does_not_know(world: World) -> None:
    wishes: list[dict[str, dict[str, object]]] = [
        {"whatsapp": {"shoe_size": 44}},
        {"telegram": {}},
        {"whatsapp": {"phone_number_id": "2"}},
    ]
    for wish in wishes:
        answer = await world.http.post("/sandbox/api/setup", json=wish)
        assert answer.status_code == 400
        assert answer.json()["error"]


async def test_reset_keeps_setup_and_subscriptions_alone(world: World) -> None:
    await world.customer()
    await world.faults(down=True)
    await world.control("/clock", {"advance_seconds": 60})
    state = await world.control("/reset")
    assert (state["whatsapp"]["customers"], state["clock"]["offset_seconds"]) == (0, 0)
    assert state["whatsapp"]["subscriptions"]
    assert not (await world.look("/faults"))["whatsapp.down"]["value"]
    assert await world.look("/customers") == []


async def test_clock_advances_and_is_set(world: World) -> None:
    assert (await world.control("/clock", {"advance_seconds": 3600}))["offset_seconds"] == 3600
    assert (await world.control("/clock", {"advance_seconds": 60.5}))["offset_seconds"] == 3660.5
    assert (await world.control("/clock", {"offset_seconds": 0}))["offset_seconds"] == 0
    assert (await world.http.post("/sandbox/api/clock", json={"hours": 1})).status_code == 400


async def test_faults_explain_themselves_and_refuse_nonsense(world: World) -> None:
    faults = await world.look("/faults")
    assert all(one["help"] for one in faults.values())
    assert {"whatsapp.down", "zendesk.down"} <= set(faults)
    nonsense: list[dict[str, object]] = [
        {"whatsapp.dwon": True},
        {"whatsapp.down": 1},
        {"whatsapp.redeliver": -1},
        {"whatsapp.redeliver": 1.5},
        {"whatsapp.fail_next": {"where": "sync"}},
        {"whatsapp.slow_seconds": 1, "whatsapp.nothing": 1},
    ]
    for wish in nonsense:
        assert (await world.http.post("/sandbox/api/faults", json=wish)).status_code == 400, wish
    assert (await world.look("/faults")) == faults
    turned = await world.control("/faults", {"whatsapp.slow_seconds": 0.25})
    assert turned["whatsapp.slow_seconds"]["value"] == 0.25
    assert (await world.control("/faults", {"whatsapp.slow_seconds": None}))["whatsapp.slow_seconds"]["value"] == 0


async def test_journal_tells_the_newest_first(world: World) -> None:
    await world.customer(wa_id="351910000111")
    await world.product.until(lambda: world.product.requests)
    await world.text("no number")
    (newest,) = await world.look("/journal?limit=1")
    assert (newest["source"], newest["target"]) == ("whatsapp", "product")
    assert newest["summary"].startswith("refused 131009")


async def test_customers_are_one_person_each(world: World) -> None:
    await world.customer(wa_id="+351 910 000 111")
    answer = await world.http.post("/sandbox/api/customers", json={"name": "Rui", "wa_id": "351910000111"})
    assert answer.status_code == 409
    assert (await world.http.get("/sandbox/api/customers/nobody")).status_code == 404


async def test_customer_changes(world: World) -> None:
    customer = await world.customer()
    changed = await world.control(f"/customers/{customer['id']}", {"name": "Rui", "hidden_number": True})
    assert (changed["name"], changed["hidden_number"]) == ("Rui", True)
    answer = await world.http.post(f"/sandbox/api/customers/{customer['id']}", json={"id": "other"})
    assert answer.status_code == 400


async def test_any_message_can_be_sent_with_whatever_belongs_to_it(world: World) -> None:
    customer = await world.customer(writes=False)
    message = {"type": "location", "location": {"latitude": 1, "longitude": 2}, "referral": {"source_type": "ad"}}
    made = await world.control(f"/customers/{customer['id']}/messages", {"message": message})
    await world.product.until(lambda: world.product.requests)
    (told,) = world.product.messages()
    assert (told["id"], told["location"], told["referral"]["source_type"]) == (made["wamid"], message["location"], "ad")
    answer = await world.http.post(f"/sandbox/api/customers/{customer['id']}/messages", json={"text": ""})
    assert answer.status_code == 400


async def test_open_pages_are_told_what_changed(world: World) -> None:
    async with world.http.stream("GET", "/sandbox/api/live") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": hello"
        customer = await world.customer()
        topics: set[str] = set()
        while not {"customers", f"thread:{customer['id']}", "journal"} <= topics:
            line = await anext(lines)
            if line.startswith("data: "):
                topics.add(json.loads(line.removeprefix("data: "))["topic"])


def test_process_serves_and_ends_on_sigint_with_its_state_written(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    state, clock = tmp_path / "state.json", tmp_path / "clock"
    command = [sys.executable, "-m", "sandbox", "--port", port, "--state", str(state), "--clock-file", str(clock)]
    with subprocess.Popen(command) as process:
        try:
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as http:
                assert http.post("/sandbox/api/clock", json={"advance_seconds": 90}).json()["offset_seconds"] == 90
                assert http.post("/sandbox/api/customers", json={"name": "Ines"}).status_code == 201
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
    assert [one["name"] for one in json.loads(state.read_bytes())["whatsapp"]["customers"]] == ["Ines"]
    assert float(clock.read_text()) == 90
