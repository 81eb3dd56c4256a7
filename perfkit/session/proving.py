"""The proof of what would make a statement faster, on a connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from perfkit.capture import plans
from perfkit.capture.databases.request import INTERNAL
from perfkit.model.plan import Plan
from perfkit.model.what_if import Proof
from perfkit.proof import what_if

# As for the plans of a measured block: ten times what it took, and at least 5 s.
_TIMEOUT_FACTOR, _TIMEOUT_MS = 10.0, 5_000.0


def prove(connectable: Any, statement: str, parameters: Any, plan: Plan, *, confirmed: bool) -> Proof:
    """Try what could make a statement faster, and roll it back.

    Args:
        connectable: what `plans.explain` took.
        statement: SQL text.
        parameters: its values.
        plan: its plan.
        confirmed: see `perfkit.proof.what_if.prove`.

    Returns:
        What was tried, best first, or why nothing was.
    """
    if plan.system_name != "postgresql":
        return Proof(0, refusal="Only on PostgreSQL can perfkit try an index and take it back.")
    timeout_ms = max(_TIMEOUT_MS, _TIMEOUT_FACTOR * (plan.duration_ms or 0.0))
    try:
        with _connection(connectable) as connection:

            def again() -> Plan:
                try:
                    return plans.explain(connection, statement, parameters, timeout_ms=timeout_ms)
                finally:
                    # Asking for a plan takes the mark away by which perfkit's collectors look aside.
                    connection.execution_options(**INTERNAL)

            return what_if.prove(connection, plan, again, confirmed=confirmed)
    except SQLAlchemyError as error:
        return Proof(0, refusal=f"No connection to the database ({type(error).__name__}).")


@contextmanager
def _connection(connectable: Any) -> Iterator[Connection]:
    if isinstance(connectable, Connection):
        connectable.execution_options(**INTERNAL)
        try:
            yield connectable
        finally:
            connectable.execution_options(**dict.fromkeys(INTERNAL, False))
        return
    with _engine(connectable) as engine, engine.connect() as connection:
        yield connection.execution_options(**INTERNAL)


@contextmanager
def _engine(connectable: Any) -> Iterator[Engine]:
    """An engine without a loop: the connections of an async engine belong to the loop that opened them."""
    engine = connectable.sync_engine if isinstance(connectable, AsyncEngine) else connectable
    if not engine.dialect.is_async:
        yield engine
        return
    own = create_engine(engine.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    try:
        yield own
    finally:
        own.dispose()
