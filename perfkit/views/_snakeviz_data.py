"""A profile in the shape that SnakeViz's page reads, without the functions that are too small to see."""

import json
from dataclasses import dataclass
from pathlib import PurePath

from perfkit.model.cpu import CallerEdge, CpuProfile, FunctionProfile
from perfkit.views._functions import callees, function_name, outside_calls, printable

# SnakeViz's own smallest cutoff is 1/1000 of the root; its worker and its table, which has a row for every
# function, stay quick to a few hundred functions (measured: 717 are drawn in under 3 s, 50,000 never).
_CUTOFF = 0.001
_MOST_FUNCTIONS = 700
_ROOT = "~:0(the measured block)"
_PATH_CHARACTERS = 200
_JSON_DIGITS = 9

Calls = list[float]


@dataclass(frozen=True, slots=True)
class GraphData:
    """What the page's scripts read; `left_out` functions took `left_out_s` seconds of their own."""

    rows: list[list[object]]
    stats: dict[str, dict[str, object]]
    left_out: int
    left_out_s: float


def graph_data(profile: CpuProfile) -> GraphData:
    """Put a profile into SnakeViz's shape.

    Args:
        profile: any number of functions.

    Returns:
        The largest of them by cumulative time, called by one root that stands for the block: SnakeViz draws
        what is below one root only, and a cell has one for each statement.
    """
    kept = _largest(profile)
    keys = _unique_keys({number: profile.functions[number] for number in kept})
    stats = {_ROOT: _entry("the measured block", [1, 1, 0.0, 0.0])} if kept else {}
    for number in kept:
        function = profile.functions[number]
        entry = stats[keys[number]] = _entry(_short(keys[number], function), _totals(function))
        entry["callers"] = _callers(function, number, keys)
    _add_children(stats)
    left_out = [f for number, f in enumerate(profile.functions) if number not in keys]
    rows = [_row(profile.functions[number], keys[number], profile.counts) for number in kept]
    return GraphData(rows, stats, len(left_out), sum(f.tottime for f in left_out))


def to_json(data: GraphData) -> str:
    """The data as JSON that may stand within a `<script>`: no `<`, ASCII only."""
    text = json.dumps({"rows": data.rows, "stats": data.stats}, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _largest(profile: CpuProfile) -> list[int]:
    functions = profile.functions
    order = sorted(range(len(functions)), key=lambda number: -functions[number].cumtime)
    total = sum(edge.cumtime for _, edge in callees(profile).get(-1, ()))
    return [n for n in order[:_MOST_FUNCTIONS] if functions[n].cumtime >= _CUTOFF * total]


def _unique_keys(functions: dict[int, FunctionProfile]) -> dict[int, str]:
    """`file:line(name)`, by which SnakeViz tells functions apart and from which it reads the parts."""
    keys: dict[int, str] = {}
    taken = {_ROOT}
    for number, function in functions.items():
        key = _key(function)
        stem, copies = key.removesuffix(")"), 1
        while key in taken:
            copies += 1
            key = f"{stem} #{copies})"
        taken.add(key)
        keys[number] = key
    return keys


def _key(function: FunctionProfile) -> str:
    # SnakeViz takes what follows the last slash for the file's name and what comes before for its folder.
    name = function_name(function).replace("/", "∕")
    return f"{_file(function)}:{function.location.line_number}({name})"


def _file(function: FunctionProfile) -> str:
    return printable(function.location.cell or function.location.file_path)[-_PATH_CHARACTERS:]


def _short(key: str, function: FunctionProfile) -> str:
    """The key without the folder."""
    file = _file(function)
    return PurePath(file).name + key.removeprefix(file)


def _entry(display_name: str, totals: Calls) -> dict[str, object]:
    return {"display_name": display_name, "stats": totals, "callers": {}, "children": {}}


def _totals(function: FunctionProfile | CallerEdge) -> Calls:
    times = (round(function.tottime, _JSON_DIGITS), round(function.cumtime, _JSON_DIGITS))
    return [function.primitive_calls, function.ncalls, *times]


def _callers(function: FunctionProfile, number: int, keys: dict[int, str]) -> dict[str, Calls]:
    callers = {keys[edge.caller]: _totals(edge) for edge in function.callers if edge.caller in keys}
    outside = outside_calls(function, number)
    if outside is not None:
        callers[_ROOT] = _totals(outside)
    return callers


def _add_children(stats: dict[str, dict[str, object]]) -> None:
    """The same calls seen from the caller; the page reads their names only."""
    for key, entry in stats.items():
        callers = entry["callers"]
        assert isinstance(callers, dict)
        for caller, calls in callers.items():
            children, totals = stats[caller]["children"], stats[caller]["stats"]
            assert isinstance(children, dict)
            assert isinstance(totals, list)
            children[key] = 0
            if caller == _ROOT:
                totals[3] += calls[3]


def _row(function: FunctionProfile, key: str, counts: str) -> list[object]:
    """A line of SnakeViz's table: calls, own time, cumulative time, each also by call; name; key."""
    calls, primitive = function.ncalls, function.primitive_calls
    shown = f"{calls}" if calls == primitive else f"{calls}/{primitive}"
    own, cumulative = (
        _with_share_of_a_call(t, primitive, counts) for t in (function.tottime, function.cumtime)
    )
    return [[shown, calls], *own, *cumulative, _escaped(_short(key, function)), key]


def _with_share_of_a_call(time_s: float, calls: int, counts: str) -> tuple[str, str]:
    """A time, and the same by call where calls are known."""
    if counts == "samples":
        return f"{time_s:.4g}", ""
    return f"{time_s:.4g}", f"{time_s / calls:.4g}" if calls else "0"


def _escaped(text: str) -> str:
    # The page's table takes its cells as HTML.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
