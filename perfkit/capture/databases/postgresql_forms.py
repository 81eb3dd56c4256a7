"""The other plans by which PostgreSQL may really have run a statement of a measured block.

With its values, `EXPLAIN` always shows the custom plan. A statement that psycopg has prepared may have gone
over to its generic plan, which is made once for all values, and a named cursor is planned for its first rows
(reference notes on EXPLAIN, section 7).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from perfkit.capture.databases.errors import as_sent
from perfkit.capture.databases.postgresql_session import CATALOG_TIMEOUT_MS, limit, rows_or_none, undone
from perfkit.capture.databases.request import ExplainRequest
from perfkit.model.plan import AlternativeKind, AlternativePlan, Plan, PlanNode

# From there on the server counts how often it took which plan.
_COUNTS_SINCE = (14,)
_PREPARED = """
SELECT name, generic_plans, custom_plans FROM pg_catalog.pg_prepared_statements
WHERE statement = %(sent)s AND generic_plans > 0 AND NOT from_sql
"""
_CURSOR = "DECLARE perfkit_cursor CURSOR FOR "


@dataclass(frozen=True, slots=True)
class Form:
    """A way to ask for the same statement, and how often the block ran it like this, 0 if that is unknown."""

    kind: AlternativeKind
    request: ExplainRequest
    executions: int


def other_forms(connection: Connection, request: ExplainRequest) -> tuple[Form, ...]:
    """How else the statement ran, as far as this connection knows.

    Args:
        connection: of the pool that the statement went through. A prepared statement belongs to one
            connection; one that another connection of the pool holds is not found.
        request: the statement as the driver got it.
    """
    if request.in_cursor:
        cursor = replace(request, statement=_CURSOR + request.statement)
        return (Form("cursor", cursor, request.executions),)
    version = connection.dialect.server_version_info or ()
    if connection.dialect.driver != "psycopg" or version < _COUNTS_SINCE:
        return ()
    return tuple(_generic(connection, request))


def _generic(connection: Connection, request: ExplainRequest) -> Iterator[Form]:
    sent, names = as_sent(request.statement)
    with undone(connection):
        limit(connection, CATALOG_TIMEOUT_MS)
        found = rows_or_none(connection, _PREPARED, {"sent": sent}) or []
    for name, generic, custom in found[:1]:
        call = _call(connection, name, [_value(request.parameters, key) for key in names])
        # A count that is larger than the block's holds earlier executions too.
        executions = generic if generic + custom <= request.executions else 0
        yield Form("generic", replace(request, sent=call), executions)


def _value(parameters: Any, key: str | int) -> Any:
    return parameters[key]


def _call(connection: Connection, name: str, values: list[Any]) -> str:
    """`EXECUTE` takes no bound values: psycopg writes them into the text, as its client cursors do."""
    from psycopg import AsyncClientCursor, ClientCursor

    driver_connection: Any = connection.connection.driver_connection
    cursor_class: Any = AsyncClientCursor if connection.dialect.is_async else ClientCursor
    places = f"({', '.join(['%s'] * len(values))})" if values else ""
    text = cursor_class(driver_connection).mogrify(f'EXECUTE "{name}"{places}', values or None)
    return str(text)


def alternative(plan: Plan, form: Form, other: Plan) -> AlternativePlan | None:
    """The other plan of the same statement; `None` where it does the same."""
    if _shape(other.root) == _shape(plan.root):
        return None
    return AlternativePlan(form.kind, replace(other, query_text=plan.query_text), form.executions)


def _shape(node: PlanNode) -> tuple[Any, ...]:
    """What is done, without the numbers and the conditions."""
    below = tuple(_shape(child) for child in node.children)
    return node.node_type, node.parent_relationship, node.relation_name, node.index_name, below
