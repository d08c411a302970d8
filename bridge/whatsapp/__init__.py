"""The Cloud API: its shapes, their translation, its failures, its client. Nobody else spells them."""
