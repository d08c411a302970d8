"""Does a text survive the way to the other side, and is it cut only where a reader does not mind?"""

import re
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.text import (
    MESSAGE_LIMIT,
    clean,
    flatten,
    graphemes,
    html_to_whatsapp,
    preview,
    split_message,
    utf16_length,
    whatsapp_to_html,
)

FAMILY = "👨‍👩‍👧‍👦"
WAVE = "👋🏽"
FLAG = "🇵🇹"
SCOTLAND = "🏴󠁧󠁢󠁳󠁣󠁴󠁿"
ACCENT = "e\u0301\u0323"
HINDI = "क्षि"
HANGUL = "각"
CLUSTERS = [
    FAMILY,
    WAVE,
    FLAG,
    SCOTLAND,
    ACCENT,
    HINDI,
    HANGUL,
    "☝️",
    "1️⃣",
    "👩‍❤️‍💋‍👨",
    "x",
    "é",
    "漢",
    "\N{GRINNING FACE}",
]

anything = st.text(st.characters(exclude_categories=[]))
pieces_of_text = st.lists(
    st.sampled_from(
        [*CLUSTERS, " ", "\n", "\n\n", ". ", "! ", "word ", "*", "_", "~", "`", "```", "<b>", "&", "https://x.org/a_b"]
    )
).map("".join)
any_text = st.one_of(anything, pieces_of_text)


def _visible(text: str) -> str:
    return "".join(char for char in clean(text) if not char.isspace())


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


# WhatsApp to HTML


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("one\ntwo\r\nthree\rfour", "one<br>two<br>three<br>four"),
        ("*bold* _italic_ ~struck~", "<strong>bold</strong> <em>italic</em> <del>struck</del>"),
        ("*bold _and italic_*", "<strong>bold <em>and italic</em></strong>"),
        ("_*both*_!", "<em><strong>both</strong></em>!"),
        ("(*yes*)", "(<strong>yes</strong>)"),
        ("snake_case_names stay", "snake_case_names stay"),
        ("2*3*4 stay", "2*3*4 stay"),
        ("__init__ and **twice**", "__init__ and **twice**"),
        ("* not bold * nor * this", "* not bold * nor * this"),
        ("*not over\nlines*", "*not over<br>lines*"),
        ("*open _closed_", "*open <em>closed</em>"),
        ("*a _b* c_", "<strong>a _b</strong> c_"),
        ("say ```*as it is*``` now", "say <code>*as it is*</code> now"),
        ("say `code_x` now, don`t can`t", "say <code>code_x</code> now, don`t can`t"),
        ("see\n```a\n  b```\nend", "see<pre>a\n  b</pre>end"),
        ("``````", "``````"),
        ("<script>alert('&')</script>", "&lt;script&gt;alert('&amp;')&lt;/script&gt;"),
        ("a  b", "a &nbsp;b"),
        (
            'https://x.org/a_b_c?q="&r=1, ok',
            '<a href="https://x.org/a_b_c?q=">https://x.org/a_b_c?q=</a>"&amp;r=1, ok',
        ),
        ("https://x.org/?a=1&b=2.", '<a href="https://x.org/?a=1&amp;b=2">https://x.org/?a=1&amp;b=2</a>.'),
        ("*https://x.org/_y_*", '<strong><a href="https://x.org/_y">https://x.org/_y</a>_</strong>'),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("a\0b\ud83dc\ude00", "a\ufffdb\ufffdc\ufffd"),
        ("\ud83d\ude00", "\N{GRINNING FACE}"),
    ],
)
def test_whatsapp_text_as_html(text: str, html: str) -> None:
    assert whatsapp_to_html(text) == html


@given(any_text)
def test_html_of_any_text_is_storable_and_holds_no_tag_but_ours(text: str) -> None:
    html = whatsapp_to_html(text)
    html.encode("utf-8")
    assert "\0" not in html
    rest = re.sub(r'</?(?:strong|em|del|code|pre)>|<br>|</a>|<a href="https?://[^"<>]*">', "", html)
    assert "<" not in rest
    for tag in ("strong", "em", "del", "code", "pre", "a"):
        assert len(re.findall(f"<{tag}[ >]", html)) == html.count(f"</{tag}>")


@given(any_text)
def test_no_letter_is_lost_on_the_way_to_the_helpdesk_and_back(text: str) -> None:
    assert _letters(html_to_whatsapp(whatsapp_to_html(text))) == _letters(clean(text))


