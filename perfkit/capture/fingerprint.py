"""The shape of a statement: what stays when its values are taken out."""

import functools
import hashlib
import itertools
import re
from typing import NamedTuple

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

_MAX_TOKENISED = 100_000
_DIALECTS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}
_LITERALS = frozenset(
    {
        TokenType.STRING, TokenType.NUMBER, TokenType.PLACEHOLDER, TokenType.BIT_STRING, TokenType.HEX_STRING,
        TokenType.BYTE_STRING, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.HEREDOC_STRING,
        TokenType.UNICODE_STRING,
    }
)  # fmt: skip
_VALUE = "?"
_LIST = "(…)"
# One list of values however long; several rows of values however many.
_IN_LIST = re.compile(r"\b(IN|in|In) \((?:[?\s,()]|ROW|row)+\)(?=\s|$|[^\s?,()])")
_ARRAY = re.compile(r"\[\?(?:, ?\?)+\]")
_ROWS = re.compile(r"(\((?:\?|DEFAULT|, ?)+\))(?:, ?\1)+")
# SQLAlchemy's stand-in for a list that is written out when the statement is sent.
_EXPANDING = re.compile(r"\(__\[POSTCOMPILE_[^\]]*\](?:~~.*?~~)?\)")
_LEADING = re.compile(r"(?:[\s(;]|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)


class _Word(NamedTuple):
    kind: TokenType
    text: str
    start: int
    end: int


@functools.lru_cache(maxsize=4096)
def fingerprint(statement: str, system_name: str = "postgresql") -> str:
    """Take the values out of a statement, so that statements of one shape become equal.

    Literals and placeholders become `?`, lists of them become one `(…)`, comments go, white space is one
    space. The quoting rules of the database decide what a literal is, so comment marks within a string
    stay a string. Keywords keep their case: the text is shown to the person who wrote it.

    Args:
        statement: SQL as the driver received it.
        system_name: `postgresql`, `sqlite`, `mysql` or `mariadb`; decides the quoting rules.

    Returns:
        The shape. A statement that cannot be read, or one of more than 100,000 characters, is its own
        shape: its length and a hash, and nothing of its text, which may hold values.
    """
    if len(statement) > _MAX_TOKENISED:
        return _opaque(statement)
    statement = _EXPANDING.sub("(?)", statement)
    try:
        tokens = Dialect.get_or_raise(_DIALECTS.get(system_name, "postgres")).tokenize(statement)
    except SqlglotError:
        return _opaque(statement)
    words = [
        _Word(token.token_type, statement[token.start : token.end + 1], token.start, token.end)
        for token in tokens
    ]
    shape = _spaced(_without_values(words))
    return _ROWS.sub(r"\1", _ARRAY.sub("[…]", _IN_LIST.sub(rf"\1 {_LIST}", shape)))


@functools.lru_cache(maxsize=4096)
def shape_id(shape: str) -> str:
    """A short name for a shape, equal in every run: 12 hexadecimal digits."""
    return hashlib.blake2b(shape.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@functools.lru_cache(maxsize=4096)
def operation_name(statement: str) -> str:
    """The verb of a statement in capitals (`SELECT`, `INSERT`), or an empty string where it has none."""
    match = _LEADING.match(statement)
    return match.group(1).upper() if match else ""


def _opaque(statement: str) -> str:
    verb = operation_name(statement[:1000]) or "statement"
    return f"{verb} … ({len(statement):,} characters, not readable as SQL, {shape_id(statement)})"


def _without_values(words: list[_Word]) -> list[_Word]:
    """Replace literals and every driver's placeholders: `%s`, `%(name)s`, `:name`, `$1`, `?`."""
    result: list[_Word] = []
    index = 0
    while index < len(words):
        signed = _is_sign(words, index, result)
        length = _placeholder_length(words, index + signed)
        word = words[index]
        if length:
            index += length + signed
            result.append(_Word(TokenType.PLACEHOLDER, _VALUE, word.start, words[index - 1].end))
        else:
            result.append(word)
            index += 1
    return result


def _placeholder_length(words: list[_Word], index: int) -> int:
    """How many words from `index` on are one value; 0 if that word is none."""
    word = words[index]
    if word.kind in _LITERALS:
        return 1
    following = "".join(w.text for w in words[index + 1 : index + 4])
    if word.text == "%" and re.fullmatch(r"\([^()]+\)[sbt]?", following) and _adjacent(words, index, 4):
        return 5 if index + 4 < len(words) and words[index + 4].text in ("s", "b", "t") else 0
    if index + 1 >= len(words) or not _adjacent(words, index, 1):
        return 0
    if word.text == "%" and words[index + 1].text in ("s", "b", "t"):
        return 2
    if word.text == ":" and words[index + 1].text.isidentifier():
        return 2
    return 2 if word.text == "$" and words[index + 1].kind is TokenType.NUMBER else 0


def _adjacent(words: list[_Word], index: int, count: int) -> bool:
    """Whether the next `count` words follow each other without white space."""
    run = words[index : index + count + 1]
    return len(run) == count + 1 and all(a.end + 1 == b.start for a, b in itertools.pairwise(run))


def _is_sign(words: list[_Word], index: int, before: list[_Word]) -> bool:
    """Whether this is the minus of a negative number, which is part of the value."""
    if (
        words[index].text not in ("-", "+")
        or index + 1 >= len(words)
        or words[index + 1].kind is not TokenType.NUMBER
    ):
        return False
    if not before:
        return True
    last = before[-1]
    return last.kind not in (
        TokenType.PLACEHOLDER,
        TokenType.VAR,
        TokenType.IDENTIFIER,
    ) and last.text not in (")", "]")


def _spaced(words: list[_Word]) -> str:
    """Words with one space wherever the statement had white space or a comment between them."""
    parts: list[str] = []
    for position, word in enumerate(words):
        if (
            position
            and words[position - 1].end + 1 < word.start
            and words[position - 1].text != "("
            and word.text not in ")"
        ):
            parts.append(" ")
        parts.append(_VALUE if word.kind in _LITERALS else word.text)
    return "".join(parts)
