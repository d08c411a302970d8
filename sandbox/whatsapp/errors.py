"""How does the Cloud API say no: codes, HTTP statuses, titles (fact sheet WhatsApp 6), the shapes of an error."""

import secrets
from typing import Any

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

CATALOGUE: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "Permission Denied"),
    15: (400, "This method must be called with an app access token"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Access token has expired"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    2200: (400, "Callback verification failed"),
    2500: (400, "Unknown path components"),
    80007: (400, "Rate limit issues"),
    80008: (400, "There have been too many calls to this WhatsApp Business account"),
    130403: (400, "Business has blocked the user"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "Display name approval needed"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131064: (400, "Messaging limit reached due to template classification violations"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "User has stopped receiving marketing messages"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131059: (400, "Invalid pagination cursor"),
    131062: (400, "Business-scoped user ID recipients are not supported for this message"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template content policy violated"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There was an issue with the parameters for your template"),
    133004: (503, "Server Temporarily Unavailable"),
    133010: (400, "Phone number not registered"),
    135000: (400, "Generic user error"),
    137000: (400, "Recipient identity key mismatch"),
}

DETAILS: dict[int, str] = {
    2: "Temporary due to downtime or due to being overloaded.",
    131026: "Message Undeliverable.",
    131042: "Message failed to send because there were one or more errors related to your payment method.",
    131047: "More than 24 hours have passed since the recipient last replied to the sender number.",
    131056: "Too many messages sent from the sender phone number to the same recipient phone number.",
    130429: "Cloud API message throughput has been reached.",
}


class RefusedError(Exception):
    """The Cloud API refuses this call, with this code."""

    def __init__(
        self,
        code: int,
        details: str = "",
        *,
        subcode: int | None = None,
        injected: bool = False,
        user_title: str = "",
        user_msg: str = "",
    ) -> None:
        super().__init__(code)
        self.code = code
        self.details = details or DETAILS.get(code, title_of(code))
        self.subcode = subcode
        self.injected = injected
        self.user_title = user_title
        self.user_msg = user_msg
        self.status = CATALOGUE.get(code, (400, ""))[0]

    def body(self) -> dict[str, Any]:
        """The synchronous error body (fact sheet WhatsApp 2.1)."""
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {title_of(self.code)}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": "A" + secrets.token_urlsafe(16),
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.user_msg:
            error |= {"is_transient": False, "error_user_title": self.user_title, "error_user_msg": self.user_msg}
        return {"error": error}


def title_of(code: int) -> str:
    """The title of a code; codes that the catalogue lacks are "Unknown error"."""
    return CATALOGUE.get(code, (400, "Unknown error"))[1]


def webhook_error(code: int) -> dict[str, Any]:
    """The error object inside a failed status (fact sheet WhatsApp 1.9)."""
    title = title_of(code)
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": DETAILS.get(code, title)},
        "href": HREF,
    }
