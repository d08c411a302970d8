"""A WhatsApp Cloud API in a box: numbers, customers with phones, webhooks, and the ways in which they fail."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.routing import Route

from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.whatsapp.acts import Acts
from sandbox.whatsapp.control import CustomerControl
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.graph import Graph
from sandbox.whatsapp.media import Media, MediaStore
from sandbox.whatsapp.media_api import MediaApi
from sandbox.whatsapp.network import Network
from sandbox.whatsapp.people import Account, Book, Customer, Message
from sandbox.whatsapp.sender import Delivery, WebhookSender
from sandbox.whatsapp.standing import Standing
from sandbox.whatsapp.standing_control import StandingControl
from sandbox.whatsapp.subscriptions import AppSubscription, Subscriptions
from sandbox.whatsapp.templates.api import TemplateApi
from sandbox.whatsapp.templates.control import TemplateControl
from sandbox.whatsapp.templates.desk import TemplateDesk

REVIEW_LOOK_SECONDS = 0.25
SET_UP = ("app_id", "app_secret", "waba_id", "phone_number_id", "display_phone_number", "access_token")


class WhatsApp:
    """Everything that WhatsApp is in the sandbox."""

    def __init__(
        self, *, clock: SandboxClock, journal: Journal, notify: Callable[[str], None], media_folder: Path | None
    ) -> None:
        self.faults = WhatsAppFaults()
        self._media = MediaStore(media_folder)
        self._media_api = MediaApi(store=self._media, faults=self.faults, clock=clock)
        self._accounts: dict[str, Account] = {}
        self._subscriptions = Subscriptions()
        self._book = Book()
        self._sender = WebhookSender(
            accounts=self._accounts,
            subscriptions=self._subscriptions,
            faults=self.faults,
            clock=clock,
            journal=journal,
            answered=self._answered,
        )
        self._templates = TemplateDesk(
            accounts=self._accounts,
            faults=self.faults,
            sender=self._sender,
            clock=clock,
            journal=journal,
            notify=notify,
        )
        self._reviewing: asyncio.Task[None] | None = None
        standing = Standing()
        self._network = Network(
            book=self._book,
            faults=self.faults,
            sender=self._sender,
            clock=clock,
            journal=journal,
            notify=notify,
            accounts=self._accounts,
            media=self._media,
            templates=self._templates,
            standing=standing,
        )
        self._graph = Graph(
            accounts=self._accounts,
            subscriptions=self._subscriptions,
            faults=self.faults,
            network=self._network,
            sender=self._sender,
            templates=TemplateApi(desk=self._templates, faults=self.faults),
            journal=journal,
            clock=clock,
            media=self._media,
            media_api=self._media_api,
            notify=notify,
            standing=standing,
        )
        self._standing_control = StandingControl(
            accounts=self._accounts, standing=standing, network=self._network, sender=self._sender, clock=clock
        )
        self._template_control = TemplateControl(desk=self._templates)
        self._control = CustomerControl(
            accounts=self._accounts,
            subscriptions=self._subscriptions,
            book=self._book,
            network=self._network,
            sender=self._sender,
            clock=clock,
            media=self._media,
        )
        self._acts = Acts(
            accounts=self._accounts,
            book=self._book,
            network=self._network,
            faults=self.faults,
            clock=clock,
            media=self._media,
            media_api=self._media_api,
        )

    def routes(self) -> list[Route]:
        """The vendor API, to be mounted under `/graph`."""
        return self._graph.routes()

    def control_routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            *self._template_control.routes(),
            *self._standing_control.routes(),
            *self._acts.routes(),
            *self._control.routes(),
        ]

    def setup(self, wish: dict[str, Any]) -> None:
        """Add a number, or change what is given of a known one. Raises ValueError for what is missing or unknown."""
        if unknown := sorted(set(wish) - set(SET_UP) - {"verified_name"}):
            raise ValueError(f"whatsapp has no setting {unknown[0]}")
        number = str(wish.get("phone_number_id", next(iter(self._accounts), "")))
        known = self._accounts.get(number)
        values = (asdict(known) if known is not None else {}) | {key: str(value) for key, value in wish.items()}
        if missing := [name for name in SET_UP if not values.get(name)]:
            raise ValueError(f"whatsapp needs {missing[0]}")
        if known is None:
            self._accounts[number] = Account(**values)
            return
        for name, value in values.items():
            setattr(known, name, value)

    def summary(self) -> dict[str, Any]:
        """What is set up, without secrets."""
        return {
            "phone_number_ids": list(self._accounts),
            "subscriptions": {app_id: one.fields for app_id, one in self._subscriptions.apps.items()},
            "subscribed_apps": {waba_id: list(apps) for waba_id, apps in self._subscriptions.accounts.items()},
            "customers": len(self._book.customers),
            "messages": len(self._book.messages),
        }

    def reset(self) -> None:
        """Forget customers, messages, webhooks under way and faults; numbers and subscriptions stay."""
        self.faults.reset()
        self._sender.clear()
        self._network.reset()
        self._media.clear()
        self._templates.reset()

    async def start(self) -> None:
        """Begin to send webhooks."""
        await self._sender.start()
        self._reviewing = asyncio.create_task(self._review())

    async def _review(self) -> None:
        while True:
            self._templates.settle()
            await asyncio.sleep(REVIEW_LOOK_SECONDS)

    async def stop(self) -> None:
        """Stop sending; `dump` still tells what is not delivered."""
        if self._reviewing is not None:
            self._reviewing.cancel()
            await asyncio.gather(self._reviewing, return_exceptions=True)
        await self._sender.stop()
        self._media.close()

    def dump(self) -> dict[str, Any]:
        """JSON-able for orjson (dataclasses are written as objects)."""
        return {
            "accounts": self._accounts,
            "subscriptions": self._subscriptions,
            "customers": list(self._book.customers.values()),
            "messages": list(self._book.messages.values()),
            "pending": self._sender.pending(),
            "network": self._network.dump(),
            "media": list(self._media.kept.values()),
            "templates": self._templates.dump(),
            "faults": self.faults.dump(),
        }

    def load(self, kept: dict[str, Any]) -> None:
        """What `dump` of an earlier run told."""
        for number, account in kept.get("accounts", {}).items():
            self._accounts[number] = Account(**account)
        subscriptions = kept.get("subscriptions", {})
        for app_id, subscription in subscriptions.get("apps", {}).items():
            self._subscriptions.apps[app_id] = AppSubscription(**subscription)
        self._subscriptions.accounts.update(subscriptions.get("accounts", {}))
        for customer in kept.get("customers", ()):
            self._book.add(Customer(**customer))
        for message in kept.get("messages", ()):
            self._book.messages[message["wamid"]] = Message(**message)
        self._sender.restore([Delivery(**delivery) for delivery in kept.get("pending", ())])
        self.faults.update(kept.get("faults", {}))
        self._network.load(kept.get("network", {}))
        for media in kept.get("media", ()):
            self._media.kept[media["id"]] = Media(**media)
        self._templates.load(kept.get("templates", {}))

    def _answered(self, wamids: list[str]) -> None:
        self._network.ticked(wamids)
