"""SQL with a slip in its first word, which `%%explain` would run as Python and answer with a `SyntaxError`.

Only a text that cannot be Python comes here: two words side by side, the first no keyword of Python, and the
first near one of SQL, or the rest SQL beyond doubt. A slip in Python keeps Python's own message.
"""

import difflib
import keyword
import re

# A slip in the first word alone tells these: `width 3` is more often Python without its `=` than WITH.
_COMMON = ("select", "insert", "update", "delete")
_VERBS = (*_COMMON, "with", "merge", "replace", "values", "table", "create", "alter", "drop", "explain")
_CLOSE = 0.7
_FIRST = re.compile(r"(?P<word>[a-z_]\w*)\s+(?P<rest>[\w\"'*(].*)", re.IGNORECASE | re.DOTALL)
_PYTHON_NEXT = re.compile(r"(?:in|is|not|and|or|if|for|as)\b|\*+\s*=|\(", re.IGNORECASE)
_NAME = r"""[\w".]+(?:\([^()]*\))?"""
_SQL_REST = re.compile(
    rf"""(?:distinct\s+)?(?:\*|{_NAME}(?:\s*,\s*{_NAME})*)\s+from\s+[\w"]
    | from\s+[\w".]+\s*(?:where\b|;|\Z)
    | into\s+[\w".]+\s*(?:\(|values\b|select\b)
    | [\w".]+\s+set\s+[\w".]+\s*=
    | (?:recursive\s+)?\w+\s*(?:\([^()]*\))?\s*as\s*\(\s*select\b""",
    re.IGNORECASE | re.VERBOSE,
)
_HOW = "SELECT, INSERT INTO, UPDATE … SET, DELETE FROM or WITH … AS (SELECT …)"


def mistyped_sql(text: str) -> str | None:
    """What to say of a text that is neither SQL nor Python.

    Args:
        text: from its first statement on; Python could not read it.

    Returns:
        Two lines, `None` where it may well be meant as Python.
    """
    found = _FIRST.match(text)
    if found is None or keyword.iskeyword(found["word"]) or _PYTHON_NEXT.match(found["rest"]):
        return None
    word = found["word"]
    near = difflib.get_close_matches(word.lower(), _VERBS, 1, _CLOSE)
    if not _SQL_REST.match(found["rest"]) and not (near and _is_slip(word.lower(), near[0])):
        return None
    begin = near[0].upper() if near and near[0] != word.lower() else _HOW
    return (
        f"%%explain: the cell was read as Python, as it begins with {word!r}, and Python cannot read it.\n"
        f"If it is SQL, begin it with {begin}."
    )


def _is_slip(word: str, verb: str) -> bool:
    """Whether a word alone tells what was meant; `selected 3` does not."""
    return verb in _COMMON and (word == verb or not word.startswith(verb))
