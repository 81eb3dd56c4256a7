"""The plan at production size beside today's: how much the cost grows, and which tables are read whole."""

from perfkit.model.production import GROWTH, GrownTable, ProductionPlan
from perfkit.model.wording import counted
from perfkit.views import plan_tree
from perfkit.views._format import megabytes
from perfkit.views._html import Content, Html, details, join, paragraph, pill, section, table

_TITLE = "At production size, an estimate"
_HEADERS = ("", "Today", "Then", "Factor")


def as_html(production: ProductionPlan, *, said: plan_tree.Settings | None = None) -> Html:
    """The comparison as a part of a card.

    Args:
        production: the plan at another size, or why there is none.
        said: the planner's settings that are told elsewhere.
    """
    if production.plan_then is None:
        refused = paragraph(join([pill("not asked", "neutral"), " ", production.refusal or ""]))
        return join([section(_TITLE), refused])
    parts: list[Content] = [section(_TITLE)]
    parts.append(paragraph(join([_pill(production), " ", headline(production)])))
    parts.extend(paragraph(line) for line in scans(production))
    parts.append(table(_HEADERS, [list(row) for row in _rows(production)], numeric=(1, 2, 3)))
    parts.append(details("The plan then, an estimate", plan_tree.as_html(production.plan_then, said=said)))
    parts.extend(paragraph(note, quiet=True) for note in production.notes)
    return join(parts)


def as_text(production: ProductionPlan, *, said: plan_tree.Settings | None = None) -> str:
    """The same for a terminal."""
    if production.plan_then is None:
        return f"{_TITLE}: not asked. {production.refusal or ''}"
    word = " (FALLS OVER)" if production.falls_over else ""
    lines = [f"{_TITLE}{word}: {headline(production)}", *(f"    {line}" for line in scans(production))]
    lines += [f"    {name}: {today} → {then} ({factor})" for name, today, then, factor in _rows(production)]
    return "\n".join([*lines, plan_tree.as_text(production.plan_then, said=said), *production.notes])


def headline(production: ProductionPlan) -> str:
    """How the cost grows, in one line."""
    most = max((item.factor for item in production.tables), default=1.0)
    words = f"the planner expects {_times(production.growth)} the cost of today"
    return f"{words}, for up to {_times(most)} the rows."


def _pill(production: ProductionPlan) -> Html:
    if production.falls_over:
        return pill("falls over", "bad")
    return pill("costs more", "worth it") if (production.growth or 0.0) >= GROWTH else pill("holds", "good")


def scans(production: ProductionPlan) -> list[str]:
    """Which tables of a million rows or more would be read from end to end, and what to do next."""
    found = [f"Reads all {item.rows:,.0f} rows of {item.name}." for _, item in production.large_scans]
    next_step = "Look for an index that keeps it from that: --prove in a cell, prove=True in Python."
    return [*found, next_step] if found else []


def _rows(production: ProductionPlan) -> list[tuple[str, str, str, str]]:
    sizes = [_size(item) for item in production.tables]
    cost = (
        "cost of the statement",
        f"{production.cost_today or 0:,.0f}",
        f"{production.cost_then or 0:,.0f}",
        _times(production.growth),
    )
    return [*sizes, cost]


def _size(item: GrownTable) -> tuple[str, str, str, str]:
    today = f"{counted(max(0.0, item.rows_today), 'row')}, {megabytes(item.bytes_today)}"
    return item.name, today, f"{counted(item.rows, 'row')}, {megabytes(item.size_bytes)}", _times(item.factor)


def _times(factor: float | None) -> str:
    if factor is None:
        return "?"
    return f"{factor:,.0f} ×" if factor >= 10 else f"{factor:.1f} ×"
