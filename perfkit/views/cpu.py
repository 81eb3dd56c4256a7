"""A CPU profile as a table: the person's own code apart from what it calls, worst first."""

from collections.abc import Mapping, Sequence

from perfkit.model.cpu import CallerEdge, CpuProfile, FunctionProfile
from perfkit.model.wording import counted
from perfkit.views import flame, line_times
from perfkit.views._format import milliseconds
from perfkit.views._functions import Call, callees, function_name, place, seconds_text
from perfkit.views._html import (
    Content,
    Html,
    bar,
    code,
    details,
    join,
    paragraph,
    section,
    table,
    tiles,
)

# A reader takes in the callers and callees of a handful of functions; SnakeViz shows all of them.
_DETAILED = 5
_NEIGHBOURS = 6
_HEADERS = ("own time", "cumulative", "share", "calls", "per call", "place", "function")
_SAMPLED_HEADERS = ("own time", "cumulative", "share", "samples", "place", "function")


def coverage_line(profile: CpuProfile) -> str:
    """How much of the wall time the profile accounts for, and who measured it."""
    if not profile.is_wall_known:
        return f"{milliseconds(profile.attributed_ms)} in functions · {profile.engine}"
    attributed, wall = milliseconds(profile.attributed_ms), milliseconds(profile.wall_ms)
    return (
        f"attributed {attributed} of {wall} ({profile.coverage:.0%}) · engine: {profile.engine} · "
        f"on a CPU {milliseconds(profile.cpu_ms)}"
    )


def rows(profile: CpuProfile) -> list[dict[str, object]]:
    """One row a function, for a DataFrame; worst own time first.

    Args:
        profile: what to list.

    Returns:
        Plain values; times in milliseconds, shares from 0 to 1 of the attributed time.
    """
    return [
        {
            "function": f.location.function_name,
            "place": place(f),
            "own_ms": f.tottime * 1000,
            "own_share": _share(f.tottime, profile),
            "cumulative_ms": f.cumtime * 1000,
            "cumulative_share": _share(f.cumtime, profile),
            **_counts(f, profile),
            "is_user_code": f.is_user_code,
            "file_path": f.location.file_path,
            "line_number": f.location.line_number,
        }
        for f in _worst_first(profile.functions)
    ]


def _counts(function: FunctionProfile, profile: CpuProfile) -> dict[str, object]:
    """Samples are no calls: they say nothing of how often a function ran."""
    if profile.counts == "samples":
        return {"samples": function.ncalls}
    return {
        "calls": function.ncalls,
        "primitive_calls": function.primitive_calls,
        "per_call_ms": _per_call_ms(function),
    }


def as_text(profile: CpuProfile, top: int = 15) -> str:
    """The profile for a terminal.

    Args:
        profile: what to show.
        top: how many functions of each group.
    """
    lines = [coverage_line(profile), *(f"  {note}" for note in profile.notes)]
    for title, group in _groups(profile):
        lines += ["", title, *_text_table([_cells(f, profile) for f in group[:top]], _headers(profile))]
        if len(group) > top:
            lines.append(_left_out(group[top:]))
    if not profile.functions:
        lines.append("No function calls were recorded.")
    return "\n".join([*lines, *line_times.text_lines(profile.lines)])


def as_html(profile: CpuProfile, top: int = 15) -> Html:
    """The profile for a notebook, without a script.

    Args:
        profile: what to show.
        top: how many functions of each group.
    """
    parts: list[Content] = [_tiles(profile)]
    parts.append(paragraph(coverage_line(profile)))
    parts += [paragraph(note, quiet=True) for note in profile.notes]
    parts.append(line_times.as_html(profile.lines))
    for title, group in _groups(profile):
        parts += [section(title), _html_table(group[:top], profile)]
        if len(group) > top:
            parts.append(paragraph(_left_out(group[top:]), quiet=True))
    if not profile.functions:
        parts.append(paragraph("No function calls were recorded."))
    else:
        parts += [
            section("Who calls what, as wide as it takes"),
            flame.as_html(profile),
            _neighbours(profile),
        ]
    return join(parts)


def _worst_first(functions: Sequence[FunctionProfile]) -> list[FunctionProfile]:
    return sorted(functions, key=lambda f: (-f.tottime, -f.cumtime))


def _groups(profile: CpuProfile) -> list[tuple[str, list[FunctionProfile]]]:
    """The person's functions by cumulative time, mostly spent in what they call; the rest by own."""
    yours = sorted((f for f in profile.functions if f.is_user_code), key=lambda f: (-f.cumtime, -f.tottime))
    others = _worst_first([f for f in profile.functions if not f.is_user_code])
    groups = (
        ("Your code, by cumulative time and its share", yours),
        ("Libraries and built-in functions, by own time and its share", others),
    )
    return [(title, group) for title, group in groups if group]


