"""Every mistake is answered by one line that names the variable and the mend, and shows no secret."""

import base64
import re
from pathlib import Path

import pytest

from bridge.runtime.settings import (
    META_API_URL,
    NEWEST_API_VERSION,
    VARIABLES,
    SettingsError,
    load_environment,
    load_settings,
    sandbox_wanted,
    unknown_variables,
)
from connectors import registry

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(31) + b"x").decode()
WHATSAPP = {
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
    "WHATSAPP_ACCESS_TOKEN": "canary-token",
    "WHATSAPP_APP_SECRET": "canary-new, canary-old",
    "WHATSAPP_VERIFY_TOKEN": "canary-verify",
}
ZENDESK = {
    "ZENDESK_URL": "https://acme.zendesk.com",
    "ZENDESK_OAUTH_CLIENT_ID": "bridge",
    "ZENDESK_OAUTH_CLIENT_SECRET": "canary-client",
}
ACCOUNTS = WHATSAPP | ZENDESK
POSTGRESQL = {
    "DESKBRIDGE_DATABASE_URL": "postgresql://bridge:canary-password@db/bridge",
    "DESKBRIDGE_ENCRYPTION_KEYS": KEY,
    "DESKBRIDGE_ADMIN_TOKEN": "canary-admin-token-of-some-length",
}


def test_nothing_configured_means_defaults_and_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({})
    assert settings.sandbox
    assert settings.whatsapp is None
    assert settings.uses_sqlite
    assert settings.data_dir == tmp_path / "var"
    assert settings.embedded_redis
    assert settings.redis_url.get_secret_value().startswith("unix:///")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.workers, settings.reconcile_seconds) == (1, 120)
    assert (settings.dead_letter_hours, settings.hold_hours, settings.window_closed) == (72, 72, "hold")


def test_one_account_variable_turns_the_sandbox_off() -> None:
    for name in ("WHATSAPP_ACCESS_TOKEN", "ZENDESK_URL", "FRESHDESK_URL"):
        assert not sandbox_wanted({name: "x"})
    assert sandbox_wanted({"ZENDESK_URL": "x", "DESKBRIDGE_SANDBOX": "on"})
    assert sandbox_wanted({})


def test_an_account_is_read_whole_and_its_app_secret_may_be_several() -> None:
    account = load_settings(ACCOUNTS).account()
    assert [secret.get_secret_value() for secret in account.app_secrets] == ["canary-new", "canary-old"]
    assert (account.api_url, account.api_version) == (META_API_URL, NEWEST_API_VERSION)


def test_the_helpdesk_gets_its_own_variables_and_no_others() -> None:
    assert load_settings(ACCOUNTS | {"OTHER": "x"}).helpdesk_variables == ZENDESK


@pytest.mark.parametrize("name", WHATSAPP)
def test_a_missing_account_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing: .+"):
        load_settings({key: value for key, value in ACCOUNTS.items() if key != name})


def test_a_missing_helpdesk_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"ZENDESK_URL"):
        load_settings(WHATSAPP)


def test_a_command_that_talks_to_nobody_needs_no_account() -> None:
    assert load_settings({"ZENDESK_URL": "x"}, accounts=False).whatsapp is None


def test_without_account_asking_for_it_names_the_way_out() -> None:
    with pytest.raises(SettingsError, match="deskbridge up"):
        load_settings({}).account()


