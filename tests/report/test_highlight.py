"""Colours for code and for terminal output."""

import pytest
from bs4 import BeautifulSoup

from perfkit.report.highlight import highlight_cell, terminal_markup


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n\n\ny = 2",
        "%%explain\n  SELECT 1",
        "%%timeit -n 3\n%%capture out\nx",
        "%%bash\nls",
        "%time f()",
        "  x",
    ],
)
def test_not_a_character_is_lost_or_added(source):
    assert BeautifulSoup(f"<pre>{highlight_cell(source)}</pre>", "html.parser").get_text() == source


def test_stacked_magics_all_stand_out():
    marked = BeautifulSoup(highlight_cell("%%time\n%%querycount\nf()"), "html.parser")

    assert marked.select_one(".magic").get_text() == "%%time\n%%querycount\n"


def test_a_language_that_nobody_knows_is_shown_plainly():
    assert highlight_cell("a < b", "klingon") == "a &lt; b"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("31", "red"),
        ("38;5;21", "blue"),
        ("38;2;0;135;0", "green"),
        ("38;5;28", "green"),
        ("38;5;244", "white"),
    ],
)
def test_a_literal_colour_becomes_the_nearest_named_one(code, name):
    span = BeautifulSoup(terminal_markup(f"\x1b[{code}mx\x1b[0m"), "html.parser").span

    assert f"ansi-{name}-fg" in span["class"]
    assert not span.has_attr("style")


def test_terminal_output_is_escaped_and_bold_is_kept():
    marked = BeautifulSoup(terminal_markup("<i> \x1b[1;38;5;28mbold\x1b[0m"), "html.parser")

    assert marked.get_text() == "<i> bold"
    assert "ansi-bold" in marked.span["class"]
