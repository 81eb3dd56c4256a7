"""What `pg_dump --statistics-only` writes, read strictly: calls that restore statistics, and nothing else.

The text comes from another database, so none of it is executed. Each call is taken apart into names and
values, and only those go to the database, as bound parameters of a call that is written here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 50_000_000
_FUNCTIONS = ("pg_restore_relation_stats", "pg_restore_attribute_stats")
_TYPES = re.compile(r"(integer|bigint|real|text|boolean|name)(\[\])?$")
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|^\\(?:un)?restrict[^\n]*)
      | (?P<escaped>[Ee]'(?:[^'\\]|\\.|'')*')
      | (?P<string>'(?:[^']|'')*')
      | (?P<type>::\s*[\w.]+(?:\[\])?)
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | (?P<word>[A-Za-z_][\w.]*)
      | (?P<mark>[(),;*=])""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class DumpError(ValueError):
    """The text is not what `pg_dump --statistics-only` writes; the message says where."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: a value as text, and the type that it is to be read as."""

    name: str
    value: str
    type_name: str


@dataclass(frozen=True, slots=True)
class RestoreCall:
    """One call that restores the statistics of a table, an index or a column."""

    function: str
    arguments: tuple[Argument, ...]

    def value(self, name: str) -> str:
        """The value of an argument, empty where there is none."""
        return next((item.value for item in self.arguments if item.name == name), "")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def read_dump(text: str) -> tuple[RestoreCall, ...]:
    """Take the output of `pg_dump --statistics-only` apart.

    Args:
        text: the whole file.

    Returns:
        Its calls, in order. Settings of the session are left out.

    Raises:
        DumpError: if there is anything else in it; with the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise DumpError(
            f"The file is larger than {MAX_CHARACTERS / 1e6:.0f} MB; pg_dump -t limits the tables."
        )
    found: list[RestoreCall] = []
    for tokens in _statements(text):
        words = [token.text.lower() for token in tokens if token.kind == "word"]
        if words[:1] == ["set"] or "pg_catalog.set_config" in words[:2]:
            continue
        found.append(_call(text, tokens))
    if not found:
        raise DumpError(
            "The file holds no statistics. Write it with pg_dump --statistics-only of PostgreSQL 18."
        )
    return tuple(found)


def _statements(text: str) -> Iterator[list[_Token]]:
    tokens: list[_Token] = []
    for token in _tokens(text):
        if token.text == ";":
            if tokens:
                yield tokens
            tokens = []
        else:
            tokens.append(token)
    if tokens:
        raise DumpError(f"{_line(text, tokens[0])}: the statement does not end. Is the file whole?")


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise DumpError(f"Line {text.count(chr(10), 0, position) + 1}: {_FOREIGN}")
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield _Token(kind, match[0], match.start())


_FOREIGN = "this is not what pg_dump --statistics-only writes. Nothing of the file was used."


def _line(text: str, token: _Token) -> str:
    return f"Line {text.count(chr(10), 0, token.position) + 1}"


def _call(text: str, tokens: list[_Token]) -> RestoreCall:
    head = [token.text.lower() for token in tokens[:5]]
    function = head[3].removeprefix("pg_catalog.") if len(head) == 5 else ""
    is_call = head[:3] == ["select", "*", "from"] and head[4:] == ["("] and tokens[-1].text == ")"
    if not is_call or function not in _FUNCTIONS:
        raise DumpError(f"{_line(text, tokens[0])}: {_FOREIGN}")
    try:
        return RestoreCall(function, tuple(_arguments(tokens[5:-1])))
    except (ValueError, IndexError):
        raise DumpError(f"{_line(text, tokens[0])}: {_FOREIGN}") from None


def _arguments(tokens: list[_Token]) -> Iterator[Argument]:
    """Names and values in turns, with commas between them."""
    groups: list[list[_Token]] = [[]]
    for token in tokens:
        if token.text == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    for name, value in zip(groups[::2], groups[1::2], strict=True):
        if len(name) != 1 or name[0].kind != "string" or len(value) not in (1, 2):
            raise ValueError
        yield Argument(_text(name[0]), _text(value[0]), _type(value[1:]))


def _type(tokens: list[_Token]) -> str:
    if not tokens:
        return "text"
    name = tokens[0].text.removeprefix("::").strip()
    if tokens[0].kind != "type" or not _TYPES.match(name):
        raise ValueError
    return name


def _text(token: _Token) -> str:
    if token.kind == "string":
        return token.text[1:-1].replace("''", "'")
    if token.kind == "escaped":
        return _ESCAPE.sub(r"\1", token.text[2:-1].replace("''", "'"))
    if token.kind == "number":
        return token.text
    raise ValueError
