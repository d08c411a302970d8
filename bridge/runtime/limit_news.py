"""What do refusals and webhooks of Meta say about the limits? They are heeded at once, for all workers."""

from collections.abc import Iterable

from sqlalchemy import Connection

from bridge.domain.meta_limits import Limit
from bridge.runtime.services import Services
from bridge.store import messages

HEEDED = {
    4: Limit.ACCOUNT,
    80007: Limit.ACCOUNT,
    80008: Limit.ACCOUNT,
    130429: Limit.NUMBER,
    131056: Limit.PAIR,
    131048: Limit.OUTREACH,
    131064: Limit.OUTREACH,
    131049: Limit.MARKETING_CAP,
    132015: Limit.TEMPLATE,
}
"""Fact sheet WhatsApp 6.2, 6.3, 6.5. A code that comes by a status counts as much as one that comes at once."""
PAIR_SECONDS = 4.0


async def heed_code(services: Services, code: str, *, contact_id: str, template: str | None = None) -> None:
    """Meta refused a message to this contact with `code`."""
    limit = HEEDED.get(int(code)) if code.isdigit() else None
    if limit is None or (limit is Limit.TEMPLATE and template is None):
        return
    seconds = PAIR_SECONDS if limit is Limit.PAIR else 0.0
    await services.send_limits.press(limit, contact_id=contact_id, template=template or "", seconds=seconds)


async def heed_statuses(services: Services, failed: Iterable[tuple[str, int]]) -> None:
    """`failed`: messages that Meta took and then refused, with its codes. Raises `StoreUnavailable`."""
    heeded = {message_id: code for message_id, code in failed if code in HEEDED}
    if not heeded:
        return

    def look(connection: Connection) -> dict[str, str]:
        return messages.contacts_of(connection, list(heeded))

    contacts = await services.database.read(look)
    for message_id, contact_id in contacts.items():
        await heed_code(services, str(heeded[message_id]), contact_id=contact_id)
