"""What the registry knows of a system of your own."""

import base64
import secrets as random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from connectors.configuration import Variable
from connectors.http import webhook
from connectors.http.connector import connect
from connectors.http.settings import SECRET_PREFIX, VARIABLES, HttpSettings, tokens
from connectors.interface import Budget, Change, HelpdeskConnector


class HttpDefinition:
    """`connectors.registry.Definition` and `HasSandbox`."""

    @property
    def variables(self) -> Sequence[Variable]:
        return VARIABLES

    @property
    def ticket_fields(self) -> frozenset[str]:
        return frozenset()

    def check(self, environment: Mapping[str, str]) -> None:
        HttpSettings.from_environment(environment)

    def connect(
        self,
        environment: Mapping[str, str],
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
    ) -> AbstractAsyncContextManager[HelpdeskConnector]:
        del field_ids, on_warning  # the marks go along with each event, and nothing is taken with a reservation
        return connect(environment, budget=budget)

    def webhook_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(tokens(environment))

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        return webhook.parse(webhook.verify(body, headers, tokens=secrets), now=now)

    def make_sandbox_account(self) -> Mapping[str, str]:
        secret = SECRET_PREFIX + base64.b64encode(random.token_bytes(32)).decode()
        return {"secret": secret, "token": random.token_hex(32)}

    def sandbox_setup(self, account: Mapping[str, str], *, webhook_url: str) -> Mapping[str, str]:
        return {**account, "api_url": webhook_url}

    def sandbox_environment(self, account: Mapping[str, str], *, url: str) -> Mapping[str, str]:
        return {
            "HTTP_DESK_URL": f"{url}/http/events",
            "HTTP_DESK_SECRET": account["secret"],
            "HTTP_DESK_TOKEN": account["token"],
            "HTTP_DESK_ASKS": "on",
        }


DEFINITION = HttpDefinition()
