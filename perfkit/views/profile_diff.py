"""Two profiles side by side, function by function: own time and calls, the worst change first."""

from dataclasses import dataclass, field
from itertools import chain

from perfkit.model.cpu import CpuProfile, FunctionProfile
from perfkit.model.wording import counted
from perfkit.views._format import milliseconds
from perfkit.views._functions import function_name, place, seconds_text
from perfkit.views._html import Content, Html, card, code, heading, paragraph, section, table

_SHOWN = 12
# A change below 1 % of the longer block, or of less than 0.1 ms, is not worth a line: it is noise.
_LEAST_SHARE = 0.01
_LEAST_S = 0.0001
_TIME_HEADERS = ("own time before", "after", "change")
_CALL_HEADERS = ("calls before", "after")
_NAME_HEADERS = ("place", "function")
_CAVEAT = "One run each, with the profiler on: perfkit.verify tells chance from change."
_UNKNOWN_CALLS = "Calls are not compared: a sampled profile does not know them."
_TWO_ENGINES = (
    "Two engines: one counted calls, the other took samples and does not know them. Only times are compared, "
    "and those beside the calls hold what counting costs, most where calls are many and short."
)


@dataclass(slots=True)
class Side:
    """A function in one profile, or several of one name and file added up."""

    own_s: float = 0.0
    cumulative_s: float = 0.0
    calls: int = 0


@dataclass(slots=True)
class FunctionChange:
    """A function in both profiles; a side in which it was not called is `None`."""

    function: FunctionProfile
    before: Side | None = None
    after: Side | None = None

    @property
    def change_s(self) -> float:
        """By how much its own time grew, in seconds."""
        return own_after_s(self) - own_before_s(self)


@dataclass(frozen=True, slots=True)
class _Groups:
    slower: list[FunctionChange] = field(default_factory=list)
    faster: list[FunctionChange] = field(default_factory=list)
    small: list[FunctionChange] = field(default_factory=list)


def changes(before: CpuProfile, after: CpuProfile) -> list[FunctionChange]:
    """Every function of either profile, what became slower by the most first.

    A changed function has other lines, in a notebook even another cell, so its file and its name count; a
    statement of a cell is known by its text.

    Args:
        before: the profile as it was.
        after: the new one.
    """
    found: dict[tuple[str, str], FunctionChange] = {}
    for function in chain(after.functions, before.functions):
        found.setdefault(_key(function), FunctionChange(function))
    for function in before.functions:
        change = found[_key(function)]
        change.before = _added(change.before, function)
    for function in after.functions:
        change = found[_key(function)]
        change.after = _added(change.after, function)
    return sorted(found.values(), key=lambda change: -change.change_s)


def rows(before: CpuProfile, after: CpuProfile) -> list[dict[str, object]]:
    """One row a function, for a DataFrame: what became slower by the most first.

    Args:
        before: the profile as it was.
        after: the new one.

    Returns:
        Plain values, times in milliseconds. A function that a profile does not have took 0 there; calls are
        `None` where they are not known.
    """
    has_calls = _has_calls(before, after)
    return [
        {
            "function": change.function.location.function_name,
            "place": place(change.function),
            "own_before_ms": own_before_s(change) * 1000,
            "own_after_ms": own_after_s(change) * 1000,
            "own_change_ms": change.change_s * 1000,
            "cumulative_before_ms": change.before.cumulative_s * 1000 if change.before else 0.0,
            "cumulative_after_ms": change.after.cumulative_s * 1000 if change.after else 0.0,
            "calls_before": _count(change.before) if has_calls else None,
            "calls_after": _count(change.after) if has_calls else None,
            "is_user_code": change.function.is_user_code,
        }
        for change in changes(before, after)
    ]


def as_text(before: CpuProfile, after: CpuProfile, *, title: str) -> str:
    """Both profiles side by side for a terminal.

    Args:
        before: the profile as it was.
        after: the new one.
        title: which is which.
    """
    groups = _grouped(before, after)
    lines = [f"{title}: {_totals(before, after)}"]
    for name, group in (("Slower", groups.slower), ("Faster", groups.faster)):
        if group:
            body = [[*_headers(before, after)], *(_cells(item, before, after) for item in group[:_SHOWN])]
            lines += ["", name, *_aligned(body)]
            lines += [text for text in [_more(group)] if text]
    return "\n".join([*lines, "", *_remarks(before, after, groups)])


def as_html(before: CpuProfile, after: CpuProfile, *, title: str) -> Html:
    """Both profiles side by side as one card; the arguments are those of `as_text`."""
    groups = _grouped(before, after)
    parts: list[Content] = [heading(title, _totals(before, after))]
    for name, group in (("Slower", groups.slower), ("Faster", groups.faster)):
        if group:
            parts += [section(name), _html_table(group, before, after)]
            parts += [paragraph(text, quiet=True) for text in [_more(group)] if text]
    return card(*parts, *(paragraph(text, quiet=True) for text in _remarks(before, after, groups)))


