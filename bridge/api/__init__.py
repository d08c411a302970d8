"""The REST API: what may a program with a token ask for and do? Described by `/openapi.json`, errors by RFC 9457."""
