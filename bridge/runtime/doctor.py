"""Is everything set up, at Meta, at the helpdesk and here? One finding per thing: what is wrong, and its mend."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from redis.exceptions import RedisError

from bridge.runtime import checkup, wiring
from bridge.runtime.settings import META_API_URL, Settings, WhatsAppAccount
from bridge.runtime.wiring import Store, Workshop
from bridge.store import channels
from bridge.store.channels import Channel
from bridge.store.database import StoreUnavailable
from bridge.whatsapp.client import CloudApi
from connectors.configuration import InvalidConfiguration
from connectors.errors import NeedsOperator, Permanent, RemoteFailure
from connectors.interface import Finding, FindingLevel, Installs
from connectors.registry import find

FIELDS = (
    "messages",
    "message_template_status_update",
    "message_template_quality_update",
    "template_category_update",
    "message_template_components_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "business_capability_update",
    "account_update",
    "account_alerts",
    "account_review_update",
    "security",
    "user_preferences",
    "calls",
    "smb_message_echoes",
    "history",
)
"""What we subscribe to (fact sheet WhatsApp 1.10)."""
NUMBER_FIELDS = ("status", "quality_rating", "health_status", "platform_type", "name_status", "account_mode")
SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
FIX = "run `deskbridge doctor --fix`"
APP_MEND = "check WHATSAPP_APP_SECRET: it must be that of the app which the access token belongs to"
CALLBACK_MEND = (
    "see that the web part runs, that DESKBRIDGE_PUBLIC_URL leads to it, and that it knows the same "
    "WHATSAPP_VERIFY_TOKEN"
)
IF_REFUSED: Mapping[str, str] = {
    "access token": "check WHATSAPP_ACCESS_TOKEN and WHATSAPP_API_VERSION",
    "phone number": "check WHATSAPP_PHONE_NUMBER_ID, and that the token's system user may use this number",
    "subscription": "check WHATSAPP_BUSINESS_ACCOUNT_ID, and that the token's system user may use this account",
}
"""What to look at when a check's own calls are refused for good: nothing gets better by itself."""

Check = Callable[[], Awaitable[Sequence[Finding]]]


def run(settings: Settings, *, fix: bool) -> list[Finding]:
    """Check everything; with `fix`, make first what is missing and may be made. Raises `StoreUnavailable`."""
    with wiring.open_store(settings, seals=fix) as store:
        return asyncio.run(_run(settings, store, fix=fix))


async def _run(settings: Settings, store: Store, *, fix: bool) -> list[Finding]:
    findings = [_ok("database", "answers, and its schema is current")]
    try:
        async with wiring.open_workshop(settings, store) as workshop:
            findings.append(await _check_redis(workshop))
            doctor = _Doctor(settings, store, workshop)
            if fix:
                findings += await doctor.fix()
            findings += await doctor.check()
            findings += await checkup.look_around(settings, store, workshop.redis)
    except InvalidConfiguration as exc:
        findings.append(_red("settings", str(exc), exc.mend))
    return findings


async def look(settings: Settings, store: Store, workshop: Workshop) -> list[Finding]:
    """The checks alone, for who has everything open already. Raises `StoreUnavailable`."""
    findings = [await _check_redis(workshop), *await _Doctor(settings, store, workshop).check()]
    return [*findings, *await checkup.look_around(settings, store, workshop.redis)]


def _ok(check: str, message: str) -> Finding:
    return Finding(check, FindingLevel.OK, message)


def _red(check: str, message: str, mend: str, *, fixable: bool = False) -> Finding:
    return Finding(check, FindingLevel.RED, message, mend, fixable)


async def _check_redis(workshop: Workshop) -> Finding:
    try:
        await workshop.redis.ping()
    except (RedisError, OSError):
        return _red("Redis", "does not answer: events are kept, replies wait", "check DESKBRIDGE_REDIS_URL")
    return _ok("Redis", "answers")


