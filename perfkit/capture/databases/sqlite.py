"""SQLite: `EXPLAIN QUERY PLAN`, which never executes the statement and measures nothing."""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.capture.databases.errors import ExplainError, explain_error
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import READS, WRITES, statement_kind
from perfkit.model.plan import Plan, PlanNode

_PREFIX = "EXPLAIN QUERY PLAN "
_NOTE = "SQLite tells how it reads the tables, but measures neither times nor rows."
_ACCESS = re.compile(
    r"(?P<type>SCAN|SEARCH) (?:TABLE )?(?P<relation>\S+)"
    r"(?:.*? USING (?:AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?INDEX (?P<index>\S+))?"
)
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
    return Plan("sqlite", request.statement, _tree(rows), analyzed=False, notes=(_NOTE,))


def _tree(rows: Iterable[tuple[Any, ...]]) -> PlanNode:
    """Rows are `(id, parent, unused, detail)`; 0 is the statement itself."""
    details: dict[int, str] = {0: "QUERY PLAN"}
    below: dict[int, list[int]] = {}
    for row_id, parent, _, detail in rows:
        details[row_id] = detail
        below.setdefault(parent, []).append(row_id)
    numbers = iter(range(len(details)))

    def node(row_id: int) -> PlanNode:
        node_id = next(numbers)
        return _node(node_id, details[row_id], tuple([node(child) for child in below.get(row_id, [])]))

    return node(0)


def _node(node_id: int, detail: str, children: tuple[PlanNode, ...]) -> PlanNode:
    access = _ACCESS.match(detail)
    operation = _OPERATION.match(detail)
    return PlanNode(
        node_id,
        access["type"] if access else operation[0] if operation else detail,
        children,
        relation_name=access["relation"] if access else None,
        index_name=access["index"] if access else None,
        attributes={"Detail": detail},
    )
