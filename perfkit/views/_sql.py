"""SQL with its keywords and values marked, without colours: none reads on white and on black alike."""

from typing import Any

from pygments.lexers.sql import PostgresLexer
from pygments.token import Keyword, Literal, Name

from perfkit.views._html import MONO, Html, css, esc, join, tag

_SHOWN_CHARACTERS = 400


def sql_html(text: str, *, shown: int = _SHOWN_CHARACTERS) -> Html:
    """One statement, shortened in the middle where it is long; the whole text is its tooltip.

    Args:
        text: SQL without values.
        shown: characters to show.
    """
    short = text if len(text) <= shown else f"{text[: shown * 2 // 3]} … {text[-shown // 3 :]}"
    words = join(
        _word(kind, value) for kind, value in PostgresLexer(stripnl=False, ensurenl=False).get_tokens(short)
    )
    style = css(
        f"{MONO};font-size:12px",
        "white-space:pre-wrap;overflow-wrap:anywhere",
        "background:transparent;color:inherit;padding:0",
    )
    return tag("code", words, style, **({"title": text[:2000]} if short != text else {}))


def _word(kind: Any, value: str) -> Html:
    if kind in Keyword:
        return tag("span", value, "font-weight:600")
    if (kind in Literal and value != ".") or kind in Name.Variable:
        return tag("span", value, "font-style:italic")
    return Html(esc(value))
