"""How is what a ring itself tells kept until it is taken? As JSON in the ring's row, sealed like every row."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connectors.interface import (
    AuthorKind,
    Change,
    Comment,
    CommentFile,
    CommentId,
    EffectKey,
    Successor,
    TicketId,
    TicketStatus,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on a ticket now, by the word of its helpdesk. `status`: None where it said nothing of it."""

    comments: Sequence[Comment]
    status: TicketStatus | None
    successor: Successor | None


def packed(change: Change) -> Mapping[str, Any]:
    """JSON-able."""
    comments = [{**asdict(comment), "created_at": comment.created_at.isoformat()} for comment in change.comments]
    moved = change.successor and {"into": change.successor.ticket_id, "at": change.successor.merged_at.isoformat()}
    return {"comments": comments, "status": change.status, "moved": moved}


def unpacked(told: Mapping[str, Any]) -> Told:
    """What `packed` made. Rows outlive a version: what was not known then has its default."""
    moved = told.get("moved")
    return Told(
        [
            Comment(
                **{
                    **comment,
                    "id": CommentId(comment["id"]),
                    "created_at": datetime.fromisoformat(comment["created_at"]),
                    "author": AuthorKind(comment["author"]),
                    "files": [CommentFile(**file) for file in comment["files"]],
                    "key": None if comment["key"] is None else EffectKey(comment["key"]),
                }
            )
            for comment in told["comments"]
        ],
        None if told["status"] is None else TicketStatus(told["status"]),
        moved and Successor(TicketId(moved["into"]), datetime.fromisoformat(moved["at"])),
    )
