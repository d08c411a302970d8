"""The outside world in a box: a Cloud API, a Zendesk, a phone and an agent. Talks HTTP alone."""
