"""What Meta writes into its webhooks: messages and statuses (fact sheet WhatsApp 1.4, 1.6, 1.8)."""

from typing import Any

from sandbox.whatsapp.errors import webhook_error
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.people import Account, Customer, Message, spellings

WITHOUT_CONTACTS = ("system",)


def _value(account: Account) -> dict[str, Any]:
    metadata = {"display_phone_number": account.display_phone_number, "phone_number_id": account.phone_number_id}
    return {"messaging_product": "whatsapp", "metadata": metadata}


def _contact(customer: Customer, faults: WhatsAppFaults, *, username: bool, phone: bool) -> dict[str, Any]:
    contact: dict[str, Any] = {}
    if not faults.on("omit_profile"):
        contact["profile"] = {"name": customer.name}
        if username and customer.username:
            contact["profile"]["username"] = ("@" if faults.on("username_at_sign") else "") + customer.username
    if phone:
        contact["wa_id"] = _spelt(customer.wa_id, faults)
    elif faults.on("bsuid_in_from"):
        contact["wa_id"] = customer.user_id
    contact["user_id"] = customer.user_id
    if faults.on("parent_ids"):
        contact["parent_user_id"] = parent_of(customer.user_id)
    return contact


def parent_of(user_id: str) -> str:
    """The BSUID that all portfolios of an enterprise share (fact sheet WhatsApp 8.2)."""
    return user_id.replace(".", ".ENT.", 1)


def _spelt(wa_id: str, faults: WhatsAppFaults) -> str:
    return spellings(wa_id)[-1] if faults.on("number_spelt_otherwise") else wa_id


def id_change(
    account: Account, customer: Customer, message: Message, faults: WhatsAppFaults, *, before: Customer, hidden: bool
) -> dict[str, Any]:
    """The `value` of the system message that tells a new number, or a new BSUID alone (fact sheet WhatsApp 1.6.2)."""
    system: dict[str, Any] = {"type": "user_changed_user_id", "user_id": customer.user_id}
    item: dict[str, Any] = {"id": message.wamid, "timestamp": str(int(message.at)), "type": "system", "system": system}
    if hidden or faults.on("previous_user_id"):
        system["previous_user_id"] = before.user_id
    if faults.on("parent_ids"):
        system["parent_user_id"] = parent_of(customer.user_id)
        system["previous_parent_user_id"] = parent_of(before.user_id)
    if not hidden:
        item["from"] = before.wa_id
        system |= {
            "type": "user_changed_number",
            "wa_id": customer.wa_id,
            "body": f"User {customer.name} changed from {before.wa_id} to {customer.wa_id}",
        }
    return {**_value(account), "messages": [item]}


def inbound(account: Account, customer: Customer, message: Message, faults: WhatsAppFaults) -> dict[str, Any]:
    """The `value` of a webhook that tells a customer's message."""
    item: dict[str, Any] = {}
    if not customer.hidden_number:
        item["from"] = _spelt(customer.wa_id, faults)
    elif faults.on("bsuid_in_from"):
        item["from"] = customer.user_id
    item["from_user_id"] = customer.user_id
    if faults.on("parent_ids"):
        item["from_parent_user_id"] = parent_of(customer.user_id)
    item["id"] = message.wamid
    item["timestamp"] = str(int(message.at * (1000 if faults.on("timestamp_milliseconds") else 1)))
    if message.context:
        item["context"] = {"id": message.context}
        if not faults.on("omit_context_from"):
            item["context"] = {"from": account.digits, "id": message.context}
    item.update(message.content)
    value = _value(account)
    if message.type not in WITHOUT_CONTACTS:
        value["contacts"] = [_contact(customer, faults, username=True, phone=not customer.hidden_number)]
    value["messages"] = [item]
    return value


def status(
    account: Account,
    customer: Customer | None,
    message: Message,
    faults: WhatsAppFaults,
    *,
    name: str,
    at: float,
    pricing: bool,
) -> dict[str, Any]:
    """The `value` of a webhook that tells what became of a message of the business."""
    item: dict[str, Any] = {"id": message.wamid, "status": name, "timestamp": str(int(at))}
    phone = not message.to_bsuid or (customer is not None and not customer.hidden_number)
    if phone:
        item["recipient_id"] = customer.wa_id if customer is not None else "".join(filter(str.isdigit, message.input))
    if message.to_bsuid:
        item["recipient_user_id"] = message.input
    elif name != "failed" and customer is not None:
        item["recipient_user_id"] = customer.user_id
    if message.opaque is not None:
        item["biz_opaque_callback_data"] = message.opaque
    if faults.on("old_conversation_object") and name != "failed":
        item["conversation"] = {"id": message.wamid[-32:], "origin": {"type": "service"}}
    if name == "sent" and message.free_until:
        item["conversation"] = {
            "id": message.wamid[-32:],
            "expiration_timestamp": str(int(message.free_until)),
            "origin": {"type": "referral_conversion"},
        }
    if pricing and message.pricing is not None:
        item["pricing"] = message.pricing
    if name == "failed":
        item["errors"] = [webhook_error(message.error)]
    value = _value(account)
    if name != "failed" and customer is not None:
        value["contacts"] = [_contact(customer, faults, username=name != "sent", phone=phone)]
    value["statuses"] = [item]
    return value


def preference(account: Account, customer: Customer, faults: WhatsAppFaults, *, at: float) -> dict[str, Any]:
    """The `value` of a webhook that tells what a customer wants of marketing (fact sheet WhatsApp 1.11)."""
    word = "stop" if customer.stopped_marketing else "resume"
    told: dict[str, Any] = {
        "user_id": customer.user_id,
        "detail": f"User requested to {word} marketing messages",
        "category": "marketing_messages",
        "value": word,
        "timestamp": int(at),
    }
    if not customer.hidden_number:
        told["wa_id"] = customer.wa_id
    value = _value(account)
    value["contacts"] = [_contact(customer, faults, username=False, phone=not customer.hidden_number)]
    value["user_preferences"] = [told]
    return value


def echo(account: Account, customer: Customer, content: dict[str, Any], *, wamid: str, at: float) -> dict[str, Any]:
    """The `value` of a webhook that tells what the owner wrote on the phone (fact sheet WhatsApp 1.12)."""
    item: dict[str, Any] = {"from": account.digits, "to_user_id": customer.user_id}
    if not customer.hidden_number:
        item["to"] = customer.wa_id
    item |= {"id": wamid, "timestamp": str(int(at)), **content}
    return {**_value(account), "message_echoes": [item]}


def calls(account: Account, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The `value` of a webhook that tells of calls (fact sheet WhatsApp 1.13)."""
    return {**_value(account), "calls": items}
