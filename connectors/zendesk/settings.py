"""What must be known of a Zendesk account before it can be used, and where does a person get it?"""

from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.configuration import InvalidConfiguration, Variable

VARIABLES = (
    Variable("ZENDESK_URL", "address of the account, like https://acme.zendesk.com"),
    Variable(
        "ZENDESK_OAUTH_CLIENT_ID",
        "identifier of a confidential OAuth client (Admin Center, Apps and integrations, APIs, OAuth clients)",
    ),
    Variable("ZENDESK_OAUTH_CLIENT_SECRET", "secret of that client"),
    Variable(
        "ZENDESK_WEBHOOK_SECRET",
        "signs Zendesk's webhooks; a comma list while it is rotated. Leave it out: `deskbridge doctor --fix` makes one",
    ),
    Variable(
        "ZENDESK_EMAIL",
        "the old way in, for accounts that still have an API token (they die on 2027-04-30): the agent's address",
    ),
    Variable("ZENDESK_API_TOKEN", "the old way in: the API token"),
)

_PUBLIC_TEST_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105  # published by Zendesk, refused below
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OAuthClient(BaseModel):
    """Client credentials (fact sheet Zendesk 1.2): the default way in."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    client_secret: SecretStr


class ApiToken(BaseModel):
    """The old way in: dies on 2027-04-30 (fact sheet Zendesk 1.1)."""

    model_config = ConfigDict(frozen=True)

    email: str
    token: SecretStr


class ZendeskSettings(BaseModel):
    """One account. `url` has no trailing slash and no `/api/v2`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str
    credentials: OAuthClient | ApiToken
    webhook_secrets: tuple[SecretStr, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Built from the `ZENDESK_*` names. Raises `InvalidConfiguration`."""
        return cls(
            url=_url(environment),
            credentials=_credentials(environment),
            webhook_secrets=tuple(SecretStr(secret) for secret in webhook_secrets(environment)),
        )


def _url(environment: Mapping[str, str]) -> str:
    mend = (
        "Give the address of the account, like https://acme.zendesk.com (a host-mapped help centre domain does not do)."
    )
    raw = environment.get("ZENDESK_URL", "").strip().rstrip("/").removesuffix("/api/v2")
    if not raw:
        raise InvalidConfiguration("ZENDESK_URL", "is not set", mend=mend)
    parts = urlsplit(raw)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise InvalidConfiguration("ZENDESK_URL", "is not the address of an account", mend=mend)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise InvalidConfiguration(
            "ZENDESK_URL", "must begin with https:// (http is for the sandbox on this machine)", mend=mend
        )
    return raw


def _credentials(environment: Mapping[str, str]) -> OAuthClient | ApiToken:
    client_id, client_secret, email, token = (
        environment.get(name, "").strip()
        for name in ("ZENDESK_OAUTH_CLIENT_ID", "ZENDESK_OAUTH_CLIENT_SECRET", "ZENDESK_EMAIL", "ZENDESK_API_TOKEN")
    )
    oauth_mend = (
        "In Zendesk: Admin Center > Apps and integrations > APIs > OAuth clients, add a confidential client while"
        " signed in as an administrator who is used for nothing else; it gives both the identifier and the secret."
    )
    if client_id and client_secret:
        return OAuthClient(client_id=client_id, client_secret=SecretStr(client_secret))
    if client_id or client_secret:
        missing = "ZENDESK_OAUTH_CLIENT_SECRET" if client_id else "ZENDESK_OAUTH_CLIENT_ID"
        raise InvalidConfiguration(missing, "is not set", mend=oauth_mend)
    if email and token:
        return ApiToken(email=email, token=SecretStr(token))
    if email or token:
        missing = "ZENDESK_API_TOKEN" if email else "ZENDESK_EMAIL"
        mend = f"An API token needs both. {oauth_mend} New API tokens can no longer be made."
        raise InvalidConfiguration(missing, "is not set", mend=mend)
    raise InvalidConfiguration("ZENDESK_OAUTH_CLIENT_ID", "is not set", mend=oauth_mend)


def webhook_secrets(environment: Mapping[str, str]) -> list[str]:
    """Those of `ZENDESK_WEBHOOK_SECRET`, without empty ones. Raises `InvalidConfiguration`."""
    secrets = [part.strip() for part in environment.get("ZENDESK_WEBHOOK_SECRET", "").split(",") if part.strip()]
    if _PUBLIC_TEST_SECRET in secrets:
        raise InvalidConfiguration(
            "ZENDESK_WEBHOOK_SECRET",
            "is the secret that Zendesk publishes for tests, so anybody could ring",
            mend="Leave it out and run `deskbridge doctor --fix`, which makes the webhook and keeps its own secret.",
        )
    return secrets
