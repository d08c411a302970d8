"""What the registry knows of Zendesk."""

import secrets as random_secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from connectors.configuration import Variable
from connectors.errors import UnreadableRing
from connectors.interface import Budget, Change, HelpdeskConnector
from connectors.zendesk import webhook
from connectors.zendesk.connector import connect
from connectors.zendesk.settings import VARIABLES, ZendeskSettings, webhook_secrets
from connectors.zendesk.translate import UNDELIVERED_FIELD, WINDOW_FIELD


class ZendeskDefinition:
    """`connectors.registry.Definition` and `HasSandbox`."""

    @property
    def variables(self) -> Sequence[Variable]:
        return VARIABLES

    @property
    def ticket_fields(self) -> frozenset[str]:
        return frozenset({WINDOW_FIELD, UNDELIVERED_FIELD})

    def check(self, environment: Mapping[str, str]) -> None:
        ZendeskSettings.from_environment(environment)

    def connect(
        self,
        environment: Mapping[str, str],
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
    ) -> AbstractAsyncContextManager[HelpdeskConnector]:
        return connect(environment, budget=budget, field_ids=field_ids, on_warning=on_warning)

    def webhook_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(webhook_secrets(environment))

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        change = webhook.parse_ring(webhook.verify(body, headers, secrets=secrets, now=now))
        if change is None:
            raise UnreadableRing
        return change

    def make_sandbox_account(self) -> Mapping[str, str]:
        return {"oauth_client_id": "deskbridge", "oauth_client_secret": random_secrets.token_hex(32)}

    def sandbox_setup(self, account: Mapping[str, str], *, webhook_url: str) -> Mapping[str, str]:
        del webhook_url  # `doctor --fix` makes the webhook
        return account

    def sandbox_environment(self, account: Mapping[str, str], *, url: str) -> Mapping[str, str]:
        return {
            "ZENDESK_URL": f"{url}/zendesk",
            "ZENDESK_OAUTH_CLIENT_ID": account["oauth_client_id"],
            "ZENDESK_OAUTH_CLIENT_SECRET": account["oauth_client_secret"],
        }


DEFINITION = ZendeskDefinition()
