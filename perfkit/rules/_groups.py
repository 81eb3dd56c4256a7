"""Statements that belong together: by shape and line, by loop, and by the rows that feed a loop."""

from collections.abc import Callable, Iterator

from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._statements import is_read, is_row_lookup_in_loop

Member = tuple[int, QuerySpan]
Shape = tuple[str, CodeLocation | None]

# A pattern of 2 to 8 statements that comes at least three times (Sentry's M+N+1 detector).
MIN_ROUNDS = 3
MIN_SHAPES = 2
MAX_SHAPES = 8


def by_shape_and_line(trace: Trace, is_candidate: Callable[[QuerySpan], bool]) -> Iterator[list[Member]]:
    """The candidates of one shape that one line sent, with their numbers in the trace."""
    groups: dict[Shape, list[Member]] = {}
    for index, span in enumerate(trace.queries or ()):
        if is_candidate(span):
            groups.setdefault(_shape(span), []).append((index, span))
    yield from groups.values()


def _shape(span: QuerySpan) -> Shape:
    return span.fingerprint, span.call_site


def spans_of(members: list[Member]) -> tuple[QuerySpan, ...]:
    """The statements without their numbers."""
    return tuple(span for _, span in members)


def indexes_of(members: list[Member]) -> tuple[int, ...]:
    """The numbers of the statements in the trace."""
    return tuple(index for index, _ in members)


def have_different_parameters(members: list[Member]) -> bool:
    """Unknown parameters count as different: an equal set would have been recognised."""
    names = {span.parameter_fingerprint for _, span in members}
    return len(names) > 1 or None in names


def busiest_loop(spans: tuple[QuerySpan, ...]) -> CodeLocation | None:
    """The loop that sent most of them."""
    sites = [span.loop_site for span in spans]
    return max(set(sites), key=lambda site: (sites.count(site), -sites.index(site)))


def loops_of_several_shapes(
    trace: Trace,
    *,
    min_rounds: int = MIN_ROUNDS,
    min_shapes: int = MIN_SHAPES,
    max_shapes: int = MAX_SHAPES,
) -> Iterator[list[Member]]:
    """Loops that send several shapes once a row each: A, B, A, B.

    A loop is known by its line, since each of its shapes has a `loop_id` of its own. A shape may be missing
    for some rows, as when the session already holds an object, but at least half of the rounds must hold
    two shapes.

    Args:
        trace: a block whose queries were measured.
        min_rounds: rounds with two shapes or more, at least.
        min_shapes: shapes of one loop, at least.
        max_shapes: shapes of one loop, at most.

    Returns:
        For each such loop its statements of these shapes, in the order in which they were sent.
    """
    for members in _by_loop_line(trace):
        rounds = _rounds(members)
        shared = [shapes for shapes in rounds if len(shapes) >= MIN_SHAPES]
        if len(shared) < min_rounds or 2 * len(shared) < len(rounds):
            continue
        regular = {s for s in set().union(*shared) if sum(s in shapes for shapes in shared) >= min_rounds}
        if min_shapes <= len(regular) <= max_shapes:
            yield [member for member in members if _shape(member[1]) in regular]


def _by_loop_line(trace: Trace) -> Iterator[list[Member]]:
    """Lookups with different parameters by the loop, thread and task that sent them."""
    loops: dict[tuple[CodeLocation, int, str | None], list[Member]] = {}
    for members in by_shape_and_line(trace, is_row_lookup_in_loop):
        if not have_different_parameters(members):
            continue
        for index, span in members:
            if span.loop_site is not None:
                place = (span.loop_site, span.thread_id, span.task_id)
                loops.setdefault(place, []).append((index, span))
    for members in loops.values():
        yield sorted(members, key=lambda member: member[0])


def _rounds(members: list[Member]) -> list[set[Shape]]:
    """The shapes of each row of the loop: a new row begins where a shape comes again."""
    rounds: list[set[Shape]] = [set()]
    for _, span in members:
        shape = _shape(span)
        if shape in rounds[-1]:
            rounds.append(set())
        rounds[-1].add(shape)
    return rounds


def source_of(trace: Trace, members: list[Member], rows: int) -> QuerySpan | None:
    """The 1 of N+1: the last statement before the loop that returned as many rows, or may have.

    Args:
        trace: the block.
        members: the statements of the loop.
        rows: how many rows the loop went through, at least.
    """
    shapes = {span.fingerprint for _, span in members}
    for span in reversed((trace.queries or ())[: members[0][0]]):
        if span.fingerprint in shapes or not is_read(span):
            continue
        if span.returned_rows is None or span.returned_rows >= rows:
            return span
    return None
