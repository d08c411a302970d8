"""A sandbox that really listens, and a product that only keeps what it is sent."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.app import Sandbox
from sandbox.server import make_server

APP_ID, WABA_ID, NUMBER_ID = "300000000000007", "104857600000001", "990011223344556"
TOKEN, SECRET, VERIFY = "EAAtoken", "shh-app-secret", "verify-me"
SETUP = {
    "app_id": APP_ID,
    "app_secret": SECRET,
    "waba_id": WABA_ID,
    "phone_number_id": NUMBER_ID,
    "display_phone_number": "441632960123",
    "access_token": TOKEN,
}
GRAPH = "/graph/v26.0"


class Product:
    """The far end of webhooks: `bodies` as they came, answered with `statuses` in turn, then with 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        self.challenge: Callable[[Request], Response] = lambda request: PlainTextResponse(
            request.query_params["hub.challenge"]
        )
        self.arrived = asyncio.Condition()
        self.url = ""
        self.app = Starlette(
            routes=[Route("/hook", self._hand, methods=["GET"]), Route("/hook", self._hook, methods=["POST"])]
        )

    async def _hand(self, request: Request) -> Response:
        ours = request.query_params.get("hub.verify_token") == VERIFY
        return self.challenge(request) if ours else Response(status_code=403)

    async def _hook(self, request: Request) -> Response:
        async with self.arrived:
            self.requests.append((await request.body(), request.headers["x-hub-signature-256"]))
            self.arrived.notify_all()
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def values(self) -> list[dict[str, Any]]:
        """The `value` of every change that came."""
        bodies = [json.loads(body) for body, _ in self.requests]
        return [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]

    def messages(self) -> list[dict[str, Any]]:
        return [message for value in self.values() for message in value.get("messages", ())]

    def statuses_of(self, wamid: str | None = None) -> list[dict[str, Any]]:
        """The statuses that came, of one message or of all."""
        found = [status for value in self.values() for status in value.get("statuses", ())]
        return [status for status in found if wamid is None or status["id"] == wamid]

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait for webhooks until `true()`; fails after 10 s."""
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(true)


class World:
    """A sandbox over HTTP with one product that is subscribed to it."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient, product: Product) -> None:
        self.sandbox = sandbox
        self.http = http
        self.product = product

    async def control(self, path: str, content: Any = None, *, method: str = "POST") -> Any:
        """A call of the control API that must succeed."""
        answer = await self.http.request(method, f"/sandbox/api{path}", json=content)
        assert answer.is_success, answer.text
        return answer.json()

    async def look(self, path: str) -> Any:
        return await self.control(path, method="GET")

    async def faults(self, **values: Any) -> None:
        """Turn switches of WhatsApp."""
        await self.control("/faults", {f"whatsapp.{name}": value for name, value in values.items()})

    async def graph(self, method: str, path: str, *, token: str = TOKEN, **more: Any) -> httpx.Response:
        return await self.http.request(method, f"{GRAPH}{path}", headers={"Authorization": f"Bearer {token}"}, **more)

    async def send(self, body: dict[str, Any], *, token: str = TOKEN, number: str = NUMBER_ID) -> httpx.Response:
        """A send request, `messaging_product` added."""
        return await self.graph(
            "POST", f"/{number}/messages", token=token, json={"messaging_product": "whatsapp"} | body
        )

    async def text(self, to: str, body: str = "Hello", **more: Any) -> httpx.Response:
        return await self.send({"to": to, "type": "text", "text": {"body": body}} | more)

    async def customer(self, *, writes: bool = True, **wish: Any) -> dict[str, Any]:
        """A customer, who has written once unless told otherwise (so that the window is open)."""
        made: dict[str, Any] = await self.control("/customers", {"name": "Ines"} | wish)
        if writes:
            await self.control(f"/customers/{made['id']}/messages", {"text": "Hi"})
        return made

    async def subscribe(self, *, callback_url: str | None = None) -> httpx.Response:
        return await self.graph(
            "POST",
            f"/{APP_ID}/subscriptions",
            token=f"{APP_ID}|{SECRET}",
            data={
                "object": "whatsapp_business_account",
                "callback_url": callback_url or self.product.url,
                "verify_token": VERIFY,
                "fields": "messages",
            },
        )

    async def subscribe_all(self) -> Self:
        assert (await self.subscribe()).status_code == 200
        assert (await self.graph("POST", f"/{WABA_ID}/subscribed_apps")).status_code == 200
        return self


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def code_of(answer: httpx.Response) -> int:
    code: int = answer.json()["error"]["code"]
    return code


@asynccontextmanager
async def listening(server: uvicorn.Server) -> AsyncIterator[str]:
    """The server's base URL while it serves on a free port."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.shutdown()


@asynccontextmanager
async def sandbox_world(
    product: Product, *, state_file: Path | None = None, clock_file: Path | None = None
) -> AsyncIterator[World]:
    """A sandbox with one account; nothing is subscribed yet."""
    sandbox = Sandbox(base_url="http://127.0.0.1", state_file=state_file, clock_file=clock_file)
    server = make_server(sandbox.app, live=sandbox.live, host="127.0.0.1", port=0)
    async with listening(server) as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        world = World(sandbox, http, product)
        await world.control("/setup", {"whatsapp": SETUP})
        yield world


@asynccontextmanager
async def product_listening() -> AsyncIterator[Product]:
    product = Product()
    config = uvicorn.Config(product.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    async with listening(uvicorn.Server(config)) as base:
        product.url = f"{base}/hook"
        yield product
