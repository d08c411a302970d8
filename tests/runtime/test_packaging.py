"""The image, the composition and the locks promise things; they are kept."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bridge.cli import app
from bridge.runtime.settings import VARIABLES

ROOT = Path(__file__).parents[2]
SECRETS = [name for variable in VARIABLES if re.search(r"SECRET|TOKEN|KEYS", name := variable.name)]


def read_yaml(text: str) -> dict[str, Any]:
    """The part of YAML that compose.yaml uses: nested maps, flow lists of strings, plain and quoted words."""
    root: dict[str, Any] = {}
    open_maps = [(-1, root)]
    anchors: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        while open_maps[-1][0] >= depth:
            open_maps.pop()
        parent = open_maps[-1][1]
        name, _, value = (part.strip() for part in line.strip().partition(":"))
        if name == "<<":
            parent.update(anchors[value.removeprefix("*")])
        elif not value or value.startswith("&"):
            parent[name] = {}
            open_maps.append((depth, parent[name]))
            if value:
                anchors[value.removeprefix("&")] = parent[name]
        else:
            parent[name] = json.loads(value) if value[0] in '["' else value
    return root


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_yaml((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def image() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


def commands() -> set[str]:
    return set(get_command(app).commands)  # type: ignore[attr-defined]  # a group, as typer builds it


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if service.get("build") == "."}


def test_every_role_of_the_composition_is_a_command_of_the_one_image(compose: dict[str, Any]) -> None:
    assert {service["command"][0] for service in ours(compose).values()} == {"migrate", "serve", "worker", "scheduler"}
    assert {service["command"][0] for service in ours(compose).values()} <= commands()
    assert len({service["image"] for service in ours(compose).values()}) == 1


def test_nothing_starts_before_the_schema_is_current(compose: dict[str, Any]) -> None:
    for name, service in ours(compose).items():
        waits_for = "postgres" if name == "migrate" else "migrate"
        assert waits_for in service["depends_on"]


def test_only_the_web_part_is_asked_for_its_health(compose: dict[str, Any]) -> None:
    unasked = {name for name, service in ours(compose).items() if service.get("healthcheck") == {"disable": "true"}}
    assert unasked == set(ours(compose)) - {"web"}


def test_postgresql_and_a_redis_with_a_log_keep_their_data(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    for name in ("redis", "postgres"):
        volume = compose["services"][name]["volumes"][0].partition(":")[0]
        assert volume in compose["volumes"]


def test_secrets_come_from_the_environment_file_and_have_no_default(
    compose: dict[str, Any], image: list[tuple[str, str]]
) -> None:
    for service in ours(compose).values():
        assert service["env_file"] == [".env"]
        assert not set(service["environment"]) & set(SECRETS)
    whole = (ROOT / "compose.yaml").read_text()
    assert all(use.startswith(":?") for use in re.findall(r"\$\{POSTGRES_PASSWORD([^}]*)\}", whole))
    assert not [value for word, value in image if word in ("ENV", "ARG") and any(name in value for name in SECRETS)]
    assert re.findall(r"^#?POSTGRES_PASSWORD=.", (ROOT / ".env.example").read_text()) == []


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health(image: list[tuple[str, str]]) -> None:
    last_stage = image[max(number for number, (word, _) in enumerate(image) if word == "FROM") :]
    words = dict(last_stage)
    assert words["USER"] not in ("root", "0")
    assert "/healthz" in words["HEALTHCHECK"]
    assert json.loads(words["ENTRYPOINT"]) == ["deskbridge"]
    assert json.loads(words["CMD"])[0] in commands()
    assert "slim" in words["FROM"]


def test_the_image_installs_by_hash_and_copies_only_what_is_let_in(image: list[tuple[str, str]]) -> None:
    installs = [value for word, value in image if word == "RUN" and "pip install" in value]
    assert all("--require-hashes" in value or "--no-index" in value for value in installs)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    copied = {name for word, value in image if word == "COPY" and "--from" not in value for name in value.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ["build"]), ("requirements-dev.lock", ["build", "dev"])]
)
def test_every_dependency_is_locked_with_a_hash(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    locked = {entry.partition("==")[0].lower(): entry for entry in entries if "==" in entry}
    assert all("--hash=sha256:" in entry for entry in locked.values())
    assert {re.split(r"[\[><=; ]", name)[0].lower() for name in wanted} <= set(locked)


def test_both_locks_agree() -> None:
    pins = [
        dict(re.findall(r"^([a-z0-9.\-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]
    assert pins[0].items() <= pins[1].items()
