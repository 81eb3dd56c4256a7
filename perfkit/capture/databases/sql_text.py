"""What kind of statement a text holds, decided with the database's own quoting rules.

The text is read, never changed. Whatever cannot be told for certain is refused: a second statement behind
the first would be executed for real when `EXPLAIN` is put before the text.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from perfkit.capture.databases.errors import ExplainError

READS = frozenset({"SELECT", "VALUES", "TABLE", "WITH", "EXECUTE"})
WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
# Functions that reach beyond the transaction: neither a read-only one nor a rollback stops them.
_ACTING = re.compile(
    r"""dblink\w* | http_\w+ | lo_(?:import|export) | pg_file_\w+ | hypopg_\w+ | pg_background_launch
    | pg_(?:try_)?advisory_\w+ | pg_(?:terminate|cancel)_backend | pg_reload_conf | pg_rotate_logfile
    | pg_promote | pg_switch_wal | pg_create_restore_point | pg_wal_replay_(?:pause|resume)
    | pg_stat_reset\w* | pg_stat_statements_reset | pg_(?:start_backup|stop_backup|backup_start|backup_stop)
    | pg_(?:drop|create_physical|create_logical|copy_\w+)_replication_slot | pg_replication_\w+
    | pg_logical_(?:slot_get|emit)\w*""",
    re.VERBOSE | re.IGNORECASE,
)
# What may stand behind the CREATE of something that a query fills.
_FILLED = frozenset({"TABLE", "TEMP", "TEMPORARY", "LOCAL", "GLOBAL", "UNLOGGED", "MATERIALIZED"})
_WRITING_TOKENS = (TokenType.INSERT, TokenType.UPDATE, TokenType.DELETE, TokenType.MERGE, TokenType.INTO)


@dataclass(frozen=True, slots=True)
class StatementKind:
    """The first word of a statement in capitals, and whether it may change data."""

    keyword: str
    is_write: bool


def statement_kind(statement: str, dialect: str) -> StatementKind:
    """Look at one statement before anything is done with it.

    Args:
        statement: SQL text, with the driver's placeholders or without.
        dialect: sqlglot's name of the database, such as `postgres`.

    Returns:
        Its first word and whether it may write; what is not known to read counts as a write. PostgreSQL
        runs `EXPLAIN ANALYZE CREATE TABLE … AS` even in a read-only transaction.

    Raises:
        ExplainError: if it is empty, holds several statements, or cannot be taken apart for certain.
    """
    tokens = _tokens(statement, dialect)
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise ExplainError("There is no statement to explain: the text is empty.")
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise ExplainError(
            "The text holds several statements. Explain them one at a time; none of them was executed."
        )
    first = next((token for token in tokens if token.token_type is not TokenType.L_PAREN), tokens[0])
    keyword = str(first.text).upper()
    return StatementKind(keyword, keyword not in READS or _may_write(tokens))


def creates_from_query(statement: str, dialect: str) -> bool:
    """Whether a `CREATE` fills a table or a materialized view from a query, which has a plan."""
    words = [str(token.text).upper() for token in _tokens(statement, dialect)]
    return not _FILLED.isdisjoint(words[1:2]) and any(
        word == "AS" and (following in READS or following == "(") for word, following in pairwise(words)
    )


def acting_functions(statement: str, dialect: str) -> tuple[str, ...]:
    """The functions called in a text that reach beyond the transaction, by name, each once.

    Args:
        statement: SQL text.
        dialect: sqlglot's name of the database.
    """
    return tuple(name for name in called_functions(statement, dialect) if _ACTING.fullmatch(name))


def called_functions(statement: str, dialect: str) -> tuple[str, ...]:
    """The names that stand before a bracket in a text, each once; keywords such as `IN` among them."""
    return tuple(dict.fromkeys(_called(_tokens(statement, dialect))))


def split_statements(text: str, dialect: str) -> tuple[str, ...]:
    """Take several statements apart, by the database's own quoting rules.

    Args:
        text: statements with semicolons between them.
        dialect: sqlglot's name of the database, such as `postgres`.

    Returns:
        Each statement with its comments, without its semicolon; what holds comments alone is left out.

    Raises:
        ExplainError: if the text cannot be taken apart for certain.
    """
    parts: list[str] = []
    start, is_empty = 0, True
    for token in _tokens(text, dialect):
        if token.token_type is not TokenType.SEMICOLON:
            is_empty = False
            continue
        if not is_empty:
            parts.append(text[start : token.start].strip())
        start, is_empty = token.end + 1, True
    if not is_empty:
        parts.append(text[start:].strip())
    return tuple(parts)


def _tokens(statement: str, dialect: str) -> list[Any]:
    try:
        # A lone carriage return ends a comment for PostgreSQL; with a line feed both sides agree on that.
        return list(Dialect.get_or_raise(dialect).tokenize(statement.replace("\r", "\n")))
    except SqlglotError:
        raise ExplainError(
            "The statement cannot be taken apart: a quote or a comment in it is not closed."
        ) from None


def _may_write(tokens: list[Any]) -> bool:
    """`FOR UPDATE` counts too: it locks rows, which a plan has no business to do."""
    return any(_ACTING.fullmatch(name) for name in _called(tokens)) or any(
        token.token_type in _WRITING_TOKENS and (i == 0 or tokens[i - 1].token_type is not TokenType.DOT)
        for i, token in enumerate(tokens)
    )


def _called(tokens: list[Any]) -> list[str]:
    return [str(name.text) for name, bracket in pairwise(tokens) if bracket.token_type is TokenType.L_PAREN]
