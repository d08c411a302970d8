"""An installation's web part in process, over a real database, with people in it and a client for each role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from bridge.api.app import build_face
from bridge.api.context import ApiContext
from bridge.console.app import add_console
from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.domain.roles import Caller, Role
from bridge.runtime import tokens, web, wiring
from bridge.runtime.settings import Settings, load_settings
from bridge.runtime.wiring import Store
from bridge.store import channels, contacts, conversations, inbox, messages, outbox
from bridge.store.tables import EffectKind, EffectState, Lane
from tests.store.world import sender
from webhooks.app import EdgeServices, Readiness, build_app
from webhooks.group_commit import GroupCommit
from webhooks.metrics import EdgeMetrics

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADMIN_TOKEN = "the-configured-token-0123456789"
NUMBER = "351910000111"
BSUID = "PT.30991122334455667788"
NAME = "Inês Margarida Duarte"
TEXT = "The parcel went to the wrong street"
WAMID = "wamid.HBgMMzUxOTEwMDAwMTExFQIAEhgg"
BODY = f'{{"from_user_id": "{BSUID}", "text": {{"body": "{TEXT}"}}}}'.encode()
ROOT = Caller("", "root", Role.ADMIN)


@dataclass
class World:
    """`clients` by role; `None` is nobody's."""

    settings: Settings
    store: Store
    clients: dict[Role | None, httpx.AsyncClient]
    channel_id: str
    ids: dict[str, str] = field(default_factory=dict)
    rung: int = 0

    @property
    def admin(self) -> httpx.AsyncClient:
        return self.clients[Role.ADMIN]

    @property
    def agent(self) -> httpx.AsyncClient:
        return self.clients[Role.AGENT]

    @property
    def reader(self) -> httpx.AsyncClient:
        return self.clients[Role.READ_ONLY]


@asynccontextmanager
async def open_world(database_url: str, folder: Path) -> AsyncIterator[World]:
    """A customer who wrote, a reply that was refused, and dead letters of two causes."""
    settings = load_settings(
        {
            "DESKBRIDGE_DATA_DIR": str(folder / "data"),
            "DESKBRIDGE_DATABASE_URL": database_url,
            "DESKBRIDGE_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "DESKBRIDGE_ADMIN_TOKEN": ADMIN_TOKEN,
            "DESKBRIDGE_SANDBOX": "off",
        },
        accounts=False,
    )
    wiring.migrate(settings)
    with wiring.open_store(settings) as store:
        channel_id, ids = store.database.write_now(lambda connection: _fill(connection, store))
        world = World(settings, store, {}, channel_id, ids)

        async def ring() -> None:
            world.rung += 1

        async def check_readiness() -> Readiness:
            return Readiness(degraded=["Redis does not answer"])

        async def render_metrics() -> bytes:
            return b""

        face = build_face(ApiContext(settings, store, ring, check_readiness))
        add_console(face)
        app = build_app(
            EdgeServices(
                app_secrets=["s"],
                verify_token="v",
                now=lambda: NOW,
                group_commit=GroupCommit(inbox.Inbox(store.database, store.vault, now=lambda: NOW)),
                ring=ring,
                ring_readers={},
                check_readiness=check_readiness,
                identify=lambda token: web.identify(store, token),
                render_metrics=render_metrics,
                metrics=EdgeMetrics(CollectorRegistry()),
                face=face,
            )
        )
        secrets: dict[Role | None, str | None] = {None: None, Role.ADMIN: ADMIN_TOKEN}
        for role in (Role.READ_ONLY, Role.AGENT):
            secrets[role] = store.database.write_now(
                lambda connection, role=role: tokens.create(
                    connection, store.clock, ROOT, name=role.value, role=role, valid_for=None, origin="test"
                )
            )[1]
        for who, secret in secrets.items():
            world.clients[who] = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://bridge",
                headers={"Authorization": f"Bearer {secret}"} if secret else {},
            )
        try:
            yield world
        finally:
            for client in world.clients.values():
                await client.aclose()


def _fill(connection: Connection, store: Store) -> tuple[str, dict[str, str]]:
    vault = store.vault
    channel = channels.ensure_channel(
        connection, helpdesk="zendesk", phone_number_id="990011223344556", waba_id="104857600000001", now=NOW
    )
    owner = contacts.find_or_create(connection, vault, sender(BSUID, NUMBER, NAME), shard=3, now=NOW)
    current = conversations.load_or_create(connection, contact_id=owner.id, channel_id=channel.id, shard=3, now=NOW)
    current.requester_id = "77001"
    current.window = current.window.after_inbound(store.clock.business_now(), now=store.clock.business_now())
    ticket = conversations.add_ticket(connection, current, remote_id="4711", status="open", read_since_at=NOW, now=NOW)
    told = [
        InboxItem(InboxKind.MESSAGE, "990011223344556", f"990011223344556:{WAMID}", BSUID, BODY, 0),
        InboxItem(InboxKind.RING, channel.id, None, "x", b'{"ticket_id": "1"}', 0, "zendesk"),
    ]
    rows = inbox.rows_of(told, vault=vault, received_at=NOW)
    inbox.insert_rows(connection, rows)
    inbox.bury(connection, [rows[0]["id"]], reason="unknown phone_number_id")
    inbound = messages.add_inbound(
        connection,
        vault,
        channel_id=channel.id,
        conversation_id=current.id,
        wamid=WAMID,
        kind="text",
        text=TEXT,
        sent_at=NOW - timedelta(seconds=2),
        now=NOW,
    )
    outbound = messages.add_outbound(
        connection, vault, channel_id=channel.id, conversation_id=current.id, text="We look into it", now=NOW
    )
    effects = {}
    for name, lane, kind, message_id in (
        ("post", Lane.HELPDESK, EffectKind.POST_MESSAGE, inbound),
        ("send", Lane.WHATSAPP, EffectKind.SEND_TEXT, outbound),
    ):
        effects[name] = outbox.add(
            connection,
            vault,
            conversation_id=current.id,
            shard=3,
            lane=lane,
            seq=current.take_seq(),
            kind=kind,
            now=NOW,
            message_id=message_id,
            ticket_id=ticket,
        )
    outbox.set_state(connection, [effects["post"]], EffectState.DEAD, code="422")
    conversations.save(connection, current)
    channels.raise_alarm(connection, kind="dead_letter", subject="post_message", now=NOW)
    return channel.id, {
        "contact": owner.id,
        "conversation": current.id,
        "inbound": inbound or "",
        "outbound": outbound,
        "event": rows[0]["id"],
        "ring": rows[1]["id"],
        **effects,
    }
