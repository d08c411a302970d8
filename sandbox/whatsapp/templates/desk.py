"""What happens to templates at Meta: quotas, review, quality, pauses, categories, and the webhooks that tell of it.

Everything that takes time takes the sandbox clock's time; `settle` does what has fallen due (fact sheet WhatsApp 4).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.people import Account
from sandbox.whatsapp.sender import Update, WebhookSender
from sandbox.whatsapp.templates.content import Limits, check_components, check_create, refused
from sandbox.whatsapp.templates.filling import Rules, fill
from sandbox.whatsapp.templates.records import EDITABLE, NAME_LOCK_SECONDS, Shelf, Template, new_template_id
from sandbox.whatsapp.templates.review import Verdict, judge

HOUR, DAY = 3600.0, 86400.0
PAUSES_SECONDS = (3 * HOUR, 6 * HOUR)
QUOTA, EDIT_NOT_ALLOWED = 2388019, 2388039
REASONS = (
    *("NONE", "INVALID_FORMAT", "INCORRECT_CATEGORY", "TAG_CONTENT_MISMATCH", "ABUSIVE_CONTENT", "SCAM", "PROMOTIONAL"),
    "CATEGORY_NOT_AVAILABLE",
)
QUALITIES = ("GREEN", "YELLOW", "RED", "UNKNOWN")


class TemplateDesk:
    """Every template of every account. `released` is told of sends that were held and may go, or are dropped."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, Account],
        faults: WhatsAppFaults,
        sender: WebhookSender,
        clock: SandboxClock,
        journal: Journal,
        notify: Callable[[str], None],
    ) -> None:
        self._accounts = accounts
        self._faults = faults
        self._sender = sender
        self._clock = clock
        self._journal = journal
        self._notify = notify
        self.shelf = Shelf()
        self.released: Callable[[list[str], int], None] = lambda _wamids, _code: None

    # --- what the business asks

    def limits(self) -> Limits:
        return Limits(
            characters_per_variable=self._faults.number("characters_per_variable"),
            digits_in_names=self._faults.on("digits_in_variable_names"),
            coupon_code_length=int(self._faults.number("coupon_code_length")),
            has_handle=lambda handle: handle in self.shelf.uploads,
        )

    def create(self, waba_id: str, body: dict[str, Any]) -> Template:
        """Raises RefusedError."""
        self.settle()
        now = self._clock.timestamp()
        recent = [at for at in self.shelf.created_at.get(waba_id, ()) if now - at < HOUR]
        self.shelf.created_at[waba_id] = recent
        if len(recent) >= self._faults.number("template_creations_per_hour"):
            raise RefusedError(80008, "There have been too many calls to this WhatsApp Business account.")
        wanted = check_create(body, self.limits())
        if len(self.shelf.of(waba_id)) >= self._faults.number("template_limit"):
            raise refused("The account has as many templates as it may have.", QUOTA)
        if self.shelf.find(waba_id, wanted["name"], wanted["language"]) is not None:
            raise refused("Content in this language already exists.")
        if self.shelf.locked_names.get(f"{waba_id}/{wanted['name']}", 0.0) > now:
            raise refused("The name of a deleted template cannot be used for 30 days.")
        template = Template(
            id=new_template_id(),
            waba_id=waba_id,
            status="PENDING",
            created_at=now,
            review_at=self._review_at(),
            **wanted,
        )
        self.shelf.templates[template.id] = template
        recent.append(now)
        self._changed(template, "created")
        self.settle()
        return template

    def edit(self, template: Template, wish: dict[str, Any]) -> None:
        """Raises RefusedError."""
        self.settle()
        now = self._clock.timestamp()
        if unknown := sorted(set(wish) - {"components", "category", "message_send_ttl_seconds"}):
            raise refused(f"Unexpected key {unknown[0]!r} on param 'template'.")
        if not wish:
            raise refused("There is nothing to change.")
        if template.status not in EDITABLE or template.is_locked:
            raise refused("Only approved, rejected and paused templates can be edited.", EDIT_NOT_ALLOWED)
        if template.status == "APPROVED":
            if wish.get("category", template.category) != template.category:
                raise refused("The category of an approved template cannot be changed.", EDIT_NOT_ALLOWED)
            recent = [at for at in template.edited_at if now - at < 30 * DAY]
            if len(recent) >= 10 or any(now - at < DAY for at in recent):
                raise refused(
                    "An approved template can be edited once a day and 10 times in 30 days.", EDIT_NOT_ALLOWED
                )
        category = wish.get("category", template.category)
        if "components" in wish:
            template.components = check_components(
                wish["components"], category, template.parameter_format, self.limits()
            )
        template.category = category
        template.message_send_ttl_seconds = wish.get("message_send_ttl_seconds", template.message_send_ttl_seconds)
        template.edited_at.append(now)
        if template.status != "APPROVED":
            template.status = "PENDING"
        template.review_at = self._review_at()
        self._changed(template, "edited")
        self.settle()

    def delete(self, template: Template) -> None:
        """Raises RefusedError for a disabled one."""
        if template.status == "DISABLED":
            raise refused("A disabled template cannot be deleted.")
        if template.was_approved:
            until = self._clock.timestamp() + NAME_LOCK_SECONDS
            self.shelf.locked_names[f"{template.waba_id}/{template.name}"] = until
        template.status = "DELETED"
        self._tell_status(template, "PENDING_DELETION", reason=None)
        self._changed(template, "deleted")

    def unpause(self, template: Template) -> None:
        """Raises RefusedError where it is not paused."""
        if template.status != "PAUSED":
            raise refused("The template is not paused.")
        self._unpause(template)

    def archive(self, template: Template, *, back: bool) -> bool:
        """Put aside, or take back. False where its status does not allow it."""
        if (template.status == "ARCHIVED") is not back or (not back and template.status == "DISABLED"):
            return False
        template.status = "APPROVED" if back else "ARCHIVED"
        self._tell_status(template, "UNARCHIVED" if back else "ARCHIVED")
        self._changed(template, "unarchived" if back else "archived")
        return True

    def send(self, waba_id: str, content: dict[str, Any]) -> tuple[Template, dict[str, Any]]:
        """The template that is sent, and what the phone shows. Raises RefusedError (131008 … 132018)."""
        self.settle()
        name, language = content["name"], content["language"]["code"]
        template = self.shelf.find(waba_id, name, language)
        if template is None:
            raise RefusedError(132001, f"template name ({name}) does not exist in {language}")
        if template.status == "PAUSED":
            raise RefusedError(132015)
        if template.status == "DISABLED":
            raise RefusedError(132016)
        if template.status != "APPROVED":
            raise RefusedError(132001, f"template name ({name}) is not approved in {language}")
        rules = Rules(
            empty_value_code=int(self._faults.number("empty_value_code")),
            unclean_value_code=int(self._faults.number("unclean_value_code")),
            coupon_code_length=int(self._faults.number("coupon_code_length")),
        )
        return template, fill(template, content.get("components"), rules)

    # --- what Meta does

    def settle(self) -> None:
        """Whatever has fallen due by the sandbox clock."""
        now = self._clock.timestamp()
        for template in list(self.shelf.templates.values()):
            by_hand = self._faults.on("review_by_hand")
            if template.review_at is not None and template.review_at <= now and not by_hand:
                others = [one for one in self.shelf.of(template.waba_id) if one.status != "REJECTED"]
                self.conclude(template, judge(template, others))
            if template.paused_until is not None and template.paused_until <= now and template.status == "PAUSED":
                self._unpause(template)
            if template.category_change_at is not None and template.category_change_at <= now:
                self._change_category(template)

    def conclude(self, template: Template, verdict: Verdict) -> None:
        """The review is over. An approved template stays approved unless the verdict on its edit is bad."""
        was_edit = template.was_approved and template.status == "APPROVED"
        template.review_at = None
        template.rejection_info = None
        if not verdict.is_approved:
            template.status, template.rejected_reason = "REJECTED", verdict.reason
            if verdict.reason == "INVALID_FORMAT":
                template.rejection_info = {"reason": verdict.words, "recommendation": verdict.advice}
            self._tell_status(template, "REJECTED", reason=verdict.reason)
            self._changed(template, f"rejected: {verdict.reason}")
            return
        if verdict.category != template.category:
            template.previous_category, template.category = template.category, verdict.category
        template.status, template.rejected_reason, template.was_approved = "APPROVED", "NONE", True
        self._tell_status(template, "APPROVED")
        if was_edit:
            self._tell_components(template)
        self._changed(template, "approved")

    def rate(self, template: Template, quality: str) -> None:
        """Customers' reactions moved the quality; RED pauses: 3 h, then 6 h, then for good (fact sheet 4.5)."""
        before, template.quality = template.quality, quality
        template.quality_at = self._clock.timestamp()
        as_status = self._faults.on("quality_event_as_status_field")
        self._tell(
            template,
            "message_template_status_update" if as_status else "message_template_quality_update",
            {"previous_quality_score": before, "new_quality_score": quality},
        )
        if quality == "RED" and template.status == "APPROVED":
            self.pause(template)
        self._changed(template, f"quality {quality}")

    def pause(self, template: Template, *, by_pacing: bool = False) -> None:
        """The next pause; the third disables. What pacing pauses stays so until it is unpaused by hand."""
        now = self._clock.timestamp()
        if by_pacing:
            template.status, template.paused_until = "PAUSED", None
            self._tell_status(template, "PAUSED", other=("RATE_LIMITING_PAUSE", "Held messages were dropped."))
        elif template.pauses < len(PAUSES_SECONDS):
            template.status, template.paused_until = "PAUSED", now + PAUSES_SECONDS[template.pauses]
            template.pauses += 1
            title = ("FIRST_PAUSE", "SECOND_PAUSE")[template.pauses - 1]
            self._tell_status(template, "PAUSED", other=(title, "The template was paused for low quality."))
        else:
            self.disable(template)
        self._changed(template, "paused")

    def disable(self, template: Template) -> None:
        """For good."""
        template.status, template.paused_until = "DISABLED", None
        self._tell_status(
            template,
            "DISABLED",
            other=("DISABLED", "The template was disabled."),
            more={"disable_info": {"disable_date": int(self._clock.timestamp())}},
        )
        self._changed(template, "disabled")

    def _unpause(self, template: Template) -> None:
        template.status, template.paused_until = "APPROVED", None
        self._tell_status(template, "REINSTATED", other=("UNPAUSED", "The template can be sent again."))
        self._changed(template, "reinstated")

    def recategorise(self, template: Template, category: str, *, notice: bool) -> None:
        """Meta finds that the category is wrong: with 24 h notice, or at once."""
        template.correct_category = category
        template.category_change_at = self._clock.timestamp() + (DAY if notice else 0.0)
        if notice:
            self._tell(
                template,
                "template_category_update",
                {
                    "new_category": template.category,
                    "correct_category": category,
                    "category_update_timestamp": int(template.category_change_at),
                },
            )
            self._changed(template, f"will be {category}")
        else:
            self._change_category(template)

    def _change_category(self, template: Template) -> None:
        template.previous_category, template.category = template.category, template.correct_category
        template.correct_category, template.category_change_at = "", None
        event = {"previous_category": template.previous_category, "new_category": template.category}
        self._tell(template, "template_category_update", event)
        self._changed(template, f"is {template.category} now")

    def rewrite(self, template: Template, components: Any) -> None:
        """Somebody edits it elsewhere (WhatsApp Manager). Raises RefusedError."""
        template.components = check_components(components, template.category, template.parameter_format, self.limits())
        self._tell_components(template)
        self._changed(template, "edited elsewhere")

    def hold(self, template: Template, wamid: str) -> bool:
        """Is this send held for the quality assessment (pacing)."""
        template.sends += 1
        if not self._faults.on("hold_for_quality_assessment"):
            return False
        template.held.append(wamid)
        return True

    def assess(self, template: Template, *, drop: bool) -> int:
        """The assessment is over: what was held goes, or is dropped with 132015 and a pause. How many those were."""
        held, template.held = template.held, []
        if drop:
            self.pause(template, by_pacing=True)
        self.released(held, 132015 if drop else 0)
        return len(held)

    def tell_event(self, template: Template, event: str) -> None:
        """An event that changes nothing here (FLAGGED, LOCKED, IN_APPEAL, LIMIT_EXCEEDED …)."""
        if event == "LOCKED":
            template.is_locked = True
        if event in ("IN_APPEAL", "LIMIT_EXCEEDED"):
            template.status = event
        self._tell_status(template, event)
        self._changed(template, event.lower())

    # --- telling

    def _review_at(self) -> float:
        return self._clock.timestamp() + self._faults.number("review_seconds")

    def _tell_status(
        self,
        template: Template,
        event: str,
        *,
        reason: str | None = "NONE",
        other: tuple[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        value: dict[str, Any] = {
            "event": event,
            "reason": reason,
            "message_template_category": template.category,
            **(more or {}),
        }
        if other is not None:
            value["other_info"] = {"title": other[0], "description": other[1]}
        if event == "REJECTED" and template.rejection_info is not None:
            value["rejection_info"] = template.rejection_info
        self._tell(template, "message_template_status_update", value)

    def _tell_components(self, template: Template) -> None:
        by_type = {one["type"]: one for one in template.components}
        value: dict[str, Any] = {"message_template_element": by_type["BODY"]["text"]}
        if by_type.get("HEADER", {}).get("format") == "TEXT":
            value["message_template_title"] = by_type["HEADER"]["text"]
        if "FOOTER" in by_type:
            value["message_template_footer"] = by_type["FOOTER"]["text"]
        if "BUTTONS" in by_type:
            value["message_template_buttons"] = [
                {
                    "message_template_button_type": button["type"],
                    "message_template_button_text": button.get("text", ""),
                    **({"message_template_button_url": button["url"]} if "url" in button else {}),
                    **(
                        {"message_template_button_phone_number": button["phone_number"]}
                        if "phone_number" in button
                        else {}
                    ),
                }
                for button in by_type["BUTTONS"]["buttons"]
            ]
        self._tell(template, "message_template_components_update", value)

    def _tell(self, template: Template, field: str, value: dict[str, Any]) -> None:
        account = next((one for one in self._accounts.values() if one.waba_id == template.waba_id), None)
        if account is None:
            return
        hyphen = self._faults.on("hyphen_in_template_language")
        about = {
            "message_template_id": int(template.id),
            "message_template_name": template.name,
            "message_template_language": template.language.replace("_", "-") if hyphen else template.language,
        }
        if self._faults.on("lose_template_events"):
            return
        at = int(self._clock.timestamp())
        self._sender.tell([Update(account, field, {**value, **about}, cause=f"template {field}", at=at)])

    def _changed(self, template: Template, what: str) -> None:
        self._journal.record(
            source="whatsapp",
            target="nobody",
            summary=f"template {template.name} ({template.language}) {what}",
            detail={"id": template.id, "status": template.status, "category": template.category},
        )
        self._notify("templates")

    # --- keeping

    def reset(self) -> None:
        """No templates."""
        self.shelf = Shelf()

    def dump(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self.shelf)

    def load(self, kept: dict[str, Any]) -> None:
        """What `dump` of an earlier run told."""
        templates = {key: Template(**one) for key, one in kept.get("templates", {}).items()}
        self.shelf = Shelf(**{**kept, "templates": templates})
