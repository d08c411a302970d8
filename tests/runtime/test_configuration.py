"""What is written now counts from a SIGHUP on, if it can be used; else the one before goes on, and a line says why."""

import base64
from pathlib import Path

import pytest

from bridge.runtime import wiring
from bridge.runtime.configuration import Configuration, require_usable
from bridge.runtime.settings import Settings, load_environment, load_settings
from bridge.store import keyring
from bridge.store.crypto import key_id, key_name

OLD, NEW = b"o" * 32, b"n" * 32
ACCOUNT = {
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
    "WHATSAPP_ACCESS_TOKEN": "canary-token",
    "WHATSAPP_VERIFY_TOKEN": "canary-verify",
    "ZENDESK_URL": "https://acme.zendesk.com",
    "ZENDESK_OAUTH_CLIENT_ID": "bridge",
    "ZENDESK_OAUTH_CLIENT_SECRET": "canary-client",
    "DESKBRIDGE_ADMIN_TOKEN": "canary-admin-token-of-some-length",
}


def as_text(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


class Folder:
    """Where an installation keeps its `.env`, and the files that it names."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.fixed = {
            **ACCOUNT,
            "DESKBRIDGE_DATA_DIR": str(folder / "var"),
            "DESKBRIDGE_DATABASE_URL": database_url,
            "DESKBRIDGE_ENCRYPTION_KEYS_FILE": str(folder / "keys"),
        }
        self.write_keys(OLD)
        self.write_env(WHATSAPP_APP_SECRET="canary-first")

    def write_keys(self, *keys: bytes) -> None:
        (self.folder / "keys").write_text(as_text(*keys) + "\n")

    def write_env(self, **variables: str) -> None:
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))

    def load(self) -> Settings:
        return load_settings(load_environment(self.folder, self.fixed))

    def configuration(self) -> Configuration:
        return Configuration(self.load(), self.load)


@pytest.fixture
def folder(tmp_path: Path, database_url: str) -> Folder:
    made = Folder(tmp_path, database_url)
    wiring.migrate(made.load())
    return made


def secrets(configuration: Configuration) -> list[str]:
    return [secret.get_secret_value() for secret in configuration.settings.account().app_secrets]


def test_env_file_and_named_files_are_read_again(folder: Folder) -> None:
    configuration = folder.configuration()
    folder.write_env(WHATSAPP_APP_SECRET="canary-second,canary-first")
    folder.write_keys(NEW, OLD)
    assert configuration.refresh(check=require_usable)
    assert secrets(configuration) == ["canary-second", "canary-first"]
    assert configuration.settings.encryption_keys() == (NEW, OLD)


@pytest.mark.parametrize(
    "wrong", [{"WHATSAPP_APP_SECRET": ","}, {"WHATSAPP_APP_SECRET": "canary", "DESKBRIDGE_HOLD_HOURS": "canary"}, {}]
)
def test_what_cannot_be_used_is_said_and_the_one_before_goes_on(
    folder: Folder, wrong: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = folder.configuration()
    folder.write_env(**wrong)
    assert not configuration.refresh(check=require_usable)
    assert secrets(configuration) == ["canary-first"]
    said = capsys.readouterr().err
    assert "deskbridge: the configuration stays as it was: " in said
    assert ("WHATSAPP_APP_SECRET" in said) or ("DESKBRIDGE_HOLD_HOURS" in said)
    assert "canary" not in said


def test_keys_without_one_that_is_needed_are_refused_and_the_missing_one_is_named(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = folder.configuration()
    with wiring.open_store(configuration.settings):
        pass  # something may be sealed under the old key from here on
    folder.write_keys(NEW)
    assert not configuration.refresh(check=require_usable)
    assert configuration.settings.encryption_keys() == (OLD,)
    said = capsys.readouterr().err
    assert key_name(key_id(OLD)) in said
    assert "DESKBRIDGE_ENCRYPTION_KEYS" in said
    assert as_text(OLD) not in said


def test_database_that_is_away_refuses_and_the_one_before_goes_on(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = folder.configuration()
    folder.fixed["DESKBRIDGE_DATABASE_URL"] = f"sqlite:///{tmp_path}/missing/folder/db"
    assert not configuration.refresh(check=require_usable)
    assert "the database does not answer" in capsys.readouterr().err


def test_port_and_data_dir_count_from_the_next_start_on_and_the_rest_at_once(folder: Folder) -> None:
    configuration = folder.configuration()
    folder.write_env(WHATSAPP_APP_SECRET="canary-second", DESKBRIDGE_PORT="8111")
    folder.fixed["DESKBRIDGE_DATA_DIR"] = str(folder.folder / "elsewhere")
    before = configuration.settings
    assert configuration.refresh(check=require_usable)
    assert secrets(configuration) == ["canary-second"]
    assert (configuration.settings.port, configuration.settings.data_dir) == (before.port, before.data_dir)
    assert configuration.settings.redis_url == before.redis_url, "the embedded Redis stays where it is"


def test_looking_at_a_configuration_puts_no_key_on_record(folder: Folder) -> None:
    """Others would wait for a key that nothing is sealed under yet."""
    configuration = folder.configuration()
    folder.write_keys(NEW, OLD)
    assert configuration.refresh(check=wiring.migrate)
    assert configuration.refresh(check=require_usable)
    with wiring.open_store(configuration.settings, seals=False) as store:
        assert store.database.read_now(keyring.on_record) == {key_name(key_id(OLD))}
    with wiring.open_store(configuration.settings) as store:
        assert store.database.read_now(keyring.on_record) == {key_name(key_id(key)) for key in (OLD, NEW)}
