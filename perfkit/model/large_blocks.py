"""Numbers of a very large block, whose first statements alone are kept one by one, the rest as totals."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.query import Member, busy_ms
from perfkit.model.trace import Trace


@dataclass(frozen=True, slots=True)
class AllSent:
    """How many statements of a kind a block sent, and the time that they were under way, in milliseconds."""

    count: int
    busy_ms: float


def all_sent(trace: Trace, members: Sequence[Member]) -> AllSent:
    """What the block sent of the kind of these statements, those included that are kept as totals.

    The same kind is the same shape from the same line in the same loop.

    Args:
        trace: the block.
        members: statements of it.
    """
    if not trace.more_queries:
        return AllSent(len(members), busy_ms(span for _, span in members))
    kinds = {(span.fingerprint, span.call_site, span.loop_site) for _, span in members}
    rest = [
        total
        for total in trace.more_queries
        if (total.fingerprint, total.call_site, total.loop_site) in kinds
    ]
    time_ms = busy_ms(span for _, span in members) + sum(total.total_ms for total in rest)
    return AllSent(
        len(members) + sum(total.count - total.failed for total in rest),
        min(time_ms, trace.duration_ms) if rest else time_ms,
    )


def kept_part(trace: Trace) -> str:
    """Of how many statements a number tells that no total does; empty where all of them are kept."""
    if not trace.more_queries:
        return ""
    return f", counted in the first {len(trace.queries or ()):,} of {trace.statement_count:,} statements"
