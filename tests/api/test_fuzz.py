"""Does any request that fits, or half fits, our description make the API fail? Bounded: a few for each operation."""

import asyncio
from http import HTTPStatus
from pathlib import Path

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.world import ADMIN_TOKEN, World, open_world

EXAMPLES = 2
ALLOWED = {"2", "3", "4"}


def test_nothing_that_is_sent_makes_it_fail(sqlite_url: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = open_world(sqlite_url, tmp_path)
        world = runner.run(opened.__aenter__())
        try:
            described = runner.run(world.admin.get("/openapi.json")).json()
            operations = [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]
            assert len(operations) > 20
            for operation in operations:
                if not operation.path.endswith("/erase"):
                    _try(runner, world, operation)
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _try(runner: asyncio.Runner, world: World, operation: schemathesis.APIOperation) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: schemathesis.Case) -> None:
        request = case.as_transport_kwargs(base_url="http://bridge")
        method, url = str(request.pop("method")), str(request.pop("url"))
        headers = {**dict(request.pop("headers", None) or {}), "Authorization": f"Bearer {ADMIN_TOKEN}"}
        taken = {name: request[name] for name in ("params", "json", "content") if request.get(name) is not None}
        answer: httpx.Response = runner.run(world.admin.request(method, url, headers=headers, **taken))
        assert str(answer.status_code)[0] in ALLOWED, f"{method} {operation.path}: {answer.status_code}"
        assert answer.status_code != HTTPStatus.UNAUTHORIZED

    send()
