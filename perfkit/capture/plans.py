"""Plans of statements: of one that the person gives, and of those that a measured block sent."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from perfkit.capture.databases import ExplainError, ExplainRequest, describe_with, explain_with
from perfkit.capture.databases.errors import TextStyle, explain_error
from perfkit.capture.databases.request import INTERNAL
from perfkit.capture.samples import StatementSample
from perfkit.model.plan import Plan

__all__ = ["ExplainError", "explain", "explain_samples"]

DEFAULT_TIMEOUT_MS = 30_000.0
# A statement is given ten times what it took when it was measured, and at least 5 s (reference notes on
# EXPLAIN, section 7: timing every row makes a nested loop three times as slow).
SAMPLE_TIMEOUT_FACTOR = 10.0
SAMPLE_TIMEOUT_MS = 5_000.0
_PREVIEW = 80
_T = TypeVar("_T")


def explain(
    connectable: Engine | AsyncEngine | Connection,
    statement: str,
    parameters: Any = None,
    *,
    analyze: bool = True,
    analyze_writes: bool = False,
    timeout_ms: float = DEFAULT_TIMEOUT_MS,
) -> Plan:
    """The plan of one statement.

    Nothing in the database changes: the statement is executed only when it reads, behind a savepoint or in
    a transaction of its own that is rolled back. With an async connection, use
    `await connection.run_sync(explain, statement)`.

    Args:
        connectable: where to ask. A `Connection` sees its own open transaction, which stays as it is.
        statement: SQL text with `:name` parameters, or with the driver's own placeholders.
        parameters: a mapping for `:name`, otherwise what the driver takes. Values do not enter the plan.
        analyze: execute a statement that reads, to measure times and rows.
        analyze_writes: execute a statement that writes too; it is rolled back.
        timeout_ms: when to stop executing and to fall back to a plan without times, in milliseconds.

    Returns:
        The plan; `Plan.notes` say what could not be measured and why.

    Raises:
        ExplainError: if there is no plan: a mistake in the SQL, several statements, no connection, a
            database that is not supported.
    """
    if not isinstance(statement, str):
        raise ExplainError(f"Give the statement as SQL text, not as {type(statement).__name__}.")
    style = _style(statement, parameters)
    request = ExplainRequest(statement, parameters, analyze, timeout_ms, style, analyze_writes)
    try:
        return _on_connection(connectable, lambda connection: _described(connection, request))
    except ExplainError as error:
        missing = None if request.has_parameters else _missing(statement, str(error))
        if missing:
            raise ExplainError(
                f"{error}\n:{missing} has no value: give parameters={{'{missing}': …}}."
            ) from None
        raise


def _described(connection: Connection, request: ExplainRequest) -> Plan:
    return describe_with(connection, [explain_with(connection, request)])[0]


def explain_samples(
    samples: Sequence[StatementSample], *, analyze: bool = True
) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """The plans of the statements that a block sent, with the parameters that they really had.

    Args:
        samples: one or more statements of each shape.
        analyze: execute those that read, to measure times and rows.

    Returns:
        One plan a shape, the one with the most time first, and notes on what could not be explained.
    """
    ranked = _distinct(samples)
    by_engine: dict[int, list[StatementSample]] = {}
    for sample in ranked:
        by_engine.setdefault(id(sample.engine), []).append(sample)
    plans: dict[str, Plan] = {}
    notes: list[str] = []
    for group in by_engine.values():
        for sample, result in _explain_group(group, analyze):
            if isinstance(result, Plan):
                plans[sample.fingerprint] = result
            else:
                notes.append(f"No plan for {_preview(sample.statement)}: {result}")
    ordered = (plans[sample.fingerprint] for sample in ranked if sample.fingerprint in plans)
    return tuple(ordered), tuple(notes)


def _distinct(samples: Iterable[StatementSample]) -> list[StatementSample]:
    first: dict[str, StatementSample] = {}
    for sample in samples:
        first.setdefault(sample.fingerprint, sample)
    return sorted(first.values(), key=lambda sample: -sample.total_ms)


def _explain_group(
    samples: list[StatementSample], analyze: bool
) -> list[tuple[StatementSample, Plan | ExplainError]]:
    """All samples of one engine over one connection; a failure of one leaves the others alone."""

    def explain_all(connection: Connection) -> list[tuple[StatementSample, Plan | ExplainError]]:
        results = [_explain_sample(connection, sample, analyze) for sample in samples]
        described = iter(describe_with(connection, [plan for plan in results if isinstance(plan, Plan)]))
        return [
            (sample, next(described) if isinstance(result, Plan) else result)
            for sample, result in zip(samples, results, strict=True)
        ]

    try:
        return _on_connection(samples[0].engine, explain_all)
    except ExplainError as error:
        return [(sample, error) for sample in samples]


def _explain_sample(connection: Connection, sample: StatementSample, analyze: bool) -> Plan | ExplainError:
    mean_ms = sample.total_ms / max(1, sample.executions)
    timeout_ms = max(SAMPLE_TIMEOUT_MS, SAMPLE_TIMEOUT_FACTOR * mean_ms)
    request = ExplainRequest(sample.statement, _first_set(sample), analyze, timeout_ms, "driver")
    try:
        plan = explain_with(connection, request)
    except ExplainError as error:
        return error
    return replace(
        plan,
        fingerprint=sample.fingerprint,
        executions=sample.executions,
        call_site=sample.call_site,
        client_time_ms=mean_ms,
    )


def _first_set(sample: StatementSample) -> Any:
    """The first parameter set of an `executemany`; SQLAlchemy's own batches come as one mapping."""
    if sample.executemany and isinstance(sample.parameters, list | tuple) and sample.parameters:
        return sample.parameters[0]
    return sample.parameters


