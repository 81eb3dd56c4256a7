"""Memory that grows each time the same code runs.

What it finds
    A cell that was run again by `%%memtrace --repeat N`, after each run of which Python holds more than
    before, in a straight line, garbage collected; or whose resident memory does so though Python's does not.

Why is this slow
    A process that serves requests or works on jobs runs the same code for days. What each run leaves behind
    adds up until the machine swaps or the process is killed; the garbage collector has more to look at on
    the way.

Example
    def handle(request):
        seen.append(request)          # nobody ever takes it out

Use instead
    seen = collections.deque(maxlen=1000)        # or a cache with a limit, or weak references

Thresholds
    warm_up: 2 runs. The first runs fill caches and import modules.
    min_r_squared: 0.9. A line that explains less is no steady growth.
    min_slope_bytes: 100,000 bytes a run, or
    min_total_bytes: 1,000,000 bytes over the runs after the warm-up (all from the reference notes on
    detectors, 3.16; Scalene asks for growth of 1 % and a likelihood of 0.95).
    min_rss_slope_bytes: 1,000,000 bytes a run for resident memory, which comes in pages and arenas.

Stays silent when
    The cell was not repeated. Memory reaches a plateau: a cache fills up to its bound. It goes up and down.
    The growth is that of one run only. There are fewer than three runs after the warm-up.
"""

from collections.abc import Iterator, Sequence

from perfkit.model.builders import memory_profile, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.memory import MemoryProfile
from perfkit.model.memory_growth import Fit, GrowthVerdict, Iteration, Repeats, judge
from perfkit.model.retention import Holder, Retention, TypeGrowth
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

_FIX_NOW_BYTES = 1_000_000
_NOTEBOOK_KINDS = ("out", "result", "exception", "unknown")


def memory_growth(
    trace: Trace,
    *,
    warm_up: int = 2,
    min_r_squared: float = 0.9,
    min_slope_bytes: int = 100_000,
    min_total_bytes: int = 1_000_000,
    min_rss_slope_bytes: int = 1_000_000,
) -> Iterator[Finding]:
    """Report steady growth over the repeats.

    Args:
        trace: a block that was run again.
        warm_up: runs at the beginning that do not count.
        min_r_squared: share of the variance that a straight line explains, at least.
        min_slope_bytes: growth a run of what Python holds, in bytes, at least, or:
        min_total_bytes: growth over all runs after the warm-up, in bytes, at least.
        min_rss_slope_bytes: growth a run of resident memory, in bytes, at least.
    """
    memory = trace.memory
    if memory is None or memory.repeats is None:
        return
    runs = memory.repeats.iterations

    def fit(sizes: Sequence[int], slope: int, total: int) -> Fit:
        return judge(
            sizes,
            warm_up=warm_up,
            min_r_squared=min_r_squared,
            min_slope_bytes=slope,
            min_total_bytes=total,
        )

    held = fit([run.traced_bytes for run in runs], min_slope_bytes, min_total_bytes)
    never = 2**63  # resident memory must rise by its slope; small steps of arenas add up to any total
    resident = fit([run.rss_bytes for run in runs], min_rss_slope_bytes, never)
    if held.verdict is GrowthVerdict.GROWTH:
        yield _finding(memory, held, warm_up, is_traced=True)
    elif resident.verdict is GrowthVerdict.GROWTH:
        yield _finding(memory, resident, warm_up, is_traced=False)


def _finding(memory: MemoryProfile, fit: Fit, warm_up: int, *, is_traced: bool) -> Finding:
    assert memory.repeats is not None
    what = "" if is_traced else " in resident memory, though Python holds no more"
    size, total = f"{fit.slope_bytes / 1e6:,.2f} MB", f"{fit.total_bytes / 1e6:,.1f} MB"
    line = next((diff.location for diff in memory.growth if diff.is_user_code and diff.size_diff > 0), None)
    runs = len(memory.repeats.iterations)
    counted = f"{runs} further runs, counted after the warm-up of {warm_up}; R² {fit.r_squared:.3f}"
    return Finding(
        code="PK401",
        rule="memory-growth",
        severity="fix now" if fit.slope_bytes >= _FIX_NOW_BYTES else "worth it",
        message=f"Each run leaves {size} more behind{what}: {total} after the warm-up",
        advice=_advice(memory, is_traced=is_traced),
        refutation=(
            "It would be a false alarm if it is a store that is meant to grow, or a cache with a bound that "
            "these runs did not reach: repeat it more often."
        ),
        confidence=0.9 if is_traced else 0.6,
        location=line if is_traced else None,
        evidence=(counted, *_holders(memory)),
    )


def _advice(memory: MemoryProfile, *, is_traced: bool) -> str:
    if not is_traced:
        return (
            "Look at what C code keeps: connections, cursors, caches of drivers. %%memtrace --native names "
            "the functions that allocate."
        )
    holders = _holders(memory)
    if holders:
        return f"Bound or empty what holds the objects. The largest growth: {holders[0]}."
    return "Find what holds the objects: the report lists growth by line and by type. Bound it, or empty it."


def _holders(memory: MemoryProfile) -> tuple[str, ...]:
    types = memory.retention.types if memory.retention else ()
    held = (growth for growth in types if growth.holder and growth.holder.kind not in _NOTEBOOK_KINDS)
    return tuple(
        f"{growth.count_diff:,} {growth.type_name} held by {growth.holder.name}"
        for growth in held
        if growth.holder is not None and growth.size_diff > 0
    )[:3]


def _repeated(traced: Sequence[int], rss: Sequence[int] | None = None, name: str = "block") -> Trace:
    runs = tuple(
        Iteration(held, resident) for held, resident in zip(traced, rss or [0] * len(traced), strict=True)
    )
    held_by = TypeGrowth("Order", 100, 50_000, holder=Holder("variable", "seen", ("list of 100",)))
    profile = memory_profile(repeats=Repeats(runs, len(runs)), retention=Retention((held_by,)))
    return trace(name=name, memory=profile)


_MB = 1_000_000
RULE = Rule(
    code="PK401",
    name="memory-growth",
    requires="memory.repeats",
    check=memory_growth,
    fires_on=(
        _repeated([_MB * n for n in range(1, 6)], name="a list that gets longer by 1 MB a run"),
        _repeated([120_000 * n for n in range(1, 7)], name="120 kB a run"),
        _repeated([60_000 * n for n in range(1, 25)], name="60 kB a run, over many runs"),
        _repeated([0] * 6, [3 * _MB * n for n in range(1, 7)], name="memory of C code"),
    ),
    silent_on=(
        _repeated([_MB, _MB, _MB, _MB, _MB], name="a plateau from the first run on"),
        _repeated([_MB, 2 * _MB, 3 * _MB, 3 * _MB, 3 * _MB, 3 * _MB], name="a cache that fills up"),
        _repeated([_MB, 9 * _MB, 2 * _MB, 8 * _MB, 3 * _MB, 9 * _MB, 4 * _MB], name="up and down"),
        _repeated([9_000 * n for n in range(1, 8)], name="what the interpreter itself keeps"),
        _repeated([_MB * n for n in range(1, 5)], name="too few runs"),
        _repeated([5 * _MB - _MB * n for n in range(5)], name="memory that gets less"),
        _repeated([0] * 6, [n * 300_000 for n in range(6)], name="arenas that come one by one"),
        trace(memory=memory_profile(), name="not repeated"),
        unmeasured(),
    ),
)
