"""Counts over all loops of a node, in words that are never more exact than what EXPLAIN said."""

from perfkit.model.plan import PlanNode
from perfkit.model.wording import counted

# Rounding an average by up to a half, times the loops, seldom reaches further.
_DIGITS = 3


def about(node: PlanNode, count: float | None = None, noun: str = "", plural: str | None = None) -> str:
    """A count of a node, `about` where it is a product.

    EXPLAIN gives averages of all loops and processes, rounded to whole rows: 15 of three processes may have
    been 14, and an average of 0 in 300 loops up to 150.

    Args:
        node: whose loops were multiplied.
        count: over all loops and processes; the rows that the node returned, where it is left out.
        noun: what was counted, where it is to follow.
        plural: its form for more than one, if that is not the noun with an s.
    """
    count = (node.total_rows or 0.0) if count is None else count
    loops = node.actual_loops or 0
    if loops <= 1:
        return _shown(count, noun, plural)
    if count == 0:
        return f"at most {_shown(loops // 2, noun, plural)}"
    return f"about {_shown(float(f'{count:.{_DIGITS}g}') if count >= 1 else count, noun, plural)}"


def _shown(count: float, noun: str, plural: str | None) -> str:
    return counted(count, noun, plural) if noun else f"{count:,.0f}"
