"""One module a database that perfkit can ask for plans."""

from collections.abc import Callable, Sequence

from sqlalchemy.engine import Connection, Dialect

from perfkit.capture.databases import mysql, postgresql, sqlite
from perfkit.capture.databases.errors import ExplainError
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import split_statements
from perfkit.model.plan import Plan

__all__ = ["ExplainError", "ExplainRequest", "describe_with", "explain_with", "split_with"]

_EXPLAINERS: dict[str, Callable[[Connection, ExplainRequest], Plan]] = {
    "mariadb": mysql.explain,
    "mysql": mysql.explain,
    "postgresql": postgresql.explain,
    "sqlite": sqlite.explain,
}
_KNOWN = "PostgreSQL, MariaDB, MySQL and SQLite"
# sqlglot's names where they differ from SQLAlchemy's.
_QUOTING = {"postgresql": "postgres", "mariadb": "mysql"}
_DESCRIBERS: dict[str, Callable[[Connection, Sequence[Plan]], list[Plan]]] = {
    "mariadb": mysql.describe,
    "mysql": mysql.describe,
    "postgresql": postgresql.describe,
    "sqlite": sqlite.describe,
}


def explain_with(connection: Connection, request: ExplainRequest) -> Plan:
    """Ask the database behind a connection for a plan; `ExplainError` where perfkit cannot."""
    name = connection.dialect.name
    if name not in _EXPLAINERS:
        raise ExplainError(f"Plans of {name} are not supported yet; perfkit reads those of {_KNOWN}.")
    return _EXPLAINERS[name](connection, request)


def describe_with(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """Add to plans what the catalogue of their database says of their tables, asked once for all of them."""
    describe = _DESCRIBERS.get(connection.dialect.name)
    return describe(connection, plans) if describe and plans else list(plans)


def split_with(dialect: Dialect, text: str) -> tuple[str, ...]:
    """Take several statements apart by the quoting rules of a database; `ExplainError` where one is open."""
    return split_statements(text, _QUOTING.get(dialect.name, dialect.name))
