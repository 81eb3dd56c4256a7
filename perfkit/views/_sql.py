"""SQL with its keywords and values marked, without colours: none reads on white and on black alike."""

import re
from typing import Any

from pygments.lexers.sql import PostgresLexer
from pygments.token import Keyword, Literal, Name

from perfkit.views._html import MONO, Html, css, esc, join, tag

_SHOWN_CHARACTERS = 400
_SHOWN_VALUES = 3
_VALUE = r"(?:'(?:[^']|'')*'|[-+]?\d[\d.]*|\?|%s|%\(\w+\)s|[$:]\w+)"
# A list of nothing but literals and placeholders tells no more after its first values.
_LONG_LIST = re.compile(rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE}){{8,}}\s*\)")


def sql_html(text: str, *, shown: int = _SHOWN_CHARACTERS) -> Html:
    """One statement, shortened in the middle where it is long; the whole text is its tooltip.

    Args:
        text: SQL without values.
        shown: characters to show.
    """
    short = _LONG_LIST.sub(_first_values, text)
    if len(short) > shown:
        short = f"{short[: shown * 2 // 3]} … {short[-shown // 3 :]}"
    words = join(
        _word(kind, value) for kind, value in PostgresLexer(stripnl=False, ensurenl=False).get_tokens(short)
    )
    style = css(
        f"{MONO};font-size:12px",
        "white-space:pre-wrap;overflow-wrap:anywhere",
        "background:transparent;color:inherit;padding:0",
    )
    return tag("code", words, style, **({"title": text[:2000]} if short != text else {}))


def _first_values(match: re.Match[str]) -> str:
    values = re.findall(_VALUE, match[0])
    return f"({', '.join(values[:_SHOWN_VALUES])}, … {len(values):,} values)"


def _word(kind: Any, value: str) -> Html:
    if kind in Keyword:
        return tag("span", value, "font-weight:600")
    if (kind in Literal and value != ".") or kind in Name.Variable:
        return tag("span", value, "font-style:italic")
    return Html(esc(value))
