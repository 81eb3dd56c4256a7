"""Equal questions that wait for another answer."""

import itertools
import re
import statistics

from perfkit.model.query import Member
from perfkit.model.trace import Trace
from perfkit.rules._groups import sender_of

# Pauses in multiples of what a statement takes: of any two, and of a loop that sends nothing else.
_PAUSES, _LOOP_PAUSES = 20.0, 5.0
_MIN_POLLS = 3
# A loop over data asks for each of them; one that waits counts, or has an end of its own.
_COUNTS_TRIES = re.compile(r"\s*(?:while\b|(?:async\s+)?for\s+\w+\s+in\s+(?:range|count|itertools\.count)\()")


def is_polling(run: list[Member], trace: Trace, gap_ms: float, loop_gap_ms: float) -> bool:
    """Whether the pauses between equal statements are so long that something is waited for.

    Args:
        run: equal statements.
        trace: the block that sent them.
        gap_ms: the shortest pause between any two, in milliseconds.
        loop_gap_ms: the same where a loop sends nothing else.
    """
    is_patient = _waits_between(run, gap_ms, _PAUSES)
    return is_patient or (_is_alone_in_loop(run, trace) and _waits_between(run, loop_gap_ms, _LOOP_PAUSES))


def _waits_between(run: list[Member], min_gap_ms: float, min_multiple: float) -> bool:
    """Whether it always takes so long, in milliseconds and in statements, until the question comes again."""
    spans = [span for _, span in run]
    gaps = [after.start_ms - before.end_ms for before, after in itertools.pairwise(spans)]
    usual_ms = statistics.median(span.duration_ms for span in spans)
    return min(gaps) >= max(min_gap_ms, min_multiple * usual_ms)


def _is_alone_in_loop(run: list[Member], trace: Trace) -> bool:
    """Whether a loop sent them, three at least, and its thread and task sent nothing else meanwhile.

    The first test of a `while` is compiled apart from the others, and counts as before the loop.
    """
    queries, loop = trace.queries or (), run[-1][1].loop_site
    if len(run) < _MIN_POLLS or any(span.loop_id is None for _, span in run[1:]):
        return False
    if loop is None or not _COUNTS_TRIES.match(loop.source_text):
        return False
    return not any(
        sender_of(queries[number]) == sender_of(span)
        for (before, span), (after, _) in itertools.pairwise(run)
        for number in range(before + 1, after)
    )
