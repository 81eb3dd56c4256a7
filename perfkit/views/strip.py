"""Two samples of times as dots under each other: the eye sees overlap and spikes that no number tells."""

import math
from collections.abc import Sequence
from statistics import median

from perfkit.model.wording import counted
from perfkit.views._format import milliseconds
from perfkit.views._html import BAR, BAR_STRONG, Html, picture

# Narrow, so that on a phone the letters stay large enough to be read.
_WIDTH, _LEFT, _RIGHT = 480, 72, 12
_ROW_HEIGHT, _JITTER = 30, 4
_LOG_FROM = 4.0
"""From this ratio of the largest to the smallest time on, a linear axis would press one sample to a line."""
_AXIS = "#5b6470"
_NAMES = {"before": "#b5530f", "after": "#2f6ca8"}
"""A picture cannot take the page's colour, and no grey reads on white and on a dark page (4.5 to 1), so every
text is white on one of these."""


def strip(before_ms: Sequence[float], after_ms: Sequence[float]) -> Html:
    """Draw both samples on one axis, the median of each as a line.

    Args:
        before_ms: times of the old version in milliseconds.
        after_ms: times of the new version in milliseconds.

    Returns:
        A picture with a text alternative; empty where a side has no times.
    """
    if not before_ms or not after_ms:
        return Html("")
    low, high = min(*before_ms, *after_ms), max(*before_ms, *after_ms)
    is_log = high / low > _LOG_FROM
    rows = [("before", before_ms, BAR_STRONG), ("after", after_ms, BAR)]
    parts = [
        _row(name, [_place(value, low, high, is_log=is_log) for value in values], colour, index)
        for index, (name, values, colour) in enumerate(rows)
    ]
    height = _ROW_HEIGHT * len(rows) + 26
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="system-ui,sans-serif" font-size="12">'
        f"{''.join(parts)}{_axis(low, high, height, is_log=is_log)}</svg>"
    )
    return picture(svg, f"Times: {_words('before', before_ms)}; {_words('after', after_ms)}.")


def _place(value: float, low: float, high: float, *, is_log: bool) -> float:
    if high <= low:
        share = 0.5
    elif is_log:
        share = math.log(value / low) / math.log(high / low)
    else:
        share = (value - low) / (high - low)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _row(name: str, places: list[float], colour: str, index: int) -> str:
    middle = _ROW_HEIGHT * index + _ROW_HEIGHT // 2
    dots = "".join(
        # Every fifth dot at the same height, so that equal times stay countable.
        f'<circle cx="{x:.1f}" cy="{middle + _JITTER * (number % 5 - 2) / 2:.1f}" r="3.5" fill="{colour}" '
        'fill-opacity=".65"/>'
        for number, x in enumerate(places)
    )
    x = median(places)
    line = (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 12}" y2="{middle + 12}" stroke="{colour}" '
        'stroke-width="2"/>'
    )
    label = (
        f'<rect x="0" y="{middle - 9}" width="58" height="18" rx="9" fill="{_NAMES[name]}"/>'
        f'<text x="29" y="{middle + 4}" fill="#ffffff" text-anchor="middle">{name}</text>'
    )
    return f"{label}{dots}{line}"


def _axis(low: float, high: float, height: int, *, is_log: bool) -> str:
    right = _WIDTH - _RIGHT
    ground = (
        f'<rect x="{_LEFT - 6}" y="{height - 19}" width="{right - _LEFT + 12}" height="19" rx="4" '
        f'fill="{_AXIS}"/>'
    )
    texts = [
        (_LEFT, "start", milliseconds(low)),
        ((_LEFT + right) // 2, "middle", "logarithmic" if is_log else ""),
        (right, "end", milliseconds(high)),
    ]
    return ground + "".join(
        f'<text x="{x}" y="{height - 5}" fill="#ffffff" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in texts
    )


def _words(side: str, values: Sequence[float]) -> str:
    span = f"{milliseconds(min(values))} to {milliseconds(max(values))}"
    return f"{counted(len(values), 'run')} {side} took {span}, median {milliseconds(median(values))}"
