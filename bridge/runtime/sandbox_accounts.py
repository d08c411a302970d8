"""Which accounts does the sandbox of a data dir have, and where does it listen? Made once, then kept.

Seen from everywhere else they are ordinary settings: only the launcher and the command line come here.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bridge.runtime import keys
from bridge.runtime.settings import ACCOUNT_PREFIXES, OUR_PREFIXES, SettingsError, load_settings, sandbox_wanted
from connectors import registry


@dataclass(frozen=True, slots=True)
class SandboxAccounts:
    """Made up, and worth nothing outside the sandbox; still as secret as real ones."""

    app_id: str
    app_secret: str = field(repr=False)
    waba_id: str
    phone_number_id: str
    display_phone_number: str
    access_token: str = field(repr=False)
    verify_token: str = field(repr=False)
    helpdesks: Mapping[str, Mapping[str, str]] = field(repr=False)
    """The account of each helpdesk that the sandbox plays, by the connector's name."""

    def setup_request(self, *, public_url: str, helpdesk: str) -> dict[str, Mapping[str, str]]:
        """What the sandbox is told at its start (`POST /sandbox/api/setup`). `public_url`: where we listen; `helpdesk`:
        the one whose desk its pages show."""
        return {
            "desk": {"name": helpdesk},
            "whatsapp": {
                "app_id": self.app_id,
                "app_secret": self.app_secret,
                "waba_id": self.waba_id,
                "phone_number_id": self.phone_number_id,
                "display_phone_number": self.display_phone_number,
                "access_token": self.access_token,
            },
            **{
                name: played.sandbox_setup(self.helpdesks[name], webhook_url=f"{public_url}/webhooks/{name}")
                for name, played in _played().items()
            },
        }


_ADDRESS_VARIABLES = {"DESKBRIDGE_PUBLIC_URL", "DESKBRIDGE_HOST", "DESKBRIDGE_PORT"}


def folder(data_dir: Path) -> Path:
    return data_dir / "sandbox"


def clock_file(data_dir: Path) -> Path:
    return folder(data_dir) / "clock"


def made_once(data_dir: Path) -> SandboxAccounts:
    """The accounts of this data dir. Raises `SettingsError` when the file that keeps them is damaged."""
    path = _credentials_file(data_dir)
    if not path.exists():
        keys.write_once(path, json.dumps(asdict(_made_up()), indent=2))
    try:
        accounts = SandboxAccounts(**json.loads(path.read_text("utf-8")))
        missing = {name: played for name, played in _played().items() if name not in accounts.helpdesks}
        if not missing:
            return accounts
        # Made by an earlier version, which played fewer helpdesks.
        made = {name: dict(played.make_sandbox_account()) for name, played in missing.items()}
        accounts = replace(accounts, helpdesks={**accounts.helpdesks, **made})
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        keys.write_once(fresh, json.dumps(asdict(accounts), indent=2))
        fresh.replace(path)
        return accounts
    except (ValueError, TypeError, AttributeError):
        raise SettingsError(f"{path} is damaged: remove {folder(data_dir)} and start again") from None


def become_sandbox(data_dir: Path, *, host: str, port: int, clock_file: Path) -> None:
    """Become the sandbox's process: it is started, never imported. Never returns."""
    own = folder(data_dir)
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = [
        *(sys.executable, "-m", "sandbox", "--host", host, "--port", str(port)),
        *("--state", str(own / "state.json"), "--clock-file", str(clock_file)),
    ]
    # The outside world knows nothing of our settings.
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith((*OUR_PREFIXES, *ACCOUNT_PREFIXES))
    }
    os.execve(arguments[0], arguments, environ)  # noqa: S606 - our own argument list, no shell


def remember_address(data_dir: Path, url: str) -> None:
    """Commands in another terminal find the sandbox by it."""
    _address_file(data_dir).write_text(url + "\n", "utf-8")


def remember_own_address(data_dir: Path, public_url: str) -> None:
    """Commands in another terminal look for the webhooks where `up` listens, whatever they are told themselves."""
    _own_address_file(data_dir).write_text(public_url + "\n", "utf-8")


def environment_beside_up(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ`, with the address of the `up` of this data dir where none is configured. Raises `SettingsError`."""
    if _ADDRESS_VARIABLES & environ.keys():
        return environ
    try:
        url = _own_address_file(load_settings(environ, accounts=False).data_dir).read_text("utf-8").strip()
    except OSError:
        return environ
    return {**environ, "DESKBRIDGE_PUBLIC_URL": url}


def environment_beside_sandbox(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ`, with the sandbox's accounts where a sandbox is wanted and one was started. Raises `SettingsError`."""
    if not sandbox_wanted(environ):
        return environ
    data_dir = load_settings(environ, accounts=False).data_dir
    try:
        url = _address_file(data_dir).read_text("utf-8").strip()
    except OSError:
        return environ
    return environment_with(environ, data_dir, made_once(data_dir), url=url)


def environment_with(
    environ: Mapping[str, str], data_dir: Path, accounts: SandboxAccounts, *, url: str
) -> dict[str, str]:
    """`environ` as if somebody had configured these accounts by hand. `url`: where the sandbox listens."""
    helpdesk = load_settings(environ, accounts=False).helpdesk
    played = _played().get(helpdesk)
    if played is None:
        raise SettingsError(
            f"DESKBRIDGE_HELPDESK is {helpdesk}, which the sandbox does not play: configure your accounts"
        )
    return {
        "DESKBRIDGE_CLOCK_FILE": str(clock_file(data_dir)),
        **environ,
        "DESKBRIDGE_SANDBOX": "off",
        "WHATSAPP_API_URL": f"{url}/graph",
        "WHATSAPP_PHONE_NUMBER_ID": accounts.phone_number_id,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": accounts.waba_id,
        "WHATSAPP_ACCESS_TOKEN": accounts.access_token,
        "WHATSAPP_APP_SECRET": accounts.app_secret,
        "WHATSAPP_VERIFY_TOKEN": accounts.verify_token,
        **played.sandbox_environment(accounts.helpdesks[helpdesk], url=url),
    }


def _own_address_file(data_dir: Path) -> Path:
    return data_dir / "address"


def _credentials_file(data_dir: Path) -> Path:
    return folder(data_dir) / "credentials.json"


def _address_file(data_dir: Path) -> Path:
    return folder(data_dir) / "address"


def _made_up() -> SandboxAccounts:
    return SandboxAccounts(
        app_id=_digits(15),
        app_secret=secrets.token_hex(16),
        waba_id=_digits(15),
        phone_number_id=_digits(15),
        display_phone_number="1555" + _digits(7),
        access_token="EAA" + secrets.token_urlsafe(48),
        verify_token=secrets.token_hex(16),
        helpdesks={name: dict(played.make_sandbox_account()) for name, played in _played().items()},
    )


def _played() -> dict[str, registry.HasSandbox]:
    """The helpdesks that the sandbox plays."""
    return {name: found for name, found in registry.built_in().items() if isinstance(found, registry.HasSandbox)}


def _digits(count: int) -> str:
    return str(10 ** (count - 1) + secrets.randbelow(9 * 10 ** (count - 1)))
