"""How can this Zendesk misbehave, and which of its unconfirmed behaviours does it show?"""

from sandbox.faults import Switch

SWITCHES: dict[str, Switch] = {
    "only": Switch(
        "", "Faults that count calls hit only calls whose `METHOD /path` contains this text; empty: all writes"
    ),
    "down": Switch(False, "Every call answers 503 and does nothing"),
    "down_retry_after_seconds": Switch(0, "Retry-After of the 503; 0: none"),
    "slow_seconds": Switch(0.0, "Every API call waits this long before it does its work"),
    "server_error_next": Switch(0, "The next N calls answer 500 and do nothing"),
    "drop_answer": Switch(0, "The next N calls do their work, then the connection is cut without an answer"),
    "late_answer_next": Switch(0, "The next N calls do their work at once and answer `late_answer_seconds` later"),
    "late_answer_seconds": Switch(30.0, "How late a late answer is"),
    "late_write_next": Switch(0, "The next N calls answer nothing; their work is done `late_write_seconds` later"),
    "late_write_seconds": Switch(5.0, "How late a late write is applied"),
    "token_revoked": Switch(False, "Every token is invalid and no new one is given, until this is turned off"),
    "expire_tokens": Switch(False, "Turning this on expires every access token given so far; new ones are given"),
    "rate_limited": Switch(0, "The next N calls answer 429"),
    "with_retry_after": Switch(True, "A 429 carries Retry-After"),
    "rate_limited_json": Switch(
        False, "Unconfirmed: the body of a 429 is JSON (APIRateLimitExceeded); off: plain text"
    ),
    "conflict_next": Switch(0, "The next N plain PUTs of a ticket answer 409 (optimistic locking)"),
    "conflict_empty_body": Switch(False, "Unconfirmed: the body of a 409 is empty; off: UpdateConflict"),
    "lose_rings": Switch(0, "The next N webhook calls are never made; -1: all of them"),
    "double_rings": Switch(False, "Every webhook call is made twice, with the same invocation id"),
    "delay_rings_seconds": Switch(0.0, "Webhook calls are made this much later"),
    "restamp_retries": Switch(
        False, "Unconfirmed: a webhook's retry carries a new time and signature; off: the first ones"
    ),
    "circuit_breaker_seconds": Switch(
        5.0, "Unconfirmed: how long a webhook pauses once 70 % of at least 100 calls in 5 minutes failed; 0: never"
    ),
    "escape_placeholders": Switch(False, "Unconfirmed: placeholder values in a trigger's JSON body are JSON-escaped"),
    "not_relevant_needs_comment": Switch(
        True, "Unconfirmed: `comment_is_public is not_relevant` asks for some comment; off: it is always true"
    ),
    "follow_redirects": Switch(False, "Unconfirmed: webhooks follow redirects; off: a redirect is a failure"),
    "index_delay_seconds": Switch(60.0, "Real seconds until a new or changed user is in the search index"),
    "export_delay_seconds": Switch(60.0, "Real seconds until something is in the incremental exports"),
    "not_found_empty_body": Switch(False, "Seen in recordings: a 404 has no body; off: RecordNotFound"),
    "custom_status_wins": Switch(False, "Unconfirmed: custom_status_id wins when status disagrees; off: status wins"),
    "busy_user_deletable": Switch(False, "Unconfirmed: a user with tickets that are not closed can be deleted"),
    "comment_metadata_visible": Switch(
        True, "Unconfirmed: comments carry metadata.custom; off: it is empty, audits have it"
    ),
    "auto_reopen_by_author": Switch(
        False, "Unconfirmed: an API comment authored by an end user reopens a pending, on-hold or solved ticket"
    ),
    "idempotency_in_flight": Switch(
        "conflict",
        "Unconfirmed: the same Idempotency-Key while the first call runs: conflict = 409, duplicate = second ticket",
        ("conflict", "duplicate"),
    ),
    "idempotency_caches_refusals": Switch(False, "Unconfirmed: a refused creation is replayed for its Idempotency-Key"),
    "idempotency_scope": Switch("account", "Unconfirmed: whose Idempotency-Keys collide", ("account", "user")),
    "html_body_wins": Switch(True, "Unconfirmed: html_body wins when body is sent too; off: body wins"),
    "noop_audit_null": Switch(True, "Unconfirmed: an update that changes nothing gives audit null; off: no events"),
    "additional_tags_on_put": Switch(
        False, "Unconfirmed: additional_tags and remove_tags work on the update of one ticket"
    ),
    "requester_by_phone": Switch(False, "Unconfirmed: requester {name, phone} makes a user; off: phone is dropped"),
    "solve_needs_assignee": Switch(
        False, "Unconfirmed: solving an unassigned ticket through the API is refused with 422"
    ),
    "light_agent_public_is_refused": Switch(
        False, "Unconfirmed: a light agent's public comment is refused with 422; off: it becomes private silently"
    ),
    "merge_moves_external_id": Switch(
        False, "Unconfirmed: the winner of a user merge without external_id takes the loser's"
    ),
    "merged_user_is_inactive": Switch(False, "A merged user is still readable, inactive; off: 404"),
    "merge_source_has_rel": Switch(True, "Unconfirmed: the last audit of a merged ticket has via.source.rel `merge`"),
    "deleted_in_export": Switch(True, "Unconfirmed: deleted tickets appear in the export as status `deleted`"),
    "webhook_in_use_deletable": Switch(False, "Unconfirmed: a webhook that a trigger uses can be deleted"),
    "validate_phone_numbers": Switch(True, "Account setting: phones that are not E.164 are refused with 422"),
    "private_attachments": Switch(
        False, "Account setting: attachments need authentication and redirect to their content"
    ),
    "allowed_file_types": Switch("", "Account setting: extensions that may be uploaded, comma separated; empty: all"),
    "refused_file_type_status": Switch(422, "Unconfirmed: the status of an upload whose extension is not allowed"),
    "scan_result": Switch(
        "malware_not_found",
        "What the malware scan says of new attachments",
        ("malware_not_found", "malware_found", "failed_to_scan", "not_scanned"),
    ),
}