words = st.text(st.sampled_from("abcé漢1"), min_size=1, max_size=6)
phrases = st.lists(words, min_size=1, max_size=4).map(" ".join)
marked = st.one_of(
    phrases,
    phrases.map("*{}*".format),
    phrases.map("_{}_".format),
    phrases.map("~{}~".format),
    phrases.map("```{}```".format),
    phrases.map("*_{}_*".format),
    phrases.map("snake_{}_case".format),
)
lines = st.lists(marked, min_size=1, max_size=4).map(" ".join)
messages = st.lists(lines, min_size=1, max_size=4).map("\n".join)


@given(st.lists(messages, min_size=1, max_size=3).map("\n\n".join))
def test_markup_comes_back_as_it_went(text: str) -> None:
    assert html_to_whatsapp(whatsapp_to_html(text)) == text


# HTML to WhatsApp


def _comment(html: str) -> str:
    return f'<div class="zd-comment" dir="auto">{html}</div>'


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Hello<br><br>World", "Hello\n\nWorld"),
        ('<p dir="auto">One</p><p dir="auto">Two</p>', "One\n\nTwo"),
        ("<p>One</p><p>&nbsp;</p><p><br></p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div><br></div><div>Two</div>", "One\n\nTwo"),
        ("  One\n   and&nbsp;two \t", "One and two"),
        ("a &nbsp;b", "a  b"),
        ("<b>bold</b> <em>italic</em> <s>struck</s>", "*bold* _italic_ ~struck~"),
        ("<strong>one<br>two</strong>", "*one*\n*two*"),
        ("<strong> spaced </strong>end", "*spaced* end"),
        ("<b>one</b><b>two</b>", "*onetwo*"),
        ("<b>bold <i>both</i></b>, <i>it</i>", "*bold _both_*, _it_"),
        ("un<b>believ</b>able", "unbelievable"),
        ("<b> </b>x<i></i>", "x"),
        ("<h2>Title</h2>Body", "*Title*\n\nBody"),
        ("<p>Do <code>x *y*</code></p>", "Do ```x *y*```"),
        ("<p>See</p><pre>a\n  b\n</pre><p>end</p>", "See\n\n```a\n  b```\n\nend"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ('<p>Steps:</p><ol start="3"><li><p>a</p></li><li>b</li></ol>', "Steps:\n\n3. a\n4. b"),
        ("<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n  1. b\n  2. c\n- d"),
        ('<a href="https://x.org/">https://x.org</a>', "https://x.org"),
        ('<a href="https://x.org/p?a=1&amp;b=2">our page</a>.', "our page (https://x.org/p?a=1&b=2)."),
        ('<a href="mailto:a@x.org">a@x.org</a> <a href="tel:+351 1">call</a>', "a@x.org call (tel:+351%201)"),
        ('<a href="javascript:alert(1)">click</a> <a href="/rel">here</a>', "click here"),
        ("<p>Said:</p><blockquote>one<br>two</blockquote><p>No.</p>", "Said:\n\n> one\n> two\n\nNo."),
        ('<img src="x" alt="😀"> <img src="y" alt="plan.png"><img src="z">', "😀 [plan.png][image]"),
        ('a<img src="t.gif" width="1" height="1" alt="open">b', "ab"),
        ("a<script>x()</script><style>p{}</style>b", "ab"),
        ("a<!-- no --><![if !mso]>b<![endif]><![foo bar]>c", "abc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a | b\nc | d"),
        ("1 &lt; 2 &amp; 3 &#128512;", "1 < 2 & 3 😀"),
        ("a < b", "a < b"),
        ("<p>unclosed <b>bold", "unclosed *bold*"),
        ("</p></b></ul>stray", "stray"),
        ("<pre><b>a</b><pre>b</pre>c</pre>", "```a\nb```\nc"),
        ("one<hr>two", "one\n---\ntwo"),
        ("", ""),
    ],
)
def test_comment_as_whatsapp_text(html: str, text: str) -> None:
    assert html_to_whatsapp(_comment(html)) == text


@given(any_text)
def test_any_string_as_html_gives_storable_text_without_edge_blanks(html: str) -> None:
    text = html_to_whatsapp(html)
    text.encode("utf-8")
    assert "\0" not in text
    assert text == text.strip()
    assert "\n\n\n" not in text


