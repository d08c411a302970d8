"""Where do webhooks go: the app's subscription, its accounts and the overrides (fact sheet WhatsApp 1.5, 7.5)."""

import secrets
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from sandbox.whatsapp.errors import RefusedError

HANDSHAKE_SECONDS = 10.0


@dataclass(slots=True)
class AppSubscription:
    """What `POST /{APP_ID}/subscriptions` set."""

    callback_url: str
    fields: list[str]


@dataclass(slots=True)
class Subscriptions:
    """Nothing is delivered unless an app has the field and the WhatsApp Business Account has the app."""

    apps: dict[str, AppSubscription] = field(default_factory=dict)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    """WABA id -> app id -> override callback, or an empty string."""

    def apps_for(self, waba_id: str, name: str) -> list[str]:
        """The apps that are told about this field of this account."""
        return [
            app_id
            for app_id in self.accounts.get(waba_id, ())
            if app_id in self.apps and name in self.apps[app_id].fields
        ]

    def url_for(self, app_id: str, waba_id: str, number_override: str) -> str | None:
        """The number's override, else the account's, else the app's callback; None when nothing is subscribed."""
        if app_id not in self.apps or app_id not in self.accounts.get(waba_id, {}):
            return None
        return number_override or self.accounts[waba_id][app_id] or self.apps[app_id].callback_url


async def handshake(session: aiohttp.ClientSession, *, callback_url: str, verify_token: str) -> None:
    """Meta's GET with dotted parameters. Raises RefusedError unless the bare challenge comes back with 200."""
    challenge = str(secrets.randbelow(9 * 10**9) + 10**9)
    try:
        url = URL(callback_url)
    except ValueError as error:
        raise RefusedError(100, "callback_url is not an address.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise RefusedError(100, "callback_url is not an address.")
    asked = url.update_query({"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token})
    timeout = aiohttp.ClientTimeout(total=HANDSHAKE_SECONDS)
    try:
        async with session.get(asked, timeout=timeout, allow_redirects=False) as answer:
            said = await answer.content.read(1024)
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RefusedError(2200, "The callback address did not answer.") from error
    if status != 200 or said != challenge.encode():
        raise RefusedError(2200, f"The callback answered HTTP status {status}, or not the bare challenge.")
