"""Statements that belong together: by shape and line, by loop."""

from collections.abc import Callable, Iterator

from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace

Member = tuple[int, QuerySpan]


def by_shape_and_line(trace: Trace, is_candidate: Callable[[QuerySpan], bool]) -> Iterator[list[Member]]:
    """The candidates of one shape that one line sent, with their numbers in the trace."""
    groups: dict[tuple[str, CodeLocation | None], list[Member]] = {}
    for index, span in enumerate(trace.queries or ()):
        if is_candidate(span):
            groups.setdefault((span.fingerprint, span.call_site), []).append((index, span))
    yield from groups.values()


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
