"""Does the connector on docs/connectors.md work as it stands there, installed as a stranger's package would be?"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

from connectors import registry
from connectors.contract import Trial
from connectors.contract_tests import ConnectorContract
from tests.connectors.acme_server import KEY, AcmeServer
from tests.connectors.budget import CountingBudget
from tests.connectors.strangers.ledger_desk import DEFINITION as LEDGER_DESK
from tests.connectors.strangers.ledger_server import KEY as LEDGER_KEY
from tests.connectors.strangers.ledger_server import LedgerServer

PAGE = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text("utf-8")
DESKBRIDGE = Path(sys.executable).with_name("deskbridge")
[SOURCE] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class AcmeDesk" in block]
[ENTRY_POINT] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_it_is_as_short_as_it_says() -> None:
    assert len([line for line in SOURCE.splitlines() if line.strip()]) <= 100


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder that it is installed in: the module, and the entry point as the page writes it."""
    (tmp_path / "acme_desk.py").write_text(SOURCE, "utf-8")
    about = tmp_path / "acme_desk-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-desk\nVersion: 1.0\n")
    [(name, value)] = re.findall(r'^(\S+) = "(\S+)"$', ENTRY_POINT, re.MULTILINE)
    (about / "entry_points.txt").write_text(f"[{registry.ENTRY_POINT_GROUP}]\n{name} = {value}\n")
    return tmp_path


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The address at which it is served."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def served() -> AsyncIterator[tuple[AcmeServer, str]]:
    acme = AcmeServer()
    async with listening(acme.app) as url:
        yield acme, url


class TestAcmeDesk(ConnectorContract):
    @pytest.fixture
    async def trial(
        self, package: Path, served: tuple[AcmeServer, str], monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Trial]:
        monkeypatch.syspath_prepend(str(package))
        monkeypatch.delitem(sys.modules, "acme_desk", raising=False)
        definition, (acme, url) = registry.find("acme-desk"), served
        environment = {"ACME_DESK_URL": url, "ACME_DESK_KEY": KEY}
        async with definition.connect(
            environment, budget=CountingBudget(), field_ids={}, on_warning=print
        ) as connector:
            yield Trial(connector, definition, acme)


class TestLedgerDesk(ConnectorContract):
    """Written from the page by a stranger, to a helpdesk that can do next to nothing."""

    @pytest.fixture
    async def trial(self) -> AsyncIterator[Trial]:
        ledger = LedgerServer()
        async with listening(ledger.app) as url:
            environment = {"LEDGER_DESK_URL": url, "LEDGER_DESK_KEY": LEDGER_KEY}
            async with LEDGER_DESK.connect(
                environment, budget=CountingBudget(), field_ids={}, on_warning=print
            ) as connector:
                yield Trial(connector, LEDGER_DESK, ledger)


async def test_commands_know_it_and_say_what_it_keeps(package: Path, served: tuple[AcmeServer, str]) -> None:
    acme, url = served
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DESKBRIDGE_", "WHATSAPP_"))},
        "PYTHONPATH": str(package),
        "ACME_DESK_URL": url,
        "ACME_DESK_KEY": KEY,
    }

    def run(*arguments: str) -> list[dict[str, str]]:
        command = [str(DESKBRIDGE), "connectors", *arguments, "--json"]
        done = subprocess.run(command, env=environ, cwd=package, capture_output=True, text=True, check=True, timeout=60)
        found: list[dict[str, str]] = json.loads(done.stdout)
        return found

    listed = {one["name"]: one["origin"] for one in await asyncio.to_thread(run, "list")}
    assert listed["acme-desk"] == "installed"
    findings = {one["check"]: one["level"] for one in await asyncio.to_thread(run, "verify", "acme-desk")}
    assert set(findings.values()) == {"ok", "warning"}
    assert findings["a comment is written once"] == "ok"
    assert findings["the customer opens a solved ticket"] == "warning"
    assert acme.calls
