"""A line that builds a whole list of what is then needed piece by piece.

What it finds
    A statement of a cell during which memory rises by at least 50 MB, most of the cell's peak, whose line
    builds a list from a result (`.all()`, `fetchall()`, `list(...)`, `[... for ...]`, `json.load`), and of
    which little is kept afterwards.

Why is this slow
    All rows are in memory at once, as objects of Python, several times their size in the database. The peak
    sets how large the machine must be and how many workers fit on it, and grows with the data.

Example
    total = sum(order.amount for order in session.scalars(select(Order)).all())

Use instead
    total = session.scalar(select(func.sum(Order.amount)))             # let the database add it up, or
    for order in session.scalars(select(Order).execution_options(yield_per=1000)):
        total += order.amount                                          # 1,000 rows at a time

Thresholds
    min_peak_bytes: 50,000,000 bytes, and
    min_share: 0.5 of the cell's own peak, on one statement (reference notes on detectors, 3.21).
    max_kept_share: 0.5 of the rise. What is mostly kept was wanted as a whole.

Stays silent when
    The list is kept. The rise is small, or spread over several statements. The line builds no list: an
    array, a data frame, one large string. The line sorts, or asks for a length: that needs all of it.
"""

import re
from collections.abc import Iterator

from perfkit.model.builders import line, memory_profile, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.memory import MemoryProfile, StatementMemory
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

_BUILDS_A_LIST = re.compile(
    r"\.all\(\)|\bfetchall\(|\blist\(|\btuple\(|\[.+\bfor\b.+\bin\b|\.readlines\(|\bjson\.loads?\(|\.to_list\(|\.tolist\("
)
_NEEDS_ALL = re.compile(r"\bsorted\(|\.sort\(|\blen\(|\bshuffle\(|\breversed\(")


def load_all(
    trace: Trace,
    *,
    min_peak_bytes: int = 50_000_000,
    min_share: float = 0.5,
    max_kept_share: float = 0.5,
) -> Iterator[Finding]:
    """Report the statement that built a large list only to go through it.

    Args:
        trace: a cell whose statements' memory was measured.
        min_peak_bytes: rise during the statement, in bytes, at least.
        min_share: of the cell's peak, from 0 to 1, at least.
        max_kept_share: of the rise that is kept at the end, from 0 to 1, at most.
    """
    memory = trace.memory
    if memory is None or not memory.statements:
        return
    peak, kept = _whole(memory)
    for statement, rise in _rises(memory.statements):
        text = statement.location.source_text
        if rise < min_peak_bytes or rise < min_share * peak or kept > max_kept_share * rise:
            continue
        if _BUILDS_A_LIST.search(text) and not _NEEDS_ALL.search(text):
            yield _finding(statement, rise, peak, kept)


def _whole(memory: MemoryProfile) -> tuple[int, int]:
    """Peak and rest of the whole cell: what Python requested, where that was traced."""
    if memory.traced_peak_bytes is not None and memory.traced_growth_bytes is not None:
        return memory.traced_peak_bytes, memory.traced_growth_bytes
    return memory.peak_increase_bytes, memory.kept_bytes


def _rises(statements: tuple[StatementMemory, ...]) -> Iterator[tuple[StatementMemory, int]]:
    before = held = 0
    for statement in statements:
        if statement.traced_peak_bytes is not None and statement.traced_end_bytes is not None:
            yield statement, statement.traced_peak_bytes - held
            held = statement.traced_end_bytes
        elif statement.peak_bytes is not None:
            yield statement, statement.peak_bytes - before
        before = statement.end_bytes


def _finding(statement: StatementMemory, rise: int, peak: int, kept: int) -> Finding:
    return Finding(
        code="PK402",
        rule="load-all",
        severity="worth it",
        message=f"{rise / 1e6:,.0f} MB at once for a list of which {max(0, kept) / 1e6:,.0f} MB are kept",
        advice=(
            "Go through the rows as they come instead of building a list: a generator, "
            "execution_options(yield_per=1000) for SQLAlchemy, a cursor that is iterated; or let the "
            "database filter and add up. The peak of %%memtrace --peak proves it."
        ),
        refutation=(
            "It would be a false alarm if the whole list is needed at once: indexed, sorted, gone through "
            "several times. This was judged by the line and by its memory, not by how the list is used."
        ),
        confidence=0.5,
        location=statement.location,
        evidence=(f"{rise / max(peak, 1):.0%} of the cell's peak of {peak / 1e6:,.0f} MB rose on this line",),
    )


_MB = 1_000_000


def _cell(
    source_text: str, *sizes: tuple[int, int], kept: int = 0, traced: bool = True, name: str = ""
) -> Trace:
    """Statements that rise to and end at these sizes in MB; the first has the source."""
    statements = tuple(
        StatementMemory(
            line(number, source_text if number == 1 else "go_on()"),
            start_ms=number,
            end_ms=number + 1,
            end_bytes=end * _MB,
            peak_bytes=peak * _MB,
            traced_peak_bytes=peak * _MB if traced else None,
            traced_end_bytes=end * _MB if traced else None,
        )
        for number, (peak, end) in enumerate(sizes, start=1)
    )
    highest = max(peak for peak, _ in sizes) * _MB
    known = {"traced_peak_bytes": highest, "traced_growth_bytes": kept * _MB} if traced else {}
    memory = memory_profile(highest, kept * _MB, statements=statements, **known)
    return trace(name=name or source_text, memory=memory)


RULE = Rule(
    code="PK402",
    name="load-all",
    requires="memory.statements",
    check=load_all,
    fires_on=(
        _cell("total = sum(o.amount for o in session.scalars(query).all())", (200, 0)),
        _cell("rows = cursor.fetchall()", (200, 190), (191, 1), name="fetched at once, then let go"),
        _cell(
            "total = sum([f(x) for x in rows])", (80, 0), traced=False, name="a list in the brackets of sum"
        ),
    ),
    silent_on=(
        _cell("rows = cursor.fetchall()", (200, 200), kept=200, name="a list that is kept"),
        _cell("rows = cursor.fetchall()", (40, 0), name="a small list"),
        _cell("rows = cursor.fetchall()", (60, 0), (300, 0), name="not what makes the peak"),
        _cell("data = np.ones(n)", (200, 0), name="an array"),
        _cell("best = sorted(session.scalars(query).all())[:3]", (200, 0), name="sorted, which needs all"),
        trace(memory=memory_profile(200 * _MB), name="a block without statements"),
        unmeasured(),
    ),
)
