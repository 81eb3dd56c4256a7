"""SQLite: `EXPLAIN QUERY PLAN`, which never executes the statement and measures nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.capture.databases.errors import ExplainError, explain_error
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import READS, WRITES, statement_kind
from perfkit.capture.databases.sqlite_catalog import tables_of
from perfkit.capture.databases.table_lookup import with_tables
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.sql_tree import tables_by_alias

_PREFIX = "EXPLAIN QUERY PLAN "
_NOTE = "SQLite tells how it reads the tables, but measures neither times nor rows."
_ACCESS = re.compile(r"(?P<type>SCAN|SEARCH) (?:TABLE )?(?P<rest>.+)", re.DOTALL)
_ALIAS = re.compile(r"(?P<table>.+) AS (?P<alias>.+)", re.DOTALL)  # before SQLite 3.36
_USING = re.compile(
    r" USING (?:AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?"
    r"(?:INDEX (?P<index>.+?)|(?:INTEGER )?PRIMARY KEY)"
    r"(?: \((?:ANY\([^()]*\)|[^()])*\))?(?: LEFT-JOIN)?\Z",  # the columns that are searched by
    re.DOTALL,
)
# What may stand behind the name of a table that is read without an index.
_SUFFIX = re.compile(r" (?:LEFT-JOIN|VIRTUAL TABLE INDEX .*|EXISTS)\Z", re.DOTALL)
# The words in capitals at the start of a line name what is done.
_OPERATION = re.compile(r"[A-Z][A-Z\- ]*[A-Z]")


def explain(connection: Connection, request: ExplainRequest) -> Plan:
    """Ask SQLite how it would run a statement.

    Args:
        connection: where to ask; a transaction that is open on it stays as it is.
        request: the statement and its parameters; SQLite measures nothing, whatever `analyze` says.

    Raises:
        ExplainError: if the statement has no plan.
    """
    kind = statement_kind(request.statement, "sqlite")
    if kind.keyword not in READS | WRITES:
        raise ExplainError(
            f"SQLite has no plan for {kind.keyword[:40]}. Give SELECT, INSERT, UPDATE or DELETE."
        )
    began_here = not connection.in_transaction()
    try:
        rows = [tuple(row) for row in request.run(connection, _PREFIX)]
    except SQLAlchemyError as error:
        raise explain_error(error, request.style, _PREFIX) from None
    finally:
        if began_here:
            connection.rollback()
    root = _tree(rows, tables_by_alias(request.statement, "sqlite"))
    return Plan("sqlite", request.statement, root, analyzed=False, notes=(_NOTE,))


def describe(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with what SQLite knows of their tables; a note where they cannot be looked up."""
    began_here = not connection.in_transaction()
    try:
        return with_tables(plans, partial(tables_of, connection))
    finally:
        if began_here:
            connection.rollback()


def _tree(rows: Iterable[tuple[Any, ...]], tables: Mapping[str, str]) -> PlanNode:
    """Rows are `(id, parent, unused, detail)`; 0 is the statement itself."""
    details: dict[int, str] = {0: "QUERY PLAN"}
    below: dict[int, list[int]] = {}
    for row_id, parent, _, detail in rows:
        details[row_id] = detail
        below.setdefault(parent, []).append(row_id)
    numbers = iter(range(len(details)))

    def node(row_id: int) -> PlanNode:
        node_id = next(numbers)
        children = tuple([node(child) for child in below.get(row_id, [])])
        return _node(node_id, details[row_id], children, tables)

    return node(0)


def _node(node_id: int, detail: str, children: tuple[PlanNode, ...], tables: Mapping[str, str]) -> PlanNode:
    attributes = {"Detail": detail}
    access = _ACCESS.match(detail)
    if access is None:
        operation = _OPERATION.match(detail)
        return PlanNode(node_id, operation[0] if operation else detail, children, attributes=attributes)
    alias, rest = _named(access["rest"], tables)
    using = _USING.search(rest)
    both = _ALIAS.fullmatch(alias)
    alias = both["alias"] if both else alias
    return PlanNode(
        node_id,
        access["type"],
        children,
        relation_name=both["table"] if both else tables.get(alias, alias),
        alias=alias,
        index_name=using["index"] if using else None,
        attributes=attributes,
    )


def _named(text: str, tables: Mapping[str, str]) -> tuple[str, str]:
    """The name that a line begins with, and what stands behind it. Names may hold any word of SQLite's."""
    known = [alias for alias in tables if text == alias or text.startswith(f"{alias} ")]
    if known:
        alias = max(known, key=len)
        return alias, text[len(alias) :]
    using = _USING.search(text)
    return (text[: using.start()], text[using.start() :]) if using else (_SUFFIX.sub("", text), "")
