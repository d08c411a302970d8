"""What WhatsApp does with a message: phones, windows, ticks and the statuses that tell of them."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.whatsapp import payloads
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.limits import PairLimit, Throughput
from sandbox.whatsapp.media import KINDS, MediaStore, problem_of
from sandbox.whatsapp.people import Account, Book, Customer, Message, new_user_id
from sandbox.whatsapp.sender import Update, WebhookSender
from sandbox.whatsapp.standing import COEXISTENCE_PER_SECOND, LEVELS, Standing
from sandbox.whatsapp.templates.desk import TemplateDesk
from sandbox.whatsapp.templates.records import Template
from sandbox.whatsapp.validate import Send, words_of
from sandbox.whatsapp.wamid import new_wamid

WINDOW_SECONDS = 24 * 3600.0
FREE_ENTRY_SECONDS = 72 * 3600.0
THIRTY_DAYS_SECONDS = 30 * 86400.0
TYPING_SECONDS = 25.0
NEVER_OPENS = ("system", "edit", "revoke", "request_welcome")
REFUSED_KEPT = 2_000
SENDS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the Cloud API had to refuse or fail. `injected`: a switch did it, not the request."""

    at: str
    code: int
    where: str
    details: str
    injected: bool


@dataclass(frozen=True, slots=True)
class SendCall:
    """A request to send, whatever became of it. `at`: sandbox time at which it came, Unix seconds."""

    at: float
    body: str


