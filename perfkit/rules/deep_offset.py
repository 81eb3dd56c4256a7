"""Pages that get slower the further the program leafs.

What it finds
    A loop that walks over pages by OFFSET, and whose later pages take at least twice as long as the first.

Why is this slow
    OFFSET does not jump: the database reads and throws away every row before the page. The pages before cost
    again with each page, so the whole walk grows with the square of the table.

Example
    for page in range(pages):
        rows = session.scalars(select(Event).order_by(Event.created_at).limit(100).offset(100 * page)).all()

Use instead
    after = select(Event).where(tuple_(Event.created_at, Event.id) > (last.created_at, last.id))
    rows = session.scalars(after.order_by(Event.created_at, Event.id).limit(100)).all()

Thresholds
    min_pages: 5 pages; with fewer a rank correlation says nothing.
    min_slowdown: the median of the last quarter of the pages is 2 times that of the first quarter, at least;
    single pages that a busy machine has stretched change no median.
    min_correlation: Spearman's rank correlation of page and time is 0.7, at least (reference notes on
    detectors, section 3.7).
    min_extra_ms: 5 ms that the walk takes longer than if every page took as long as the first ones: what is
    less is noise.

Stays silent when
    The pages stay as fast as the first. The walk goes by the last key. Later pages return more rows. There
    are fewer than five pages. The pages come from separate lines, or from a loop that jumps around: then the
    time does not rise with the page. One page is slow by chance. The offset never changes.
"""

import bisect
import statistics
from collections.abc import Iterator

from perfkit.model.builders import line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._groups import busiest_loop, by_shape_and_line, indexes_of, spans_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import has_offset, is_catalogue, is_read
from perfkit.rules._walks import is_walk

# Pages that return half as many rows again are slower for that reason.
_EQUAL_ROWS = 1.5
# What the first pages take is the median of so many, at least.
_FIRST_PAGES = 3
_PLACEHOLDERS = {"psycopg": "%s, %s", "asyncpg": "$1, $2", "sqlite3": "?, ?"}