@pytest.mark.parametrize("name", ["DESKBRIDGE_ENCRYPTION_KEYS", "DESKBRIDGE_ADMIN_TOKEN"])
def test_a_database_of_its_own_asks_for_keys_and_admin_token(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing.*openssl rand"):
        load_settings({key: value for key, value in POSTGRESQL.items() if key != name})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_the_same_driver(scheme: str) -> None:
    settings = load_settings(POSTGRESQL | {"DESKBRIDGE_DATABASE_URL": f"{scheme}://u@h/d"})
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://u@h/d"
    assert not settings.uses_sqlite


def test_keys_are_decoded_newest_first() -> None:
    settings = load_settings({"DESKBRIDGE_ENCRYPTION_KEYS": f"{OTHER_KEY}, {KEY}"})
    assert settings.encryption_keys() == (bytes(31) + b"x", bytes(32))


WRONG = [
    ("DESKBRIDGE_DATABASE_URL", "mysql://u:canary@h/d"),
    ("DESKBRIDGE_DATABASE_URL", "canary"),
    ("DESKBRIDGE_DATABASE_URL", "sqlite://"),
    ("DESKBRIDGE_REDIS_URL", "http://canary"),
    ("DESKBRIDGE_PORT", "0"),
    ("DESKBRIDGE_PORT", "65536"),
    ("DESKBRIDGE_PORT", "canary"),
    ("DESKBRIDGE_PORT", "８０００"),
    ("DESKBRIDGE_PUBLIC_URL", "bridge.example.com"),
    ("DESKBRIDGE_PUBLIC_URL", "https://u:canary@h"),
    ("DESKBRIDGE_PUBLIC_URL", "https://[canary"),
    ("DESKBRIDGE_WORKERS", "0"),
    ("DESKBRIDGE_ENCRYPTION_KEYS", "canary"),
    ("DESKBRIDGE_ENCRYPTION_KEYS", base64.b64encode(b"canary").decode()),
    ("DESKBRIDGE_ENCRYPTION_KEYS", f"{KEY},{KEY}"),
    ("DESKBRIDGE_HELPDESK", "canary"),
    ("DESKBRIDGE_ADMIN_TOKEN", "canary"),
    ("DESKBRIDGE_WINDOW_CLOSED", "canary"),
    ("DESKBRIDGE_READ_RECEIPTS", "canary"),
    ("DESKBRIDGE_AGENT_NAME", "canary"),
    ("DESKBRIDGE_SANDBOX", "canary"),
    ("DESKBRIDGE_LOG_FORMAT", "canary"),
    ("DESKBRIDGE_RECONCILE_SECONDS", "1"),
    ("DESKBRIDGE_DEAD_LETTER_HOURS", "-1"),
    ("DESKBRIDGE_HOLD_HOURS", "many"),
    ("DESKBRIDGE_WINDOW_WARNING_MINUTES", "4"),
    ("DESKBRIDGE_LANGUAGE", "klingon"),
    ("WHATSAPP_API_URL", "canary"),
    ("WHATSAPP_API_VERSION", "26"),
    ("WHATSAPP_PHONE_NUMBER_ID", "+1 555 canary"),
    ("WHATSAPP_BUSINESS_ACCOUNT_ID", "canary"),
    ("WHATSAPP_APP_SECRET", ","),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_in_one_line_that_names_it_and_hides_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(ACCOUNTS | {name: value})
    text = str(caught.value)
    mend = next(variable.mend for variable in VARIABLES if variable.name == name)
    assert text.startswith(name)
    assert text.endswith(mend)
    assert mend
    assert "\n" not in text
    assert "canary" not in text


def test_template_as_policy_needs_a_template() -> None:
    with pytest.raises(SettingsError, match="DESKBRIDGE_REENGAGE_TEMPLATE is missing"):
        load_settings({"DESKBRIDGE_WINDOW_CLOSED": "template"})
    for wrong in ("come_back", "come_back:", "Come Back:en", "come_back:EN", "come_back:en-US"):
        with pytest.raises(SettingsError, match="DESKBRIDGE_REENGAGE_TEMPLATE is not a template"):
            load_settings({"DESKBRIDGE_WINDOW_CLOSED": "template", "DESKBRIDGE_REENGAGE_TEMPLATE": wrong})
    settings = load_settings(
        {"DESKBRIDGE_WINDOW_CLOSED": "template", "DESKBRIDGE_REENGAGE_TEMPLATE": "come_back:en_US"}
    )
    assert settings.reengage_template == ("come_back", "en_US")


@pytest.mark.parametrize("url", [{}, {"WHATSAPP_API_URL": "https://graph.facebook.com/"}])
def test_nobody_turns_the_clock_under_meta(url: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^DESKBRIDGE_CLOCK_FILE"):
        load_settings(ACCOUNTS | url | {"DESKBRIDGE_CLOCK_FILE": "clock"})


def test_the_clock_may_be_turned_for_another_far_side() -> None:
    environ = {"DESKBRIDGE_CLOCK_FILE": "/somewhere/clock"}
    assert load_settings(environ).clock_file == Path("/somewhere/clock")
    assert load_settings(ACCOUNTS | environ | {"WHATSAPP_API_URL": "http://127.0.0.1:1/graph"}).clock_file


def test_no_secret_shows_when_settings_are_printed() -> None:
    settings = load_settings(ACCOUNTS | POSTGRESQL)
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)
    assert repr(bytes(32)) not in repr(settings)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "DESKBRIDGE_PORT=1\nDESKBRIDGE_HOST='h'\nDESKBRIDGE_WORKERS\nWHATSAPP_APP_SECRET=a$b\n"
    )
    environ = load_environment(tmp_path, {"DESKBRIDGE_PORT": "2", "DESKBRIDGE_HOST": ""})
    assert environ["DESKBRIDGE_PORT"] == "2"
    assert "DESKBRIDGE_HOST" not in environ
    assert "DESKBRIDGE_WORKERS" not in environ
    assert environ["WHATSAPP_APP_SECRET"] == "a$b"


def test_a_value_may_live_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary\n")
    (tmp_path / ".env").write_text("ZENDESK_API_TOKEN=old\n")
    environ = load_environment(
        tmp_path,
        {
            "WHATSAPP_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
            "ZENDESK_API_TOKEN_FILE": str(tmp_path / "token"),
            "DESKBRIDGE_CLOCK_FILE": str(tmp_path / "token"),
            "SSL_CERT_FILE": "/missing",
        },
    )
    assert environ["WHATSAPP_ACCESS_TOKEN"] == "canary"
    assert environ["ZENDESK_API_TOKEN"] == "canary"
    assert environ["DESKBRIDGE_CLOCK_FILE"] == str(tmp_path / "token")
    assert environ["SSL_CERT_FILE"] == "/missing"
    assert "WHATSAPP_ACCESS_TOKEN_FILE" not in environ
    assert "DESKBRIDGE_CLOCK" not in environ


def test_a_file_that_is_not_there_is_named_by_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^WHATSAPP_ACCESS_TOKEN_FILE names a file that cannot be read"):
        load_environment(tmp_path, {"WHATSAPP_ACCESS_TOKEN_FILE": str(tmp_path / "missing")})


def test_a_value_and_a_file_for_it_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="are both set"):
        load_environment(tmp_path, {"DESKBRIDGE_PORT": "1", "DESKBRIDGE_PORT_FILE": "x"})