def _on_connection(connectable: object, work: Callable[[Connection], _T]) -> _T:
    if isinstance(connectable, AsyncEngine):
        connectable = connectable.sync_engine
    if isinstance(connectable, Connection):
        return _tagged_work(connectable, work)
    if not isinstance(connectable, Engine):
        raise ExplainError(
            f"Give a SQLAlchemy Engine, AsyncEngine or Connection, not {type(connectable).__name__}; "
            "of a Session, give session.connection()."
        )
    if connectable.dialect.is_async:
        return _in_own_loop(connectable, work)
    with _connected(connectable) as connection:
        return work(connection)


@contextmanager
def _tagged(connection: Connection) -> Iterator[None]:
    """perfkit's own statements are marked while they run, so that its collectors do not count them."""
    before = connection.get_execution_options()
    connection.execution_options(**INTERNAL)
    try:
        with _unprepared(connection):
            yield
    finally:
        connection.execution_options(**{name: before.get(name, False) for name in INTERNAL})


@contextmanager
def _unprepared(connection: Connection) -> Iterator[None]:
    """psycopg prepares what it sends for the sixth time; what perfkit sends is none of the session's.

    A prepared statement would stay behind, and a pooler in transaction mode would not find it again.
    """
    driver_connection = _driver_connection(connection)
    if not hasattr(driver_connection, "prepare_threshold"):
        yield
        return
    before, driver_connection.prepare_threshold = driver_connection.prepare_threshold, None
    try:
        yield
    finally:
        driver_connection.prepare_threshold = before


def _driver_connection(connection: Connection) -> Any:
    try:
        return connection.connection.driver_connection
    except SQLAlchemyError:
        return None  # it is lost, or its transaction is; what is asked next says so


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise _without_password(explain_error(error), engine) from None
    with connection, _unprepared(connection):
        yield connection.execution_options(**INTERNAL)


def _without_password(error: ExplainError, engine: Engine) -> ExplainError:
    password = engine.url.password
    message = str(error).replace(str(password), "***") if password else str(error)
    return ExplainError(f"No connection to the database: {message}")


def _in_own_loop(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Ask through the async driver itself, in a thread with an event loop of its own.

    The connections of an async engine belong to the loop that opened them, so a fresh pool with the same
    settings opens one of its own.
    """

    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def ask() -> _T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await _with_own_pool(engine, work)

    def run() -> _T:
        # psycopg cannot use the loop that is Windows' default.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(ask())

    with ThreadPoolExecutor(1, "perfkit-explain") as executor:
        future = executor.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            for loop, task in running:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(task.cancel)
            raise


async def _with_own_pool(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    options = engine.get_execution_options()
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url, execution_options=options)
    async_engine = AsyncEngine(own)
    try:
        return await _ask_async(async_engine, work)
    finally:
        await async_engine.dispose()


async def _ask_async(engine: AsyncEngine, work: Callable[[Connection], _T]) -> _T:
    try:
        connection = await engine.connect()
    except SQLAlchemyError as error:
        raise _without_password(explain_error(error), engine.sync_engine) from None
    try:
        return await connection.run_sync(lambda own: _tagged_work(own, work))
    finally:
        await connection.close()


def _tagged_work(connection: Connection, work: Callable[[Connection], _T]) -> _T:
    with _tagged(connection):
        return work(connection)


def _style(statement: str, parameters: object) -> TextStyle:
    if not parameters:
        return "plain"
    return "named" if isinstance(parameters, Mapping) and _names(statement) else "driver"


def _names(statement: str) -> list[str]:
    """The `:name` parameters, as SQLAlchemy reads them: `::type` is none."""
    return list(text(statement).compile().params)


def _missing(statement: str, message: str) -> str | None:
    """The `:name` on which the database stumbled."""
    names = _names(statement)
    return names[0] if names and re.search(r'at or near ":"', message) else None


def _preview(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= _PREVIEW else line[: _PREVIEW - 1] + "…"
