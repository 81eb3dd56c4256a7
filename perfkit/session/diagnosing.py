"""From a trace, or a function, to findings."""

from collections.abc import Callable

from perfkit.model.trace import Trace
from perfkit.session.measuring import measure
from perfkit.session.result import Result


def diagnose(trace_or_callable: Trace | Callable[[], object]) -> Result:
    """Judge a trace, or run a function under every collector and judge that.

    Args:
        trace_or_callable: a trace, or a function without arguments.

    Returns:
        A result that shows itself; `result.findings` are worst first.
    """
    if isinstance(trace_or_callable, Trace):
        return Result(trace_or_callable)
    name = getattr(trace_or_callable, "__name__", "block")
    with measure(name, cpu=True, memory="peak", plans=True) as measurement:
        trace_or_callable()
    return measurement.result
