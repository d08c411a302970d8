"""What do Meta and Zendesk send? Signed requests of the size and shape of real ones, as bytes for a socket.

Shapes: fact sheets WhatsApp 1.4, 1.6, 1.8 and Zendesk 5.2.
"""

import base64
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.store.ids import message_key, shard_of
from tests.bench import people
from tests.bench.people import Population

KINDS = ("message", "status", "mix", "ring")
STATUSES = ("sent", "delivered", "read")
IN_FLIGHT = 2_000
"""So many of our messages are between `sent` and `read` at a time: statuses of one message do not stand together."""
STATUSES_PER_MESSAGE = 3
"""Of the mix, as Meta advises to expect (fact sheet WhatsApp 1.3)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests of one kind. Events are numbered on from `first`; `events` of them make one request."""

    kind: str
    requests: int
    population: Population
    port: int
    first: int = 0
    events: int = 1


def requests_of(batch: Batch) -> Iterator[tuple[int, bytes]]:
    """(number of its first event, the whole HTTP request) for each request."""
    stamp = int(datetime.now(UTC).timestamp())  # noqa: TID251 - real time, the generator is no part of us
    for request in range(batch.requests):
        number = batch.first + request * batch.events
        if batch.kind == "ring":
            yield number, _ring(batch, number)
        else:
            changes = [_change(batch, number + offset, stamp) for offset in range(batch.events)]
            yield number, _from_meta(batch.port, changes)


def _change(batch: Batch, number: int, stamp: int) -> dict[str, Any]:
    if batch.kind == "message":
        return _message(batch.population, number, stamp)
    if batch.kind == "status":
        return _status(batch.population, number, stamp)
    turn, place = divmod(number, STATUSES_PER_MESSAGE + 1)
    if place == 0:
        return _message(batch.population, turn, stamp)
    return _status(batch.population, turn * STATUSES_PER_MESSAGE + place - 1, stamp)


def _message(population: Population, number: int, stamp: int) -> dict[str, Any]:
    """Unknown customers stand behind the known ones: number `customers` + n is written by the nth of them."""
    customer = number % population.customers
    return _value(
        customer,
        messages=[
            {
                "from": people.wa_id(customer),
                "from_user_id": people.bsuid(customer),
                "id": people.wamid(customer, f"M{number:012d}"),
                "timestamp": str(stamp),
                "type": "text",
                "text": {"body": f"Olá, a encomenda {people.mark(number)} ainda não chegou. Podem ver onde está? 🙏"},
            }
        ],
    )


def document_of(port: int, number: int, *, megabytes: int) -> bytes:
    """A request that tells of a document from a customer; the far side knows its size by its id."""
    stamp = int(datetime.now(UTC).timestamp())  # noqa: TID251 - as above
    document = {"id": f"7{number:06d}{megabytes:03d}", "mime_type": "application/pdf", "filename": f"{number}.pdf"}
    message = {
        "from": people.wa_id(number),
        "from_user_id": people.bsuid(number),
        "id": people.wamid(number, f"D{number}"),
        "timestamp": str(stamp),
        "type": "document",
        "document": document,
    }
    return _from_meta(port, [_value(number, messages=[message])])


def status_of(number: int) -> tuple[int, str]:
    """(the message of ours, its status) of the nth status."""
    block, place = divmod(number, IN_FLIGHT * len(STATUSES))
    step, message = divmod(place, IN_FLIGHT)
    return block * IN_FLIGHT + message, STATUSES[step]


def _status(population: Population, number: int, stamp: int) -> dict[str, Any]:
    message, status = status_of(number)
    customer = message % population.customers
    key = message_key(shard=shard_of(people.bsuid(customer)), message_id=people.sent_message_id(message))
    return _value(
        customer,
        statuses=[
            {
                "id": people.sent_wamid(message, customer=customer),
                "status": status,
                "timestamp": str(stamp),
                "recipient_id": people.wa_id(customer),
                "recipient_user_id": people.bsuid(customer),
                "biz_opaque_callback_data": key,
                "pricing": {
                    "billable": False,
                    "pricing_model": "PMP",
                    "type": "free_customer_service",
                    "category": "service",
                },
            }
        ],
    )


def _value(customer: int, **events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550001234", "phone_number_id": people.PHONE_NUMBER_ID},
            "contacts": [
                {
                    "profile": {"name": f"Inês Duarte {customer}"},
                    "wa_id": people.wa_id(customer),
                    "user_id": people.bsuid(customer),
                }
            ],
            **events,
        },
        "field": "messages",
    }


def _from_meta(port: int, changes: list[dict[str, Any]]) -> bytes:
    envelope = {"object": "whatsapp_business_account", "entry": [{"id": people.WABA_ID, "changes": changes}]}
    # Escaped, as Meta writes it.
    body = json.dumps(envelope, separators=(",", ":")).encode()
    signature = hmac.digest(people.APP_SECRET.encode(), body, "sha256").hex()
    return _post(port, "/webhooks/whatsapp", {"X-Hub-Signature-256": f"sha256={signature}"}, body)


def _ring(batch: Batch, number: int) -> bytes:
    """The trigger that `doctor --fix` makes."""
    body = json.dumps({"ticket_id": str(people.ticket_id(number % batch.population.customers))}).encode()
    stamp = datetime.now(UTC).isoformat()  # noqa: TID251 - as above
    digest = hmac.digest(people.RING_SECRET.encode(), stamp.encode() + body, "sha256")
    headers = {
        "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
    }
    return _post(batch.port, "/webhooks/zendesk", headers, body)


def _post(port: int, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: facebookexternalua",
        "Accept: */*",
        "Content-Type: application/json",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