class Network:
    """The sandbox's WhatsApp between the Cloud API and the phones."""

    def __init__(
        self,
        *,
        book: Book,
        faults: WhatsAppFaults,
        sender: WebhookSender,
        clock: SandboxClock,
        journal: Journal,
        notify: Callable[[str], None],
        accounts: dict[str, Account],
        media: MediaStore,
        templates: TemplateDesk,
        standing: Standing,
    ) -> None:
        self._book = book
        self._standing = standing
        self._maintained_until: dict[str, float] = {}
        self._templates = templates
        templates.released = self._release_assessed
        self._faults = faults
        self._sender = sender
        self._clock = clock
        self._journal = journal
        self._notify = notify
        self._accounts = accounts
        self._media = media
        self._throughput: dict[str, Throughput] = {}
        self._pairs = PairLimit()
        self._held: list[Update] = []
        self._typing: dict[str, float] = {}
        self.refused: deque[Refused] = deque(maxlen=REFUSED_KEPT)
        self.send_calls: deque[SendCall] = deque(maxlen=SENDS_KEPT)
        faults.on_change.append(self._release_held)

    # --- the business writes

    def accept(self, account: Account, send: Send) -> Message:
        """Take a send request; what fails later carries its `fate`. Raises RefusedError for what is refused at once."""
        now = time.monotonic()
        customer = self.customer_of(send)
        if send.recipient.lstrip("+") == account.digits:
            raise RefusedError(131021)
        template, shown = self._check_template(account, send) if send.type == "template" else (None, None)
        if (code := self._faults.take_failure("sync")) is not None:
            raise RefusedError(code, injected=True)
        throughput = self._throughput.setdefault(account.phone_number_id, Throughput())
        if self._maintained_until.get(account.phone_number_id, 0.0) > now:
            raise RefusedError(131057)
        if throughput.full(now=now, per_second=self.per_second(account)):
            raise RefusedError(130429)
        pair = (account.phone_number_id, customer.id if customer is not None else send.recipient)
        if self._faults.on("pair_limit") and not self._pairs.allows(pair, now=now):
            raise RefusedError(131056)
        unfit = self._unfit(account, send)
        fate, injected = self._fate(account, customer, send, template)
        if not fate and customer is not None and template is not None:
            fate = self._outreach_fate(account, customer, template)
        if unfit and not fate:
            fate = 131053
        if fate == 131047 and self._faults.on("window_error_sync"):
            raise RefusedError(131047)
        throughput.count(now=now)
        self._pairs.count(pair, now=now)
        message = Message(
            wamid=new_wamid(send.recipient.lstrip("+"), outbound=True),
            direction="out",
            customer=customer.id if customer is not None else "",
            phone_number_id=account.phone_number_id,
            type=send.type,
            content=send.content,
            at=self._clock.timestamp(),
            status="accepted",
            text=send.text,
            context=send.context,
            opaque=send.opaque,
            input=send.input,
            to_bsuid=send.to_bsuid,
            fate=fate,
            injected=injected,
        )
        if template is not None and shown is not None:
            message.text, message.shown, message.category = str(shown["body"]), shown, template.category
            message.is_held = self._templates.hold(template, message.wamid)
        if customer is not None and not fate:
            message.free_until = self._free_entry(account, customer, now=message.at)
        self._book.messages[message.wamid] = message
        if customer is not None and not fate and not message.is_held:
            customer.thread.append(message.wamid)
            self._typing.pop(customer.id, None)
            self._notify(f"thread:{customer.id}")
        return message

    def _free_entry(self, account: Account, customer: Customer, *, now: float) -> float:
        """The end of a free entry point, which the first answer within a day opens; 0 where there is none."""
        number = account.phone_number_id
        referred_at = customer.referred.pop(number, None)
        if referred_at is not None and now <= referred_at + WINDOW_SECONDS:
            customer.free_entries[number] = now + FREE_ENTRY_SECONDS
        until = customer.free_entries.get(number, 0.0)
        return until if now < until else 0.0

    def _unfit(self, account: Account, send: Send) -> str:
        """Why the file of this message cannot be delivered; empty when it can. Raises RefusedError 131009."""
        media_id = send.content.get("id") if send.type in KINDS and isinstance(send.content, dict) else None
        if media_id is None:
            return ""
        media = self._media.find(media_id, now=self._clock.timestamp())
        if media is None or media.phone_number_id != account.phone_number_id:
            raise RefusedError(131009, "There is no media with this id at this number.")
        return problem_of(send.type, media, self._media.path(media), voice=send.content.get("voice", False))

    def customer_of(self, send: Send) -> Customer | None:
        """Who gets this, if anybody here does."""
        if send.to_bsuid:
            return self._book.by_user_id(send.recipient)
        return self._book.by_number(send.recipient.lstrip("+"))

    def _check_template(self, account: Account, send: Send) -> tuple[Template, dict[str, Any]]:
        template, shown = self._templates.send(account.waba_id, send.content)
        if template.category == "AUTHENTICATION" and send.to_bsuid:
            raise RefusedError(131062)
        if template.category == "MARKETING" and self._faults.on("marketing_switched_off"):
            raise RefusedError(131063)
        return template, shown

    def _release_assessed(self, wamids: list[str], code: int) -> None:
        """The quality of a template was assessed: what was held for it goes, or fails with `code`."""
        for wamid in wamids:
            message = self._book.messages.get(wamid)
            if message is None or not message.is_held:
                continue
            message.is_held = False
            message.fate = code or message.fate
            customer = self._book.customers.get(message.customer)
            if customer is not None and not message.fate:
                customer.thread.append(wamid)
            self.progress(message)

    def _fate(
        self, account: Account, customer: Customer | None, send: Send, template: Template | None
    ) -> tuple[int, bool]:
        """The code with which an accepted message fails later, 0 for none; and whether a switch made it so."""
        if (code := self._faults.take_failure("status")) is not None:
            return code, True
        if self._faults.on("billing"):
            return 131042, True
        if customer is None:
            return 131026, False
        if template is not None:
            is_marketing = template.category == "MARKETING"
            return (131050, False) if is_marketing and customer.stopped_marketing else (0, False)
        if not self.window_open(account, customer):
            return 131047, False
        if send.type == "reaction" and not self._may_react(customer, send.content["message_id"]):
            return 131009, False
        if self._faults.on("free_tier_enforced") and self._free_tier_used(account):
            return 131042, False
        return 0, False

    def _outreach_fate(self, account: Account, customer: Customer, template: Template) -> int:
        """The code with which a template fails for what the business has used up, 0 for none. Raises RefusedError."""
        portfolio, now = self._standing.of(account.portfolio_id), self._clock.timestamp()
        if not self.window_open(account, customer):
            code = int(self._faults.number("messaging_limit_code"))
            if portfolio.is_restricted:
                return 131048
            if self._faults.on("messaging_limit") and portfolio.is_full_for(customer.id, now):
                if self._faults.on("messaging_limit_sync"):
                    raise RefusedError(code)
                return code
            portfolio.count(customer.id, now)
        per_day = int(self._faults.number("marketing_per_day"))
        if template.category == "MARKETING" and portfolio.spares(customer.id, now, per_day=per_day):
            return 131049
        return 0

    def per_second(self, account: Account) -> int:
        """What the number may send and receive in a second; 0 for no limit."""
        wanted = int(self._faults.number("throughput_per_second"))
        if wanted != LEVELS["STANDARD"]:
            return wanted
        return COEXISTENCE_PER_SECOND if account.on_biz_app else LEVELS[account.level]

    def begin_maintenance(self, account: Account, *, seconds: float) -> None:
        """The number's throughput is being changed: calls fail with 131057 for so long (real seconds)."""
        self._maintained_until[account.phone_number_id] = time.monotonic() + seconds

    def _may_react(self, customer: Customer, target_id: str) -> bool:
        target = self._book.messages.get(target_id)
        if target is None or target.customer != customer.id or target.type == "reaction":
            return False
        return self._clock.timestamp() - target.at <= THIRTY_DAYS_SECONDS

    def window_open(self, account: Account, customer: Customer) -> bool:
        """Is the customer service window open (fact sheet WhatsApp 3.1)."""
        last = customer.windows.get(account.phone_number_id)
        return last is not None and self._clock.timestamp() - last < WINDOW_SECONDS

    def progress_later(self, message: Message) -> None:
        """Let the statuses of an accepted message begin, after the configured delay."""
        milliseconds = self._faults.number("status_delay_milliseconds")
        if milliseconds:
            asyncio.get_running_loop().call_later(milliseconds / 1000, self.progress, message)
        else:
            self.progress(message)

    def progress(self, message: Message) -> None:
        """Carry an accepted message as far as it goes now."""
        if message.is_held:
            return
        if message.fate:
            self._fail(message, message.fate)
            return
        self._count_price(message)
        self._set_status(message, "sent", pricing=True)
        customer = self._book.customers.get(message.customer)
        if message.type == "reaction" or customer is None:
            return
        if customer.online:
            self._reach_phone(customer, message)
        else:
            customer.waiting.append(message.wamid)

    def _fail(self, message: Message, code: int) -> None:
        message.error = code
        self._set_status(message, "failed")
        self.note_refusal(code, where="status", details="", injected=message.injected)

    def note_refusal(self, code: int, *, where: str, details: str, injected: bool) -> None:
        """Remember that the Cloud API had to say no."""
        at = self._clock.now().isoformat(timespec="milliseconds")
        self.refused.append(Refused(at=at, code=code, where=where, details=details, injected=injected))

    def note_send_call(self, body: str, *, waited_seconds: float) -> None:
        """Remember that a request to send came `waited_seconds` ago."""
        self.send_calls.append(SendCall(at=self._clock.timestamp() - waited_seconds, body=body))

    def _free_tier_used(self, account: Account) -> bool:
        month = f"{self._clock.now():%Y-%m}"
        if account.free_month != month:
            account.free_month, account.free_used = month, 0
        return account.free_used >= self._faults.number("free_tier_messages")

    def _count_price(self, message: Message) -> None:
        account = self._accounts[message.phone_number_id]
        if message.free_until:
            message.pricing = {
                "billable": False,
                "pricing_model": "PMP",
                "type": "free_entry_point",
                "category": "referral_conversion",
            }
            return
        if message.category:
            category = message.category.lower()
            message.pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
            return
        free = not self._free_tier_used(account)
        account.free_used += 1
        message.pricing = {
            "billable": not free,
            "pricing_model": "PMP",
            "type": "free_customer_service" if free else "regular",
            "category": "service",
        }

    def _reach_phone(self, customer: Customer, message: Message) -> None:
        if customer.reads and customer.read_receipts and self._faults.on("read_skips_delivered"):
            self._set_status(message, "read", pricing=True)
            return
        self._set_status(message, "delivered", pricing=True)
        if customer.reads and customer.read_receipts:
            self._set_status(message, "read")
        elif not customer.reads:
            customer.unread.append(message.wamid)

    def _set_status(self, message: Message, name: str, *, pricing: bool = False) -> None:
        message.status = name
        customer = self._book.customers.get(message.customer)
        account = self._accounts[message.phone_number_id]
        at = self._clock.timestamp()
        value = payloads.status(account, customer, message, self._faults, name=name, at=at, pricing=pricing)
        if customer is not None:
            self._notify(f"thread:{customer.id}")
        if self._faults.take("lose_statuses"):
            self._journal.record(source="whatsapp", target="nobody", summary=f"status {name} lost", detail=value)
            return
        update = Update(account, "messages", value, cause=f"status {name}")
        if self._faults.on("hold_statuses"):
            self._held.append(update)
        else:
            self._tell([update])

    def _release_held(self) -> None:
        if self._held and not self._faults.on("hold_statuses"):
            held, self._held = self._held, []
            self._tell(held)

    def _tell(self, updates: list[Update]) -> None:
        if lost := self._sender.tell(updates):
            self._journal.record(
                source="whatsapp",
                target="nobody",
                summary=f"{lost} updates told to nobody: no app is subscribed",
                detail={"updates": [update.value for update in updates]},
            )

    # --- the business reads

    def mark_read(self, account: Account, message_id: str, *, typing: bool) -> None:
        """The business has read up to this message. Raises RefusedError 131009 when it is none of a customer."""
        message = self._book.messages.get(message_id)
        if message is None or message.direction != "in" or message.phone_number_id != account.phone_number_id:
            raise RefusedError(131009, "message_id is not a message that this number received.")
        if self._clock.timestamp() - message.at > THIRTY_DAYS_SECONDS:
            raise RefusedError(131009, "The message is older than 30 days.")
        customer = self._book.customers[message.customer]
        if typing and self._faults.on("typing_needs_window") and not self.window_open(account, customer):
            raise RefusedError(131047)
        for wamid in reversed(customer.thread[: customer.thread.index(message_id) + 1]):
            earlier = self._book.messages[wamid]
            if earlier.direction == "in" and earlier.phone_number_id == account.phone_number_id:
                if earlier.status == "read":
                    break
                earlier.status = "read"
        if typing:
            self._typing[customer.id] = self._clock.timestamp() + TYPING_SECONDS
        self._notify(f"thread:{customer.id}")

    def is_typing(self, customer: Customer) -> bool:
        """Does the customer see the business typing (at most 25 s, fact sheet WhatsApp 2.4)."""
        return self._typing.get(customer.id, 0.0) > self._clock.timestamp()

    # --- the customer acts

    def write(
        self,
        account: Account,
        customer: Customer,
        content: dict[str, Any],
        *,
        context: str = "",
        at: float | None = None,
        in_thread: bool = True,
    ) -> Message:
        """The customer sends `content` (`{"type", <type>: …}`) at `at`, sandbox Unix seconds, default now. What only
        changes another message is not `in_thread`."""
        kind = content["type"]
        message = Message(
            wamid=new_wamid(customer.user_id if customer.hidden_number else customer.wa_id, outbound=False),
            direction="in",
            customer=customer.id,
            phone_number_id=account.phone_number_id,
            type=kind,
            content=content,
            at=self._clock.timestamp() if at is None else at,
            status="queued",
            text=words_of(kind, content.get(kind)),
            context=context,
        )
        self._book.messages[message.wamid] = message
        if kind != "system" and in_thread:
            customer.thread.append(message.wamid)
        if self._opens(kind):
            last = customer.windows.get(account.phone_number_id, 0.0)
            customer.windows[account.phone_number_id] = max(last, message.at)
        if isinstance(content.get("referral"), dict):
            customer.referred[account.phone_number_id] = message.at
        if self._faults.on("inbound_counts"):
            throughput = self._throughput.setdefault(account.phone_number_id, Throughput())
            throughput.count(now=time.monotonic())
        value = payloads.inbound(account, customer, message, self._faults)
        self._tell([Update(account, "messages", value, inbound=message.wamid, cause="customer wrote")])
        self._notify(f"thread:{customer.id}")
        return message

    def shown(self, customer: Customer) -> None:
        """What the phone shows of its messages has changed."""
        self._notify(f"thread:{customer.id}")

    def called(self, account: Account, customer: Customer, calls: list[dict[str, Any]]) -> None:
        """The customer called, which opens the window like a message (fact sheet WhatsApp 3.1)."""
        customer.windows[account.phone_number_id] = max(
            customer.windows.get(account.phone_number_id, 0.0), self._clock.timestamp()
        )
        updates = [Update(account, "calls", payloads.calls(account, [call]), cause="customer called") for call in calls]
        self._tell(updates)
        self._notify("customers")

    def echo(self, account: Account, customer: Customer, content: dict[str, Any], wamid: str) -> str:
        """The owner wrote to this customer in the WhatsApp Business app: no window, no limit, no price."""
        kind, at = content["type"], self._clock.timestamp()
        if kind not in ("edit", "revoke"):
            self._book.messages[wamid] = Message(
                wamid=wamid,
                direction="out",
                customer=customer.id,
                phone_number_id=account.phone_number_id,
                type=kind,
                content=content.get(kind),
                at=at,
                status="delivered",
                text=words_of(kind, content.get(kind)),
            )
            customer.thread.append(wamid)
        value = payloads.echo(account, customer, content, wamid=wamid, at=at)
        self._tell([Update(account, "smb_message_echoes", value, cause="the owner wrote on the phone")])
        self.shown(customer)
        return wamid

    def tap(self, customer: Customer, wamid: str, *, place: int, card: int | None) -> dict[str, Any]:
        """The customer taps a button of a template. Raises LookupError where the phone shows no such button.

        Returns `{"wamid"}` of the answer that it sends, or where it leads: `{"url"}`, `{"phone_number"}`, `{"code"}`.
        """
        message = self._book.messages[wamid]
        if message.customer != customer.id or wamid not in customer.thread or message.shown is None:
            raise LookupError
        part = message.shown if card is None else message.shown["cards"][card]
        button = part["buttons"][place]
        account = self._accounts[message.phone_number_id]
        match button["type"]:
            case "QUICK_REPLY":
                tapped = {"payload": button["payload"], "text": button["text"]}
                content: dict[str, Any] = {"type": "button", "button": tapped}
            case "REQUEST_CONTACT_INFO":
                phone = {"phone": f"+{customer.wa_id}", "wa_id": customer.wa_id, "type": "CELL"}
                content = {"type": "contacts", "contacts": [{"phones": [phone], "origin": "contact_request"}]}
            case "FLOW":
                answer = {"name": "flow", "body": "Sent", "response_json": '{"flow_token":"unused"}'}
                content = {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": answer}}
            case _:
                return {key: button[key] for key in ("url", "phone_number", "code") if key in button}
        return {"wamid": self.write(account, customer, content, context=wamid).wamid}

    def _opens(self, kind: str) -> bool:
        if kind == "reaction":
            return self._faults.on("reaction_opens_window")
        if kind in ("unsupported", "unknown"):
            return self._faults.on("unsupported_opens_window")
        return kind not in NEVER_OPENS

    def ticked(self, wamids: list[str]) -> None:
        """The product has these messages of customers."""
        for wamid in wamids:
            message = self._book.messages.get(wamid)
            if message is not None and message.status == "queued":
                message.status = "delivered"
                self._notify(f"thread:{message.customer}")

    def read_all(self, customer: Customer) -> int:
        """The customer looks at everything that is on the phone; how many messages were new."""
        unread, customer.unread = customer.unread, []
        for wamid in unread:
            if customer.read_receipts:
                self._set_status(self._book.messages[wamid], "read")
        return len(unread)

    def preference_changed(self, customer: Customer) -> None:
        """The customer told WhatsApp whether marketing is wanted: every number that they wrote to hears of it."""
        at = self._clock.timestamp()
        self._tell(
            [
                Update(
                    account,
                    "user_preferences",
                    payloads.preference(account, customer, self._faults, at=at),
                    cause="marketing preference",
                )
                for account in self._accounts.values()
                if account.phone_number_id in customer.windows
            ]
        )

    def phone_changed(self, customer: Customer) -> None:
        """Someone turned the phone on or the person started reading: carry on with what waited."""
        if customer.online and customer.waiting:
            waiting, customer.waiting = customer.waiting, []
            for wamid in waiting:
                message = self._book.messages[wamid]
                if self._clock.timestamp() - message.at <= THIRTY_DAYS_SECONDS:
                    self._reach_phone(customer, message)
        if customer.online and customer.reads:
            self.read_all(customer)
        self._notify("customers")

    def new_customer(
        self, *, name: str, wa_id: str | None, hidden_number: bool, username: str, user_id: str | None
    ) -> Customer:
        """A person with a phone. Raises ValueError when number or BSUID is taken or makes no sense."""
        digits = "".join(filter(str.isdigit, wa_id)) if wa_id else f"351910{secrets.randbelow(10**6):06d}"
        if not 7 <= len(digits) <= 15:
            raise ValueError("wa_id must have 7 to 15 digits")
        customer = Customer(
            id=f"c{secrets.token_hex(6)}",
            name=name,
            wa_id=digits,
            user_id=user_id or new_user_id(digits),
            username=username.lstrip("@"),
            hidden_number=hidden_number,
        )
        self._book.add(customer)
        self._notify("customers")
        return customer

    def change_number(self, account: Account, customer: Customer, *, wa_id: str, hidden: bool, told: bool) -> None:
        """A new number, and so a new BSUID; `hidden`: Meta tells the BSUID alone; `told` False: it tells nothing (yet).

        Raises ValueError when the number is taken or makes no sense.
        """
        digits = "".join(filter(str.isdigit, wa_id))
        if not 7 <= len(digits) <= 15:
            raise ValueError("wa_id must have 7 to 15 digits")
        before = replace(customer)
        self._book.renumber(customer, wa_id=digits, user_id=new_user_id(digits))
        customer.hidden_number = hidden
        self._notify("customers")
        if not told:
            return
        message = Message(
            wamid=new_wamid(before.wa_id, outbound=False),
            direction="in",
            customer=customer.id,
            phone_number_id=account.phone_number_id,
            type="system",
            content={"type": "system"},
            at=self._clock.timestamp(),
            status="queued",
            text="",
        )
        self._book.messages[message.wamid] = message
        value = payloads.id_change(account, customer, message, self._faults, before=before, hidden=hidden)
        self._tell([Update(account, "messages", value, inbound=message.wamid, cause="number changed")])

    def thread(self, customer: Customer) -> list[dict[str, Any]]:
        """What the phone shows, oldest first."""
        return [self._bubble(self._book.messages[wamid]) for wamid in customer.thread]

    def _bubble(self, message: Message) -> dict[str, Any]:
        return {
            "wamid": message.wamid,
            "direction": message.direction,
            "type": message.type,
            "text": message.text,
            "at": datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds"),
            "status": message.status,
            "context": message.context,
            "content": message.content,
            "shown": message.shown,
            "phone_number_id": message.phone_number_id,
            "biz_opaque_callback_data": message.opaque,
        }

    # --- keeping

    def reset(self) -> None:
        """Nobody and nothing; limits start afresh."""
        self._book.clear()
        self._throughput.clear()
        self._pairs.clear()
        self._standing.reset()
        self._maintained_until.clear()
        self._held.clear()
        self._typing.clear()
        self.refused.clear()
        self.send_calls.clear()

    def dump(self) -> dict[str, Any]:
        """JSON-able (orjson): refusals and statuses that are held back."""
        held = [{"phone_number_id": u.account.phone_number_id, "value": u.value, "cause": u.cause} for u in self._held]
        refused = [asdict(one) for one in self.refused]
        return {"refused": refused, "held": held, "standing": self._standing.dump()}

    def load(self, kept: dict[str, Any]) -> None:
        """What `dump` of an earlier run told."""
        self.refused.extend(Refused(**one) for one in kept.get("refused", ()))
        self._standing.load(kept.get("standing", {}))
        self._held = [
            Update(self._accounts[one["phone_number_id"]], "messages", one["value"], cause=one["cause"])
            for one in kept.get("held", ())
        ]
