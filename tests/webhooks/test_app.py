"""Everything beside the webhooks: probes, figures and the locked door of the API."""

import pytest

from tests.webhooks.edge import ADMIN_TOKEN, Edge, entry, envelope, message, messages_change, unreachable
from webhooks.app import GRACEFUL_SHUTDOWN_SECONDS, Readiness, build_server


async def test_liveness_touches_nothing(edge: Edge) -> None:
    edge.store.failure = unreachable()
    edge.readiness.append(unreachable())
    assert (await edge.client.get("/healthz")).status_code == 200
    assert edge.store.batches == []


@pytest.mark.parametrize(
    ("readiness", "code", "answer"),
    [
        (Readiness(), 200, {"status": "ready", "wrong": []}),
        (Readiness(degraded=["Redis is away"]), 200, {"status": "degraded", "wrong": ["Redis is away"]}),
        (
            Readiness(unavailable=["the schema is old"], degraded=["Redis is away"]),
            503,
            {"status": "unavailable", "wrong": ["the schema is old", "Redis is away"]},
        ),
        (unreachable(), 503, {"status": "unavailable", "wrong": ["the database does not answer"]}),
    ],
)
async def test_readiness_tells_what_is_wrong(
    edge: Edge, readiness: Readiness | Exception, code: int, answer: dict[str, object]
) -> None:
    edge.readiness.append(readiness)
    response = await edge.client.get("/readyz")
    assert (response.status_code, response.json()) == (code, answer)


async def test_metrics_are_prometheus_text_without_customer_data(edge: Edge) -> None:
    await edge.post(envelope(entry(messages_change(messages=[message()]))))
    await edge.client.post("/webhooks/351910000111", content=b"")
    response = await edge.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'deskbridge_webhook_requests_total{endpoint="whatsapp",outcome="kept"} 1.0' in response.text
    assert "351910000111" not in response.text
    assert "wamid" not in response.text


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/contacts", "/api/v1/a/b%2Fc", "/api/v1//"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_api_without_a_token_is_401_whatever_the_path(edge: Edge, path: str, method: str) -> None:
    response = await edge.client.request(method, path)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401}


@pytest.mark.parametrize(
    "authorization",
    ["Bearer wrong", "Bearer", "Bearer ", f"Basic {ADMIN_TOKEN}", ADMIN_TOKEN, f"Bearer {ADMIN_TOKEN}x"],
)
async def test_api_with_another_token_is_401(edge: Edge, authorization: str) -> None:
    response = await edge.client.get("/api/v1/contacts", headers={"Authorization": authorization})
    assert response.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_api_with_a_valid_token_is_told_who_holds_it(edge: Edge, scheme: str) -> None:
    response = await edge.client.get("/api/v1/nothing", headers={"Authorization": f"{scheme} {ADMIN_TOKEN}"})
    assert response.text == "/api/v1/nothing for the admin"


async def test_api_whose_tokens_cannot_be_looked_up_is_503(edge: Edge) -> None:
    edge.token_failures.append(unreachable())
    response = await edge.client.get("/api/v1/x", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert response.status_code == 503
    assert "retry-after" in response.headers


@pytest.mark.parametrize("path", ["/", "/nothing", "/openapi.json", "/api/v2", "/webhooks"])
async def test_what_is_neither_webhook_nor_probe_goes_to_the_face(edge: Edge, path: str) -> None:
    response = await edge.client.get(path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert response.text == f"{path} for None"


async def test_server_keeps_no_access_log_and_does_not_outlive_its_grace(edge: Edge) -> None:
    config = build_server(edge.app, host="127.0.0.1", port=0).config
    assert not config.access_log
    assert config.timeout_graceful_shutdown == GRACEFUL_SHUTDOWN_SECONDS
    assert GRACEFUL_SHUTDOWN_SECONDS < 10
