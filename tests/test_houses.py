"""Do the bridge, the edge and the templates get along without knowing any helpdesk by name?"""

import re
from pathlib import Path

import pytest

from connectors import registry

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for house in ("bridge", "webhooks", "templates_registry")
    for path in (ROOT / house).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".mo"}
)
# Every address begins with "http": that connector is meant by its folder, its path or its variables.
NAMES = [name for name in registry.built_in() if name != "http"]
HTTP = [r"connectors[./]http", r"webhooks/http\b", "HTTP_DESK", "http_desk"]
HELPDESKS = re.compile("|".join([*NAMES, *HTTP, "intercom", "hubspot", "zammad", "gorgias"]), re.IGNORECASE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_names_no_helpdesk(path: Path) -> None:
    found = {name.lower() for name in HELPDESKS.findall(path.read_text("utf-8"))}
    assert found == set()


def test_sources_were_read() -> None:
    assert len(SOURCES) > 50
    assert HELPDESKS.search("ZENDESK_URL")
    assert HELPDESKS.search("freshdesk")
    assert HELPDESKS.search("/webhooks/http")
