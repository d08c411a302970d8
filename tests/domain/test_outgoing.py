"""What does an agent's comment say to the customer? One folder a case: `comment.html` in, `expected.json` out.

`pytest tests/domain --update-cases` rewrites what is expected. The way back has folders of its own.
"""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.outgoing import MOST_PARTS, NameLine, name_of, parts_of, read_words
from bridge.domain.quoted import is_quote_of
from bridge.domain.text import MESSAGE_LIMIT, html_to_whatsapp, markdown_to_whatsapp, utf16_length, whatsapp_to_html

CASES = Path(__file__).parents[1] / "cases" / "helpdesk"
OUT = sorted((CASES / "outbound").iterdir())
BACK = sorted((CASES / "inbound").iterdir())
PICTURES = ["https://desk.example/inline/1.png", "https://desk.example/inline/2.png"]


@pytest.mark.parametrize("folder", OUT, ids=lambda folder: folder.name)
def test_comment_reads_on_the_phone_as_its_case_expects(folder: Path, request: pytest.FixtureRequest) -> None:
    words = read_words((folder / "comment.html").read_text("utf-8"), "", pictures=PICTURES)
    told = {"text": words.text.split("\n"), "pictures": list(words.pictures), "quote": words.quote}
    expected = folder / "expected.json"
    if request.config.getoption("--update-cases"):
        expected.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert told == json.loads(expected.read_text("utf-8"))


@pytest.mark.parametrize("folder", BACK, ids=lambda folder: folder.name)
def test_message_reads_in_the_ticket_as_its_case_expects(folder: Path, request: pytest.FixtureRequest) -> None:
    html = whatsapp_to_html((folder / "message.txt").read_text("utf-8").removesuffix("\n"))
    expected = folder / "expected.html"
    if request.config.getoption("--update-cases"):
        expected.write_text(html + "\n", "utf-8")
    assert html == expected.read_text("utf-8").removesuffix("\n")


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


bits = st.sampled_from(
    ["> ", "- ", "```", "\n", "word ", "**b** ", "[t](https://x.org/a_b)", "~~s~~", "é", "👩‍👩‍👧", "`c`"]
)


@given(st.lists(bits).map("".join))
def test_no_word_is_lost_on_the_way_to_the_ticket_and_back(text: str) -> None:
    assert _letters(html_to_whatsapp(whatsapp_to_html(text))) == _letters(text)


@given(st.lists(bits).map("".join))
def test_markdown_loses_no_word(text: str) -> None:
    assert _letters(markdown_to_whatsapp(text)) == _letters(text)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**bold** and ~~gone~~", "*bold* and ~gone~"),
        ("see [our page](https://x.org/a_b)", "see our page (https://x.org/a_b)"),
        ("[x.org](https://x.org/)", "https://x.org/"),
        ("f(**kwargs) and 2**3**4", "f(**kwargs) and 2**3**4"),
        ("`**raw**` ```**raw**```", "`**raw**` ```**raw**```"),
        ("__init__ snake_case", "__init__ snake_case"),
        ("https://x.org/**a**", "https://x.org/**a**"),
    ],
)
def test_markdown_that_agents_type(markdown: str, text: str) -> None:
    assert markdown_to_whatsapp(markdown) == text


@given(st.text(alphabet="a` \n", min_size=1).map(lambda text: text * 900))
def test_mono_block_that_is_cut_is_mono_in_every_part(text: str) -> None:
    parts, count = parts_of(text, name="")
    assert len(parts) == min(count, MOST_PARTS)
    assert all(utf16_length(part) <= MESSAGE_LIMIT for part in parts)
    assert all(part.count("```") % 2 == 0 for part in parts[:-1])
    if count <= MOST_PARTS:
        assert re.sub(r"[`\s]", "", "".join(parts)) == re.sub(r"[`\s]", "", text)


def test_first_message_alone_begins_with_the_name() -> None:
    parts, count = parts_of("word " * 2_000, name="Bia")
    assert count == 3
    assert parts[0].startswith("*Bia*\nword")
    assert not any("Bia" in part for part in parts[1:])


def test_name_is_as_the_setting_says() -> None:
    assert [name_of("Bia *Star* Lopes", line) for line in NameLine] == ["", "Bia", "Bia Star Lopes"]
    assert name_of(None, NameLine.FULL) == ""


def test_quote_is_found_by_its_words() -> None:
    assert is_quote_of("Which *seal*\ndo I need?", "which seal do I need")
    assert is_quote_of("seal do I need for it", "Hello, which seal do I need for it today?")
    assert not is_quote_of("need", "which seal do I need")
    assert not is_quote_of("", "")
    assert is_quote_of("👍", "👍")


def test_megabyte_of_markup_is_read_as_far_as_it_goes() -> None:
    words = read_words("<p>Hello</p>" + "<b><i><ul><li>x" * 70_000, "", pictures=[])
    assert words.is_cut
    assert words.text.startswith("Hello")
