"""What the registry knows of Freshdesk."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from connectors.configuration import Variable
from connectors.errors import UnreadableRing
from connectors.freshdesk import webhook
from connectors.freshdesk.connector import connect
from connectors.freshdesk.settings import VARIABLES, FreshdeskSettings, webhook_secrets
from connectors.interface import Budget, Change, HelpdeskConnector


class FreshdeskDefinition:
    """`connectors.registry.Definition` and `HasSandbox`."""

    @property
    def variables(self) -> Sequence[Variable]:
        return VARIABLES

    @property
    def ticket_fields(self) -> frozenset[str]:
        return frozenset()

    def check(self, environment: Mapping[str, str]) -> None:
        FreshdeskSettings.from_environment(environment)

    def connect(
        self,
        environment: Mapping[str, str],
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
    ) -> AbstractAsyncContextManager[HelpdeskConnector]:
        del field_ids  # the marks are tags
        return connect(environment, budget=budget, on_warning=on_warning)

    def webhook_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(webhook_secrets(environment))

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        del now  # nothing is stamped
        change = webhook.parse_ring(webhook.verify(body, headers, secrets=secrets))
        if change is None:
            raise UnreadableRing
        return change

    def make_sandbox_account(self) -> Mapping[str, str]:
        return {"api_key": secrets.token_urlsafe(15), "webhook_secret": secrets.token_hex(32)}

    def sandbox_setup(self, account: Mapping[str, str], *, webhook_url: str) -> Mapping[str, str]:
        return {**account, "webhook_url": webhook_url}

    def sandbox_environment(self, account: Mapping[str, str], *, url: str) -> Mapping[str, str]:
        return {
            "FRESHDESK_URL": f"{url}/freshdesk",
            "FRESHDESK_API_KEY": account["api_key"],
            "FRESHDESK_WEBHOOK_SECRET": account["webhook_secret"],
        }


DEFINITION = FreshdeskDefinition()
