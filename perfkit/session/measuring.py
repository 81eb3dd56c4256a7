"""What is measured of a block: which collectors, made from what the person asked for."""

from collections.abc import Sequence
from typing import Literal

from perfkit.capture.cpu import CpuCollector
from perfkit.capture.memory import MemoryCollector
from perfkit.capture.named_functions import Measurable
from perfkit.capture.queries import QueryCollector
from perfkit.capture.sampling import SamplingCollector
from perfkit.session.measurement import Measurement, PlanMode
from perfkit.views.block import Focus

CpuEngine = Literal["cprofile", "sampling"]
_PARTS: tuple[Focus, ...] = ("queries", "plans", "cpu", "memory")


def measure(
    name: str = "block",
    *,
    queries: bool = True,
    parameters: bool = False,
    cpu: bool | CpuEngine = False,
    memory: bool | Literal["peak", "native"] = False,
    plans: PlanMode = False,
    confirm: bool = False,
    functions: Sequence[Measurable] = (),
    line_times: Sequence[Measurable] = (),
    focus: Focus | None = None,
    target_ms: float | None = None,
) -> Measurement:
    """Measure a block of code.

    Args:
        name: what the block is called in reports.
        queries: record every statement that SQLAlchemy sends, with its line and the loop around it. What
            tasks and threads send that were at work before the block is kept apart.
        parameters: keep the values that are bound to statements and show them, as text of at most 100
            characters each. They are then in the report, in the notebook and in saved traces too.
        cpu: profile this thread: `"cprofile"` (what `True` means) counts every call, `"sampling"` looks at
            the stack every few milliseconds and slows nothing down.
        memory: peak, resident memory over time and growth by line; `"peak"` leaves out growth by line, which
            slows allocations; `"native"` records, by memray, who had allocated what at the peak, in C too.
        plans: ask the database for the plan of each distinct statement after the block; `"auto"` takes the
            plans of the run itself where PostgreSQL's auto_explain may be loaded, which needs a superuser;
            `"prove"` also tries what could make the slowest three statements faster, and rolls it back.
        confirm: with `"prove"`, that the server need not be perfkit's lab, and tables may be over 1 GB.
        functions: functions whose memory is measured line by line.
        line_times: functions that are timed line by line; function times are then sampled.
        focus: what is shown first; by default what was asked for, or all of it.
        target_ms: the time that the block should take, in milliseconds.

    Returns:
        A context manager, for `with` and `async with`; after the block it shows its own report.
    """
    return Measurement(
        name,
        # First what may refuse its arguments: the collector of statements has to be stopped once it is made.
        cpu=_cpu_collector(cpu, line_times),
        memory=_memory_collector(memory, functions),
        queries=_query_collector(queries, plans, parameters),
        plans=plans,
        confirm=confirm,
        focus=focus or _only(queries=queries, plans=plans, cpu=cpu or line_times, memory=memory),
        target_ms=target_ms,
    )


def _only(**wanted: object) -> Focus:
    """The one part that was asked for, or all."""
    asked = [part for part in _PARTS if wanted[part]]
    return asked[0] if len(asked) == 1 else "all"


def _memory_collector(
    memory: bool | Literal["peak", "native"], functions: Sequence[Measurable]
) -> MemoryCollector | None:
    if not memory:
        return None
    return MemoryCollector(trace_allocations=memory is True, functions=functions, native=memory == "native")


def _cpu_collector(
    cpu: bool | CpuEngine, line_times: Sequence[Measurable]
) -> CpuCollector | SamplingCollector | None:
    if cpu not in (True, False, "cprofile", "sampling"):
        raise ValueError(f"There is no engine {cpu!r} for function times: give 'cprofile' or 'sampling'.")
    if line_times and cpu == "cprofile":
        raise ValueError("cProfile and times by line exclude each other: leave the engine out.")
    if cpu == "sampling" or line_times:
        return SamplingCollector(line_times)
    return CpuCollector() if cpu else None


def _query_collector(queries: bool, plans: PlanMode, parameters: bool) -> QueryCollector | None:
    if not (queries or plans):
        return None
    return QueryCollector(keep_samples=bool(plans), keep_parameters=parameters)
