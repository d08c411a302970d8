"""How can this CRM misbehave, and which kinds of systems does it play?

Where a switch means the same as one of the simulated Zendesk, it has the same name.
"""

from sandbox.faults import Switch

SWITCHES: dict[str, Switch] = {
    "only": Switch(
        "", "Faults that count calls hit only events whose `METHOD /path` contains this text; empty: all writes"
    ),
    "down": Switch(False, "Every event is answered 503 and does nothing"),
    "down_retry_after_seconds": Switch(0, "Retry-After of the 503; 0: none"),
    "slow_seconds": Switch(0.0, "Every event waits this long before it is worked on"),
    "server_error_next": Switch(0, "The next N events are answered 500 and do nothing"),
    "drop_answer": Switch(0, "The next N events are worked on, then the connection is cut without an answer"),
    "late_answer_next": Switch(0, "The next N events are worked on at once and answered `late_answer_seconds` later"),
    "late_answer_seconds": Switch(30.0, "How late a late answer is"),
    "late_write_next": Switch(0, "The next N events are not answered; their work is done `late_write_seconds` later"),
    "late_write_seconds": Switch(5.0, "How late a late write is applied"),
    "token_revoked": Switch(False, "The secret was changed over there: every signature is refused with 401"),
    "rate_limited": Switch(0, "The next N events are answered 429"),
    "with_retry_after": Switch(True, "A 429 carries Retry-After"),
    "rate_limited_json": Switch(False, "A 429 has a JSON body; off: plain text"),
    "conflict_next": Switch(0, "The next N comments are answered 409, as while the same event is in work"),
    "calls_per_minute": Switch(0, "How many events a minute are taken before 429; 0: any number"),
    "lose_rings": Switch(0, "The next N things that agents do are never told; -1: all of them"),
    "double_rings": Switch(False, "Everything is told twice"),
    "delay_rings_seconds": Switch(0.0, "Everything is told this much later"),
    "ring_retry_scale": Switch(1.0, "What was not taken is told again after 1, 5, 30, 120 and 600 seconds times this"),
    "ring_timeout_seconds": Switch(10.0, "How long telling waits for its answer"),
    "answers": Switch(
        "ids",
        "What an event is answered with: our ids, nothing, a plain word as Make's, or what Zapier's hooks say",
        ("ids", "nothing", "word", "zapier"),
    ),
    "answers_questions": Switch(True, "Says what stands on a ticket and what changed; off: 422, as it never does"),
    "remembers_events": Switch(True, "An event that comes again does nothing again; off: it is done twice"),
    "export_delay_seconds": Switch(0.0, "Real seconds until something is told to whoever asks what changed"),
    "index_delay_seconds": Switch(0.0, "Real seconds until a person made by hand is found by the number"),
}