def _share(seconds: float, profile: CpuProfile) -> float:
    return min(1.0, seconds * 1000 / profile.attributed_ms) if profile.attributed_ms > 0 else 0.0


def _shown_share(function: FunctionProfile, profile: CpuProfile) -> float:
    """The share by which a function's group is sorted."""
    return _share(function.cumtime if function.is_user_code else function.tottime, profile)


def _per_call_ms(function: FunctionProfile) -> float:
    return function.cumtime * 1000 / function.primitive_calls if function.primitive_calls else 0.0


def _calls(function: FunctionProfile) -> str:
    """As in pstats: `21/1` for a recursive function, all calls before those from outside."""
    if function.ncalls == function.primitive_calls:
        return f"{function.ncalls:,}"
    return f"{function.ncalls:,}/{function.primitive_calls:,}"


def _headers(profile: CpuProfile) -> tuple[str, ...]:
    return _SAMPLED_HEADERS if profile.counts == "samples" else _HEADERS


def _cells(function: FunctionProfile, profile: CpuProfile) -> list[str]:
    per_call = [] if profile.counts == "samples" else [seconds_text(_per_call_ms(function) / 1000)]
    return [
        seconds_text(function.tottime),
        seconds_text(function.cumtime),
        f"{_shown_share(function, profile):.0%}",
        _calls(function),
        *per_call,
        place(function),
        function_name(function),
    ]


def _text_table(body: list[list[str]], headers: Sequence[str]) -> list[str]:
    lines = [[*headers], *body]
    widths = [max(len(row[column]) for row in lines) for column in range(len(headers))]
    numeric = len(headers) - 2
    return [
        "  ".join(
            cell.rjust(width) if column < numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    ]


def _left_out(functions: Sequence[FunctionProfile]) -> str:
    own = seconds_text(sum(f.tottime for f in functions))
    return f"{counted(len(functions), 'more function')}, own time {own} together."


def _tiles(profile: CpuProfile) -> Html:
    yours = sum(f.tottime for f in profile.functions if f.is_user_code) * 1000
    calls = sum(f.ncalls for f in profile.functions)
    return tiles(
        [
            *_time_tiles(profile),
            (milliseconds(yours), "own time of your code"),
            *([] if profile.counts == "samples" else [(f"{calls:,}", "call" if calls == 1 else "calls")]),
        ]
    )


def _time_tiles(profile: CpuProfile) -> list[tuple[str, str]]:
    if not profile.is_wall_known:
        return [(milliseconds(profile.attributed_ms), "in functions")]
    return [
        (milliseconds(profile.wall_ms), "wall time"),
        (milliseconds(profile.attributed_ms), f"attributed ({profile.coverage:.0%})"),
    ]


def _html_table(functions: Sequence[FunctionProfile], profile: CpuProfile) -> Html:
    body = []
    for function in functions:
        cells: list[Content] = [*_cells(function, profile)]
        share = bar(_shown_share(function, profile), strong=function.is_user_code, width_px=70)
        cells[2], cells[-1] = share, code(function_name(function))
        body.append(cells)
    headers = _headers(profile)
    numbers = len(headers) - 2
    return table(headers, body, numeric=range(numbers), narrow=(numbers,))


def _neighbours(profile: CpuProfile) -> Html:
    """Callers and callees of the functions that a reader will ask about first."""
    yours = [f for _, group in _groups(profile)[:1] for f in group[:_DETAILED]]
    slowest = [f for f in _worst_first(profile.functions)[:_DETAILED] if f not in yours]
    called = callees(profile)
    number_of = {id(function): number for number, function in enumerate(profile.functions)}
    blocks = [_neighbours_of(number_of[id(f)], called, profile) for f in (*yours, *slowest)]
    return details("Callers and callees of the heaviest functions", join(blocks))


def _neighbours_of(number: int, called: Mapping[int, Sequence[Call]], profile: CpuProfile) -> Html:
    function = profile.functions[number]
    callers = [(edge.caller, edge) for edge in function.callers]
    body = [
        _neighbour_row(direction, profile.functions[other], edge)
        for direction, calls in (("called by", callers), ("calls", called.get(number, ())))
        for other, edge in calls[:_NEIGHBOURS]
    ]
    title = join([code(function_name(function)), place(function)], " ")
    if not body:
        return paragraph(join([title, "is called by the block alone and calls nothing."], " "), quiet=True)
    headers = ("", profile.counts, "cumulative", "place", "function")
    return join([section(title), table(headers, body, numeric=(1, 2), narrow=(0, 3))])


def _neighbour_row(direction: str, other: FunctionProfile, edge: CallerEdge) -> list[Content]:
    return [
        direction,
        f"{edge.ncalls:,}",
        seconds_text(edge.cumtime),
        place(other),
        code(function_name(other)),
    ]
