"""The proof of what would make a statement faster, on a connection of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from perfkit.capture import plans
from perfkit.capture.databases.errors import TextStyle
from perfkit.capture.databases.request import INTERNAL, ExplainRequest, parameter_names
from perfkit.capture.plans import first_set
from perfkit.capture.samples import StatementSample
from perfkit.model.plan import Plan
from perfkit.model.what_if import Proof
from perfkit.proof import what_if
from perfkit.proof.what_if_mariadb import prove_on_mariadb

# As for the plans of a measured block: ten times what it took, and at least 5 s.
_TIMEOUT_FACTOR, _TIMEOUT_MS = 10.0, 5_000.0
_ONLY_POSTGRESQL = "Only on PostgreSQL can perfkit try an index and take it back."
# Measured: a row inserted before CREATE INDEX survived the ROLLBACK (reference notes on EXPLAIN, section 6).
_COMMITS = (
    f"{_ONLY_POSTGRESQL} Here CREATE INDEX commits the open transaction and stays: it would be seen, and "
    "kept up to date, by everybody until it is dropped. Try it on a copy of the database."
)
_REFUSALS = {"mysql": _COMMITS}
_OTHER_PLACEHOLDERS = (
    "What asyncpg was sent cannot be sent by psycopg, which tries things for perfkit: put the SQL into a "
    "cell of its own and add --prove."
)
# Each takes seconds, and the time of a block is mostly in one or two statements.
MAX_PROVED = 3
_MARIADB_REWRITE = "A rewritten statement is compared on PostgreSQL alone."


def prove(
    connectable: Any,
    statement: str,
    parameters: Any,
    plan: Plan,
    *,
    confirmed: bool,
    rewrite: str | None = None,
) -> Proof:
    """Try what could make a statement faster, and roll it back.

    Args:
        connectable: what `plans.explain` took.
        statement: SQL text.
        parameters: its values.
        plan: its plan.
        confirmed: see `perfkit.proof.what_if.prove`.
        rewrite: another statement that should return the same, to be compared and measured.

    Returns:
        What was tried, best first, or why nothing was.
    """
    if plan.system_name == "mariadb":
        return _prove_on_mariadb(connectable, statement, parameters, plan, confirmed, rewrite)
    if plan.system_name != "postgresql":
        return Proof(0, refusal=_REFUSALS.get(plan.system_name, _ONLY_POSTGRESQL))
    try:
        with own_connection(connectable) as connection:
            session = _Session(connection, statement, parameters, plan)
            other = None
            if rewrite is not None:
                other = what_if.Rewrite(rewrite, partial(session.explain, rewrite), session.fetch)
            return what_if.prove(
                connection,
                plan,
                partial(session.explain, statement),
                confirmed=confirmed,
                planned=partial(session.explain, statement, analyze=False),
                rewrite=other,
            )
    except SQLAlchemyError as error:
        return Proof(0, refusal=f"No connection to the database ({type(error).__name__}).")


def prove_samples(
    samples: Sequence[StatementSample], plans: Sequence[Plan], *, confirmed: bool
) -> tuple[Proof, ...]:
    """Try what could make the slowest statements of a block faster, with the values that they really had.

    Args:
        samples: the block's statements.
        plans: their plans, the one with the most time first.
        confirmed: see `perfkit.proof.what_if.prove`.

    Returns:
        One proof for each of three plans: of those that were measured, as far as there are.
    """
    by_shape = {sample.fingerprint: sample for sample in samples}
    known = (number for number, plan in enumerate(plans) if plan.fingerprint in by_shape)
    ranked = sorted(known, key=lambda number: not plans[number].analyzed)
    return tuple(
        replace(_prove_sample(by_shape[plans[i].fingerprint or ""], plans[i], confirmed), plan=i)
        for i in ranked[:MAX_PROVED]
    )


def _prove_sample(sample: StatementSample, plan: Plan, confirmed: bool) -> Proof:
    if sample.engine.dialect.driver == "asyncpg":
        return Proof(0, refusal=_OTHER_PLACEHOLDERS)
    return prove(sample.engine, sample.statement, first_set(sample), plan, confirmed=confirmed)


def _prove_on_mariadb(
    connectable: Any, statement: str, parameters: Any, plan: Plan, confirmed: bool, rewrite: str | None
) -> Proof:
    """On connections of its own, whatever was given: building an index commits what is open on its own."""
    if rewrite is not None:
        return Proof(0, refusal=_MARIADB_REWRITE)
    engine = connectable.engine if isinstance(connectable, Connection) else connectable
    if isinstance(engine, AsyncEngine):
        return Proof(0, refusal="An index is tried on MariaDB with an engine that is not asynchronous.")
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url)

    def connect() -> Connection:
        return own.connect().execution_options(**INTERNAL)

    try:
        with connect() as connection:
            session = _Session(connection, statement, parameters, plan)
            return prove_on_mariadb(
                connection, plan, partial(session.explain, statement), connect, confirmed=confirmed
            )
    except SQLAlchemyError as error:
        return Proof(0, refusal=f"No connection to the database ({type(error).__name__}).")
    finally:
        own.dispose()


class _Session:
    """Executes statements on one connection with the values that the person gave."""

    def __init__(self, connection: Connection, statement: str, parameters: Any, plan: Plan) -> None:
        self._connection = connection
        self._parameters = parameters
        self._is_named = isinstance(parameters, Mapping) and bool(parameter_names(statement))
        self._timeout_ms = max(_TIMEOUT_MS, _TIMEOUT_FACTOR * (plan.duration_ms or 0.0))

    def explain(self, statement: str, *, analyze: bool = True) -> Plan:
        values = self._values(statement)
        try:
            return plans.explain(
                self._connection, statement, values, analyze=analyze, timeout_ms=self._timeout_ms
            )
        finally:
            # Asking for a plan takes the mark away by which perfkit's collectors look aside.
            self._connection.execution_options(**INTERNAL)

    def fetch(self, statement: str) -> what_if.Rows:
        values = self._values(statement)
        style: TextStyle = "plain" if not values else "named" if self._is_named else "driver"
        request = ExplainRequest(statement, values, analyze=False, timeout_ms=self._timeout_ms, style=style)
        result = request.run(self._connection, "")
        return what_if.Rows(tuple(result.keys()), [tuple(row) for row in result])

    def _values(self, statement: str) -> Any:
        """A rewritten statement may need fewer of the values than the one that it replaces."""
        if not self._is_named:
            return self._parameters
        wanted = parameter_names(statement)
        return {name: value for name, value in self._parameters.items() if name in wanted} or None


@contextmanager
def own_connection(connectable: Any) -> Iterator[Connection]:
    """A connection whose statements perfkit's collectors do not count; the given one, where one is given."""
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
