"""How tests and pages move a business up and down: the control API's part for limits and quality."""

import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.clock import SandboxClock
from sandbox.whatsapp.network import Network
from sandbox.whatsapp.people import Account
from sandbox.whatsapp.sender import Update, WebhookSender
from sandbox.whatsapp.standing import LEVELS, QUALITIES, TIERS, Standing

ANY_TIER = re.compile(r"TIER_\d{1,3}\Z")
"""Meta has none so small; a test has few customers."""
WISHES = {
    "phone_number_id",
    "tier",
    "quality",
    "level",
    "coexistence",
    "maintenance_seconds",
    "others",
    "restricted",
    "restriction",
    "alert",
    "tell",
}


class StandingControl:
    """Answers under `/sandbox/api/whatsapp/limits`."""

    def __init__(
        self,
        *,
        accounts: dict[str, Account],
        standing: Standing,
        network: Network,
        sender: WebhookSender,
        clock: SandboxClock,
    ) -> None:
        self._accounts = accounts
        self._standing = standing
        self._network = network
        self._sender = sender
        self._clock = clock

    def routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            Route("/whatsapp/limits", self._show, methods=["GET"]),
            Route("/whatsapp/limits", self._move, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return Json(self._described(self._account(request.query_params.get("phone_number_id"))))

    async def _move(self, request: Request) -> Response:
        """What of `WISHES` is given changes, and webhooks say so unless `tell` is false.

        `others`: so many people were written to just now by another team.
        """
        wish = await object_of(request)
        if unknown := sorted(set(wish) - WISHES):
            raise HTTPException(400, f"there is no limit called {unknown[0]}")
        account = self._account(wish.get("phone_number_id"))
        told: list[Update] = []
        if "tier" in wish:
            told.append(self._set_tier(account, wish["tier"]))
        if "quality" in wish:
            account.quality = _one_of(wish["quality"], QUALITIES, "quality")
        if "coexistence" in wish:
            account.on_biz_app = wish["coexistence"] is True
        if "level" in wish:
            told.append(self._set_level(account, wish))
        now = self._clock.timestamp()
        portfolio = self._standing.of(account.portfolio_id)
        if "others" in wish:
            portfolio.count_strangers(_count(wish["others"], "others"), now)
        if "restricted" in wish:
            portfolio.is_restricted = wish["restricted"] is True
        if "restriction" in wish:
            value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [wish["restriction"]]}
            told.append(self._update(account, "account_update", value))
        if "alert" in wish:
            told.append(self._update(account, "account_alerts", self._alert(account, str(wish["alert"]))))
        if wish.get("tell", True) is True and told:
            self._sender.tell(told)
        return Json(self._described(account))

    def _set_tier(self, account: Account, wanted: Any) -> Update:
        tier = str(wanted)
        limit = TIERS.get(tier, int(tier[5:]) if ANY_TIER.match(tier) else None)
        if limit is None:
            raise HTTPException(400, f"tier is one of {', '.join(TIERS)}, or TIER_ and a small number")
        portfolio = self._standing.of(account.portfolio_id)
        portfolio.tier, portfolio.limit = tier, limit
        value = {"max_daily_conversations_per_business": limit, "max_phone_numbers_per_waba": 25}
        return self._update(account, "business_capability_update", value)

    def _set_level(self, account: Account, wish: dict[str, Any]) -> Update:
        account.level = _one_of(wish["level"], tuple(LEVELS), "level")
        self._network.begin_maintenance(account, seconds=float(wish.get("maintenance_seconds", 0)))
        tier = self._standing.of(account.portfolio_id).tier
        value = {
            "display_phone_number": account.display_phone_number,
            "event": "THROUGHPUT_UPGRADE",
            "max_daily_conversations_per_business": tier,
        }
        return self._update(account, "phone_number_quality_update", value)

    def _alert(self, account: Account, kind: str) -> dict[str, Any]:
        return {
            "entity_type": "BUSINESS",
            "entity_id": account.portfolio_id,
            "alert_info": {
                "alert_severity": "INFORMATIONAL",
                "alert_status": "NONE",
                "alert_type": kind,
                "alert_description": "The messaging limit was looked at.",
            },
        }

    def _update(self, account: Account, field: str, value: dict[str, Any]) -> Update:
        return Update(account, field, value, cause=field, at=int(self._clock.timestamp()))

    def _described(self, account: Account) -> dict[str, Any]:
        portfolio = self._standing.of(account.portfolio_id)
        now = self._clock.timestamp()
        return {
            "tier": portfolio.tier,
            "limit": portfolio.limit,
            "used": portfolio.used(now),
            "restricted": portfolio.is_restricted,
            "quality": account.quality,
            "level": account.level,
            "coexistence": account.on_biz_app,
            "per_second": self._network.per_second(account),
        }

    def _account(self, phone_number_id: Any) -> Account:
        if not self._accounts:
            raise HTTPException(409, "no WhatsApp account is set up")
        account = self._accounts.get(str(phone_number_id or next(iter(self._accounts))))
        if account is None:
            raise HTTPException(404, "there is no such phone number")
        return account


def _one_of(value: Any, choices: tuple[str, ...], what: str) -> str:
    if value not in choices:
        raise HTTPException(400, f"{what} is one of {', '.join(choices)}")
    return str(value)


def _count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise HTTPException(400, f"{what} is a whole number")
    return value
