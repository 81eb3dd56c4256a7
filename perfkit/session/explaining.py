"""The plan of one statement, judged."""

import datetime
from time import perf_counter
from typing import Any

from perfkit.capture import plans
from perfkit.model.trace import Trace
from perfkit.session.result import Result


def explain(connectable: Any, statement: Any, parameters: Any = None, *, analyze: bool = True) -> Result:
    """Ask the database for the plan of a statement and judge it.

    Args:
        connectable: a SQLAlchemy engine or connection. A connection keeps its transaction.
        statement: SQL text with `:name` parameters, or a SQLAlchemy statement.
        parameters: values by name.
        analyze: execute the statement to learn real rows and times, in a transaction that is rolled back.
            Statements that write are planned only, never executed.

    Returns:
        A result that shows the plan tree; `result.plan` is the plan, `result.findings` what the rules say.

    Raises:
        ExplainError: if the database refuses, in words that say what to do.
    """
    start_time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    start = perf_counter()
    plan = plans.explain(connectable, statement, parameters, analyze=analyze)
    trace = Trace("explain", start_time, (perf_counter() - start) * 1000, plans=(plan,))
    return Result(trace, "plans")
