"""The catalogues of what people are told: `python -m tests.messages` brings them up to date with the code."""
