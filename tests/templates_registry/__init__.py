"""The pure rules of message templates."""
