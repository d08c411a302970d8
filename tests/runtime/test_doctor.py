"""Does the doctor find what is wrong at Meta, at the helpdesk and here, name its mend, and make what may be made?"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.runtime import doctor, wiring
from bridge.runtime.settings import load_settings
from connectors.interface import Finding, FindingLevel
from tests.sandbox import world as far_side
from tests.sandbox.world import World, listening, sandbox_world

ZENDESK = {"oauth_client_id": "deskbridge", "oauth_client_secret": "5d41402abc4b2a76b9719d911017c592", "plan": "team"}
VERIFY_TOKEN = "doctor-verify-token"
API_EMAIL, API_TOKEN = "robot@acme.example", "zendesk-api-token-0123456789"
WRONG = "wrong-canary-0123456789"
OUR_PREFIXES = ("DESKBRIDGE_", "WHATSAPP_", "ZENDESK_")
FIXABLE = ("subscription", "webhook", "trigger", "fields")
KEYS = {
    "DESKBRIDGE_ADMIN_TOKEN": "doctor-admin-token-0123456789abcdef",
    "DESKBRIDGE_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


@dataclass(frozen=True)
class Clinic:
    """A sandbox with an account that nobody set up, an address that answers Meta's handshake, and a migrated store."""

    world: World
    environ: Mapping[str, str]
    base: str

    async def run(self, *, fix: bool = False, **changed: str | None) -> list[Finding]:
        """The doctor's findings, once none of them shows a secret. `changed`: variables; None leaves one out."""
        environ = {name: value for name, value in {**self.environ, **changed}.items() if value is not None}
        findings = await asyncio.to_thread(doctor.run, load_settings(environ), fix=fix)
        shown = repr(findings)
        kept = (await self.zendesk("webhooks"))[:1]
        secrets = [
            *(value for name, value in environ.items() if name.endswith(("_TOKEN", "_SECRET", "_KEYS"))),
            *(webhook["signing_secret"] for webhook in kept),
        ]
        assert [secret for secret in secrets if secret in shown] == []
        assert all(finding.mend for finding in findings if finding.level is not FindingLevel.OK)
        return findings

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`deskbridge doctor …` as an operator types it."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OUR_PREFIXES)}
        return await asyncio.to_thread(
            lambda: subprocess.run(
                [Path(sys.executable).with_name("deskbridge"), "doctor", *arguments],
                env={**plain, **self.environ},
                cwd=self.environ["DESKBRIDGE_DATA_DIR"],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        )

    async def zendesk(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.world.look(f"/zendesk/{what}")
        return found


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data dir to copy: migrations take longer than everything else here."""
    folder = tmp_path_factory.mktemp("migrated")
    wiring.migrate(load_settings({**KEYS, "DESKBRIDGE_DATA_DIR": str(folder)}, accounts=False))
    return folder


@pytest.fixture
async def clinic(migrated: Path, tmp_path: Path, redis_url: str) -> AsyncIterator[Clinic]:
    def shake_hands(request: Request) -> Response:
        given = request.query_params
        ours = given.get("hub.verify_token") == VERIFY_TOKEN
        return PlainTextResponse(given["hub.challenge"]) if ours else Response(status_code=403)

    edge = Starlette(routes=[Route(path, shake_hands) for path in ("/webhooks/whatsapp", "/elsewhere")])
    server = uvicorn.Server(uvicorn.Config(edge, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    data_dir = tmp_path / "data"
    shutil.copytree(migrated, data_dir)
    async with listening(server) as base, sandbox_world(far_side.Product()) as world:
        await world.control("/setup", {"zendesk": ZENDESK})
        environ = {
            **KEYS,
            "DESKBRIDGE_DATA_DIR": str(data_dir),
            "DESKBRIDGE_REDIS_URL": redis_url,
            "DESKBRIDGE_PUBLIC_URL": base,
            "DESKBRIDGE_SANDBOX": "off",
            "WHATSAPP_API_URL": f"{world.http.base_url}/graph",
            "WHATSAPP_PHONE_NUMBER_ID": far_side.NUMBER_ID,
            "WHATSAPP_BUSINESS_ACCOUNT_ID": far_side.WABA_ID,
            "WHATSAPP_ACCESS_TOKEN": far_side.TOKEN,
            "WHATSAPP_APP_SECRET": far_side.SECRET,
            "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
            "ZENDESK_URL": f"{world.http.base_url}/zendesk",
            "ZENDESK_OAUTH_CLIENT_ID": ZENDESK["oauth_client_id"],
            "ZENDESK_OAUTH_CLIENT_SECRET": ZENDESK["oauth_client_secret"],
        }
        yield Clinic(world, environ, base)


def reds(findings: list[Finding]) -> dict[str, Finding]:
    """By check; of two of a check the first."""
    return {finding.check: finding for finding in reversed(findings) if finding.level is FindingLevel.RED}


async def test_an_empty_account_is_red_for_whatever_fix_makes(clinic: Clinic) -> None:
    found = [finding for finding in await clinic.run() if finding.level is FindingLevel.RED]
    assert {finding.check for finding in found} == set(FIXABLE)
    assert all(finding.fixable and "--fix" in finding.mend for finding in found)


async def test_looking_changes_nothing(clinic: Clinic) -> None:
    fields, triggers = await clinic.zendesk("fields"), await clinic.zendesk("triggers")
    await clinic.run()
    assert await clinic.zendesk("webhooks") == []
    assert (await clinic.zendesk("fields"), await clinic.zendesk("triggers")) == (fields, triggers)
    assert (await clinic.world.graph("GET", f"/{far_side.WABA_ID}/subscribed_apps")).json()["data"] == []


async def test_fix_makes_everything_once_and_a_second_makes_no_twins(clinic: Clinic) -> None:
    before = {what: len(await clinic.zendesk(what)) for what in ("webhooks", "triggers", "fields")}
    assert reds(await clinic.run(fix=True)) == {}
    made = {what: await clinic.zendesk(what) for what in before}
    assert {what: len(found) - before[what] for what, found in made.items()} == {
        "webhooks": 1,
        "triggers": 1,
        "fields": 3,
    }
    assert made["webhooks"][0]["endpoint"] == f"{clinic.base}/webhooks/zendesk"
    assert reds(await clinic.run(fix=True)) == {}
    assert {what: await clinic.zendesk(what) for what in before} == made
    apps = (await clinic.world.graph("GET", f"/{far_side.WABA_ID}/subscribed_apps")).json()["data"]
    assert [app["whatsapp_business_api_data"]["id"] for app in apps] == [far_side.APP_ID]
    assert reds(await clinic.run()) == {}


@pytest.mark.parametrize(
    ("variable", "value", "check", "place"),
    [
        ("WHATSAPP_ACCESS_TOKEN", WRONG, "access token", "WHATSAPP_ACCESS_TOKEN"),
        ("WHATSAPP_APP_SECRET", WRONG, "subscription", "WHATSAPP_APP_SECRET"),
        ("WHATSAPP_PHONE_NUMBER_ID", "1234567890", "phone number", "WHATSAPP_PHONE_NUMBER_ID"),
        ("WHATSAPP_BUSINESS_ACCOUNT_ID", "1234567890", "subscription", "WHATSAPP_BUSINESS_ACCOUNT_ID"),
        ("ZENDESK_OAUTH_CLIENT_SECRET", WRONG, "credentials", "ZENDESK_OAUTH_CLIENT_ID and …_SECRET"),
    ],
)
@pytest.mark.parametrize("fix", [False, True], ids=["looking", "fixing"])
async def test_a_wrong_value_is_red_and_its_place_named(
    clinic: Clinic, *, variable: str, value: str, check: str, place: str, fix: bool
) -> None:
    await clinic.run(fix=True)
    found = reds(await clinic.run(fix=fix, **{variable: value}))
    assert place in found[check].mend


async def test_a_wrong_id_is_red_where_meta_answers_33_as_well(clinic: Clinic) -> None:
    await clinic.world.faults(unknown_id_code_33=True)
    found = reds(await clinic.run(WHATSAPP_PHONE_NUMBER_ID="1234567890"))
    assert "WHATSAPP_PHONE_NUMBER_ID" in found["phone number"].mend


async def test_a_verify_token_that_the_web_part_does_not_know_is_red_and_named(clinic: Clinic) -> None:
    found = reds(await clinic.run(fix=True, WHATSAPP_VERIFY_TOKEN=WRONG))
    assert "WHATSAPP_VERIFY_TOKEN" in found["subscription"].mend
    assert "DESKBRIDGE_PUBLIC_URL" in found["subscription"].mend


async def test_an_override_that_leads_elsewhere_is_red(clinic: Clinic) -> None:
    await clinic.run(fix=True)
    override = {"override_callback_uri": f"{clinic.base}/elsewhere", "verify_token": VERIFY_TOKEN}
    answer = await clinic.world.graph("POST", f"/{far_side.WABA_ID}/subscribed_apps", json=override)
    assert answer.status_code == 200
    found = reds(await clinic.run())
    assert set(found) == {"subscription"}
    assert "override" in found["subscription"].message
    assert "subscribed_apps" in found["subscription"].mend


async def test_an_override_that_leads_here_is_none(clinic: Clinic) -> None:
    await clinic.run(fix=True)
    override = {"override_callback_uri": f"{clinic.base}/webhooks/whatsapp", "verify_token": VERIFY_TOKEN}
    answer = await clinic.world.graph("POST", f"/{far_side.WABA_ID}/subscribed_apps", json=override)
    assert answer.status_code == 200
    assert reds(await clinic.run()) == {}


async def test_any_of_several_app_secrets_will_do(clinic: Clinic) -> None:
    await clinic.run(fix=True)
    both = f"{'0' * 32},{far_side.SECRET}"
    assert "subscription" not in reds(await clinic.run(WHATSAPP_APP_SECRET=both))
    assert "subscription" not in reds(await clinic.run(fix=True, WHATSAPP_APP_SECRET=both))
    assert "subscription" in reds(await clinic.run(WHATSAPP_APP_SECRET="0" * 32))


async def test_an_api_token_is_a_warning_with_the_day_it_ends(clinic: Clinic) -> None:
    await clinic.world.control("/setup", {"zendesk": {"api_email": API_EMAIL, "api_token": API_TOKEN}})
    findings = await clinic.run(
        fix=True,
        ZENDESK_OAUTH_CLIENT_ID=None,
        ZENDESK_OAUTH_CLIENT_SECRET=None,
        ZENDESK_EMAIL=API_EMAIL,
        ZENDESK_API_TOKEN=API_TOKEN,
    )
    assert reds(findings) == {}
    (credentials,) = [finding for finding in findings if finding.check == "credentials"]
    assert credentials.level is FindingLevel.WARNING
    assert "2027-04-30" in credentials.message
    assert "ZENDESK_OAUTH_CLIENT_ID" in credentials.mend


async def test_a_webhook_whose_secret_is_not_known_is_red_until_fix_learns_it(clinic: Clinic, migrated: Path) -> None:
    await clinic.run(fix=True)
    data_dir = Path(clinic.environ["DESKBRIDGE_DATA_DIR"])
    fresh = data_dir.with_name("fresh")
    shutil.copytree(migrated, fresh)
    assert "webhook" in reds(await clinic.run(DESKBRIDGE_DATA_DIR=str(fresh)))
    assert reds(await clinic.run(fix=True, DESKBRIDGE_DATA_DIR=str(fresh))) == {}
    assert len(await clinic.zendesk("webhooks")) == 1


async def test_redis_away_is_red_and_the_rest_is_looked_at(clinic: Clinic, tmp_path: Path) -> None:
    await clinic.run(fix=True)
    findings = await clinic.run(DESKBRIDGE_REDIS_URL=f"unix://{tmp_path / 'nobody.sock'}")
    found = reds(findings)
    assert set(found) == {"Redis"}
    assert "DESKBRIDGE_REDIS_URL" in found["Redis"].mend
    assert {"access token", "phone number", "subscription", "webhook"} <= {finding.check for finding in findings}


async def test_the_command_is_1_when_red_and_0_when_not(clinic: Clinic) -> None:
    done = await clinic.command()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    red = [line for line in lines if line.startswith("red ")]
    assert done.stderr == f"deskbridge: {len(red)} of {len(lines)} checks are red\n"
    assert all(" -> " in line for line in red)
    fixed = await clinic.command("--fix", "--json")
    assert (fixed.returncode, fixed.stderr) == (0, "")
    assert {"subscription", "webhook", "trigger", "fields"} <= {
        finding["check"] for finding in json.loads(fixed.stdout) if finding["level"] == "ok"
    }
