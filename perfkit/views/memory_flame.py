"""Allocations at the peak as a flame chart: the chart of function times, with sizes in place of times."""

from dataclasses import replace

from perfkit.model.cpu import CpuProfile, FunctionProfile, StackTime
from perfkit.model.native import NativeProfile
from perfkit.model.wording import counted
from perfkit.views import flame
from perfkit.views._format import megabytes
from perfkit.views._functions import function_name, place
from perfkit.views._html import Content, Html, code, join, paragraph, picture, section, table
from perfkit.views.flame import Box

TITLE = "At the peak: who had allocated what, C code included, by memray"
_SHOWN = 12
_SPOKEN_STEPS = 6
_HEADERS = ("size", "share", "allocations", "your line or function")


def rows(profile: NativeProfile) -> list[dict[str, object]]:
    """One row a line of the person's, the largest first; what it called is in it."""
    sizes: dict[int, list[int]] = {}
    for stack in profile.stacks:
        yours = [number for number in stack.functions if profile.functions[number].is_user_code]
        total = sizes.setdefault(yours[-1] if yours else -1, [0, 0])
        total[0] += stack.size_bytes
        total[1] += stack.count
    ranked = sorted(sizes.items(), key=lambda item: -item[1][0])
    return [
        {"place": _place(profile, number), "source": _source(profile, number), "size_bytes": size, "count": n}
        for number, (size, n) in ranked
    ]


def boxes(profile: NativeProfile) -> list[Box]:
    """The boxes of the chart; the root says how much there was."""
    found = []
    for box in flame.boxes(_as_times(profile)):
        size = megabytes(box.share * profile.peak_bytes)
        if box.function is None:
            label = f"the block: {size}" if box.depth == 0 else f"below no function of yours: {size}"
        else:
            label = f"{function_name(box.function)}  {size}  {_where(box.function)}"
        found.append(replace(box, label=label))
    return found


def as_svg(profile: NativeProfile) -> str:
    """The chart as SVG text."""
    drawn = boxes(profile)
    height = flame._ROW * (max(box.depth for box in drawn) + 1)
    shapes = "".join(flame._shape(box) for box in drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {flame._WIDTH} {height + 26}" '
        f'width="{flame._WIDTH}" height="{height + 26}" font-family="system-ui,sans-serif" '
        f'font-size="{flame._FONT_PX}" fill="#fff">{shapes}{flame._legend(height + 7)}</svg>'
    )


def describe(profile: NativeProfile) -> str:
    """The chart in words: the heaviest path."""
    whole = profile.peak_bytes
    steps = [
        f"{function_name(box.function)} at {_where(box.function)}, {megabytes(box.share * whole)}"
        for box in flame.heaviest_path(_as_times(profile))[:_SPOKEN_STEPS]
        if box.function is not None
    ]
    start = f"Flame chart of {megabytes(profile.peak_bytes)} that were allocated at the peak."
    return f"{start} Heaviest path: {'; then '.join(steps)}." if steps else start


def as_text(profile: NativeProfile) -> str:
    """The lines of the person's with what they had allocated, for a terminal."""
    return "\n".join([f"{TITLE}: {megabytes(profile.peak_bytes)}", *("  ".join(r) for r in _cells(profile))])


def as_html(profile: NativeProfile) -> Html:
    """Chart and table for a notebook."""
    if not profile.stacks:
        return join([section(TITLE), paragraph("The block allocated nothing that memray saw.", quiet=True)])
    body: list[list[Content]] = [[*cells[:-1], code(cells[-1])] for cells in _cells(profile)]
    rest = len(rows(profile)) - len(body)
    return join(
        [
            section(TITLE),
            picture(as_svg(profile), describe(profile), wide=True),
            table(_HEADERS, body, numeric=(0, 1, 2)),
            paragraph(f"{counted(rest, 'more line')}.", quiet=True) if rest > 0 else "",
        ]
    )


def _as_times(profile: NativeProfile) -> CpuProfile:
    """The same tree with a second a megabyte, as the chart draws trees of times."""
    functions = tuple(
        FunctionProfile(item.location, 0, 0, 0.0, 0.0, item.is_user_code) for item in profile.functions
    )
    stacks = tuple(StackTime(stack.functions, stack.size_bytes / 1e6) for stack in profile.stacks)
    attributed = sum(stack.time_s for stack in stacks) * 1000
    return CpuProfile("memray", profile.peak_bytes / 1e3, attributed, 0.0, functions, stacks=stacks)


def _cells(profile: NativeProfile) -> list[list[str]]:
    return [
        [
            megabytes(row["size_bytes"]),  # type: ignore[arg-type]  # a row's values are of any plain type
            f"{row['size_bytes'] / max(1, profile.peak_bytes):.0%}",  # type: ignore[operator]
            f"{row['count']:,}",
            f"{row['place']}  {row['source']}".rstrip(),
        ]
        for row in rows(profile)[:_SHOWN]
    ]


def _where(function: FunctionProfile) -> str:
    return "C code" if function.location.file_path == "~" else place(function)


def _place(profile: NativeProfile, number: int) -> str:
    if number < 0:
        return "not below your code"
    location = profile.functions[number].location
    return place(FunctionProfile(location, 0, 0, 0.0, 0.0))


def _source(profile: NativeProfile, number: int) -> str:
    return profile.functions[number].location.source_text if number >= 0 else ""
