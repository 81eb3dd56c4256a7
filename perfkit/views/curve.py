"""Resident memory over time, drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.memory import MemoryProfile, RssSample
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._html import BAR, BAR_STRONG, Html, join, paragraph, picture, tag

_WIDTH, _HEIGHT = 1000, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 28, 30
_MARK_GAP = 20
_GREY = "#7a7a7a"
# No grey reads with a contrast of 4.5 to 1 on white and on dark pages: numbers have a ground of their own.
_AXIS = "#5b6470"
_TEXT = 'font-family="system-ui,sans-serif" font-size="12" text-anchor="middle" fill="#fff"'


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the block that has a name, such as the start of a statement."""

    time_ms: float
    label: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """Time and bytes above the start, to places in the picture."""

    end_ms: float
    low: float
    high: float

    def x(self, time_ms: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * time_ms / self.end_ms

    def y(self, size: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (size - self.low) / (self.high - self.low)


def as_html(profile: MemoryProfile, marks: Sequence[Mark] = ()) -> Html:
    """The curve with its text alternative, and what the marks stand for.

    Args:
        profile: what was measured; one without samples gives nothing.
        marks: moments to point out, in milliseconds since the block began.

    Returns:
        A data-URI picture with a caption; a sentence where the block was too short for a curve.
    """
    samples = profile.rss_samples
    if not samples:
        return Html("")
    if len(samples) < 3:
        return paragraph("The block was too short for a curve of resident memory.", quiet=True)
    groups = _grouped(marks, _scale(profile))
    numbered = [
        tag("li", f"{milliseconds(mark.time_ms)}: {mark.label}", "margin:0")
        for group in groups
        for mark in group
    ]
    legend = (
        tag("ol", join(numbered), "margin:2px 0 6px;padding-left:28px;font-size:12px") if numbered else ""
    )
    return join(
        [picture(svg(profile, marks), describe(profile), wide=True), paragraph(_caption(profile)), legend]
    )


def describe(profile: MemoryProfile) -> str:
    """The curve in words, for those who cannot see it."""
    highest = max(profile.rss_samples, key=lambda sample: sample.rss_bytes)
    last = profile.rss_samples[-1]
    return (
        f"Resident memory over {milliseconds(last.time_ms)}: "
        f"{megabytes(profile.baseline_bytes)} at the start, "
        f"highest sample {megabytes(highest.rss_bytes)} after {milliseconds(highest.time_ms)}, "
        f"peak {megabytes(profile.peak_bytes)}, {megabytes(last.rss_bytes)} at the end."
    )


def svg(profile: MemoryProfile, marks: Sequence[Mark] = ()) -> str:
    """The drawing: memory above the start as an area, the peak as a dashed line, marks numbered."""
    scale = _scale(profile)
    parts = [_grid(scale), _area(profile, scale), _peak_line(profile, scale), _marks(marks, scale)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">{"".join(parts)}</svg>'
    )


def _caption(profile: MemoryProfile) -> Html:
    start, end = megabytes(profile.baseline_bytes), milliseconds(profile.rss_samples[-1].time_ms)
    words = (
        f"Resident memory above the start (0 is {start}), over {end}. "
        f"The dashed line is the peak, {megabytes(profile.peak_increase_bytes)} above the start."
    )
    return tag("span", words, "font-size:12px")


def _scale(profile: MemoryProfile) -> _Scale:
    rises = [sample.rss_bytes - profile.baseline_bytes for sample in profile.rss_samples]
    low, high = min(0, *rises), max(profile.peak_increase_bytes, *rises)
    # Below 1 MB the curve is the noise of a running interpreter, and must look as small as it is.
    return _Scale(max(profile.rss_samples[-1].time_ms, 0.001), low, low + max(high - low, 1e6) * 1.06)


def _grid(scale: _Scale) -> str:
    lines = []
    for size in _round_values(scale.low, scale.high, 4):
        y, text = scale.y(size), _tick_megabytes(size)
        lines.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#808080" '
            f'stroke-opacity="{".7" if size == 0 else ".25"}"/>{_label(text, _LEFT - 8 - _width(text), y)}'
        )
    for time_ms in _round_values(0, scale.end_ms, 6):
        text = _tick_time(time_ms)
        left = max(_LEFT, scale.x(time_ms) - _width(text) / 2)
        lines.append(_label(text, min(left, _WIDTH - _width(text)), _HEIGHT - 10))
    return "".join(lines)


def _width(text: str) -> int:
    return 12 + 7 * len(text)


def _label(text: str, left: float, middle: float) -> str:
    """A number on its ground."""
    width = _width(text)
    return (
        f'<rect x="{left:.1f}" y="{middle - 9:.1f}" width="{width}" height="18" rx="4" fill="{_AXIS}"/>'
        f'<text x="{left + width / 2:.1f}" y="{middle + 4:.1f}" {_TEXT}>{text}</text>'
    )


def _tick_megabytes(size: float) -> str:
    return f"{size / 1e6:,.6g} MB"


def _tick_time(time_ms: float) -> str:
    return f"{time_ms / 1000:,.6g} s" if time_ms >= 1000 else f"{time_ms:.6g} ms"


def _round_values(low: float, high: float, about: int) -> list[float]:
    """About so many multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _area(profile: MemoryProfile, scale: _Scale) -> str:
    def point(sample: RssSample) -> str:
        return f"{scale.x(sample.time_ms):.1f},{scale.y(sample.rss_bytes - profile.baseline_bytes):.1f}"

    line = " ".join(point(sample) for sample in profile.rss_samples)
    left, right, ground = scale.x(profile.rss_samples[0].time_ms), scale.x(scale.end_ms), scale.y(0)
    return (
        f'<polygon points="{left:.1f},{ground:.1f} {line} {right:.1f},{ground:.1f}" fill="{BAR}" '
        f'fill-opacity=".22"/><polyline points="{line}" fill="none" stroke="{BAR}" stroke-width="2" '
        'stroke-linejoin="round"/>'
    )


def _peak_line(profile: MemoryProfile, scale: _Scale) -> str:
    y = scale.y(profile.peak_increase_bytes)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{BAR_STRONG}" '
        'stroke-width="1.5" stroke-dasharray="6 4"/>'
    )


def _grouped(marks: Sequence[Mark], scale: _Scale) -> list[list[Mark]]:
    """Marks in order; those too near to each other to be told apart share a place."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.time_ms):
        if not 0 <= mark.time_ms <= scale.end_ms:
            continue
        if groups and scale.x(mark.time_ms) - scale.x(groups[-1][0].time_ms) < _MARK_GAP:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _marks(marks: Sequence[Mark], scale: _Scale) -> str:
    parts, number = [], 1
    for group in _grouped(marks, scale):
        last = number + len(group) - 1
        parts.append(_mark(scale.x(group[0].time_ms), str(number) if last == number else f"{number}–{last}"))
        number = last + 1
    return "".join(parts)


def _mark(x: float, name: str) -> str:
    width = 10 + 7 * len(name)
    left = min(max(x - width / 2, 0), _WIDTH - width)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="20" y2="{_HEIGHT - _BOTTOM}" stroke="{_GREY}" '
        'stroke-dasharray="2 3"/>'
        f'<rect x="{left:.1f}" y="3" width="{width}" height="17" rx="8" fill="{_AXIS}"/>'
        f'<text x="{left + width / 2:.1f}" y="15.5" text-anchor="middle" font-family="system-ui,sans-serif" '
        f'font-size="11" font-weight="600" fill="#ffffff">{name}</text>'
    )
