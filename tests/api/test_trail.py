"""Can what happened to one message be told from what is kept, without anybody's words?"""

from datetime import timedelta

from sqlalchemy import Connection, text

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.domain.model import MessageStatus
from bridge.store import inbox, messages, outbox, triggers
from bridge.store.messages import StatusChange
from bridge.store.migration import upgrade
from bridge.store.tables import EffectState
from tests.api.world import NAME, NOW, NUMBER, TEXT, World

OUT_WAMID = "wamid.OUT1"


async def test_every_step_of_a_reply_is_told_with_its_reason(world: World) -> None:
    vault = world.store.vault
    send = world.ids["send"]

    def live(connection: Connection) -> None:
        outbox.hold(connection, send, until=NOW)
        outbox.release_held(connection, world.ids["conversation"], now=NOW)
        outbox.mark_performing(connection, [send], real_now=NOW)
        outbox.retry(connection, [send], state=EffectState.READY, due_at=NOW + timedelta(days=900), code="503")
        outbox.retry(connection, [send], state=EffectState.READY, not_before_at=NOW, code="waits for limit: pair")
        outbox.retry(connection, [send], state=EffectState.READY, not_before_at=NOW, code="waits for limit: pair")
        outbox.mark_performing(connection, [send], real_now=NOW)
        outbox.set_state(connection, [send], EffectState.DONE)
        messages.accept(connection, vault, world.ids["outbound"], wamid=OUT_WAMID, now=NOW)
        key = f"status:990011223344556:{OUT_WAMID}:failed:"
        told = [InboxItem(InboxKind.STATUS, "990011223344556", key, NUMBER, b"{}", 0)]
        inbox.insert_rows(connection, inbox.rows_of(told, vault=vault, received_at=NOW + timedelta(seconds=9)))
        failed = StatusChange(world.ids["outbound"], MessageStatus.FAILED, NOW, error_code=131026)
        messages.save_statuses(connection, vault, [failed])
        outbox.set_state(connection, [send], EffectState.FAILED, code="131026")

    await world.store.database.write(live)
    answer = await world.reader.get(f"/api/v1/messages/{world.ids['outbound']}/trail")
    steps = answer.json()["steps"]
    told = [(step["what"], step["reason"]) for step in steps if step["effect_id"] == send]
    assert told == [
        ("resolved", None),
        ("held", None),
        ("ready", None),
        ("performing", None),
        ("ready", "503"),
        ("ready", "waits for limit: pair"),
        ("performing", "waits for limit: pair"),
        ("done", None),
        ("failed", "131026"),
    ]
    assert [step["attempt"] for step in steps if step["what"] == "performing"] == [1, 2]
    (status,) = [step for step in steps if step["what"] == "status"]
    assert (status["text"], status["reason"]) == ("WhatsApp told: failed", "131026")
    assert all(step["milliseconds"] is not None for step in steps if step["what"] == "done")
    assert next(step for step in steps if step["reason"] == "503")["next_at"].startswith("2029-05-08")
    assert not [word for word in (NAME, NUMBER, TEXT, OUT_WAMID) if word in answer.text]


async def test_customer_s_message_is_followed_to_the_ticket_with_its_request_redacted(world: World) -> None:
    vault = world.store.vault
    post = world.ids["post"]

    def live(connection: Connection) -> None:
        outbox.set_state(connection, [post], EffectState.READY)
        request = f'{{"ticket": {{"comment": {{"body": "{TEXT}", "public": true}}, "requester_id": 77001}}}}'
        outbox.freeze(connection, vault, [post], request=b"key-1\n4711\n" + request.encode(), real_now=NOW)
        outbox.set_state(connection, [post], EffectState.DONE)

    await world.store.database.write(live)
    trail = (await world.reader.get(f"/api/v1/messages/{world.ids['inbound']}/trail")).json()
    assert [step["what"] for step in trail["steps"]][:2] == ["taken_in", "resolved"]
    (request,) = trail["requests"]
    assert request["target"] == "4711"
    assert request["body"]["ticket"] == {
        "comment": {"body": f"<text, {len(TEXT)} characters>", "public": True},
        "requester_id": "<number, 5 characters>",
    }


async def test_event_shows_what_was_done_about_it(small_world: World) -> None:
    shown = (await small_world.reader.get(f"/api/v1/events/{small_world.ids['post']}")).json()
    assert [step["what"] for step in shown["steps"]] == ["resolved", "dead"]
    assert shown["steps"][-1]["reason"] == "422"


async def test_triggers_come_back_with_the_next_migration(database_url: str) -> None:
    from bridge.store.database import make_engine

    upgrade(database_url)
    engine = make_engine(database_url, writes=True)
    on_table = "" if engine.dialect.name == "sqlite" else " ON effect"
    with engine.begin() as connection:
        assert triggers.present(connection) == triggers.expected(connection)
        connection.execute(text(f"DROP TRIGGER effect_steps{on_table}"))
        assert "effect_steps" not in triggers.present(connection)
    upgrade(database_url)
    with engine.begin() as connection:
        assert triggers.present(connection) == triggers.expected(connection)
    engine.dispose()
