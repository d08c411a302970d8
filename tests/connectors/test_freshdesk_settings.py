"""Is a wrong variable named with its mend, and never shown?"""

import pytest

from connectors.configuration import InvalidConfiguration
from connectors.freshdesk.settings import VARIABLES, FreshdeskSettings

GOOD = {"FRESHDESK_URL": "https://acme.freshdesk.com", "FRESHDESK_API_KEY": "canary-key"}


@pytest.mark.parametrize(
    "url", ["https://acme.freshdesk.com", "https://acme.freshdesk.com/", "https://acme.freshdesk.com/api/v2/"]
)
def test_address_is_taken_with_or_without_its_tail(url: str) -> None:
    assert FreshdeskSettings.from_environment(GOOD | {"FRESHDESK_URL": url}).url == "https://acme.freshdesk.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("FRESHDESK_URL", url) for url in ("", "acme.freshdesk.com", "ftp://acme", "http://acme.freshdesk.com")],
        *[("FRESHDESK_URL", url) for url in ("https://canary:x@acme.freshdesk.com", "https://acme.freshdesk.com?a=1")],
        *[("FRESHDESK_API_KEY", key) for key in ("", "  ", "canary:X", "canary\u00e9")],
        *[("FRESHDESK_WEBHOOK_SECRET", secret) for secret in ("canary", "canary-canary-canary,canary")],
        *[("FRESHDESK_TICKET_DEFAULTS", text) for text in ("canary", "[]", '{"custom_fields": []}', '{"wa_id": 1}')],
        *[("FRESHDESK_CONTACT_DEFAULTS", text) for text in ("7", '{"email": "canary@acme.example"}')],
    ],
)
def test_wrong_value_is_refused_by_name_with_a_mend_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        FreshdeskSettings.from_environment(GOOD | {name: value})
    assert refused.value.variable == name
    assert refused.value.mend
    assert "canary" not in str(refused.value)


def test_secrets_are_a_list_and_stay_silent() -> None:
    environment = GOOD | {"FRESHDESK_WEBHOOK_SECRET": "canary-secret-number-1, canary-secret-number-2,"}
    settings = FreshdeskSettings.from_environment(environment)
    secrets = [secret.get_secret_value() for secret in settings.webhook_secrets]
    assert secrets == ["canary-secret-number-1", "canary-secret-number-2"]
    assert "canary" not in repr(settings)
    assert FreshdeskSettings.from_environment(GOOD).webhook_secrets == ()


def test_variables_are_those_that_are_read() -> None:
    read: set[str] = set()

    class Watched(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # only what is used
            read.add(name)
            return super().get(name, default)

    FreshdeskSettings.from_environment(Watched(GOOD))
    assert {variable.name for variable in VARIABLES} == read
    assert all(variable.meaning and variable.mend for variable in VARIABLES)
