"""The plan of one statement, judged."""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from perfkit.capture import plans
from perfkit.capture.databases.request import parameter_names
from perfkit.model.trace import Trace
from perfkit.session.connecting import shop_engine
from perfkit.session.proving import prove as prove_plan
from perfkit.session.result import Result
from perfkit.session.sizing import at_size, missing_tables

_TOO_FEW_VALUES = "Incorrect number of bindings supplied"


def explain(
    connectable: Any,
    statement: Any,
    parameters: Any = None,
    *,
    analyze: bool = True,
    analyze_writes: bool = False,
    prove: bool = False,
    confirm: bool = False,
    rewrite: str | None = None,
    rows: Mapping[str, float] | None = None,
    stats: str | Path | None = None,
) -> Result:
    """Ask the database for the plan of a statement and judge it.

    Args:
        connectable: a SQLAlchemy engine or connection, or a shop of `perfkit.lab`. A connection keeps its
            transaction.
        statement: SQL text with `:name` parameters, or a SQLAlchemy statement.
        parameters: values by name.
        analyze: execute the statement to learn real rows and times, in a transaction that is rolled back.
            Statements that write are planned only, unless `analyze_writes` says otherwise.
        analyze_writes: execute a statement that writes too, in the transaction that is rolled back. Sequences
            stay advanced, and tables keep the room that the rows had taken.
        prove: try indexes, statistics and memory for what is slow, on PostgreSQL, each in a transaction that
            is rolled back, and measure. While an index is tried, writes to its table wait.
        confirm: with `prove`, `rows` or `stats`, that the server need not be perfkit's lab, and that tables
            may be larger than 1 GB.
        rewrite: with `prove`, another statement that should return the same; it may use the same parameters.
            It is measured only if it does.
        rows: how many rows tables have in production, by name: `{"orders": 50_000_000}`. The planner is asked
            what it would do with them, on an empty copy of the schema that is dropped again. PostgreSQL 18.
        stats: the file that `pg_dump --statistics-only` wrote of the production database, for the same.

    Returns:
        A result that shows the plan tree; `result.plan` is the plan, `result.findings` what the rules say,
        `result.proofs` what was tried, or why nothing was, `result.production` the plan at another size.

    Raises:
        ExplainError: if the database refuses, or has none of the tables in `rows`; nothing has run then. The
            message says what to do.
        ValueError: if `rewrite` is given without `prove`.
    """
    if rewrite is not None and not prove:
        raise ValueError("A rewritten statement is compared by a proof: give prove=True too.")
    connectable = shop_engine(connectable) or connectable
    missing = missing_tables(connectable, rows) if rows else {}
    if rows and len(missing) == len(rows):
        raise plans.ExplainError("\n".join(missing.values()))
    start_time, start = _now(), perf_counter()
    try:
        plan = plans.explain(
            connectable, statement, parameters, analyze=analyze, analyze_writes=analyze_writes
        )
    except plans.ExplainError as error:
        raise _without_value(error, statement, parameters) from None
    trace = Trace("explain", start_time, (perf_counter() - start) * 1000, plans=(plan,))
    asked = (connectable, statement, parameters, plan)
    if prove:
        trace = replace(trace, proofs=(prove_plan(*asked, confirmed=confirm, rewrite=rewrite),))
    if rows or stats is not None:
        known = {name: count for name, count in (rows or {}).items() if name not in missing}
        then = at_size(*asked, rows=known, stats=stats, confirmed=confirm)
        trace = replace(trace, production=(replace(then, left_out=tuple(missing.values())),))
    return Result(trace, "plans")


def _without_value(error: plans.ExplainError, statement: Any, parameters: Any) -> plans.ExplainError:
    """SQLite counts the values alone; what it misses is said by name."""
    names = [] if parameters or not str(error).startswith(_TOO_FEW_VALUES) else parameter_names(statement)
    if not names:
        return error
    missing = ", ".join(f":{name}" for name in names)
    given = ", ".join(f"'{name}': …" for name in names)
    has = "has" if len(names) == 1 else "have"
    return plans.ExplainError(f"{missing} {has} no value: give parameters={{{given}}}.")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def explain_script(
    connectable: Any,
    script: str,
    parameters: Mapping[str, Any],
    *,
    analyze: bool = True,
    analyze_writes: bool = False,
) -> Result:
    """Ask for the plans of several statements with semicolons between them, each by itself, and judge them.

    Args:
        connectable: as for `explain`.
        script: SQL text with `:name` parameters.
        parameters: values by name.
        analyze: as for `explain`.
        analyze_writes: as for `explain`.

    Returns:
        A result with a plan for each statement that has one; notes say why the others have none.

    Raises:
        ExplainError: if there is no connection, or the text cannot be taken apart for certain.
    """
    start_time, start = _now(), perf_counter()
    found, notes = plans.explain_script(
        shop_engine(connectable) or connectable,
        script,
        parameters,
        analyze=analyze,
        analyze_writes=analyze_writes,
    )
    duration_ms = (perf_counter() - start) * 1000
    return Result(Trace("explain", start_time, duration_ms, plans=found, notes=notes), "plans")
