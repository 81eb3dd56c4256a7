"""Colours for code, also under cell magics that no highlighter knows, and for terminal output."""

import colorsys
import html
import re

from nbconvert.filters.ansi import ansi2html
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_FORMATTER = HtmlFormatter(nowrap=True)
_MAGIC_LINE = re.compile(r"%%(\w+)")
_SQL_START = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:select|with|insert|update|delete|merge|explain|values|table|create|alter)\b",
    re.I,
)
_SQL_MAGICS = {"sql", "explain"}
_OTHER_LANGUAGES = {
    "bash": "bash",
    "sh": "bash",
    "script": "bash",
    "html": "html",
    "svg": "html",
    "javascript": "javascript",
    "js": "javascript",
    "latex": "latex",
    "markdown": "markdown",
}
_SPAN_STYLE = re.compile(r'<span(?: class="([^"]*)")? style="([^"]*)">')
_RGB = re.compile(r"(background-)?color: rgb\((\d+),(\d+),(\d+)\)")
# Where on the colour circle (in sixths, from red) each ANSI name stands.
_HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_GREY = 0.18  # below this saturation people see no hue


def highlight_cell(source: str, language: str = "ipython3") -> str:
    """Markup of a code cell.

    Args:
        source: the cell's text.
        language: the notebook's own language, as Pygments calls it.

    Returns:
        Escaped markup. Leading `%%magic` lines stand out; the rest is coloured as the language that the
        magic takes: SQL under `%%explain` when it is SQL, a shell's under `%%bash`, else the notebook's.
    """
    lines = source.splitlines(keepends=True)
    count = 0
    while count < len(lines) and _MAGIC_LINE.match(lines[count]):
        count += 1
    head, body = "".join(lines[:count]), "".join(lines[count:])
    if not count:
        return highlight_text(source, language)
    match = _MAGIC_LINE.match(lines[count - 1])
    body_language = _language_under(match.group(1) if match else "", body, language)
    return f'<span class="magic">{html.escape(head)}</span>{highlight_text(body, body_language)}'


def _language_under(magic: str, body: str, language: str) -> str:
    if magic in _SQL_MAGICS and _SQL_START.match(body):
        return "postgresql"
    return _OTHER_LANGUAGES.get(magic, language)


def highlight_text(text: str, language: str) -> str:
    """Markup of code in a language; plain, escaped text when the language is not known."""
    try:
        lexer: Lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return html.escape(text)
    marked = str(highlight(text, lexer, _FORMATTER))
    return marked if text.endswith("\n") else marked.removesuffix("\n")


def terminal_markup(text: str) -> str:
    """Markup of terminal output; its colours become classes that suit a light and a dark page.

    Programs pick literal colours for the terminal that they know, often a dark blue on black or a pale
    yellow on white; the nearest of the eight named colours reads on both.
    """
    return _SPAN_STYLE.sub(_named_colours, ansi2html(text))


def _named_colours(match: re.Match[str]) -> str:
    classes = [match.group(1)] if match.group(1) else []
    for background, *channels in _RGB.findall(match.group(2)):
        red, green, blue = (int(channel) / 255 for channel in channels)
        classes.append(f"ansi-{_nearest(red, green, blue)}-{'bg' if background else 'fg'}")
    return f'<span class="{" ".join(classes)}">'


def _nearest(red: float, green: float, blue: float) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if saturation < _GREY or value < _GREY:
        return "white" if value > 0.5 else "black"
    return _HUES[round(hue * 6) % 6]
