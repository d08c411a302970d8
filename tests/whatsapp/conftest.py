"""The switch that rewrites what the cases expect; the diff is the review."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite expected.json of every WhatsApp case")
