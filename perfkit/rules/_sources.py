"""Which statements gave a loop the rows that it walks over."""

from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._eager_loading import owner_of
from perfkit.rules._groups import spans_of
from perfkit.rules._statements import is_read

# Loops in loops, and shapes that one loop sends before the loop in it begins; nobody writes more, and each
# is looked for in the whole block.
_MOST_LOOPS = _MOST_IN_ONE_LOOP = 5


def sources_of(trace: Trace, members: list[Member], rows: int) -> tuple[QuerySpan, ...]:
    """The 1 of N+1: the last statement before a loop that returned so many rows, or may have.

    In nested loops, it is the statements of the loop outside that together returned so many. A source that
    loads a relationship has a source itself, which comes before it.

    Args:
        trace: the block.
        members: the statements of the loop.
        rows: how many rows the loop walks over, at least.

    Returns:
        One statement of each, outermost first; none where no statement of the block can be it.
    """
    found: list[QuerySpan] = []
    while len(found) < _MOST_LOOPS:
        source = _source_of(trace, members, rows)
        if source is None:
            break
        found.insert(0, source)
        if not source.relationship:
            break
        members = like(source, trace)
        rows = len(members)
    return tuple(found)


def _source_of(trace: Trace, members: list[Member], rows: int) -> QuerySpan | None:
    """For a relationship best the statement that loads its owners; else any that may have led here."""
    owner = owner_of(members[0][1])
    found = _nearest(trace, members, rows, owner) if owner else None
    return found or _nearest(trace, members, rows)


def _nearest(trace: Trace, members: list[Member], rows: int, owner: str = "") -> QuerySpan | None:
    shapes = {span.fingerprint for span in spans_of(members)}
    in_loops: set[tuple[str, int]] = set()
    for span in reversed((trace.queries or ())[: members[0][0]]):
        if span.fingerprint in shapes or not is_read(span) or (owner and span.entity != owner):
            continue
        if span.returned_rows is None or span.returned_rows >= rows:
            return span
        place = (span.fingerprint, id(span.call_site))
        if span.loop_id is None or place in in_loops or len(in_loops) >= _MOST_IN_ONE_LOOP:
            continue
        in_loops.add(place)
        if (owner or _may_feed(span, members[0][1])) and _returned(span, trace, members[-1][0]) >= rows:
            return span
    return None


def _may_feed(source: QuerySpan, inner: QuerySpan) -> bool:
    return not inner.relationship and source.loop_site != inner.loop_site


def _returned(source: QuerySpan, trace: Trace, before: int) -> int:
    return sum(span.returned_rows or 0 for index, span in like(source, trace) if index < before)


def like(source: QuerySpan, trace: Trace) -> list[Member]:
    """All statements of its shape from its line."""
    return [
        (index, span)
        for index, span in enumerate(trace.queries or ())
        if span.fingerprint == source.fingerprint and span.call_site == source.call_site
    ]


def around_loop(trace: Trace, members: list[Member], sources: tuple[QuerySpan, ...]) -> CodeLocation | None:
    """The loop around that of these statements, which sends the statements whose rows it walks over.

    Args:
        trace: the block.
        members: the statements of the inner loop.
        sources: what `sources_of` found for them.
    """
    if not sources or sources[-1].loop_site == members[0][1].loop_site:
        return None
    first, last = members[0][0], members[-1][0]
    is_nested = any(first < index < last for index, _ in like(sources[-1], trace))
    return sources[-1].loop_site if is_nested else None
