"""What a database answers when it cannot explain a statement, in one or two lines a person can use."""

import re
from typing import Literal

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from perfkit.model.wording import one_line

TextStyle = Literal["named", "driver", "plain"]

_PLACEHOLDER = re.compile(r"%%|%\((\w+)\)[sbt]|%[sbt]")
_CLASS_DATA = "22"
_RAISED = "P0001"
_SQLITE_NEAR = re.compile(r'(?:near|unrecognized token:) "(?P<word>.+)"(?:: syntax error)?\Z', re.DOTALL)
_WIDTH = 100
_NUMBER_AND_TEXT = 2
# Of MySQL and MariaDB: unknown database, column, table or function, and what a user may not do.
_NAMES_ONLY = frozenset({1044, 1045, 1049, 1051, 1054, 1142, 1143, 1146, 1305, 1370})


class ExplainError(RuntimeError):
    """A statement has no plan; the message says why and what to do."""


def sqlstate(error: DBAPIError) -> str:
    """The five characters of the SQL standard that name an error, empty where the driver gives none."""
    return str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")


def explain_error(error: SQLAlchemyError, style: TextStyle = "plain", prefix: str = "") -> ExplainError:
    """Turn what SQLAlchemy raised into a message without values and without a password.

    Args:
        error: what was raised.
        style: how the text was given. Where values were bound to it, what the database says about data may
            hold one of them, and is left out.
        prefix: what perfkit put before the statement.
    """
    if not isinstance(error, DBAPIError):
        cause = error.orig if isinstance(error, StatementError) else None
        return ExplainError(_first_line(str((cause or error).args[0])))
    if error.connection_invalidated:
        return ExplainError("The connection to the database was lost while the plan was made. Connect again.")
    message = _mysql_message(error, style) or _message(error)
    if style != "plain" and sqlstate(error) == _RAISED:
        message = "A function or trigger of the database refused the statement."
    if style != "plain" and sqlstate(error).startswith(_CLASS_DATA):
        message = re.sub(r'".*"', '"…"', message)
    return ExplainError(message + _caret(error, style, prefix))


def _message(error: DBAPIError) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    if not primary:
        return _first_line(str(error.orig))
    hint = getattr(diagnosis, "message_hint", None)
    return f"{_first_line(primary)} ({_first_line(hint)})" if hint else _first_line(primary)


def _mysql_message(error: DBAPIError, style: TextStyle) -> str | None:
    """Drivers of MySQL and MariaDB give a number and a text; what they quote may hold a bound value."""
    arguments = error.orig.args if error.orig else ()
    if len(arguments) != _NUMBER_AND_TEXT or not all(map(isinstance, arguments, (int, str))):
        return None
    code, message = arguments[0], _first_line(arguments[1])
    return message if style == "plain" or code in _NAMES_ONLY else re.sub("'.*'", "'…'", message)


def _first_line(text: str) -> str:
    """Connection errors repeat themselves for each address; the first says it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "the database gave no reason"


def _caret(error: DBAPIError, style: TextStyle, prefix: str) -> str:
    """The line of the statement that the database points at, and a caret below it."""
    if not error.statement:
        return ""
    named = _SQLITE_NEAR.match(str(error.orig))
    if named is not None:
        return _below_word(error.statement.removeprefix(prefix), named["word"])
    position = getattr(getattr(error.orig, "diag", None), "statement_position", None)
    if position is None:
        return ""
    sent = as_sent(error.statement)[0] if style != "plain" else error.statement
    at = int(position) - 1
    return _pointed_at(sent, at, prefix) if len(prefix) <= at <= len(sent) else ""


def _below_word(statement: str, word: str) -> str:
    """SQLite names a word and no place: a caret where the word is there once, else the statement alone."""
    whole = rf"(?<!\w){re.escape(word)}(?!\w)" if word[:1].isalnum() or word[:1] == "_" else re.escape(word)
    places = [match.start() for match in re.finditer(whole, statement)]
    if len(places) == 1:
        return _pointed_at(statement, places[0])
    return f"\n  {one_line(statement, _WIDTH)}"


def _pointed_at(sent: str, at: int, prefix: str = "") -> str:
    """The line around a place in a statement, and a caret below it."""
    start = max(sent.rfind("\n", 0, at) + 1, len(prefix) if "\n" not in sent[len(prefix) : at] else 0)
    end = sent.find("\n", at)
    text, column = sent[start : len(sent) if end < 0 else end].replace("\t", " "), at - start
    if column > _WIDTH - 20:
        cut = column - _WIDTH // 2
        text, column = "…" + text[cut:], column - cut + 1
    return f"\n  {text[:_WIDTH].rstrip()}\n  {' ' * column}^"


def as_sent(statement: str) -> tuple[str, tuple[str | int, ...]]:
    """What psycopg sends: `$1` for `%s`, which is also what the database counts in.

    Args:
        statement: text with psycopg's placeholders.

    Returns:
        The text with numbers, and for each number the name or the position of its value.
    """
    names: dict[str | int, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        return f"${names.setdefault(match[1] or len(names), len(names) + 1)}"

    text = _PLACEHOLDER.sub(number, statement)
    return text, tuple(names)