def own_before_s(change: FunctionChange) -> float:
    """The own time in the first profile, in seconds."""
    return change.before.own_s if change.before else 0.0


def own_after_s(change: FunctionChange) -> float:
    """The own time in the second profile, in seconds."""
    return change.after.own_s if change.after else 0.0


def calls_text(change: FunctionChange) -> str:
    """How often it was called on each side: `100 → 1 call`."""
    return f"{_count(change.before):,} → {counted(_count(change.after), 'call')}"


def side_text(side: Side | None, profile: CpuProfile) -> str:
    """The own time in one profile, in words; samples may miss a function that was called."""
    if side is None:
        return "not called" if profile.counts == "calls" else "no sample"
    return seconds_text(side.own_s)


def _key(function: FunctionProfile) -> tuple[str, str]:
    location = function.location
    name = location.function_name
    if name == "<module>" and location.source_text:
        name = location.source_text
    return "" if location.cell else location.file_path, name


def _added(side: Side | None, function: FunctionProfile) -> Side:
    side = side or Side()
    side.own_s += function.tottime
    side.cumulative_s += function.cumtime
    side.calls += function.ncalls
    return side


def _count(side: Side | None) -> int:
    return side.calls if side else 0


def _has_calls(before: CpuProfile, after: CpuProfile) -> bool:
    return before.counts == after.counts == "calls"


def _grouped(before: CpuProfile, after: CpuProfile) -> _Groups:
    least_s = max(_LEAST_S, _LEAST_SHARE * max(before.attributed_ms, after.attributed_ms) / 1000)
    groups = _Groups()
    for change in changes(before, after):
        side = groups.slower if change.change_s > 0 else groups.faster
        (side if abs(change.change_s) >= least_s else groups.small).append(change)
    groups.faster.reverse()
    return groups


def _totals(before: CpuProfile, after: CpuProfile) -> str:
    text = f"{milliseconds(before.attributed_ms)} → {milliseconds(after.attributed_ms)} in functions"
    if not _has_calls(before, after):
        return text
    old, new = (sum(function.ncalls for function in side.functions) for side in (before, after))
    return f"{text}, {old:,} → {counted(new, 'call')}"


def _headers(before: CpuProfile, after: CpuProfile) -> tuple[str, ...]:
    calls = _CALL_HEADERS if _has_calls(before, after) else ()
    return (*_TIME_HEADERS, *calls, *_NAME_HEADERS)


def _cells(change: FunctionChange, before: CpuProfile, after: CpuProfile) -> list[str]:
    sides = (change.before, change.after)
    calls = [f"{_count(side):,}" for side in sides] if _has_calls(before, after) else []
    sign = "+" if change.change_s > 0 else "−"
    return [
        side_text(change.before, before),
        side_text(change.after, after),
        f"{sign}{seconds_text(abs(change.change_s))}",
        *calls,
        place(change.function),
        function_name(change.function),
    ]


def _html_table(group: list[FunctionChange], before: CpuProfile, after: CpuProfile) -> Html:
    body: list[list[Content]] = []
    for change in group[:_SHOWN]:
        cells: list[Content] = [*_cells(change, before, after)]
        cells[-1] = code(function_name(change.function))
        body.append(cells)
    headers = _headers(before, after)
    numbers = tuple(range(len(headers) - len(_NAME_HEADERS)))
    return table(headers, body, numeric=numbers, narrow=(len(numbers),))


def _aligned(body: list[list[str]]) -> list[str]:
    columns = range(len(body[0]))
    numeric = len(columns) - len(_NAME_HEADERS)
    widths = [max(len(row[column]) for row in body) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if column < numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in body
    ]


def _more(group: list[FunctionChange]) -> str:
    rest = group[_SHOWN:]
    if not rest:
        return ""
    total = seconds_text(abs(sum(change.change_s for change in rest)))
    return f"{counted(len(rest), 'more function')}, {total} together."


def _remarks(before: CpuProfile, after: CpuProfile, groups: _Groups) -> list[str]:
    remarks = []
    if groups.small:
        net = sum(change.change_s for change in groups.small)
        sign = "+" if net >= 0 else "−"
        remarks.append(
            f"{counted(len(groups.small), 'function')} changed by less than 1 % of the block: "
            f"{sign}{seconds_text(abs(net))} together."
        )
    if not _has_calls(before, after):
        remarks.append(_UNKNOWN_CALLS if before.counts == after.counts else _TWO_ENGINES)
    return [*remarks, _CAVEAT]
