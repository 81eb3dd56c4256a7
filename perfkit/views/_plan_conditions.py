"""The part of a plan's condition that matters: without the table's name, casts and long lists."""

import re
from collections.abc import Iterator

# Two or three conditions tell what a node does; the fold holds the rest.
SHOWN_CHARACTERS = 160
_SHOWN_VALUES = 3
_TYPE = (
    r"::(?:time(?:stamp)?(?:\(\d\))?\swith(?:out)?\stime\szone|character\svarying|double\sprecision"
    r"|\"(?:[^\"]|\"\")+\"|[A-Za-z_]\w*)(?:\(\d+(?:,\d+)?\))?"
)
_PIECE = re.compile(
    rf"""(?P<list>\b(?:ANY|ALL)\s\('\{{(?P<items>(?:[^']|'')*)\}}'(?:{_TYPE}\[\])?\))
      | (?P<literal>'(?:[^']|'')*')(?:{_TYPE}(?:\[\])?)?
      | (?<![\w".])(?P<table>[A-Za-z_]\w*|"(?:[^"]|"")+")\.(?=[\w"])""",
    re.VERBOSE,
)
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+')
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[()\[\]]|\s(?:AND|OR)\s")


def telling(text: str, table: str | None, *, shown: int = SHOWN_CHARACTERS) -> str:
    """The condition as a reader wants it.

    Args:
        text: as the database wrote it.
        table: the name that stands before the columns of the only table that the node reads.
        shown: characters to show; of a longer condition the last parts are counted, not shown.
    """
    text = _PIECE.sub(lambda match: _plain(match, table), text)
    if text.startswith("(") and text.endswith(")") and _is_one_pair(text):
        text = text[1:-1]
    return text if len(text) <= shown else _first_arms(text, shown)


def short(text: str, length: int) -> str:
    """The text, cut in the middle where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    return f"{text[: length * 2 // 3]} … {text[-length // 3 :]}"


def _plain(match: re.Match[str], table: str | None) -> str:
    if match["literal"]:
        return match["literal"]
    if match["table"]:
        name = match["table"]
        if name.startswith('"'):
            name = name[1:-1].replace('""', '"')
        return "" if name == table else match[0]
    items = _ITEM.findall(match["items"])
    if len(items) <= _SHOWN_VALUES:
        return match[0]
    return f"{match['list'][:3]} ({', '.join(items[:_SHOWN_VALUES])}, … {len(items):,} values)"


def _is_one_pair(text: str) -> bool:
    """Whether the first parenthesis is closed by the last character."""
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += (match[0] in ("(", "[")) - (match[0] in (")", "]"))
        if depth == 0 and match[0] in (")", "]"):
            return match.end() == len(text)
    return False


def _first_arms(text: str, shown: int) -> str:
    """As many of the conditions that AND or OR joins as there is room for, and the number of the others."""
    arms = list(_arms(text))
    kept = next((n for n in range(len(arms), 0, -1) if arms[n - 1] <= shown), 0)
    left = len(arms) - kept
    if not kept or not left:
        return short(text, shown)
    return f"{text[: arms[kept - 1]]} … {left:,} more {'condition' if left == 1 else 'conditions'}"


def _arms(text: str) -> Iterator[int]:
    """Where each of the conditions ends that are joined outside of any parenthesis."""
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += (match[0] in ("(", "[")) - (match[0] in (")", "]"))
        if depth == 0 and match[0].strip() in ("AND", "OR"):
            yield match.start()
    yield len(text)
