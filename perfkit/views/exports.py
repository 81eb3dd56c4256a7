"""A profile in the shapes that other tools open: pstats, speedscope, and one HTML page of its own."""

import html

from perfkit.model.cpu import SAMPLES_MARK, CallerEdge, CpuProfile, FunctionProfile
from perfkit.views._call_paths import own_times
from perfkit.views._functions import function_name, printable
from perfkit.views._html import Html, showable

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
# The first line of a page that may be replaced.
PAGE_MARK = "<!doctype html><!-- perfkit profile -->"
# speedscope draws some 10,000 boxes without delay; a path below a millionth of the whole is never seen.
_MOST_PATHS = 10_000
_LEAST_SHARE = 1e-6
# A page under it can load nothing. SnakeViz compiles templates (`unsafe-eval`) and starts a worker.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' "
    "'unsafe-eval' blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
Key = tuple[str, int, str]
Calls = tuple[int, int, float, float]
Pstats = dict[Key, tuple[int, int, float, float, dict[Key, Calls]]]


def pstats_data(profile: CpuProfile) -> Pstats:
    """The profile as `pstats.Stats` keeps it, which `marshal` writes to a .prof.

    Args:
        profile: any; functions of equal place and name are added up.

    Returns:
        By place: primitive calls, calls, own and cumulative seconds, and the same by caller.
    """
    keys = [_key(function) for function in profile.functions]
    data: Pstats = {SAMPLES_MARK: (0, 0, 0.0, 0.0, {})} if profile.counts == "samples" else {}
    for key, function in zip(keys, profile.functions, strict=True):
        primitive_calls, calls, tottime, cumtime, callers = data.get(key, (0, 0, 0.0, 0.0, {}))
        for edge in function.callers:
            caller = keys[edge.caller]
            callers[caller] = _added(callers.get(caller, (0, 0, 0.0, 0.0)), edge)
        data[key] = (*_added((primitive_calls, calls, tottime, cumtime), function), callers)
    return data


def speedscope_data(profile: CpuProfile, name: str) -> dict[str, object]:
    """The profile in speedscope's file format, as plain JSON values.

    Args:
        profile: any; where it knows callers only, paths are derived from them in proportion.
        name: what the profile is called there.

    Returns:
        One profile of weighted stacks, in seconds.
    """
    total_s = profile.attributed_ms / 1000
    paths = list(own_times(profile, least_s=total_s * _LEAST_SHARE, most=_MOST_PATHS))
    stacks: dict[str, object] = {
        "type": "sampled",
        "name": printable(name),
        "unit": "seconds",
        "startValue": 0,
        "endValue": sum(time for _, time in paths),
        "samples": [list(path) for path, _ in paths],
        "weights": [time for _, time in paths],
    }
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "shared": {"frames": [_frame(function) for function in profile.functions]},
        "profiles": [stacks],
        "name": printable(name),
        "exporter": "perfkit",
    }


def page(title: str, body: Html) -> str:
    """A page that works offline and loads nothing.

    Args:
        title: of the browser's tab.
        body: what a notebook would show.
    """
    return (
        f'{PAGE_MARK}\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(printable(title))}</title>"
        "<style>:root{color-scheme:light dark}body{margin:24px auto;max-width:1120px;padding:0 16px}</style>"
        f"</head><body>{body.markup}</body></html>\n"
    )


def _key(function: FunctionProfile) -> Key:
    location = function.location
    file = location.cell or location.file_path
    # marshal writes lone surrogates, but no reader of a .prof can show them.
    return (showable(file), location.line_number, showable(location.function_name))


def _added(to: Calls, more: FunctionProfile | CallerEdge) -> Calls:
    return (
        to[0] + more.primitive_calls,
        to[1] + more.ncalls,
        to[2] + more.tottime,
        to[3] + more.cumtime,
    )


def _frame(function: FunctionProfile) -> dict[str, object]:
    location = function.location
    if location.file_path == "~":
        return {"name": function_name(function)}
    file = printable(location.cell or location.file_path)
    return {"name": function_name(function), "file": file, "line": location.line_number}
