import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest

from perfkit.model.memory import MemoryProfile, RssSample
from perfkit.views import curve
from perfkit.views.curve import Mark

MB = 1_000_000


def rising(*sizes_mb, peak_mb=None, end_ms=100.0):
    step = end_ms / max(1, len(sizes_mb) - 1)
    samples = tuple(RssSample(number * step, round(size * MB)) for number, size in enumerate(sizes_mb))
    peak = round((peak_mb or max(sizes_mb)) * MB)
    return MemoryProfile(samples[0].rss_bytes, peak, samples[-1].rss_bytes, "kernel", samples)


def points(profile):
    root = ElementTree.fromstring(curve.svg(profile))
    line = root.find("{http://www.w3.org/2000/svg}polyline")
    return [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]


def names(profile, marks):
    return re.findall(r'fill="#ffffff">([^<]+)<', curve.svg(profile, marks))


def test_the_picture_is_a_data_uri_with_its_text_alternative():
    markup = curve.as_html(rising(100, 300, 150)).markup
    assert "Resident memory over 100 ms: 100.0 MB at the start" in markup
    assert 'alt="' in markup
    data = re.search(r"base64,([^\"]+)", markup)[1]
    ElementTree.fromstring(base64.b64decode(data))


def test_more_memory_stands_higher_and_later_stands_further_right():
    (x1, y1), (x2, y2), (x3, y3) = points(rising(100, 300, 150))
    assert x1 < x2 < x3
    assert y2 < y3 < y1


def test_a_peak_between_the_samples_leaves_room_above_them():
    (_, low), (_, high) = points(rising(100, 110, peak_mb=300))[:2]
    assert 0 < low - high < 20


def test_memory_given_back_stays_within_the_picture():
    assert all(0 <= y <= 220 and 0 <= x <= 1000 for x, y in points(rising(300, 100, 50)))


def test_noise_below_a_megabyte_looks_small():
    ys = [y for _, y in points(rising(100, 100.02, 100.01))]
    assert max(ys) - min(ys) < 10


def test_a_flat_curve_can_be_drawn():
    assert len({y for _, y in points(rising(100, 100, 100))}) == 1


@pytest.mark.parametrize("sizes", [(100, 300), (100,)])
def test_a_block_too_short_for_a_curve_says_so(sizes):
    assert "too short for a curve" in curve.as_html(rising(*sizes)).markup


def test_nothing_is_drawn_without_samples():
    assert curve.as_html(MemoryProfile(1, 1, 1, "kernel")).markup == ""


def test_marks_are_numbered_in_their_order_and_explained():
    marks = [Mark(60.0, "second <b>"), Mark(10.0, "first")]
    profile = rising(100, 200, 300)
    assert names(profile, marks) == ["1", "2"]
    markup = curve.as_html(profile, marks).markup
    assert markup.index("first") < markup.index("second &lt;b&gt;")


def test_marks_too_near_to_tell_apart_share_a_place():
    assert names(
        rising(100, 200, 300), [Mark(10.0, "a"), Mark(10.5, "b"), Mark(11.0, "c"), Mark(80.0, "d")]
    ) == [
        "1–3",
        "4",
    ]


def test_marks_outside_the_block_are_left_out():
    assert names(rising(100, 200, 300), [Mark(-5.0, "before"), Mark(500.0, "after")]) == []


@pytest.mark.parametrize(("end_ms", "tick"), [(0.5, "0.1 ms"), (80.0, "20 ms"), (90_000.0, "20 s")])
def test_ticks_are_round_numbers_in_fitting_units(end_ms, tick):
    assert f">{tick}<" in curve.svg(rising(100, 200, 300, end_ms=end_ms))
