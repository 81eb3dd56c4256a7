"""Plans of statements: of one that the person gives, and of those that a measured block sent."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from perfkit.capture._plan_connection import on_connection
from perfkit.capture.auto_explain import Captured
from perfkit.capture.databases import ExplainError, ExplainRequest, describe_with, explain_with, split_with
from perfkit.capture.databases.errors import TextStyle
from perfkit.capture.databases.request import parameter_names
from perfkit.capture.samples import StatementSample
from perfkit.model.plan import Plan
from perfkit.model.query import QuerySpan
from perfkit.model.wording import counted, one_line

__all__ = [
    "ExplainError",
    "captured_plans",
    "explain",
    "explain_samples",
    "explain_script",
    "has_several_statements",
    "unasked",
]

DEFAULT_TIMEOUT_MS = 30_000.0
# A statement is given ten times what it took when it was measured, and at least 5 s (reference notes on
# EXPLAIN, section 7: timing every row makes a nested loop three times as slow).
SAMPLE_TIMEOUT_FACTOR = 10.0
SAMPLE_TIMEOUT_MS = 5_000.0
_PREVIEW = 80


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
    (result,) = on_connection(connectable, lambda connection: _explain_all(connection, [request]))
    if isinstance(result, ExplainError):
        raise result
    return result


def explain_script(
    connectable: Engine | AsyncEngine | Connection,
    script: str,
    parameters: Mapping[str, Any],
    *,
    analyze: bool = True,
    analyze_writes: bool = False,
    timeout_ms: float = DEFAULT_TIMEOUT_MS,
) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """The plans of several statements with semicolons between them, each by itself.

    None of them sees what the ones before it would have done, as nothing is done.

    Args:
        connectable: as for `explain`.
        script: SQL text of one or more statements with `:name` parameters.
        parameters: a mapping with the values of all of them.
        analyze: as for `explain`.
        analyze_writes: as for `explain`.
        timeout_ms: for each statement, in milliseconds.

    Returns:
        The plans in the order of the text, and notes on the statements that have none.

    Raises:
        ExplainError: if there is no connection, or the text cannot be taken apart for certain.
    """

    def request(statement: str) -> ExplainRequest:
        own = {name: value for name, value in parameters.items() if name in parameter_names(statement)}
        style: TextStyle = "named" if own else "plain"
        # SQLAlchemy reads `\:` as a colon that begins no name, also in a statement that has none.
        statement = statement if own else statement.replace("\\:", ":")
        return ExplainRequest(statement, own or None, analyze, timeout_ms, style, analyze_writes)

    def explain_each(connection: Connection) -> list[tuple[str, Plan | ExplainError]]:
        statements = split_with(connection.dialect, script)
        return list(
            zip(statements, _explain_all(connection, [request(each) for each in statements]), strict=True)
        )

    results = on_connection(connectable, explain_each)
    plans = tuple(result for _, result in results if isinstance(result, Plan))
    return plans, tuple(
        _no_plan(statement, result) for statement, result in results if isinstance(result, ExplainError)
    )


def has_several_statements(connectable: Engine | AsyncEngine | Connection, script: str) -> bool:
    """Whether a text holds more than one statement; `ExplainError` if it cannot be taken apart."""
    return len(split_with(connectable.dialect, script)) > 1


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
                plans[sample.fingerprint] = _measured_as(sample, result)
            else:
                notes.append(_no_plan(sample.statement, result))
    ordered = (plans[sample.fingerprint] for sample in ranked if sample.fingerprint in plans)
    return tuple(ordered), tuple(notes)


def captured_plans(
    samples: Sequence[StatementSample], captured: Captured
) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """The plans of the run itself, and for what has none there, plans that are asked for now.

    Args:
        samples: as for `explain_samples`.
        captured: what auto_explain sent.

    Returns:
        One plan a shape, the one with the most time first, then those of statements inside functions; and
        notes.
    """
    ranked = _distinct(samples)
    asked, notes = explain_samples([each for each in ranked if each.fingerprint not in captured.plans])
    plans = {plan.fingerprint: plan for plan in asked} | {
        sample.fingerprint: _measured_as(sample, captured.plans[sample.fingerprint])
        for sample in ranked
        if sample.fingerprint in captured.plans
    }
    ordered = [plans[sample.fingerprint] for sample in ranked if sample.fingerprint in plans]
    return (*ordered, *captured.nested), (*captured.notes, *notes)


def unasked(spans: Iterable[QuerySpan]) -> tuple[str, ...]:
    """A note on the statements of a block that no engine of SQLAlchemy sent, so that nobody can be asked."""
    kinds = len({span.fingerprint for span in spans if span.driver != "sqlalchemy"})
    if not kinds:
        return ()
    subject = counted(kinds, "kind of statement that was", "kinds of statements that were")
    return (
        f"No plan for {subject} sent without SQLAlchemy. Give the SQL to %%explain, in a cell of its own.",
    )


def _distinct(samples: Iterable[StatementSample]) -> list[StatementSample]:
    first: dict[str, StatementSample] = {}
    for sample in samples:
        first.setdefault(sample.fingerprint, sample)
    return sorted(first.values(), key=lambda sample: -sample.total_ms)


def _explain_group(
    samples: list[StatementSample], analyze: bool
) -> list[tuple[StatementSample, Plan | ExplainError]]:
    """All samples of one engine over one connection; a failure of one leaves the others alone."""

    requests = [_sample_request(sample, analyze) for sample in samples]
    try:
        results = on_connection(samples[0].engine, lambda connection: _explain_all(connection, requests))
        return list(zip(samples, results, strict=True))
    except ExplainError as error:
        return [(sample, error) for sample in samples]


def _sample_request(sample: StatementSample, analyze: bool) -> ExplainRequest:
    timeout_ms = max(SAMPLE_TIMEOUT_MS, SAMPLE_TIMEOUT_FACTOR * _mean_ms(sample))
    return ExplainRequest(
        sample.statement,
        first_set(sample),
        analyze,
        timeout_ms,
        "driver",
        executions=sample.executions,
        in_cursor=sample.in_cursor,
    )


def _mean_ms(sample: StatementSample) -> float:
    return sample.total_ms / max(1, sample.executions)


def _measured_as(sample: StatementSample, plan: Plan) -> Plan:
    return replace(
        plan,
        fingerprint=sample.fingerprint,
        executions=sample.executions,
        call_site=sample.call_site,
        client_time_ms=_mean_ms(sample),
    )


def first_set(sample: StatementSample) -> Any:
    """The first parameter set of an `executemany`; SQLAlchemy's own batches come as one mapping."""
    if sample.executemany and isinstance(sample.parameters, list | tuple) and sample.parameters:
        return sample.parameters[0]
    return sample.parameters


def _explain_all(connection: Connection, requests: Sequence[ExplainRequest]) -> list[Plan | ExplainError]:
    """One after the other; a failure of one leaves the others alone."""
    results = [_explain(connection, request) for request in requests]
    described = iter(describe_with(connection, [plan for plan in results if isinstance(plan, Plan)]))
    return [next(described) if isinstance(result, Plan) else result for result in results]


def _explain(connection: Connection, request: ExplainRequest) -> Plan | ExplainError:
    try:
        return explain_with(connection, request)
    except ExplainError as error:
        missing = None if request.has_parameters else _missing(request.statement, str(error))
        if not missing:
            return error
        return ExplainError(f"{error}\n:{missing} has no value: give parameters={{'{missing}': …}}.")


def _style(statement: str, parameters: object) -> TextStyle:
    if not parameters:
        return "plain"
    return "named" if isinstance(parameters, Mapping) and parameter_names(statement) else "driver"


def _missing(statement: str, message: str) -> str | None:
    """The `:name` on which the database stumbled."""
    names = parameter_names(statement)
    return names[0] if names and re.search(r'at or near ":"', message) else None


def _no_plan(statement: str, reason: ExplainError) -> str:
    return f"No plan for {one_line(statement, _PREVIEW)}: {reason}"
