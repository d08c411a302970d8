"""What the registry knows of Zendesk."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from connectors.errors import UnreadableRing
from connectors.interface import Budget, Change, HelpdeskConnector
from connectors.zendesk import webhook
from connectors.zendesk.connector import connect
from connectors.zendesk.settings import webhook_secrets


class ZendeskDefinition:
    """`connectors.registry.Definition`."""

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


DEFINITION = ZendeskDefinition()
