"""What kind of statement a text is for MySQL and MariaDB, whose comments and quotes are their own."""

import re

from perfkit.capture.databases.errors import ExplainError
from perfkit.capture.databases.sql_text import READS, WRITES, StatementKind, called_functions, statement_kind

# Two hyphens start a comment only before white space: `5--1` is six.
_HYPHENS = re.compile(r"-(?=-[^\s\x00-\x1f])")
_EXECUTED_COMMENT = re.compile(r"/\*M?!")
# What keeps hold of the session, or moves a sequence, in a read-only transaction too.
_ACTING = re.compile(
    r"get_lock|release_lock|release_all_locks|nextval|setval|lastval|last_insert_id|load_file",
    re.IGNORECASE,
)
_LOCKS_OR_ASSIGNS = re.compile(r":=|\bNEXT\s+VALUE\b|\bLOCK\s+IN\b|\bFOR\s+SHARE\b", re.IGNORECASE)


def kind_of(statement: str, database: str) -> StatementKind:
    """Look at one statement before anything is done with it.

    Args:
        statement: SQL text.
        database: its name for a message.

    Returns:
        Its first word and whether it may write, lock or leave something in the session.

    Raises:
        ExplainError: if it is empty, holds several statements, has no plan, or cannot be read for certain.
    """
    kind = statement_kind(_HYPHENS.sub("+", statement), "mysql")
    if kind.keyword == "EXPLAIN":
        raise ExplainError("Leave out EXPLAIN: give the statement itself.")
    if kind.keyword not in READS - {"EXECUTE"} | WRITES:
        raise ExplainError(
            f"{database} has no plan for {kind.keyword[:40]}. "
            "Give SELECT, VALUES, WITH, INSERT, REPLACE, UPDATE or DELETE."
        )
    acts = any(_ACTING.fullmatch(name) for name in called_functions(statement, "mysql"))
    return StatementKind(kind.keyword, kind.is_write or acts or bool(_LOCKS_OR_ASSIGNS.search(statement)))


def check_text(statement: str, sql_mode: str) -> None:
    """Refuse what this session may read in another way than perfkit.

    Args:
        statement: SQL text.
        sql_mode: the session's `@@sql_mode`.

    Raises:
        ExplainError: if a comment is executed, or backslashes mean something else.
    """
    if _EXECUTED_COMMENT.search(statement):
        raise ExplainError(
            "The text holds a comment that the server executes (/*! … */). Write it without the comment."
        )
    if "\\" in statement and ("NO_BACKSLASH_ESCAPES" in sql_mode or "ANSI_QUOTES" in sql_mode):
        raise ExplainError(
            "With this sql_mode a backslash in a quote is read in more than one way. Give it as a parameter."
        )
