"""The Cloud API as HTTP: sending, subscriptions and the reads of a set-up check (fact sheet WhatsApp 2, 7)."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json
from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.server import Cut
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.media import MIME_TYPES, UPLOAD_LIFE_SECONDS, MediaStore, is_too_large, plain_type
from sandbox.whatsapp.media_api import MediaApi
from sandbox.whatsapp.network import Network
from sandbox.whatsapp.people import Account, Message
from sandbox.whatsapp.sender import WebhookSender
from sandbox.whatsapp.standing import Standing
from sandbox.whatsapp.subscriptions import AppSubscription, Subscriptions, handshake
from sandbox.whatsapp.templates.api import TemplateApi
from sandbox.whatsapp.templates.records import Template
from sandbox.whatsapp.validate import MarkRead, Send, Strictness, read_request

VERSION = re.compile(r"v(1[3-9]|2[0-6])\.0\Z")
SUBSCRIBABLE = frozenset(
    [
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
        "smb_message_echoes",
        "smb_app_state_sync",
        "history",
        "calls",
        "business_username_update",
        "flows",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "automatic_events",
        "partner_solutions",
        "payment_configuration_update",
        "message_echoes",
    ]
)
OVERRIDE_LENGTH = 200
SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]


class Graph:
    """Answers under `/graph/v{N}.0`."""

    def __init__(
        self,
        *,
        accounts: dict[str, Account],
        subscriptions: Subscriptions,
        faults: WhatsAppFaults,
        network: Network,
        sender: WebhookSender,
        templates: TemplateApi,
        journal: Journal,
        clock: SandboxClock,
        media: MediaStore,
        media_api: MediaApi,
        notify: Callable[[str], None],
        standing: Standing,
    ) -> None:
        self._accounts = accounts
        self._standing = standing
        self._clock = clock
        self._media = media
        self._media_api = media_api
        self._templates = templates
        self._subscriptions = subscriptions
        self._faults = faults
        self._network = network
        self._sender = sender
        self._journal = journal
        self._notify = notify

    def routes(self) -> list[Route]:
        """The vendor's paths, to be mounted under `/graph`."""
        return [
            Route("/{version}/{id}/messages", self._guarded(self._messages), methods=["POST"]),
            Route("/{version}/{id}/contact_book", self._guarded(self._forget_contact), methods=["DELETE"]),
            Route("/{version}/{id}/media", self._guarded(self._upload), methods=["POST"]),
            Route("/{version}/{id}/settings", self._guarded(self._settings), methods=["GET"]),
            Route("/{version}/debug_token", self._guarded(self._debug_token), methods=["GET"]),
            Route("/{version}/{id}/subscriptions", self._guarded(self._subscriptions_of_app), methods=["GET", "POST"]),
            Route(
                "/{version}/{id}/subscribed_apps",
                self._guarded(self._subscribed_apps),
                methods=["GET", "POST", "DELETE"],
            ),
            Route("/{version}/{id}/phone_numbers", self._guarded(self._phone_numbers), methods=["GET"]),
            Route(
                "/{version}/{id}/message_templates",
                self._guarded(self._message_templates),
                methods=["GET", "POST", "DELETE"],
            ),
            Route(
                "/{version}/{id}/message_templates/{what:str}", self._guarded(self._archive_templates), methods=["POST"]
            ),
            Route("/{version}/{id}/unpause", self._guarded(self._unpause_template), methods=["POST"]),
            Route("/{version}/{id}/uploads", self._guarded(self._open_upload), methods=["POST"]),
            *self._media_api.routes(self._user, self._accounts),
            Route("/{version}/{id}", self._guarded(self._node), methods=["GET", "POST", "DELETE"]),
            Route("/{path:path}", self._guarded(self._unknown), methods=["GET", "POST", "DELETE", "PUT", "PATCH"]),
        ]

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """What holds for every call: outages, version, refusals as error bodies, the journal."""

        async def endpoint(request: Request) -> Response:
            request.state.came_at = time.monotonic()
            try:
                if slow := self._faults.number("slow_seconds"):
                    await asyncio.sleep(slow)
                if self._faults.on("down"):
                    raise RefusedError(2, injected=True)
                if not VERSION.match(request.path_params.get("version", "")):
                    raise RefusedError(2500, "Unknown path components: the version is missing or unknown.")
                self._count_call(request)
                response: Response = await answer(request)
            except RefusedError as refused:
                response = self._refuse(request, refused)
            response.headers.update(self._usage_of(request))
            return response

        return endpoint

    def _count_call(self, request: Request) -> None:
        """Calls that manage an account are limited; sending and media are not (fact sheet WhatsApp 5.5)."""
        account = self._managed(request)
        per_hour = int(self._faults.number("management_calls_per_hour"))
        if account is not None and not self._standing.call(account.waba_id, now=time.monotonic(), per_hour=per_hour):
            raise RefusedError(80007, "There have been too many calls to this WhatsApp Business account.")

    def _managed(self, request: Request) -> Account | None:
        """The account that a call manages, None for calls of another kind."""
        if request.url.path.endswith(("/messages", "/media")):
            return None
        asked = request.path_params.get("id")
        return next((one for one in self._accounts.values() if asked in (one.waba_id, one.phone_number_id)), None)

    def _usage_of(self, request: Request) -> dict[str, str]:
        asked = request.path_params.get("id")
        account = next((one for one in self._accounts.values() if asked in (one.waba_id, one.phone_number_id)), None)
        if account is None or not self._faults.on("usage_headers"):
            return {}
        per_hour = int(self._faults.number("management_calls_per_hour"))
        percent, minutes = self._standing.usage(account.waba_id, now=time.monotonic(), per_hour=per_hour)
        used = {"call_count": percent, "total_cputime": 1, "total_time": 1}
        kinds = [
            {"type": "whatsapp_business_management", **used, "estimated_time_to_regain_access": minutes},
            {"type": "whatsapp", "call_count": 1, "total_cputime": 1, "total_time": 1}
            | {"estimated_time_to_regain_access": 0},
        ]
        return {
            "x-app-usage": orjson.dumps(used).decode(),
            "x-business-use-case-usage": orjson.dumps({account.waba_id: kinds}).decode(),
        }

    def _refuse(self, request: Request, refused: RefusedError) -> Response:
        where = f"{request.method} /{request.path_params.get('id', '')}"
        self._network.note_refusal(refused.code, where="sync", details=refused.details, injected=refused.injected)
        body = refused.body()
        self._journal.record(
            source="whatsapp",
            target="product",
            summary=f"refused {refused.code}: {refused.details}",
            detail=body,
            cause=f"{where} {request.url.path.rsplit('/', 1)[-1]}",
        )
        trace = body["error"]["fbtrace_id"]
        return Json(body, status=refused.status, headers={"x-fb-trace-id": trace, "x-fb-request-id": trace})

    # --- who asks

    def _token(self, request: Request) -> str:
        header = request.headers.get("authorization", "")
        if header[:7].lower() == "bearer ":
            return header[7:].strip()
        return request.query_params.get("access_token", "")

    def _app_of(self, token: str) -> tuple[Account, bool]:
        """Whose token this is, and whether it is the app's own (`APP_ID|APP_SECRET`). Raises RefusedError 190."""
        for account in self._accounts.values():
            if secrets.compare_digest(token.encode(), account.access_token.encode()):
                return account, False
            if secrets.compare_digest(token.encode(), f"{account.app_id}|{account.app_secret}".encode()):
                return account, True
        raise RefusedError(190, "Invalid OAuth access token - Cannot parse access token.")

    def _user(self, request: Request) -> Account:
        account, is_app = self._app_of(self._token(request))
        if is_app:
            raise RefusedError(200, "An app access token may not do this.")
        self._check_expiry()
        return account

    def _check_expiry(self) -> None:
        if self._faults.on("token_expired"):
            raise RefusedError(190, "Error validating access token: session has expired.", subcode=463, injected=True)

    async def _forget_contact(self, request: Request) -> Response:
        """Fact sheet 7.9: `success` says that it was taken, `deleted` whether there was an entry."""
        self._number(request)
        if request.query_params.get("messaging_product") != "whatsapp" or not request.query_params.get("bsuid"):
            raise RefusedError(100, "messaging_product and bsuid are required.")
        return Json({"success": True, "deleted": True})

    def _unknown_id(self) -> RefusedError:
        details = "Object with that ID does not exist, cannot be loaded due to missing permissions."
        if self._faults.on("unknown_id_code_33"):
            return RefusedError(33, details)
        return RefusedError(100, details, subcode=33)

    def _number(self, request: Request) -> Account:
        """The number in the path, for a token that may use it. Raises RefusedError 190, 200, 100/33 or 10."""
        holder = self._user(request)
        account = self._accounts.get(request.path_params["id"])
        if account is None:
            raise self._unknown_id()
        if account.access_token != holder.access_token:
            raise RefusedError(10, "The token has no access to this phone number.")
        return account

    def _waba(self, request: Request) -> tuple[Account, str]:
        holder = self._user(request)
        waba_id = request.path_params["id"]
        for account in self._accounts.values():
            if account.waba_id == waba_id:
                if account.access_token != holder.access_token:
                    raise RefusedError(10, "The token has no access to this account.")
                return account, waba_id
        raise self._unknown_id()

    # --- sending

    async def _messages(self, request: Request) -> Response:
        raw = await request.body()
        waited_seconds = time.monotonic() - request.state.came_at
        self._network.note_send_call(raw.decode("utf-8", "replace"), waited_seconds=waited_seconds)
        if self._faults.take("refuse_connection_after_read"):
            self._note("a send was read and the connection cut; not taken", {})
            return Cut()
        account = self._number(request)
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(100, "The content type must be application/json.")
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise RefusedError(100, "Invalid JSON.") from error
        wish = read_request(body, self._strictness())
        if isinstance(wish, MarkRead):
            self._network.mark_read(account, wish.message_id, typing=wish.typing)
            return Json({"success": True})
        message = self._network.accept(account, wish)
        self._note(f"took a {wish.type}", {"request": body, "wamid": message.wamid})
        if self._faults.on("status_before_answer"):
            self._network.progress_later(message)
            await self._sender.first_attempts()
            background = None
        else:
            background = BackgroundTask(self._go_on, message)
        if self._faults.take("drop_answer"):
            self._note("the connection was cut without an answer", {"wamid": message.wamid})
            cut = Cut()
            cut.background = background
            return cut
        answer = Json(self._accepted(wish, message))
        answer.background = background
        return answer

    async def _go_on(self, message: Message) -> None:
        self._network.progress_later(message)

    def _accepted(self, send: Send, message: Message) -> dict[str, Any]:
        contact = {"input": send.input}
        customer = self._network.customer_of(send)
        if send.to_bsuid:
            contact["user_id"] = send.recipient
        else:
            contact["wa_id"] = customer.wa_id if customer is not None else send.recipient.lstrip("+")
        sent = {"id": message.wamid}
        if send.type == "template":
            sent["message_status"] = "held_for_quality_assessment" if message.is_held else "accepted"
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]}

    def _strictness(self) -> Strictness:
        on = self._faults.on
        return Strictness(
            type_defaults_to_text=on("type_defaults_to_text"),
            count_code_points=on("count_code_points"),
            empty_emoji_refused=on("empty_emoji_refused"),
            first_name_needed=on("first_name_needed"),
            contacts_limit=int(self._faults.number("contacts_limit")),
        )

    def _note(self, summary: str, detail: dict[str, Any]) -> None:
        self._journal.record(source="product", target="whatsapp", summary=summary, detail=detail)

    # --- media

    async def _upload(self, request: Request) -> Response:
        account = self._number(request)
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise RefusedError(100, "The content type must be multipart/form-data.")
        async with request.form() as form:
            if form.get("messaging_product") != "whatsapp":
                raise RefusedError(100, "The parameter messaging_product is required and must be whatsapp.")
            file, declared = form.get("file"), form.get("type")
            if not isinstance(file, UploadFile) or not file.content_type:
                raise RefusedError(100, "The parameter file is required, with its MIME type.")
            if not isinstance(declared, str) or not declared:
                raise RefusedError(100, "The parameter type is required.")
            mime_type = plain_type(declared)
            if mime_type != plain_type(file.content_type):
                raise RefusedError(100, "The parameter type differs from the MIME type of the file.")
            if self._faults.on("media_type_at_upload") and mime_type not in MIME_TYPES:
                listed = ", ".join(sorted(MIME_TYPES))
                raise RefusedError(100, f"Param file must be a file with one of the following types: {listed}.")
            if is_too_large(mime_type, file.size or 0):
                raise RefusedError(131053, "The file is too large for its type.")
            if not file.size:
                raise RefusedError(100, "The file is empty.")
            kept = self._media.keep(
                file.file,
                mime_type=mime_type,
                phone_number_id=account.phone_number_id,
                expires_at=self._clock.timestamp() + UPLOAD_LIFE_SECONDS,
            )
        self._note(f"uploaded {mime_type}", {"id": kept.id, "file_size": kept.file_size})
        return Json({"id": kept.id})

    # --- subscriptions

    async def _subscriptions_of_app(self, request: Request) -> Response:
        given = await _parameters(request)
        token = self._token(request) or str(given.get("access_token", ""))
        account, is_app = self._app_of(token)
        if not is_app:
            raise RefusedError(15, "This method must be called with an app access token.")
        if request.path_params["id"] != account.app_id:
            raise self._unknown_id()
        if request.method == "GET":
            return Json({"data": self._described_subscriptions(account.app_id)})
        if given.get("object") != "whatsapp_business_account":
            raise RefusedError(100, "object must be whatsapp_business_account.")
        callback_url, verify_token = given.get("callback_url"), given.get("verify_token")
        if not isinstance(callback_url, str) or not isinstance(verify_token, str) or not verify_token:
            raise RefusedError(100, "callback_url and verify_token are required.")
        fields = _fields(given.get("fields"))
        await self._handshake(callback_url, verify_token)
        self._subscriptions.apps[account.app_id] = AppSubscription(callback_url=callback_url, fields=fields)
        self._changed("the app's subscription was set", {"fields": fields})
        return Json({"success": True})

    def _described_subscriptions(self, app_id: str) -> list[dict[str, Any]]:
        subscription = self._subscriptions.apps.get(app_id)
        if subscription is None:
            return []
        return [
            {
                "object": "whatsapp_business_account",
                "callback_url": subscription.callback_url,
                "active": True,
                "fields": [{"name": name, "version": "v26.0"} for name in subscription.fields],
            }
        ]

    async def _subscribed_apps(self, request: Request) -> Response:
        account, waba_id = self._waba(request)
        apps = self._subscriptions.accounts.setdefault(waba_id, {})
        if request.method == "DELETE":
            apps.pop(account.app_id, None)
            self._changed("the app was unsubscribed from the account", {})
            return Json({"success": True})
        if request.method == "GET":
            return Json({"data": [self._described_app(app_id, override) for app_id, override in apps.items()]})
        given = await _parameters(request)
        override, verify_token = given.get("override_callback_uri"), given.get("verify_token")
        if override:
            if account.app_id not in apps:
                raise RefusedError(100, "The app must be subscribed before its callback can be overridden.")
            if not isinstance(override, str) or len(override) > OVERRIDE_LENGTH or not isinstance(verify_token, str):
                raise RefusedError(100, "override_callback_uri (at most 200 characters) needs a verify_token.")
            await self._handshake(override, verify_token)
        apps[account.app_id] = override or ""
        self._changed("the app was subscribed to the account", {})
        return Json({"success": True})

    def _described_app(self, app_id: str, override: str) -> dict[str, Any]:
        described: dict[str, Any] = {
            "whatsapp_business_api_data": {"id": app_id, "name": "Helpdesk bridge", "link": "https://example.com/app"}
        }
        if override:
            described["override_callback_uri"] = override
        return described

    async def _handshake(self, url: str, verify_token: str) -> None:
        assert self._sender.session is not None
        await handshake(self._sender.session, callback_url=url, verify_token=verify_token)

    def _changed(self, summary: str, detail: dict[str, Any]) -> None:
        self._note(summary, detail)
        self._notify("subscriptions")

    # --- reads

    async def _debug_token(self, request: Request) -> Response:
        if not self._app_of(self._token(request))[1]:
            self._check_expiry()
        asked = request.query_params.get("input_token")
        if not asked:
            raise RefusedError(100, "The parameter input_token is required.")
        try:
            account, is_app = self._app_of(asked)
            if not is_app:
                self._check_expiry()
        except RefusedError:
            error = {"code": 190, "message": "Invalid OAuth access token."}
            return Json({"data": {"is_valid": False, "scopes": [], "error": error}})
        wabas = sorted({one.waba_id for one in self._accounts.values() if one.access_token == account.access_token})
        data: dict[str, Any] = {
            "app_id": account.app_id,
            "type": "APP" if is_app else "SYSTEM_USER",
            "application": "Helpdesk bridge",
            "is_valid": True,
        }
        if not is_app:
            data |= {
                "expires_at": 0,
                "data_access_expires_at": 0,
                "issued_at": 1790000000,
                "user_id": "61550000000001",
                "scopes": SCOPES,
                "granular_scopes": [{"scope": scope, "target_ids": wabas} for scope in SCOPES],
            }
        return Json({"data": data})

    async def _phone_numbers(self, request: Request) -> Response:
        _, waba_id = self._waba(request)
        wanted = request.query_params.get("fields", "verified_name,display_phone_number,quality_rating,id")
        numbers = [one for one in self._accounts.values() if one.waba_id == waba_id]
        return Json(_page([_only_asked(self._number_node(one), wanted) for one in numbers]))

    # --- templates

    async def _message_templates(self, request: Request) -> Response:
        _, waba_id = self._waba(request)
        asked = dict(request.query_params)
        if request.method == "GET":
            return self._templates.list_page(waba_id, asked)
        if request.method == "DELETE":
            return self._templates.delete(waba_id, asked)
        return await self._templates.create(waba_id, request)

    async def _archive_templates(self, request: Request) -> Response:
        _, waba_id = self._waba(request)
        what = request.path_params["what"]
        if what not in ("archive", "unarchive"):
            raise RefusedError(2500, "Unknown path components.")
        return await self._templates.archive(waba_id, request, back=what == "unarchive")

    def _template(self, request: Request) -> Template | None:
        """The template in the path, for a token that may see its account."""
        holder = self._user(request)
        template = self._templates.find(request.path_params["id"])
        if template is None:
            return None
        mine = {one.waba_id for one in self._accounts.values() if one.access_token == holder.access_token}
        if template.waba_id not in mine:
            raise RefusedError(10, "The token has no access to this template.")
        return template

    async def _unpause_template(self, request: Request) -> Response:
        template = self._template(request)
        if template is None:
            raise self._unknown_id()
        return self._templates.unpause(template)

    async def _open_upload(self, request: Request) -> Response:
        holder = self._user(request)
        if request.path_params["id"] != holder.app_id:
            raise self._unknown_id()
        return self._templates.open_upload(await _parameters(request))

    async def _node(self, request: Request) -> Response:
        asked = request.path_params["id"]
        if asked in self._accounts and request.method != "DELETE":
            account = self._number(request)
            if request.method == "POST":
                return await self._configure_number(request, account)
            wanted = request.query_params.get("fields", "verified_name,display_phone_number,quality_rating")
            return Json(_only_asked(self._number_node(account), wanted))
        if (media := self._media_api.find(asked)) is not None:
            return self._media_api.show(request, media, self._user(request), self._accounts)
        if request.method == "DELETE":
            self._user(request)
            raise self._unknown_id()
        if asked.startswith("upload:"):
            header = request.headers.get("authorization", "")
            self._app_of(header.partition(" ")[2])
            return await self._templates.upload(asked, request)
        if (template := self._template(request)) is not None:
            if request.method == "POST":
                return await self._templates.edit(template, request)
            return self._templates.read(template, request.query_params.get("fields"))
        account, _ = self._waba(request)
        if request.method == "POST":
            raise RefusedError(100, "Nothing here can be set.")
        wanted = request.query_params.get("fields", "name,currency,timezone_id,message_template_namespace")
        return Json(_only_asked(self._waba_node(account), wanted))

    async def _settings(self, request: Request) -> Response:
        self._number(request)
        return Json(
            {
                "calling": {"status": "DISABLED", "call_icon_visibility": "DEFAULT"},
                "user_identity_change": {"enable_identity_key_check": False},
                "payload_encryption": {"status": "DISABLED"},
                "storage_configuration": {"status": "DEFAULT"},
            }
        )

    async def _configure_number(self, request: Request, account: Account) -> Response:
        given = await _parameters(request)
        wanted = given.get("webhook_configuration")
        if not isinstance(wanted, dict):
            raise RefusedError(100, "Only webhook_configuration can be set.")
        override = wanted.get("override_callback_uri", "")
        if override:
            if len(str(override)) > OVERRIDE_LENGTH:
                raise RefusedError(100, "override_callback_uri may have at most 200 characters.")
            await self._handshake(str(override), str(wanted.get("verify_token", "")))
        account.override_callback_uri = str(override)
        self._changed("the number's callback was set", {})
        return Json({"success": True})

    def _number_node(self, account: Account) -> dict[str, Any]:
        configuration = {"phone_number": account.override_callback_uri}
        configuration["whatsapp_business_account"] = self._subscriptions.accounts.get(account.waba_id, {}).get(
            account.app_id, ""
        )
        if account.app_id in self._subscriptions.apps:
            configuration["application"] = self._subscriptions.apps[account.app_id].callback_url
        return {
            "id": account.phone_number_id,
            "display_phone_number": account.display_phone_number,
            "verified_name": account.verified_name,
            "status": "CONNECTED",
            "quality_rating": account.quality,
            "name_status": "APPROVED",
            "new_name_status": "NONE",
            "code_verification_status": "VERIFIED",
            "account_mode": "LIVE",
            "platform_type": "CLOUD_API",
            "throughput": {"level": account.level},
            "whatsapp_business_manager_messaging_limit": self._standing.of(account.portfolio_id).tier,
            "is_official_business_account": False,
            "is_pin_enabled": True,
            "is_on_biz_app": account.on_biz_app,
            "webhook_configuration": {key: url for key, url in configuration.items() if url},
            "health_status": self._health(account, "PHONE_NUMBER"),
            "last_onboarded_time": "2026-09-01T08:00:00+0000",
            "country_dial_code": account.digits[:2],
        }

    def _waba_node(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.waba_id,
            "name": account.verified_name,
            "status": "ACTIVE",
            "currency": "EUR",
            "country": "PT",
            "timezone_id": "1",
            "account_review_status": "APPROVED",
            "business_verification_status": "verified",
            "ownership_type": "SELF",
            "owner_business_info": {"id": account.portfolio_id, "name": account.verified_name},
            "message_template_namespace": "0f3f4f1c_0000_4000_8000_5a0d0b0c0d0e",
            "is_enabled_for_insights": True,
            "disable_marketing_messages_on_cloud_api": False,
            "marketing_messages_onboarding_status": "ELIGIBLE",
            "whatsapp_business_manager_messaging_limit": self._standing.of(account.portfolio_id).tier,
            "health_status": self._health(account, "WABA"),
        }

    def _health(self, account: Account, kind: str) -> dict[str, Any]:
        blocked = self._faults.on("billing")
        entities: list[dict[str, Any]] = [
            {"entity_type": "WABA", "id": account.waba_id, "can_send_message": "BLOCKED" if blocked else "AVAILABLE"},
            {"entity_type": "BUSINESS", "id": account.portfolio_id, "can_send_message": "AVAILABLE"},
            {"entity_type": "APP", "id": account.app_id, "can_send_message": "AVAILABLE"},
        ]
        if blocked:
            entities[0]["errors"] = [
                {
                    "error_code": 141006,
                    "error_description": "There is an error with the payment method.",
                    "possible_solution": "Add a valid payment method in WhatsApp Manager.",
                }
            ]
        if kind == "PHONE_NUMBER":
            number = {"entity_type": kind, "id": account.phone_number_id, "can_send_message": "AVAILABLE"}
            entities.insert(0, number)
        return {"can_send_message": "BLOCKED" if blocked else "AVAILABLE", "entities": entities}

    async def _unknown(self, _request: Request) -> Response:
        raise RefusedError(2500, "Unknown path components.")


