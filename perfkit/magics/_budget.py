"""A cell that sends more statements than it may."""

from collections.abc import Iterator

from perfkit.model.trace import Trace
from perfkit.model.wording import counted, one_line

# A message, not a report: the report stands above it.
_LINES = 12
_TEXT_WIDTH = 100


class QueryBudgetExceeded(AssertionError):  # noqa: N818  # reads as what happened, like StopIteration
    """More statements were sent than `--max` allows; the message lists them by the line that sent them."""

    def _render_traceback_(self) -> list[str]:
        # The traceback would show the inside of perfkit: no line of the cell raised this.
        return [f"QueryBudgetExceeded: {self}"]


def over_budget(trace: Trace, maximum: int) -> QueryBudgetExceeded:
    """The error that lists a block's statements by line, most frequent first.

    Args:
        trace: a block that sent more statements than it may, also those that are not kept one by one.
        maximum: how many it may send.
    """
    counts: dict[tuple[str, str], int] = {}
    kept = ((span.call_site, span.query_text, 1) for span in trace.queries or ())
    rest = ((total.call_site, total.query_text, total.count) for total in trace.more_queries)
    for call_site, text, count in (*kept, *rest):
        key = (call_site.label if call_site else "unknown place", text)
        counts[key] = counts.get(key, 0) + count
    head = (
        f"{counted(trace.statement_count, 'statement')} sent, at most {maximum:,} allowed (--max {maximum})."
    )
    return QueryBudgetExceeded("\n".join([head, *_listed(counts)]))


def _listed(counts: dict[tuple[str, str], int]) -> Iterator[str]:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    for (place, text), count in ranked[:_LINES]:
        yield f"  {place}: {count:,} × {one_line(text, _TEXT_WIDTH)}"
    if len(ranked) > _LINES:
        yield f"  and {counted(len(ranked) - _LINES, 'more kind')} of statement"
