"""What does the environment ask for? Read once at the start, checked whole, and passed on as a value.

Every refusal is one line: which variable, what is wrong with it, and where its value comes from. It never shows a
value of a secret.
"""

import difflib
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bridge.domain.decide import ReadReceipts
from bridge.domain.outgoing import NameLine
from bridge.domain.speech import ENGLISH, LANGUAGES
from bridge.runtime import embedded_redis, keys
from bridge.runtime.operator_error import OperatorError
from connectors import registry
from connectors.configuration import InvalidConfiguration, Variable

META_API_URL = "https://graph.facebook.com"
NEWEST_API_VERSION = "v26.0"
SQLITE_FILE = "deskbridge.sqlite3"
OUR_PREFIXES = ("DESKBRIDGE_", "WHATSAPP_")
ACCOUNT_PREFIXES = ("WHATSAPP_", *(registry.variable_prefix(name) for name in registry.built_in()))
_ACCOUNTS = f"{', '.join(ACCOUNT_PREFIXES[:-1])} or {ACCOUNT_PREFIXES[-1]}"
_Words = TypeVar("_Words", bound=StrEnum)
HELPDESKS = tuple(registry.names())


class SettingsError(OperatorError):
    """The environment cannot be used as it is; the text is one line for whoever set it."""


VARIABLES: tuple[Variable, ...] = (
    Variable("DESKBRIDGE_DATA_DIR", "everything that the embedded parts keep; default ./var", "name a folder"),
    Variable(
        "DESKBRIDGE_FILES_DIR",
        "files on their way, encrypted; several machines need one folder that all see; default files in the data dir",
        "name a folder",
    ),
    Variable(
        "DESKBRIDGE_FILE_LINK_DAYS",
        "how long a link to a file is good that the helpdesk does not take; default 30",
        "use a whole number of days",
    ),
    Variable(
        "DESKBRIDGE_REACTIONS",
        "what a customer's reaction is: a note, or a message that opens the ticket (reopen); default note",
        "use note or reopen",
    ),
    Variable(
        "DESKBRIDGE_DATABASE_URL",
        "postgresql+psycopg://USER:PASSWORD@HOST/NAME in production; default SQLite in the data dir",
        "use postgresql+psycopg://USER:PASSWORD@HOST/NAME or sqlite:///PATH",
    ),
    Variable(
        "DESKBRIDGE_REDIS_URL",
        "redis://HOST:6379/0 or rediss://; default an embedded Redis in the data dir",
        "use redis://HOST:6379/0, rediss:// or unix:///PATH",
    ),
    Variable("DESKBRIDGE_HOST", "where the web part listens; default 127.0.0.1", "name an address"),
    Variable("DESKBRIDGE_PORT", "where the web part listens; default 8000", "use a number from 1 to 65535"),
    Variable(
        "DESKBRIDGE_PUBLIC_URL",
        "how Meta and the helpdesk reach it, https in production; default http://HOST:PORT",
        "use the address of your proxy, like https://bridge.example.com",
    ),
    Variable("DESKBRIDGE_WORKERS", "worker processes of `up`; default 1", "use a number from 1 to 64"),
    Variable(
        "DESKBRIDGE_ENCRYPTION_KEYS",
        "comma list of base64 32-byte keys, newest first; default made once in the data dir",
        "make one with `openssl rand -base64 32`",
    ),
    Variable(
        "DESKBRIDGE_HELPDESK", f"name of a connector; default {registry.DEFAULT}", f"use one of: {', '.join(HELPDESKS)}"
    ),
    Variable(
        "DESKBRIDGE_ADMIN_TOKEN",
        "bearer token with every right; default made once in the data dir (admin-token)",
        "make one with `openssl rand -hex 32`",
    ),
    Variable(
        "DESKBRIDGE_WINDOW_CLOSED",
        "what becomes of a reply once the window is closed: hold, template or reject; default hold",
        "use `hold`, `template` or `reject`",
    ),
    Variable(
        "DESKBRIDGE_REENGAGE_TEMPLATE",
        "the template that asks a customer to come back, as name:language; required with template",
        "use the name and language of an approved template with a quick-reply button, like come_back:en_US",
    ),
    Variable(
        "DESKBRIDGE_READ_RECEIPTS",
        "when customers see that their messages were read: never, taken (on the ticket) or answered; default never",
        "use `never`, `taken` or `answered`",
    ),
    Variable(
        "DESKBRIDGE_AGENT_NAME",
        "whether a reply begins with its author's name: off, first (name alone) or full; default off",
        "use `off`, `first` or `full`",
    ),
    Variable(
        "DESKBRIDGE_SANDBOX",
        f"on or off; default on only when no {_ACCOUNTS} variable is set",
        "use `on` or `off`",
    ),
    Variable(
        "DESKBRIDGE_CLOCK_FILE",
        "a file with seconds to add to business time, for the sandbox and tests; default none",
        "leave it out, or point WHATSAPP_API_URL at the sandbox",
    ),
    Variable("DESKBRIDGE_LOG_FORMAT", "console or json; default console on a terminal", "use `console` or `json`"),
    Variable(
        "DESKBRIDGE_RECONCILE_SECONDS",
        "how often the helpdesk is asked what its webhooks may have failed to tell; default 120",
        "use a number from 10 to 86400",
    ),
    Variable(
        "DESKBRIDGE_HELPDESK_SHARE",
        "percent of the helpdesk's calls a minute that are ours, the rest is left to your other apps; default 80",
        "use a number from 1 to 100",
    ),
    Variable(
        "DESKBRIDGE_DEAD_LETTER_HOURS",
        "how long an effect is retried before it becomes a dead letter; default 72",
        "use a number from 1 to 720",
    ),
    Variable(
        "DESKBRIDGE_KEEP_DAYS",
        "how long contents of messages are kept before they are emptied; default 90",
        "use a number from 15 to 3650",
    ),
    Variable("SENTRY_DSN", "where errors are reported to, without anybody's data; default none", "use Sentry's DSN"),
    Variable(
        "DESKBRIDGE_HOLD_HOURS",
        "how long a reply is held for a closed window before the agent is told; default 72",
        "use a number from 1 to 720",
    ),
    Variable(
        "DESKBRIDGE_WINDOW_WARNING_MINUTES",
        "how long before the window closes on an unanswered customer the agent is warned; default 120",
        "use a number from 5 to 1380",
    ),
    Variable(
        "DESKBRIDGE_LANGUAGE",
        f"in which language agents are told things where the helpdesk does not tell theirs: {', '.join(LANGUAGES)}; "
        f"default {ENGLISH}",
        f"use one of: {', '.join(LANGUAGES)}",
    ),
    Variable(
        "WHATSAPP_API_URL",
        f"another base serves the sandbox; default {META_API_URL}",
        f"leave it out, or use {META_API_URL}",
    ),
    Variable(
        "WHATSAPP_API_VERSION",
        f"Graph API version; default {NEWEST_API_VERSION}",
        f"leave it out, or use a version like {NEWEST_API_VERSION}",
    ),
    Variable(
        "WHATSAPP_PHONE_NUMBER_ID",
        "id of the business phone number, not the number itself",
        "copy `Phone number ID` from the app dashboard, WhatsApp > API setup",
    ),
    Variable(
        "WHATSAPP_BUSINESS_ACCOUNT_ID",
        "id of the WhatsApp Business Account (WABA)",
        "copy `WhatsApp Business Account ID` from the app dashboard, WhatsApp > API setup",
    ),
    Variable(
        "WHATSAPP_ACCESS_TOKEN",
        "token of a system user with whatsapp_business_messaging and whatsapp_business_management",
        "generate one in Meta Business Settings, Users > System users",
    ),
    Variable(
        "WHATSAPP_APP_SECRET",
        "signs Meta's webhooks; a comma list while it is rotated",
        "copy `App secret` from the app dashboard, App settings > Basic",
    ),
    Variable(
        "WHATSAPP_VERIFY_TOKEN",
        "a word of your own that Meta repeats when the webhook is set up",
        "make one up, e.g. with `openssl rand -hex 16`",
    ),
)
_KNOWN = {variable.name: variable for variable in VARIABLES}
_REQUIRED_ACCOUNT = (
    "WHATSAPP_PHONE_NUMBER_ID",
    "WHATSAPP_BUSINESS_ACCOUNT_ID",
    "WHATSAPP_ACCESS_TOKEN",
    "WHATSAPP_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN",
)


