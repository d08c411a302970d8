"""A helpdesk of your own, behind signed events and a small API."""
