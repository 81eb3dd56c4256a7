"""PostgreSQL: `EXPLAIN (FORMAT JSON)` that leaves nothing behind.

Everything happens behind a savepoint that is rolled back, read-only, with timeouts (reference notes on
EXPLAIN, section 7). A statement that may write is executed only where that was asked for.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.capture.databases import postgresql_effects as effects
from perfkit.capture.databases import postgresql_forms as forms
from perfkit.capture.databases import postgresql_locks as locks
from perfkit.capture.databases import postgresql_session as session
from perfkit.capture.databases.errors import ExplainError, explain_error, sqlstate
from perfkit.capture.databases.literals import hide_values
from perfkit.capture.databases.postgresql_catalog import with_catalog
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import READS, WRITES, creates_from_query, statement_kind
from perfkit.model.plan import AlternativePlan, Plan
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan

ANALYZE_PREFIX = "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON) "
WRITE_PREFIX = "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, WAL, SETTINGS, FORMAT JSON) "
PLAIN_PREFIX = "EXPLAIN (VERBOSE, SETTINGS, FORMAT JSON) "

_CANCELLED, _LOCKED, _DEADLOCK = "57014", "55P03", "40P01"
_READ_ONLY = "25006"
_CLASS_CONSTRAINT = "23"
_NOT_EXECUTED = (
    "Not measured: the statement may change or lock data, so it was not executed. "
    "%%explain --analyze-writes (in Python: analyze_writes=True) executes it and rolls it back."
)

_READ_ONLY_SESSION = "Not measured: this session, or the whole server, may only read."


def explain(connection: Connection, request: ExplainRequest) -> Plan:
    """Ask PostgreSQL for a plan.

    Args:
        connection: where to ask; a transaction that is open on it stays as it is.
        request: the statement and its parameters.

    Returns:
        The plan, executed where that was asked for and is safe; `Plan.notes` say where it was not.

    Raises:
        ExplainError: if the statement has no plan.
    """
    kind = statement_kind(request.statement, "postgres")
    _refuse(kind.keyword, request.statement)
    if request.analyze and request.analyze_writes:
        return _measured_write(connection, request)
    plan = _read(connection, request, kind.is_write)
    if not request.executions:
        return plan
    return replace(plan, alternatives=tuple(_alternatives(connection, request, plan, kind.is_write)))


def _alternatives(
    connection: Connection, request: ExplainRequest, plan: Plan, is_write: bool
) -> Iterator[AlternativePlan]:
    for form in forms.other_forms(connection, request):
        try:
            other = _read(connection, form.request, is_write)
        except ExplainError:
            continue  # the plan itself is there, and what the other would be is not known
        found = forms.alternative(plan, form, other)
        if found is not None:
            yield found


def _read(connection: Connection, request: ExplainRequest, is_write: bool) -> Plan:
    with session.undone(connection):
        if not request.analyze:
            return _ask(connection, request, PLAIN_PREFIX)
        if is_write:
            return _plain(connection, request, _NOT_EXECUTED)
        try:
            return _ask(connection, request, ANALYZE_PREFIX)
        except _NotMeasuredError as reason:
            session.start_again(connection)
            return _plain(connection, request, str(reason))


def describe(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with what the catalogue says of their tables; a note where it may not be read."""
    if not any(node.relation_name for plan in plans for node in plan.nodes()):
        return list(plans)
    try:
        with session.undone(connection):
            session.limit(connection, session.CATALOG_TIMEOUT_MS)
            return with_catalog(connection, plans)
    except (DBAPIError, ExplainError) as error:
        reason = error if isinstance(error, ExplainError) else explain_error(error)
        note = f"Nothing is known of the tables: {reason}"
        return [replace(plan, notes=(*plan.notes, note)) for plan in plans]


def _measured_write(connection: Connection, request: ExplainRequest) -> Plan:
    """Execute what may write, roll it back, and say what stays, also where it came to no end."""
    with session.undone(connection):
        held = locks.advisory_locks(connection)
        plan = _ask(connection, request, PLAIN_PREFIX)
        before = effects.look(connection, plan)
        session.start_again(connection)
        note = "Executed, and rolled back: the rows are as they were."
        try:
            plan = _ask(connection, request, WRITE_PREFIX)
        except _NotMeasuredError as reason:
            note = str(reason)
        finally:
            if not connection.invalidated:
                session.start_again(connection)
                locks.release_new(connection, held)
        return replace(plan, notes=(*plan.notes, note, *effects.side_effects(connection, before, plan)))


def _refuse(keyword: str, statement: str) -> None:
    if keyword == "EXPLAIN":
        raise ExplainError("Leave out EXPLAIN: give the statement itself.")
    has_query = keyword == "CREATE" and creates_from_query(statement, "postgres")
    if not has_query and keyword not in READS | WRITES | {"DECLARE"}:
        raise ExplainError(
            f"PostgreSQL has no plan for {keyword[:40]}. "
            "Give SELECT, VALUES, WITH, INSERT, UPDATE, DELETE or MERGE."
        )


class _NotMeasuredError(Exception):
    """The statement was not executed to its end, though it has a plan."""


def _plain(connection: Connection, request: ExplainRequest, note: str) -> Plan:
    plan = _ask(connection, request, PLAIN_PREFIX)
    return replace(plan, notes=(*plan.notes, note))


def _ask(connection: Connection, request: ExplainRequest, prefix: str) -> Plan:
    try:
        session.limit(connection, request.timeout_ms, read_only=prefix != WRITE_PREFIX)
        if prefix == WRITE_PREFIX:
            # What is checked at the end of a transaction would be in no plan (reference notes, rule 51).
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        answer = request.run(connection, prefix).scalar()
    except DBAPIError as error:
        raise _reason(error, request, prefix) from None
    except SQLAlchemyError as error:
        raise explain_error(error) from None
    try:
        plan = read_postgresql_plan(_shown(answer, request), request.statement)
    except PlanFormatError as error:
        raise ExplainError(f"The database answered something else. {error}") from None
    return replace(plan, parameter_types=request.parameter_types)


def _shown(answer: object, request: ExplainRequest) -> object:
    """Some drivers decode JSON and some do not; values that were bound stay out of the plan."""
    if not request.has_parameters:
        return answer
    return hide_values(json.loads(answer) if isinstance(answer, str) else answer, request.written)


def _reason(error: DBAPIError, request: ExplainRequest, prefix: str) -> Exception:
    state, is_executed = sqlstate(error), prefix != PLAIN_PREFIX
    if state == _LOCKED:
        return ExplainError(
            "Another session holds a lock on a table of this statement. Try again when it is done."
        )
    if state == _DEADLOCK:
        return ExplainError("Another session and this one waited for each other (a deadlock). Try again.")
    if is_executed and state == _CANCELLED:
        return _NotMeasuredError(
            f"Not measured: cancelled after {request.timeout_ms / 1000:g} s. Rows are estimates."
        )
    if is_executed and state == _READ_ONLY:
        return _NotMeasuredError(_READ_ONLY_SESSION if request.analyze_writes else _NOT_EXECUTED)
    if is_executed and state.startswith(_CLASS_CONSTRAINT):
        return _NotMeasuredError(f"Not measured: {explain_error(error, request.style, prefix)}")
    return explain_error(error, request.style, prefix)