class WhatsAppAccount(BaseModel):
    """The Cloud API account of the first channel."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    api_version: str
    phone_number_id: str
    business_account_id: str
    access_token: SecretStr
    app_secrets: tuple[SecretStr, ...]
    verify_token: SecretStr


class Settings(BaseModel):
    """Everything that was asked for. `whatsapp` is None where the sandbox is on and not running yet."""

    model_config = ConfigDict(frozen=True)

    data_dir: Path
    files_dir: Path
    file_link_days: int
    reactions: Literal["note", "reopen"]
    database_url: SecretStr
    """SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`."""
    redis_url: SecretStr
    embedded_redis: bool
    host: str
    port: int
    public_url: str
    """Without a slash at its end."""
    workers: int
    configured_encryption_keys: tuple[bytes, ...] | None = Field(repr=False)
    helpdesk: str
    helpdesk_variables: Mapping[str, str] = Field(repr=False)
    """The helpdesk's own variables, as the connector spells them."""
    configured_admin_token: SecretStr | None
    window_closed: Literal["hold", "template", "reject"]
    reengage_template: tuple[str, str] | None
    """Name and language, with `template` alone."""
    agent_name: NameLine
    read_receipts: ReadReceipts
    sandbox: bool
    clock_file: Path | None
    log_format: Literal["console", "json"] | None
    """None: whatever fits the terminal."""
    reconcile_seconds: int
    keep_days: int
    helpdesk_share_percent: int
    dead_letter_hours: int
    hold_hours: int
    sentry_dsn: SecretStr | None
    window_warning_minutes: int
    language: str
    """One of `speech.LANGUAGES`."""
    whatsapp: WhatsAppAccount | None

    @property
    def uses_sqlite(self) -> bool:
        return _is_sqlite(self.database_url.get_secret_value())

    def encryption_keys(self) -> tuple[bytes, ...]:
        """Newest first; made in the data dir where none are configured. Raises `SettingsError`."""
        if self.configured_encryption_keys is not None:
            return self.configured_encryption_keys
        try:
            return keys.encryption_keys(self.data_dir)
        except (keys.InvalidKeys, OSError) as exc:
            raise _kept_file_unusable(self.data_dir / keys.KEYS_FILE, exc) from None

    def admin_token(self) -> SecretStr:
        """Made in the data dir where none is configured. Raises `SettingsError`."""
        if self.configured_admin_token is not None:
            return self.configured_admin_token
        try:
            return SecretStr(keys.admin_token(self.data_dir))
        except OSError as exc:
            raise _kept_file_unusable(self.data_dir / keys.TOKEN_FILE, exc) from None

    def account(self) -> WhatsAppAccount:
        """The Cloud API account. Raises `SettingsError` where only a sandbox that does not run could give one."""
        if self.whatsapp is None:
            raise SettingsError(
                "WHATSAPP_PHONE_NUMBER_ID is missing: run `deskbridge up`, which brings a sandbox, "
                "or set the WHATSAPP_* variables of your account (see .env.example)"
            )
        return self.whatsapp


def load_environment(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables as they count: `environ` (the process's own) over `folder/.env`, `NAME_FILE` read, empty ones gone.

    Raises `SettingsError`.
    """
    own = dict(os.environ if environ is None else environ)
    try:
        written = dotenv_values(folder / ".env", interpolate=False)
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{folder / '.env'} cannot be read: make it a readable text file, or remove it") from None
    helpdesk = own.get("DESKBRIDGE_HELPDESK") or written.get("DESKBRIDGE_HELPDESK") or registry.DEFAULT
    prefixes = (*OUR_PREFIXES, *ACCOUNT_PREFIXES, "SENTRY_", registry.variable_prefix(helpdesk))
    from_file = _read_named_files({name: value for name, value in written.items() if value is not None}, prefixes)
    return {name: value for name, value in (from_file | _read_named_files(own, prefixes)).items() if value.strip()}


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for every `DESKBRIDGE_` or `WHATSAPP_` name that means nothing here, with the closest that does."""
    lines = []
    for name in sorted(environ):
        if name.startswith(OUR_PREFIXES) and name not in _KNOWN:
            closest = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.6)
            lines.append(f"{name} is not a variable of deskbridge" + (f": is it {closest[0]}?" if closest else ""))
    return lines


def sandbox_wanted(environ: Mapping[str, str]) -> bool:
    """`DESKBRIDGE_SANDBOX`, or on where no account is named at all. Raises `SettingsError`."""
    default = "off" if any(name.startswith(ACCOUNT_PREFIXES) for name in environ) else "on"
    return _choice(environ, "DESKBRIDGE_SANDBOX", ("on", "off"), default) == "on"


def load_settings(environ: Mapping[str, str], *, accounts: bool = True) -> Settings:
    """Check the whole environment. `accounts=False`: for commands that talk to nobody. Raises `SettingsError`."""
    data_dir = Path(environ.get("DESKBRIDGE_DATA_DIR", "./var")).expanduser().absolute()
    database_url = _database_url(environ, data_dir)
    host = environ.get("DESKBRIDGE_HOST", "127.0.0.1").strip()
    port = _number(environ, "DESKBRIDGE_PORT", 8000, 1, 65535)
    sandbox = sandbox_wanted(environ)
    helpdesk = _choice(environ, "DESKBRIDGE_HELPDESK", HELPDESKS, registry.DEFAULT)
    whatsapp = _account(environ, required=accounts and not sandbox)
    if accounts and not sandbox:
        _check_helpdesk(helpdesk, environ)
    if not _is_sqlite(database_url):
        for name in ("DESKBRIDGE_ENCRYPTION_KEYS", "DESKBRIDGE_ADMIN_TOKEN"):
            if name not in environ:
                raise _refused(name, "is missing, and must be set where the database is not SQLite")
    return Settings(
        data_dir=data_dir,
        files_dir=Path(environ.get("DESKBRIDGE_FILES_DIR") or data_dir / "files").expanduser().absolute(),
        reactions=_reactions(environ),
        file_link_days=_number(environ, "DESKBRIDGE_FILE_LINK_DAYS", 30, 1, 365),
        database_url=SecretStr(database_url),
        redis_url=SecretStr(_redis_url(environ, data_dir)),
        embedded_redis="DESKBRIDGE_REDIS_URL" not in environ,
        host=host,
        port=port,
        public_url=_http_url(environ, "DESKBRIDGE_PUBLIC_URL", f"http://{_in_url(host)}:{port}"),
        workers=_number(environ, "DESKBRIDGE_WORKERS", 1, 1, 64),
        configured_encryption_keys=_encryption_keys(environ),
        helpdesk=helpdesk,
        helpdesk_variables={
            name: value for name, value in environ.items() if name.startswith(registry.variable_prefix(helpdesk))
        },
        configured_admin_token=_admin_token(environ),
        window_closed=_window_closed(environ),
        reengage_template=_reengage_template(environ),
        agent_name=_one_of(NameLine, environ, "DESKBRIDGE_AGENT_NAME", NameLine.OFF),
        read_receipts=_one_of(ReadReceipts, environ, "DESKBRIDGE_READ_RECEIPTS", ReadReceipts.NEVER),
        sandbox=sandbox,
        clock_file=_clock_file(environ, sandbox=sandbox),
        log_format=_log_format(environ),
        reconcile_seconds=_number(environ, "DESKBRIDGE_RECONCILE_SECONDS", 120, 10, 86_400),
        helpdesk_share_percent=_number(environ, "DESKBRIDGE_HELPDESK_SHARE", 80, 1, 100),
        dead_letter_hours=_number(environ, "DESKBRIDGE_DEAD_LETTER_HOURS", 72, 1, 720),
        keep_days=_number(environ, "DESKBRIDGE_KEEP_DAYS", 90, 15, 3650),
        sentry_dsn=_sentry_dsn(environ),
        hold_hours=_number(environ, "DESKBRIDGE_HOLD_HOURS", 72, 1, 720),
        window_warning_minutes=_number(environ, "DESKBRIDGE_WINDOW_WARNING_MINUTES", 120, 5, 1380),
        language=_choice(environ, "DESKBRIDGE_LANGUAGE", LANGUAGES, ENGLISH),
        whatsapp=whatsapp,
    )


def _refused(name: str, what: str) -> SettingsError:
    return SettingsError(f"{name} {what}: {_KNOWN[name].mend}")


def _kept_file_unusable(path: Path, exc: Exception) -> SettingsError:
    why = (exc.strerror or "cannot be read") if isinstance(exc, OSError) else str(exc)
    return SettingsError(f"{path} cannot be used ({why}): restore it from your backup, and see who may read the folder")


def _check_helpdesk(helpdesk: str, environ: Mapping[str, str]) -> None:
    try:
        registry.find(helpdesk).check(environ)
    except InvalidConfiguration as exc:
        raise SettingsError(str(exc)) from None


def _read_named_files(variables: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    read = dict(variables)
    for name, path in variables.items():
        # DESKBRIDGE_CLOCK_FILE is a variable of its own, not the file of another.
        if not name.endswith("_FILE") or not name.startswith(prefixes) or name in _KNOWN or not path.strip():
            continue
        target = name.removesuffix("_FILE")
        if variables.get(target, "").strip():
            raise SettingsError(f"{target} and {name} are both set: keep one of them")
        try:
            read[target] = Path(path.strip()).expanduser().read_text("utf-8").strip()
        except OSError as exc:
            raise SettingsError(
                f"{name} names a file that cannot be read ({exc.strerror}): correct the path or its permissions"
            ) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{name} names a file that is not UTF-8 text: write it anew") from None
        del read[name]
    return read


def _choice(environ: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = environ.get(name, default).strip().lower()
    if value not in allowed:
        raise _refused(name, "has a value that is not known")
    return value


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise _refused(name, "is not a number in its range")
    return int(text)


def _http_url(environ: Mapping[str, str], name: str, default: str) -> str:
    url = environ.get(name, default).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise _refused(name, "is not an http address") from None
    if not whole or parts.query or parts.fragment or parts.username or parts.password or any(map(str.isspace, url)):
        raise _refused(name, "is not a plain http address")
    return url


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _database_url(environ: Mapping[str, str], data_dir: Path) -> str:
    url = environ.get("DESKBRIDGE_DATABASE_URL", f"sqlite:///{data_dir / SQLITE_FILE}").strip()
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    if not separator or scheme not in ("sqlite", "postgresql+psycopg"):
        raise _refused("DESKBRIDGE_DATABASE_URL", "is of a kind that is not supported")
    if scheme == "sqlite" and (not rest.startswith("/") or rest in ("/", "/:memory:")):
        raise _refused("DESKBRIDGE_DATABASE_URL", "names no file")
    return f"{scheme}://{rest}"


def _is_sqlite(database_url: str) -> bool:
    return database_url.startswith("sqlite:")


def _redis_url(environ: Mapping[str, str], data_dir: Path) -> str:
    url = environ.get("DESKBRIDGE_REDIS_URL", embedded_redis.url(data_dir)).strip()
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise _refused("DESKBRIDGE_REDIS_URL", "is not the URL of a Redis")
    return url


def _encryption_keys(environ: Mapping[str, str]) -> tuple[bytes, ...] | None:
    text = environ.get("DESKBRIDGE_ENCRYPTION_KEYS")
    try:
        return None if text is None else keys.parse_encryption_keys(text)
    except keys.InvalidKeys as exc:
        raise _refused("DESKBRIDGE_ENCRYPTION_KEYS", f"cannot be used ({exc})") from None


def _admin_token(environ: Mapping[str, str]) -> SecretStr | None:
    token = environ.get("DESKBRIDGE_ADMIN_TOKEN", "").strip()
    if not token:
        return None
    if len(token) < keys.TOKEN_CHARACTERS_AT_LEAST:
        raise _refused("DESKBRIDGE_ADMIN_TOKEN", f"is shorter than {keys.TOKEN_CHARACTERS_AT_LEAST} characters")
    return SecretStr(token)


def _reactions(environ: Mapping[str, str]) -> Literal["note", "reopen"]:
    match environ.get("DESKBRIDGE_REACTIONS", "note").strip().lower():
        case "note":
            return "note"
        case "reopen":
            return "reopen"
        case _:
            raise _refused("DESKBRIDGE_REACTIONS", "has a value that is not known")


def _window_closed(environ: Mapping[str, str]) -> Literal["hold", "template", "reject"]:
    match environ.get("DESKBRIDGE_WINDOW_CLOSED", "hold").strip().lower():
        case "hold":
            return "hold"
        case "template":
            return "template"
        case "reject":
            return "reject"
        case _:
            raise _refused("DESKBRIDGE_WINDOW_CLOSED", "has a value that is not known")


def _reengage_template(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """What is set without the policy is checked all the same, and then not used."""
    text = environ.get("DESKBRIDGE_REENGAGE_TEMPLATE", "").strip()
    is_wanted = _window_closed(environ) == "template"
    if not text:
        if is_wanted:
            raise _refused("DESKBRIDGE_REENGAGE_TEMPLATE", "is missing, and DESKBRIDGE_WINDOW_CLOSED is `template`")
        return None
    named = re.fullmatch(r"([a-z0-9_]{1,512}):([a-z]{2,3}(?:_[A-Z]{2})?)", text)
    if named is None:
        raise _refused("DESKBRIDGE_REENGAGE_TEMPLATE", "is not a template as name:language")
    return (named[1], named[2]) if is_wanted else None


def _one_of(words: type[_Words], environ: Mapping[str, str], name: str, default: _Words) -> _Words:
    try:
        return words(environ.get(name, "").strip().lower() or default)
    except ValueError:
        raise _refused(name, "has a value that is not known") from None


def _log_format(environ: Mapping[str, str]) -> Literal["console", "json"] | None:
    match environ.get("DESKBRIDGE_LOG_FORMAT", "").strip().lower():
        case "":
            return None
        case "console":
            return "console"
        case "json":
            return "json"
        case _:
            raise _refused("DESKBRIDGE_LOG_FORMAT", "has a value that is not known")


def _sentry_dsn(environ: Mapping[str, str]) -> SecretStr | None:
    """`scheme://key@host/project`. What is no DSN is refused here, and not with the first error."""
    dsn = environ.get("SENTRY_DSN", "").strip()
    if not dsn:
        return None
    try:
        parts = urlsplit(dsn)
        whole = parts.scheme in ("http", "https") and parts.username and parts.hostname and parts.path.strip("/")
    except ValueError:
        whole = False
    if not whole:
        raise _refused("SENTRY_DSN", "is no DSN")
    return SecretStr(dsn)


