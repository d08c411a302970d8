"""What agents type behind `/wa template`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.template_command import parse_template_command, quoted


@pytest.mark.parametrize(
    ("typed", "name", "language", "values"),
    [
        ("hello", "hello", None, {}),
        ("hello lang=pt_PT", "hello", "pt_PT", {}),
        ("hello 1=Ines 2=42", "hello", None, {"1": "Ines", "2": "42"}),
        ("hello 1=O'Brien 2=b", "hello", None, {"1": "O'Brien", "2": "b"}),
        ('hello 1="O\'Brien & sons"', "hello", None, {"1": "O'Brien & sons"}),
        ("hello name='a \"b\" \\c'", "hello", None, {"name": 'a "b" \\c'}),
        ('hello 1="a \\"b\\" c"', "hello", None, {"1": 'a "b" c'}),
        ("hello 1=“curly quotes” 2=„auch so“", "hello", None, {"1": "curly quotes", "2": "auch so"}),
        ('hello 1="two\nlines"', "hello", None, {"1": "two\nlines"}),
        ("hello 1='O'\\''Brien'", "hello", None, {"1": "O'Brien"}),
        ("hello {{1}}=x", "hello", None, {"1": "x"}),
        ("hello button1=a?b=c=d", "hello", None, {"button1": "a?b=c=d"}),
        ("hello 1=", "hello", None, {"1": ""}),
        ("hello\u00a01=x", "hello", None, {"1": "x"}),
        ("", "", None, {}),
    ],
)
def test_values_are_read_as_in_a_shell(typed: str, name: str, language: str | None, values: dict[str, str]) -> None:
    command = parse_template_command(typed)
    assert (command.name, command.language, dict(command.values)) == (name, language, values)
    assert command.unread == ()
    assert not command.open_quote


def test_what_cannot_be_read_is_named() -> None:
    command = parse_template_command("hello stray 1=a 1=b")
    assert command.unread == ("stray", "1=b")
    assert parse_template_command('hello 1="never closed').open_quote


@given(st.text())
def test_whatever_was_typed_is_read_somehow(typed: str) -> None:
    parse_template_command(typed)


@given(st.text(min_size=1).filter(lambda text: "\u00a0" not in text))
def test_what_we_quote_is_read_as_it_was(value: str) -> None:
    command = parse_template_command(f"hello 1={quoted(value)} 2=end")
    if "\\" in value and quoted(value) == value:
        return  # bare backslashes escape, as in a shell
    assert dict(command.values) == {"1": value, "2": "end"}
