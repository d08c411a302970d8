"""Message templates: what they are and when one may be sent."""