def _clock_file(environ: Mapping[str, str], *, sandbox: bool) -> Path | None:
    if "DESKBRIDGE_CLOCK_FILE" not in environ:
        return None
    if not sandbox or "WHATSAPP_API_URL" in environ:
        host = urlsplit(_http_url(environ, "WHATSAPP_API_URL", META_API_URL)).hostname or ""
        if host == "facebook.com" or host.endswith(".facebook.com"):
            raise _refused("DESKBRIDGE_CLOCK_FILE", "would move the clock while WHATSAPP_API_URL is Meta's")
    return Path(environ["DESKBRIDGE_CLOCK_FILE"]).expanduser().absolute()


def _account(environ: Mapping[str, str], *, required: bool) -> WhatsAppAccount | None:
    missing = [name for name in _REQUIRED_ACCOUNT if name not in environ]
    if missing:
        if required:
            also = f" (as are {', '.join(missing[1:])})" if missing[1:] else ""
            raise _refused(missing[0], f"is missing{also}")
        return None
    for name in ("WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_BUSINESS_ACCOUNT_ID"):
        if not (environ[name].strip().isascii() and environ[name].strip().isdigit()):
            raise _refused(name, "is not an id of digits")
    version = environ.get("WHATSAPP_API_VERSION", NEWEST_API_VERSION).strip()
    major, _, minor = version.removeprefix("v").partition(".")
    if not (version.startswith("v") and major.isdecimal() and minor.isdecimal()):
        raise _refused("WHATSAPP_API_VERSION", "is not a version")
    return WhatsAppAccount(
        api_url=_http_url(environ, "WHATSAPP_API_URL", META_API_URL),
        api_version=version,
        phone_number_id=environ["WHATSAPP_PHONE_NUMBER_ID"].strip(),
        business_account_id=environ["WHATSAPP_BUSINESS_ACCOUNT_ID"].strip(),
        access_token=SecretStr(environ["WHATSAPP_ACCESS_TOKEN"].strip()),
        app_secrets=_comma_list("WHATSAPP_APP_SECRET", environ["WHATSAPP_APP_SECRET"]),
        verify_token=SecretStr(environ["WHATSAPP_VERIFY_TOKEN"].strip()),
    )


def _comma_list(name: str, text: str) -> tuple[SecretStr, ...]:
    """The secrets of a comma list, any of which may match. Raises `SettingsError` when there is none."""
    found = tuple(SecretStr(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise _refused(name, "holds nothing")
    return found