def deep_offset(
    trace: Trace,
    *,
    min_pages: int = 5,
    min_slowdown: float = 2.0,
    min_correlation: float = 0.7,
    min_extra_ms: float = 5.0,
) -> Iterator[Finding]:
    """Report walks over pages by OFFSET that get slower.

    Args:
        trace: a block whose queries were measured.
        min_pages: statements of one shape in the loop, at least.
        min_slowdown: median time of the last quarter in multiples of the first quarter's, at least.
        min_correlation: Spearman's rank correlation between page number and time, at least, from 0 to 1.
        min_extra_ms: what the walk takes longer than pages like the first ones would, in milliseconds.
    """
    for members in by_shape_and_line(trace, _is_candidate):
        if len(members) < min_pages or not is_walk(members):
            continue
        spans = spans_of(members)
        times = [span.duration_ms for span in spans]
        slowdown = _slowdown(times)
        first_ms = statistics.median(times[: max(_FIRST_PAGES, len(times) // 5)])
        extra_ms = sum(times) - len(times) * first_ms
        rises = slowdown >= min_slowdown and _spearman(times) >= min_correlation
        if rises and extra_ms >= min_extra_ms and _return_equal_rows(spans):
            yield _finding(trace, members, slowdown, extra_ms)


def _is_candidate(span: QuerySpan) -> bool:
    in_loop = span.loop_id is not None and span.status == "ok"
    return in_loop and has_offset(span) and is_read(span) and not is_catalogue(span)


def _slowdown(times: list[float]) -> float:
    part = max(2, len(times) // 4)
    first = statistics.median(times[:part])
    return statistics.median(times[-part:]) / first if first > 0 else 0.0


def _spearman(times: list[float]) -> float:
    """Spearman's rank correlation between the order of the pages and their times; 0 where all are equal."""
    if len(set(times)) < 2:
        return 0.0
    return statistics.correlation([float(page) for page in range(len(times))], _ranks(times))


def _ranks(values: list[float]) -> list[float]:
    """The place of each value in order, the mean of the places where values are equal."""
    ordered = sorted(values)
    return [(bisect.bisect_left(ordered, v) + bisect.bisect_right(ordered, v)) / 2 for v in values]


def _return_equal_rows(spans: tuple[QuerySpan, ...]) -> bool:
    rows = [span.returned_rows for span in spans if span.returned_rows is not None]
    half = len(rows) // 2
    return not half or sum(rows[-half:]) <= _EQUAL_ROWS * sum(rows[:half])


def _finding(trace: Trace, members: list[Member], slowdown: float, extra_ms: float) -> Finding:
    spans = spans_of(members)
    first, last = spans[0].duration_ms, spans[-1].duration_ms
    count = all_sent(trace, members).count
    pages = f"{count:,} pages" if len(spans) == count else f"The first {len(spans):,} of {count:,} pages"
    return Finding(
        code="PK112",
        rule="deep-offset",
        severity=severity_of(extra_ms, trace, grows_with_data=True),
        message=f"{pages} by OFFSET, slower and slower: from {first:,.1f} to {last:,.1f} ms",
        advice=(
            "Go on from the last row seen instead of counting rows: compare the sort column and, so that "
            "equal values are neither lost nor repeated, a unique one such as the key. An index on both "
            f"serves it.\n{_next_page(spans[0])}"
        ),
        refutation=(
            "The time rises with the number of the page while the rows do not. It would be a false alarm if "
            "people must jump to any page by number, which a walk by key cannot do, or if the database got "
            "busier meanwhile."
        ),
        confidence=0.8,
        location=spans[0].call_site,
        loop=busiest_loop(spans),
        offenders=indexes_of(members),
        saving_ms=extra_ms,
        evidence=(f"the last quarter of the pages takes {slowdown:.1f} times as long as the first quarter",),
    )


def _next_page(span: QuerySpan) -> str:
    """The page after the last row seen, where `created_at` stands for the column that it is sorted by."""
    entity = span.entity if span.entity and span.entity.isidentifier() else "Model"
    if span.driver == "django":
        return (
            "later = Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, pk__gt=last.pk)\n"
            f'{entity}.objects.filter(later).order_by("created_at", "pk")[:100]'
        )
    if span.driver in _PLACEHOLDERS:
        return (
            f"SELECT ... WHERE (created_at, id) > ({_PLACEHOLDERS[span.driver]}) "
            "ORDER BY created_at, id LIMIT 100"
        )
    return (
        f"select({entity}).where(tuple_({entity}.created_at, {entity}.id) > (last.created_at, last.id))"
        f".order_by({entity}.created_at, {entity}.id).limit(100)"
    )


_PAGE = "SELECT * FROM events ORDER BY created_at LIMIT ? OFFSET ?"


def _pages(
    times: list[float], text: str = _PAGE, more_rows: int = 0, skips: str | None = None
) -> list[QuerySpan]:
    return [
        loop(
            1,
            text,
            duration_ms=time_ms,
            returned_rows=100 + more_rows * number,
            offset_fingerprint=skips,
        )[0]
        for number, time_ms in enumerate(times)
    ]


_RISING = [1.0 + 2.0 * number for number in range(20)]

RULE = Rule(
    code="PK112",
    name="deep-offset",
    requires="queries",
    check=deep_offset,
    fires_on=(
        trace(_pages(_RISING), name="each page takes longer"),
        trace(_pages([*_RISING[:7], 40.0, *_RISING[8:]]), name="with one page out of line"),
        trace(_pages([2.0, 4.0, 6.0, 8.0, 10.0]), name="five pages"),
        trace(_pages([90.0, *_RISING[1:]]), name="with a first page that was slow by chance"),
    ),
    silent_on=(
        trace(_pages([5.0 + number % 3 for number in range(20)]), name="pages as fast as the first"),
        trace(
            _pages(_RISING, "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?"), name="by the last key"
        ),
        trace(_pages(_RISING, more_rows=50), name="later pages return more rows"),
        trace(_pages(_RISING[:4]), name="four pages"),
        trace(_pages([5.0, 31.0, 9.0, 44.0, 7.0, 38.0, 52.0, 6.0, 12.0, 41.0]), name="jumping around"),
        trace(_pages([5.0] * 15 + [300.0]), name="one slow page"),
        trace(
            _pages(_RISING, "SELECT * FROM t WHERE a_id = ? LIMIT ? OFFSET ?", skips="p1"),
            name="the first rows of each key: the offset stays the same",
        ),
        trace(_pages([0.01 * number for number in range(1, 20)]), name="microseconds"),
        trace(
            [query(_PAGE, duration_ms=time_ms, call_site=line(n)) for n, time_ms in enumerate(_RISING)],
            name="separate lines",
        ),
        unmeasured(),
    ),
)
