"""How can this Freshdesk misbehave, and which of its unconfirmed behaviours does it show?

Where a switch means the same as one of the simulated Zendesk, it has the same name.
"""

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
    "token_revoked": Switch(False, "The API key is invalid, as after a reset, until this is turned off"),
    "account_suspended": Switch(False, "Every call answers 403 account_suspended"),
    "access_denied": Switch(False, "Every write answers 403 access_denied: the agent lost the right"),
    "key_is_admin": Switch(True, "The API key belongs to an admin; off: the admin endpoints answer 403"),
    "rate_limited": Switch(0, "The next N calls answer 429"),
    "with_retry_after": Switch(True, "A 429 carries Retry-After"),
    "rate_limited_json": Switch(False, "Unconfirmed: a 429 has a JSON body; off: no body"),
    "sub_limit_in_headers": Switch(
        False, "Unconfirmed: the headers of a call with a limit of its own tell that limit; off: the account's"
    ),
    "conflict_next": Switch(0, "The next N updates of a ticket answer 409 inconsistent_state"),
    "lose_rings": Switch(0, "The next N webhook calls are never made; -1: all of them"),
    "double_rings": Switch(False, "Every webhook call is made twice"),
    "delay_rings_seconds": Switch(0.0, "Webhook calls are made this much later"),
    "reorder_rings": Switch(False, "Every other webhook call comes a second late, so that later ones overtake it"),
    "ring_retry_scale": Switch(1.0, "Retries of a failed webhook call come after 5, 30 and 60 minutes times this"),
    "ring_timeout_seconds": Switch(5.0, "Unconfirmed: how long a webhook call waits for its answer"),
    "rings_count": Switch(
        True, "Webhook calls count against the account's limit, and wait an hour where it is used up"
    ),
    "ring_body_wrapped": Switch(False, "Unconfirmed: a rule's own body is sent inside `freshdesk_webhook`"),
    "rings_for_own_writes": Switch(
        False, "The rule that setup made names every agent as performer; off: every agent but the bridge's own"
    ),
    "incoming_note_by_requester": Switch(
        False, "Unconfirmed: a contact's note through the API counts as the requester's act for rules; off: the agent's"
    ),
    "incoming_note_reopens": Switch(
        False, "Unconfirmed: a contact's note through the API starts the reopening rule; off: only mail and portal do"
    ),
    "reopen_rule": Switch(
        True, "Account setting: the default rule reopens a ticket when its customer responds by mail or portal"
    ),
    "note_by_contact": Switch(
        "accepted",
        "Unconfirmed: a note with a contact's user_id: accepted, forbidden = 403, invalid = 400 on user_id",
        ("accepted", "forbidden", "invalid"),
    ),
    "note_on_deleted": Switch(
        "404", "Unconfirmed: the status of a note on a deleted or spam ticket", ("404", "405", "201")
    ),
    "note_moves_updated_at": Switch(True, "Unconfirmed: a note or reply moves the ticket's updated_at"),
    "updated_since_inclusive": Switch(False, "Unconfirmed: updated_since includes its own second; off: it does not"),
    "export_delay_seconds": Switch(0.0, "Real seconds until a change is seen in lists of tickets"),
    "index_delay_seconds": Switch(180.0, "Real seconds until something is in the search index"),
    "source_13_accepted": Switch(False, "Unconfirmed: tickets may be created with source 13 (WhatsApp)"),
    "native_channel_refuses_body": Switch(
        True, "Public notes and replies on a messaging channel's ticket need structured_body; unconfirmed for WhatsApp"
    ),
    "external_id": Switch(
        "available",
        "Unconfirmed: unique_external_id on this plan: available, invalid_field = 400, require_feature = 403",
        ("available", "invalid_field", "require_feature"),
    ),
    "contacts_by_external_id": Switch(
        True, "Unconfirmed: GET /contacts?unique_external_id= works; off: 400 invalid_field"
    ),
    "duplicate_names_contact": Switch(
        "all",
        "Unconfirmed but for e-mail: which 409s carry additional_info.user_id",
        ("all", "email", "none"),
    ),
    "mobile_is_unique": Switch(True, "Account setting: two contacts cannot have the same mobile (accounts since 2022)"),
    "phone_is_unique": Switch(False, "Account setting: two contacts cannot have the same work phone"),
    "mobile_lookup": Switch(
        "exact",
        "Unconfirmed: what GET /contacts?mobile= compares: the exact text, or digits alone",
        ("exact", "digits"),
    ),
    "subject_required": Switch(True, "Account setting: the ticket form asks for subject and description"),
    "resolving_counts_as_closing": Switch(
        True, "Unconfirmed: fields required for closure are required for Resolved too; off: for Closed alone"
    ),
    "responder_must_be_in_group": Switch(
        True, "Unconfirmed: responder_id and group_id that do not fit are refused with 400"
    ),
    "reply_needs_email": Switch(
        True, "Unconfirmed: replying to a requester without e-mail is refused with 400; off: it goes nowhere"
    ),
    "html_survives": Switch(
        "visible",
        "Unconfirmed: what sanitising leaves of HTML: what a reader sees, or classes, titles and hidden marks too",
        ("visible", "all"),
    ),
    "merge_note": Switch(
        "names_target",
        "Unconfirmed: the note in a merged ticket names its target, or says only that it was merged",
        ("names_target", "bare"),
    ),
    "merge_moves_conversations": Switch(
        False, "Unconfirmed: a merge moves the conversations to the primary ticket; off: they stay, a note tells"
    ),
    "archived_readable": Switch(False, "Unconfirmed: GET /tickets/<id> still shows an archived ticket; off: 404"),
    "too_large_status": Switch(
        "400", "Unconfirmed: the status for more than 20 MB of attachments on a ticket", ("400", "413")
    ),
    "attachment_url_seconds": Switch(300.0, "Unconfirmed: how long an attachment's URL works (seen: 86,400)"),
    "attachment_refuses_authorization": Switch(
        True, "An attachment's URL answers 400 to a request with an Authorization header"
    ),
}
