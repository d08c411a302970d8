"""Which status may follow which? A one-way lattice: late and repeated webhooks change nothing.

`failed` overrides what left but was not delivered; `delivered` overrides `failed`, since one of several devices may
have refused what another took (fact sheet WhatsApp 1.8).
"""

from bridge.domain.model import MessageStatus

RANK = {
    MessageStatus.QUEUED: 0,
    MessageStatus.ACCEPTED: 1,
    MessageStatus.SENT: 2,
    MessageStatus.FAILED: 3,
    MessageStatus.DELIVERED: 4,
    MessageStatus.READ: 5,
    MessageStatus.PLAYED: 6,
}


def advance(current: MessageStatus, reported: MessageStatus) -> MessageStatus:
    """The status after a report: the higher of the two."""
    return reported if RANK[reported] > RANK[current] else current


def is_at_phone(status: MessageStatus) -> bool:
    """Did it reach the customer's device?"""
    return RANK[status] >= RANK[MessageStatus.DELIVERED]


def left_meta(status: MessageStatus) -> bool:
    """Does this status prove that Meta took the message and sends it?"""
    return status is not MessageStatus.FAILED and RANK[status] >= RANK[MessageStatus.SENT]
