"""A profile as one picture: callers above what they call, as wide as the time they took."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from perfkit.model.cpu import CpuProfile, FunctionProfile
from perfkit.model.wording import counted
from perfkit.views._call_paths import CallPaths, Path
from perfkit.views._format import milliseconds
from perfkit.views._functions import function_name, place
from perfkit.views._html import Html, picture

_WIDTH = 1000
_ROW = 19
_FONT_PX = 11
# Mean width of a letter of the system's sans-serif fonts at 11 px; a label that does not fit is cut.
_LETTER_PX = 6.3
_MOST_DEPTH = 16
_MOST_BOXES = 250
_SPOKEN_STEPS = 6
# A box narrower than 3 of 1000 pixels is not seen.
_LEAST_SHARE = 0.003
# Each reads white text with a contrast of 4.5 to 1 or more (WCAG AA), and stands out from white and black.
_YOURS, _LIBRARY, _BUILT_IN, _REST = "#b5530f", "#2f6ca8", "#56707a", "#6b6f76"
_LEGEND = ((_YOURS, "your code"), (_LIBRARY, "libraries"), (_BUILT_IN, "built-in"), (_REST, "not attributed"))


@dataclass(frozen=True, slots=True)
class Box:
    """One call path; `start` and `share` are parts of the whole width, from 0 to 1."""

    depth: int
    start: float
    share: float
    label: str
    colour: str
    function: FunctionProfile | None = None


def as_html(profile: CpuProfile) -> Html:
    """The chart as a data-URI picture with a text alternative; empty if nothing was recorded."""
    if not profile.functions:
        return Html("")
    return picture(as_svg(profile), alternative_text(profile), wide=True)


def as_svg(profile: CpuProfile) -> str:
    """The chart as SVG text, under 60 KB for any profile."""
    drawn = boxes(profile)
    height = _ROW * (max(box.depth for box in drawn) + 1)
    shapes = "".join(_shape(box) for box in drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height + 26}" width="{_WIDTH}" '
        f'height="{height + 26}" font-family="system-ui,sans-serif" font-size="{_FONT_PX}" fill="#fff">'
        f"{shapes}{_legend(height + 7)}</svg>"
    )


def boxes(profile: CpuProfile) -> list[Box]:
    """The boxes of the chart, the widest paths first, at most 250 of them and 16 deep.

    How the times of paths are known is told by `CallPaths`.
    """
    wall_s = max(profile.wall_ms, profile.attributed_ms) / 1000
    rest = max(0.0, 1 - profile.attributed_ms / 1000 / wall_s) if wall_s else 0.0
    drawn = [Box(0, 0.0, 1.0, f"the block: {milliseconds(wall_s * 1000)}", _REST)]
    if wall_s:
        drawn += _below(profile, wall_s, 1 - rest)
    if rest >= _LEAST_SHARE:
        text = f"not attributed: {milliseconds(rest * wall_s * 1000)}"
        drawn.append(Box(1, 1 - rest, rest, text, _REST))
    return drawn


def heaviest_path(profile: CpuProfile) -> list[Box]:
    """From the block's longest call down, at each step the longest call below."""
    path: list[Box] = []
    drawn = [box for box in boxes(profile) if box.function]
    while inside := [b for b in drawn if b.depth == len(path) + 1 and (not path or _contains(path[-1], b))]:
        path.append(max(inside, key=lambda box: box.share))
    return path


def alternative_text(profile: CpuProfile) -> str:
    """The chart in one sentence: the heaviest path with its times."""
    wall_ms = max(profile.wall_ms, profile.attributed_ms)
    path = [(box, box.function) for box in heaviest_path(profile) if box.function]
    steps = [
        f"{function_name(function)} at {place(function)}, {milliseconds(box.share * wall_ms)}"
        for box, function in path[:_SPOKEN_STEPS]
    ]
    if len(path) > _SPOKEN_STEPS:
        steps.append(f"{counted(len(path) - _SPOKEN_STEPS, 'more call')} below")
    attributed = f", {profile.coverage:.0%} of it attributed" if profile.is_wall_known else ""
    start = f"Flame chart of {milliseconds(wall_ms)}{attributed}."
    return f"{start} Heaviest path: {'; then '.join(steps)}." if steps else start


def _below(profile: CpuProfile, wall_s: float, width: float) -> list[Box]:
    """Breadth first by width, so that what is left out is what is narrowest."""
    paths = CallPaths(profile)
    drawn: list[Box] = []
    level = list(_children(paths, ((), 0.0, width * wall_s)))
    for depth in range(1, _MOST_DEPTH):
        level = [path for path in level if path[2] / wall_s >= _LEAST_SHARE]
        level = sorted(level, key=lambda path: -path[2])[: _MOST_BOXES - len(drawn)]
        drawn += [_box(depth, path, profile, wall_s) for path in level]
        level = [child for path in level for child in _children(paths, path)]
    return drawn


# The functions from the block down, where it starts and how long it took, in seconds.
_Placed = tuple[Path, float, float]


def _children(paths: CallPaths, caller: _Placed) -> Iterator[_Placed]:
    """What one call path calls, side by side."""
    numbers, start, time = caller
    for number, child_time in paths.below(numbers, time):
        yield (*numbers, number), start, child_time
        start += child_time


def _box(depth: int, path: _Placed, profile: CpuProfile, wall_s: float) -> Box:
    numbers, start, time = path
    function = profile.functions[numbers[-1]]
    label = f"{function_name(function)}  {milliseconds(time * 1000)}  {place(function)}"
    return Box(depth, start / wall_s, time / wall_s, label, _colour(function), function)


def _colour(function: FunctionProfile) -> str:
    if function.is_user_code:
        return _YOURS
    return _BUILT_IN if function.location.file_path == "~" else _LIBRARY


def _contains(outer: Box, inner: Box) -> bool:
    middle = inner.start + inner.share / 2
    return outer.start <= middle <= outer.start + outer.share


def _shape(box: Box) -> str:
    x, width = box.start * _WIDTH, max(0.5, box.share * _WIDTH - 1)
    y = box.depth * _ROW
    rect = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}" rx="2" fill="{box.colour}"/>'
    letters = int((width - 8) / _LETTER_PX)
    if letters < 3:
        return rect
    label = box.label if len(box.label) <= letters else f"{box.label[: letters - 1].rstrip()}…"
    return f'{rect}<text x="{x + 4:.1f}" y="{y + 13}" xml:space="preserve">{escape(label)}</text>'


def _legend(y: int) -> str:
    """What the colours mean, each on its own colour: the page behind may be light or dark."""
    x, items = 0, []
    for colour, text in _LEGEND:
        width = round(len(text) * _LETTER_PX) + 14
        items.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="16" rx="8" fill="{colour}"/>'
            f'<text x="{x + 7}" y="{y + 12}">{text}</text>'
        )
        x += width + 8
    return "".join(items)
