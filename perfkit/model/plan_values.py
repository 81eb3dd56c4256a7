"""Values of a plan that are written as text, as EXPLAIN's JSON would have them."""

import re
from collections.abc import Iterator

Value = str | int | float | bool

# What is text in JSON, even where it looks like a number or a truth: `Filter: true`, a table called 7.
_TEXTS = frozenset(
    {
        "Node Type", "Parent Relationship", "Subplan Name", "Schema", "Relation Name", "Alias", "Index Name",
        "CTE Name", "Function Name", "Table Function Name", "Tuplestore Name", "Custom Plan Provider",
        "Strategy", "Partial Mode", "Join Type", "Operation", "Command", "Scan Direction", "Filter",
        "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond", "TID Cond", "One-Time Filter",
        "Order By", "Run Condition", "Conflict Filter", "Cache Key", "Cache Mode", "Function Call",
        "Table Function Call", "Sort Method", "Sort Space Type", "Storage", "Window", "Remote SQL",
        "Relations", "Item", "Trigger Name", "Constraint Name", "Relation", "Query Text", "Format",
        "Sampling Method", "Repeatable Seed", "Conflict Resolution", "Query Parameters",
    }
)  # fmt: skip
# Longer ones are damage, and Python refuses to turn more than some thousand digits into a number.
INTEGER = r"(\d{1,30})"
DECIMAL = r"(\d{1,30}(?:\.\d{1,30})?)"
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
_MARK = re.compile(r"""['"()\[\]{},]""")


def typed(key: str, text: str) -> Value:
    """The value of a key: a number or a truth where it is written as one, else the text itself."""
    if key in _TEXTS:
        return text
    if text in ("true", "false"):
        return text == "true"
    return number(text) if _NUMBER.fullmatch(text) else text


def number(text: str) -> int | float:
    """A number as JSON would have it; `ValueError` for anything else."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


def split_list(text: str) -> list[str]:
    """The items of `a, f(b, c), 'd, e'`: commas within quotes and brackets do not part them."""
    items, start, quote, depth = [], 0, "", 0
    for at, mark in _marks(text):
        if quote or mark in "'\"":
            quote = mark if not quote else "" if mark == quote else quote
        elif mark == ",":
            if depth <= 0:
                items.append(text[start:at].strip())
                start = at + 1
        else:
            depth += 1 if mark in "([{" else -1
    return [*items, text[start:].strip()]


def open_after(text: str, quote: str = "", depth: int = 0) -> tuple[str, int]:
    """What is still open after a text: the quote, if one is, and how many brackets.

    Args:
        text: a line, or the rest of one.
        quote: the quote that was open before it, "" for none.
        depth: the brackets that were open before it.
    """
    for _, mark in _marks(text):
        if quote or mark in "'\"":
            quote = mark if not quote else "" if mark == quote else quote
        elif mark in "([":
            depth += 1
        elif mark in ")]":
            depth = max(0, depth - 1)
    return quote, depth


def _marks(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match[0]) for match in _MARK.finditer(text))