inline_tags = st.sampled_from(["b", "strong", "i", "em", "s", "del", "code", "span", "u", "font"])
block_tags = st.sampled_from(["p", "div", "li", "ul", "ol", "blockquote", "pre", "h1", "td", "tr", "table"])
texts_of_trees = st.text(st.characters(categories=["Ll", "Nd", "Lo", "Zs"]), max_size=12).map(escape)
trees = st.recursive(
    st.one_of(texts_of_trees, st.just("<br>")),
    lambda inner: st.tuples(st.one_of(inline_tags, block_tags), st.lists(inner, max_size=4).map("".join)).map(
        lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"
    ),
    max_leaves=25,
)


@given(st.lists(trees, max_size=4).map("".join))
def test_no_visible_letter_of_a_comment_is_lost(html: str) -> None:
    seen = re.sub(r"<[^>]*>", "", html)
    # Numbers of list items are ours.
    said = re.sub(r"(?m)^([> ]*)[0-9]+\. ", r"\1", html_to_whatsapp(_comment(html)))
    assert _letters(said) == _letters(seen)


# Cutting


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_reader_takes_it_for_one_character(cluster: str) -> None:
    assert list(graphemes(cluster)) == [cluster]
    assert list(graphemes(cluster * 3)) == [cluster] * 3
    assert list(graphemes(f"a{cluster}b")) == ["a", cluster, "b"]


@given(any_text)
def test_graphemes_make_up_the_text(text: str) -> None:
    assert "".join(graphemes(text)) == text
    assert all(graphemes(text))


@given(any_text, st.integers(2, 40))
def test_pieces_fit_and_hold_everything(text: str, limit: int) -> None:
    pieces = split_message(text, limit)
    assert all(0 < utf16_length(piece) <= limit for piece in pieces)
    assert all(piece.strip() for piece in pieces)
    assert _visible("".join(pieces)) == _visible(text)


@given(st.lists(st.sampled_from([*CLUSTERS, " ", "\n"])).map("".join), st.integers(16, 60))
def test_no_character_is_torn_apart(text: str, limit: int) -> None:
    whole = [cluster for cluster in graphemes(text) if cluster.strip()]
    assert [cluster for piece in split_message(text, limit) for cluster in graphemes(piece) if cluster.strip()] == whole


@given(st.lists(words, min_size=1, max_size=30), st.integers(6, 40))
def test_words_that_fit_are_never_cut(parts: list[str], limit: int) -> None:
    assert [word for piece in split_message(" ".join(parts), limit) for word in piece.split()] == parts


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("one para\n\nsecond para", 19, ["one para", "second para"]),
        ("first line\nsecond line", 16, ["first line", "second line"]),
        ("One sentence. Another one", 20, ["One sentence.", "Another one"]),
        ("several words here", 14, ["several words", "here"]),
        ("exactly ten words", 11, ["exactly ten", "words"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a\n\nbcdefghijklmnop qrstuv", 20, ["a\n\nbcdefghijklmnop", "qrstuv"]),
        ("  short  ", 10, ["short"]),
        (" \n ", 10, []),
        ("", 10, []),
    ],
)
def test_text_is_cut_at_the_best_place(text: str, limit: int, pieces: list[str]) -> None:
    assert split_message(text, limit) == pieces


def test_limit_counts_utf16_units() -> None:
    text = "\N{GRINNING FACE}" * (MESSAGE_LIMIT // 2)
    assert split_message(text) == [text]
    assert [utf16_length(piece) for piece in split_message(text + "x")] == [MESSAGE_LIMIT, 1]


def test_character_longer_than_the_limit_is_cut_rather_than_lost() -> None:
    zalgo = "a" + "\u0301" * 9
    assert split_message(zalgo, 4) == ["a" + "\u0301" * 3, "\u0301" * 4, "\u0301" * 2]


def test_mark_on_a_blank_stays_with_it() -> None:
    assert split_message("abc \u0301def", 6) == ["abc \u0301d", "ef"]


def test_limit_too_small_for_an_emoji_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        split_message("x", 1)


def test_preview_is_one_line_and_marks_what_was_left_out() -> None:
    assert preview("one\n\n two", 20) == "one two"
    assert preview("one two three", 8) == "one two…"
    assert preview(f"ab{FAMILY}", 6) == "ab…"
    assert preview("abc", 0) == ""


@given(any_text, st.integers(0, 30))
def test_preview_never_exceeds_its_length(text: str, length: int) -> None:
    line = preview(text, length)
    assert utf16_length(line) <= length
    assert flatten(line) == line
    line.encode("utf-8")


@given(anything)
def test_clean_is_storable_and_changes_nothing_twice(text: str) -> None:
    once = clean(text)
    once.encode("utf-8")
    assert "\0" not in once
    assert clean(once) == once
