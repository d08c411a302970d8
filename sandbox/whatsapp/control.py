"""How tests and pages play the customers: the control API's part for WhatsApp."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from sandbox.answers import Json, body_of, object_of
from sandbox.clock import SandboxClock
from sandbox.whatsapp.media import MediaStore
from sandbox.whatsapp.network import WINDOW_SECONDS, Network
from sandbox.whatsapp.people import Account, Book, Customer
from sandbox.whatsapp.sender import WebhookSender, written
from sandbox.whatsapp.subscriptions import Subscriptions
from sandbox.whatsapp.validate import BSUID


class CustomerControl:
    """Answers under `/sandbox/api/customers` and `/sandbox/api/whatsapp`."""

    def __init__(
        self,
        *,
        accounts: dict[str, Account],
        subscriptions: Subscriptions,
        book: Book,
        network: Network,
        sender: WebhookSender,
        clock: SandboxClock,
        media: MediaStore,
    ) -> None:
        self._media = media
        self._accounts = accounts
        self._subscriptions = subscriptions
        self._book = book
        self._network = network
        self._sender = sender
        self._clock = clock

    def routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            Route("/customers", self._list, methods=["GET"]),
            Route("/customers", self._create, methods=["POST"]),
            Route("/customers/messages", self._write_many, methods=["POST"]),
            Route("/customers/{id}", self._show, methods=["GET"]),
            Route("/customers/{id}", self._change, methods=["POST"]),
            Route("/customers/{id}/number", self._renumber, methods=["POST"]),
            Route("/customers/{id}/messages", self._thread, methods=["GET"]),
            Route("/customers/{id}/messages", self._write, methods=["POST"]),
            Route("/customers/{id}/read", self._read, methods=["POST"]),
            Route("/whatsapp/media/{id}", self._file, methods=["GET"]),
            Route("/customers/{id}/tap", self._tap, methods=["POST"]),
            Route("/whatsapp/numbers", self._numbers, methods=["GET"]),
            Route("/whatsapp/webhook", self._webhook, methods=["POST"]),
            Route("/whatsapp/sends", self._sends, methods=["GET"]),
            Route("/whatsapp/refused", self._refused, methods=["GET"]),
            Route("/whatsapp/deliveries", self._deliveries, methods=["GET"]),
            Route("/whatsapp/deliveries/retry", self._retry, methods=["POST"]),
        ]

    async def _list(self, _request: Request) -> Response:
        return Json([self._described(customer) for customer in self._book.customers.values()])

    async def _show(self, request: Request) -> Response:
        return Json(self._described(self._customer(request.path_params["id"])))

    async def _create(self, request: Request) -> Response:
        wish = await object_of(request)
        name, user_id = wish.get("name", "Customer"), wish.get("user_id")
        if user_id is not None and not BSUID.match(str(user_id)):
            raise HTTPException(400, "user_id is not a BSUID")
        try:
            customer = self._network.new_customer(
                name=str(name),
                wa_id=wish.get("wa_id"),
                hidden_number=wish.get("hidden_number") is True,
                username=str(wish.get("username", "")),
                user_id=user_id,
            )
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return Json(self._described(customer), status=201)

    async def _change(self, request: Request) -> Response:
        customer = self._customer(request.path_params["id"])
        wish = await object_of(request)
        switches = {"online", "reads", "hidden_number", "read_receipts", "stopped_marketing"}
        if unknown := sorted(set(wish) - switches - {"name", "username"}):
            raise HTTPException(400, f"{unknown[0]} cannot be changed")
        if any(not isinstance(wish[key], bool) for key in switches & set(wish)):
            raise HTTPException(400, "switches are true or false")
        had_stopped = customer.stopped_marketing
        for key, value in wish.items():
            setattr(customer, key, value if isinstance(value, bool) else str(value))
        if customer.stopped_marketing != had_stopped:
            self._network.preference_changed(customer)
        self._network.phone_changed(customer)
        return Json(self._described(customer))

    async def _renumber(self, request: Request) -> Response:
        """`{"wa_id", "hidden": false, "told": true}`: the customer has another number, and WhatsApp tells it."""
        customer = self._customer(request.path_params["id"])
        wish = await object_of(request)
        try:
            self._network.change_number(
                self._account(wish.get("phone_number_id")),
                customer,
                wa_id=str(wish.get("wa_id", "")),
                hidden=wish.get("hidden") is True,
                told=wish.get("told") is not False,
            )
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return Json(self._described(customer))

    async def _thread(self, request: Request) -> Response:
        return Json(self._network.thread(self._customer(request.path_params["id"])))

    async def _write(self, request: Request) -> Response:
        wish = await object_of(request)
        return Json({"wamid": self._written(self._customer(request.path_params["id"]), wish)}, status=201)

    async def _write_many(self, request: Request) -> Response:
        wishes = await body_of(request)
        if not isinstance(wishes, list) or not all(isinstance(wish, dict) for wish in wishes):
            raise HTTPException(400, "the body must be a list of objects")
        customers = [self._customer(str(wish.get("customer", ""))) for wish in wishes]
        wamids = [self._written(customer, wish) for customer, wish in zip(customers, wishes, strict=True)]
        return Json([{"wamid": wamid} for wamid in wamids], status=201)

    def _written(self, customer: Customer, wish: dict[str, Any]) -> str:
        """One message of a customer, as wished: `text` or `message`, `context`, `timestamp`, `phone_number_id`."""
        message = wish.get("message", {"type": "text", "text": {"body": wish.get("text")}})
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str) or (kind == "text" and not _has_text(message)):
            raise HTTPException(400, 'give "text", or "message" with its "type"')
        at, context = wish.get("timestamp"), wish.get("context", "")
        if isinstance(context, dict):
            message, context = {**message, "context": context}, ""
        if at is not None and not isinstance(at, int | float):
            raise HTTPException(400, "timestamp is in Unix seconds")
        account = self._account(wish.get("phone_number_id"))
        return self._network.write(account, customer, message, context=str(context or ""), at=at).wamid

    async def _file(self, request: Request) -> Response:
        """A file as a phone has it, which outlives the Cloud API's copy."""
        media = self._media.kept.get(request.path_params["id"])
        if media is None:
            raise HTTPException(404, "there is no such file")
        # Only what cannot speak in the page's name is shown; everything else is saved.
        is_shown = media.mime_type.startswith(("image/", "audio/", "video/")) and media.mime_type != "image/svg+xml"
        return FileResponse(
            self._media.path(media),
            media_type=media.mime_type,
            headers={
                "X-Content-Type-Options": "nosniff",
                "Content-Disposition": "inline" if is_shown else "attachment",
            },
        )

    async def _read(self, request: Request) -> Response:
        return Json({"read": self._network.read_all(self._customer(request.path_params["id"]))})

    async def _tap(self, request: Request) -> Response:
        """`{"wamid", "button": place, "card"?: place}`: the wamid of what the tap sends, or where it leads."""
        wish = await object_of(request)
        place, card = wish.get("button", 0), wish.get("card")
        if not isinstance(place, int) or not isinstance(card, int | None):
            raise HTTPException(400, "button and card are places that count from 0")
        customer = self._customer(request.path_params["id"])
        try:
            return Json(self._network.tap(customer, str(wish.get("wamid", "")), place=place, card=card))
        except LookupError as error:
            raise HTTPException(404, "there is no such button on that phone") from error

    async def _numbers(self, _request: Request) -> Response:
        """The business numbers, as a phone shows whom it writes to."""
        return Json(
            [
                {
                    "phone_number_id": account.phone_number_id,
                    "display_phone_number": account.display_phone_number,
                    "name": account.verified_name,
                }
                for account in self._accounts.values()
            ]
        )

    async def _webhook(self, request: Request) -> Response:
        wish = await object_of(request)
        account = self._account(wish.get("phone_number_id"))
        if not isinstance(wish.get("body"), dict):
            raise HTTPException(400, 'give the payload as "body"')
        url = self._subscriptions.url_for(account.app_id, account.waba_id, account.override_callback_uri)
        if url is None:
            raise HTTPException(409, "no app is subscribed")
        status = await self._sender.post(url, written(wish["body"]).encode(), account.app_secret, what="raw")
        return Json({"status": status})

    async def _sends(self, _request: Request) -> Response:
        return Json(list(self._network.send_calls))

    async def _refused(self, _request: Request) -> Response:
        return Json(list(self._network.refused))

    async def _deliveries(self, _request: Request) -> Response:
        return Json({"counts": self._sender.counts, "unfinished": self._sender.unfinished})

    async def _retry(self, _request: Request) -> Response:
        return Json({"retried": self._sender.retry_now()})

    def _customer(self, customer_id: str) -> Customer:
        customer = self._book.customers.get(customer_id)
        if customer is None:
            raise HTTPException(404, "there is no such customer")
        return customer

    def _account(self, phone_number_id: Any) -> Account:
        """The named number, or the first one that was set up."""
        if not self._accounts:
            raise HTTPException(409, "no WhatsApp account is set up")
        if phone_number_id is None:
            return next(iter(self._accounts.values()))
        account = self._accounts.get(str(phone_number_id))
        if account is None:
            raise HTTPException(404, "there is no such phone number")
        return account

    def _described(self, customer: Customer) -> dict[str, Any]:
        now = self._clock.timestamp()
        left = {number: max(0.0, at + WINDOW_SECONDS - now) for number, at in customer.windows.items()}
        return {
            "id": customer.id,
            "name": customer.name,
            "wa_id": customer.wa_id,
            "user_id": customer.user_id,
            "username": customer.username,
            "hidden_number": customer.hidden_number,
            "online": customer.online,
            "reads": customer.reads,
            "read_receipts": customer.read_receipts,
            "stopped_marketing": customer.stopped_marketing,
            "unread": len(customer.unread),
            "window_seconds_left": left,
            "sees_typing": self._network.is_typing(customer),
        }


def _has_text(message: dict[str, Any]) -> bool:
    text = message.get("text")
    return isinstance(text, dict) and isinstance(text.get("body"), str) and bool(text["body"])
