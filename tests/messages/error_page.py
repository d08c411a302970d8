"""The page of WhatsApp's error codes, `docs/errors.md`, as the table of the code says it."""

from pathlib import Path

from bridge.whatsapp import failures
from bridge.whatsapp.failures import FailureKind, Seen

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
_INTRODUCTION = """# WhatsApp's error codes

What each code in a note of the bridge means, whether the customer saw anything of the message, and what to do.
Agents are told the same in their own language. Written from the code's own table (`bridge/whatsapp/failures.py`) by
`python -m tests.messages`.

"""
_KINDS = {
    FailureKind.RETRY_LATER: "tried again by itself",
    FailureKind.RATE_LIMITED: "waits, then goes on by itself",
    FailureKind.PERMANENT: "not sent",
    FailureKind.WINDOW_CLOSED: "held, or not sent, as the policy says",
    FailureKind.NEEDS_OPERATOR: "everything waits for an administrator",
    FailureKind.OUTCOME_UNKNOWN: "not confirmed",
}
_SEEN = {Seen.NOTHING: "no", Seen.PERHAPS: "perhaps", Seen.NO_MESSAGE: "–"}


def page() -> str:
    rows = [
        f"| {code} | {failure.explanation} | {_KINDS[failure.kind]} | {_SEEN[failure.seen]} | {failure.advice} "
        f"| {failure.admin} |"
        for code, failure in failures.rows()
    ]
    head = ["| code | what happened | the message | seen by the customer | agent | administrator |"]
    return _INTRODUCTION + "\n".join([*head, "| --- | --- | --- | --- | --- | --- |", *rows]) + "\n"