async def _parameters(request: Request) -> dict[str, Any]:
    """Parameters of a management call: query, form or JSON body, as Graph takes them."""
    given: dict[str, Any] = dict(request.query_params)
    raw = await request.body()
    if not raw:
        return given
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise RefusedError(100, "Invalid JSON.") from error
        return given | body if isinstance(body, dict) else given
    return given | {key: values[-1] for key, values in parse_qs(raw.decode("utf-8", "replace")).items()}


def _fields(asked: Any) -> list[str]:
    names = asked if isinstance(asked, list) else str(asked or "").split(",")
    fields = [str(name).strip() for name in names if str(name).strip()]
    if not fields:
        raise RefusedError(100, "The parameter fields is required.")
    if unknown := sorted(set(fields) - SUBSCRIBABLE):
        raise RefusedError(100, f"{unknown[0]} is not a field that can be subscribed to.")
    return list(dict.fromkeys(fields))


def _only_asked(node: dict[str, Any], fields: str) -> dict[str, Any]:
    wanted = [name.strip() for name in fields.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in node]:
        raise RefusedError(100, f"Tried accessing nonexisting field ({unknown[0]}).")
    return {name: node[name] for name in wanted} | {"id": node["id"]}


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of a listing; the last one, so that it has cursors and no `next`."""
    if not rows:
        return {"data": []}
    return {"data": rows, "paging": {"cursors": {"before": "QVFIUbefore", "after": "QVFIUafter"}}}
