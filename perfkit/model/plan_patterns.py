"""Patterns of LIKE and of regular expressions: where they begin decides which index can serve them."""

import functools
import re
from collections.abc import Iterator
from typing import Any, Literal

from sqlglot import exp

from perfkit.model.plan_predicates import Predicate
from perfkit.model.sql_names import unquoted
from perfkit.model.sql_tree import parsed

__all__ = ["PatternStart", "longest_run", "pattern_start"]

PatternStart = Literal["letters", "wildcard", "unknown"]
_LITERAL = re.compile(r"'((?:[^']|'')*)'(?:::[\w ]+)?")
# What LIKE puts in the place of any character, and what regular expressions do more with than to match it.
_WILDCARDS = re.compile(r"[%_]")
_OPERATORS = re.compile(r"\[[^\]]*\]|\{[^}]*\}|\\.|\(\?:|[.^$*+?()|]")
# A character that may be left out is not one that the text must begin with.
_ANCHORED = re.compile(r"\^(?:\(\?:)?[^\\.^$*+?()\[\]{}|](?![*?{])(?!.*\|)")


def pattern_start(predicate: Predicate, statement: str = "") -> PatternStart:
    """Whether a pattern begins with letters, so that an ordered index can find where they stand.

    Args:
        predicate: of the kind `like` or `regex`.
        statement: the statement's text, which tells more where the plan does not show the value:
            `name LIKE :part || '%'`.

    Returns:
        `letters`; `wildcard` where the text may begin with anything, or is compared without regard to
        case; `unknown` where the pattern is bound and the statement does not tell.
    """
    if predicate.operator.endswith("*"):
        return "wildcard"
    literal = _LITERAL.fullmatch(predicate.value)
    if literal is None:
        return "unknown" if predicate.kind == "regex" else _start_in(statement, _plain_name(predicate))
    if predicate.kind == "regex":
        return "letters" if _ANCHORED.match(literal[1]) else "wildcard"
    return "wildcard" if literal[1][:1] in ("%", "_", "") else "letters"


def longest_run(predicate: Predicate) -> int | None:
    """The most plain characters in a row; `None` where the plan does not show the pattern.

    An index of trigrams needs three (PostgreSQL's documentation of pg_trgm).
    """
    literal = _LITERAL.fullmatch(predicate.value)
    if literal is None:
        return None
    parts = (_OPERATORS if predicate.kind == "regex" else _WILDCARDS).split(literal[1])
    return max(len(part) for part in parts)


def _plain_name(predicate: Predicate) -> str:
    return unquoted(predicate.columns[0]) if len(predicate.columns) == 1 else ""


@functools.lru_cache(maxsize=256)
def _start_in(statement: str, column: str) -> PatternStart:
    """How the patterns begin with which a statement compares this column, where all begin alike."""
    starts = {_start_of(item.expression) for item in _comparisons(statement, column)}
    return starts.pop() if len(starts) == 1 else "unknown"


def _comparisons(statement: str, column: str) -> Iterator[Any]:
    tree = parsed(statement) if column else None
    for item in tree.find_all(exp.Like) if tree is not None else ():
        if any(found.name == column for found in item.this.find_all(exp.Column)):
            yield item


def _start_of(pattern: Any) -> PatternStart:
    is_joined = False
    while isinstance(pattern, exp.Paren | exp.Cast | exp.DPipe):
        is_joined = is_joined or isinstance(pattern, exp.DPipe)
        pattern = pattern.this
    if isinstance(pattern, exp.Literal):
        return "wildcard" if str(pattern.this)[:1] in ("%", "_", "") else "letters"
    # `:part || '%'` is a prefix, as long as the part itself holds no wildcard.
    return "letters" if is_joined else "unknown"