class _Doctor:
    def __init__(self, settings: Settings, store: Store, workshop: Workshop) -> None:
        self._store = store
        self._account: WhatsAppAccount = settings.account()
        self._settings = settings
        self._api: CloudApi = workshop.services.cloud_api
        self._connector = workshop.services.connector
        self._channel: Channel = workshop.services.channel
        self._callback_url = f"{settings.public_url}/webhooks/whatsapp"
        self._webhook_url = f"{settings.public_url}/webhooks/{settings.helpdesk}"

    async def fix(self) -> list[Finding]:
        """Make subscription, webhook, trigger and fields. What could not be made is a red finding."""
        findings: list[Finding] = []
        for check, make in (("subscription", self._subscribe), ("helpdesk set-up", self._install)):
            try:
                await make()
            except RemoteFailure as failure:
                findings.append(_failed(check, failure))
        return findings

    async def _subscribe(self) -> None:
        app_id = str((await self._api.debug_token()).get("app_id") or "")
        secret, subscribed = await self._look_up_app(app_id) if app_id else ("", set(FIELDS))
        if not subscribed >= set(FIELDS):
            try:
                await self._api.set_app_subscription(
                    app_id,
                    secret,
                    callback_url=self._callback_url,
                    verify_token=self._account.verify_token.get_secret_value(),
                    fields=FIELDS,
                )
            except Permanent as failure:
                raise NeedsOperator(failure.code, action=CALLBACK_MEND) from None
        await self._api.subscribe_app()

    async def _look_up_app(self, app_id: str) -> tuple[str, set[str]]:
        """(the app secret that Meta takes: while they change, it may be any of ours; the fields that the app subscribed
        to with our address)."""
        refusal = NeedsOperator("no app secret", action=APP_MEND)
        for secret in (app_secret.get_secret_value() for app_secret in self._account.app_secrets):
            try:
                subscriptions = await self._api.app_subscriptions(app_id, secret)
            except NeedsOperator as failure:
                # The call bears the app's id and secret, not our access token.
                refusal = NeedsOperator(failure.code, action=APP_MEND)
                continue
            fields: set[str] = set()
            for subscription in subscriptions:
                if subscription.get("callback_url") == self._callback_url and subscription.get("active") is not False:
                    fields |= _names(subscription.get("fields"))
            return secret, fields
        raise refusal

    async def _install(self) -> None:
        if not isinstance(self._connector, Installs):
            return
        made = dict(await self._connector.install(webhook_url=self._webhook_url))
        made[wiring.FIELD_IDS] = orjson.dumps(dict(await self._connector.fetch_field_ids())).decode()
        await self._store.database.write(
            lambda connection: channels.save_settings(
                connection, self._store.vault, channel_id=self._channel.id, values=made
            )
        )

    async def check(self) -> list[Finding]:
        findings: list[Finding] = []
        checks: Mapping[str, Check] = {
            "access token": self._check_token,
            "phone number": self._check_number,
            "business account": self._check_account,
            "subscription": self._check_subscription,
            "helpdesk": self._check_helpdesk,
        }
        for name, check in checks.items():
            try:
                findings += await check()
            except RemoteFailure as failure:
                findings.append(_failed(name, failure))
            except StoreUnavailable:
                findings.append(_red(name, "the database does not answer", "see the first line"))
        findings.append(await self._check_public_url())
        return findings

    async def _check_token(self) -> list[Finding]:
        token = await self._api.debug_token()
        mend = "generate a system-user token in Meta Business Settings and set WHATSAPP_ACCESS_TOKEN"
        if token.get("is_valid") is not True:
            return [_red("access token", "Meta says that it is not valid", mend)]
        missing = [scope for scope in SCOPES if scope not in _names(token.get("scopes"))]
        if missing:
            return [_red("access token", f"lacks {' and '.join(missing)}", mend)]
        expires_at = token.get("expires_at")
        if isinstance(expires_at, int) and expires_at > 0:
            days = int((expires_at - self._store.clock.real_now().timestamp()) // 86_400)
            if days < 14:
                return [Finding("access token", FindingLevel.WARNING, f"expires in {max(days, 0)} days", mend)]
        return [_ok("access token", "is valid, with both scopes")]

    async def _check_number(self) -> list[Finding]:
        number = await self._api.phone_number(
            ["status", "quality_rating", "health_status", "platform_type", "name_status", "account_mode"]
        )
        findings = []
        status = str(number.get("status") or "unknown")
        if status != "CONNECTED":
            findings.append(
                _red("phone number", f"its status is {status}, not CONNECTED", "look at the number in WhatsApp Manager")
            )
        health = number.get("health_status")
        can_send = str(health.get("can_send_message")) if isinstance(health, Mapping) else "unknown"
        if can_send == "BLOCKED":
            findings.append(
                _red(
                    "phone number", "Meta lets it send nothing", "read the reasons in WhatsApp Manager > Account tools"
                )
            )
        elif can_send == "LIMITED":
            mend = "read the reasons in WhatsApp Manager > Account tools"
            findings.append(Finding("phone number", FindingLevel.WARNING, "Meta limits what it may send", mend))
        findings = findings or [_ok("phone number", "is connected")]
        return [*findings, *checkup.judge_number(number)]

    async def _check_account(self) -> list[Finding]:
        findings = checkup.judge_account(await self._api.waba(("account_review_status", "currency", "health_status")))
        with contextlib.suppress(Permanent):  # not every token may read them, and nothing hangs on it
            findings += checkup.judge_number_settings(await self._api.number_settings())
        return findings

    async def _check_subscription(self) -> list[Finding]:
        app_id = str((await self._api.debug_token()).get("app_id") or "")
        ours = [
            app
            for app in await self._api.subscribed_apps()
            if isinstance(data := app.get("whatsapp_business_api_data"), Mapping) and str(data.get("id")) == app_id
        ]
        findings = []
        if not ours:
            findings.append(_red("subscription", "the app does not get the account's webhooks", FIX, fixable=True))
        if any(app.get("override_callback_uri") not in (None, "", self._callback_url) for app in ours):
            mend = "remove it: POST to the account's subscribed_apps without a body"
            findings.append(_red("subscription", "the account overrides the callback, so webhooks go elsewhere", mend))
        _, subscribed = await self._look_up_app(app_id)
        missing = sorted(set(FIELDS) - subscribed)
        if "messages" in missing:
            findings.append(
                _red("subscription", f"no webhook of the app leads to {self._callback_url}", FIX, fixable=True)
            )
        elif missing:
            findings.append(
                Finding("subscription", FindingLevel.WARNING, f"not subscribed: {', '.join(missing)}", FIX, True)
            )
        return findings or [_ok("subscription", "Meta sends its webhooks here")]

    async def _check_helpdesk(self) -> list[Finding]:
        if not isinstance(self._connector, Installs):
            await self._connector.check()
            return [_ok("helpdesk", "answers")]
        own = find(self._settings.helpdesk).webhook_secrets(self._settings.helpdesk_variables)
        kept = await self._store.database.read(
            lambda connection: wiring.load_kept(connection, self._store.vault, self._channel)
        )
        secrets = [*own, *([kept[wiring.WEBHOOK_SECRET]] if wiring.WEBHOOK_SECRET in kept else [])]
        return list(await self._connector.inspect(webhook_url=self._webhook_url, webhook_secrets=secrets))

    async def _check_public_url(self) -> Finding:
        url = self._settings.public_url
        if self._account.api_url == META_API_URL and not url.startswith("https://"):
            mend = "set DESKBRIDGE_PUBLIC_URL to the https address of your proxy"
            return _red("public address", "Meta only calls https, with a certificate that is not self-signed", mend)
        return await checkup.look_from_outside(url)


def _names(value: object) -> set[str]:
    """The names in a list of strings, or of objects with a `name`."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return set()
    return {str(item.get("name")) if isinstance(item, Mapping) else str(item) for item in value}


def _failed(check: str, failure: RemoteFailure) -> Finding:
    match failure:
        case NeedsOperator():
            mend = failure.action
        case Permanent():
            mend = IF_REFUSED.get(check, "check the variables of this far side")
        case _:
            mend = "try again in a minute"
    return _red(check, f"could not be asked ({type(failure).__name__}: {failure})", mend)