def test_a_misspelt_name_is_told_with_the_right_one() -> None:
    lines = unknown_variables(
        {"DESKBRIDGE_WORKER": "2", "WHATSAPP_TOKENS": "canary", "HOME": "/", "DESKBRIDGE_HOST": "h"}
    )
    assert lines[0] == "DESKBRIDGE_WORKER is not a variable of deskbridge: is it DESKBRIDGE_WORKERS?"
    assert len(lines) == 2
    assert "canary" not in " ".join(lines)


def test_the_example_file_lists_every_variable_with_a_line_of_help() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = {
        found[1]: lines[number - 1] for number, line in enumerate(lines) if (found := re.match(r"#([A-Z_]+)=$", line))
    }
    described = [*VARIABLES, *(variable for one in registry.built_in().values() for variable in one.variables)]
    assert list(listed) == [variable.name for variable in described]
    for variable in described:
        assert listed[variable.name].lower() == f"# {variable.meaning}.".lower()


def test_every_helpdesk_may_be_chosen_and_its_own_variables_are_required() -> None:
    for name, helpdesk in registry.built_in().items():
        with pytest.raises(SettingsError) as refused:
            load_settings(WHATSAPP | {"DESKBRIDGE_HELPDESK": name})
        assert helpdesk.variables[0].name in str(refused.value)
    freshdesk = {"FRESHDESK_URL": "https://acme.freshdesk.com", "FRESHDESK_API_KEY": "canary-key"}
    settings = load_settings(ACCOUNTS | freshdesk | {"DESKBRIDGE_HELPDESK": "freshdesk"})
    assert settings.helpdesk == "freshdesk"
    assert settings.helpdesk_variables == freshdesk
