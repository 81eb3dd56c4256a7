"""What is written in a picture reads on every page, as a picture cannot take the page's colours."""

import xml.etree.ElementTree as ElementTree
from base64 import b64decode

import pytest
from cpu_profiles import cell_profile
from test_memory_curve import rising

from perfkit.views import curve, flame
from perfkit.views.curve import Mark
from perfkit.views.strip import strip

SVG = "{http://www.w3.org/2000/svg}"
MARKS = [Mark(10, "first"), Mark(90, "second")]
PICTURES = {
    "memory curve": curve.svg(rising(100, 300, 150), MARKS),
    "memory given back": curve.svg(rising(100, 99, 60)),
    "flame chart": flame.as_svg(cell_profile()),
    "strip of times": b64decode(strip((230.0, 250.0), (20.0, 24.0)).markup.split("base64,")[1].split('"')[0]),
}


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def inside(text, rect):
    x, y = float(text.get("x")), float(text.get("y"))
    left, top = float(rect.get("x")), float(rect.get("y"))
    is_within = left <= x <= left + float(rect.get("width"))
    return is_within and top <= y <= top + float(rect.get("height"))


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_every_text_stands_on_a_ground_that_it_reads_on(picture):
    root = ElementTree.fromstring(picture)
    texts, rects = root.findall(f".//{SVG}text"), root.findall(f".//{SVG}rect")

    assert len(texts) >= 4
    for text in texts:
        grounds = [rect.get("fill") for rect in rects if inside(text, rect)]
        assert grounds, text.text
        assert contrast(text.get("fill") or root.get("fill"), grounds[-1]) >= 4.5, text.text


@pytest.mark.parametrize("end_ms", [3.0, 100.0, 7_300.0])
def test_no_number_of_the_curve_leaves_the_picture(end_ms):
    root = ElementTree.fromstring(curve.svg(rising(1_000, 40_000, 20, end_ms=end_ms)))

    edges = [
        (float(rect.get("x")), float(rect.get("x")) + float(rect.get("width")))
        for rect in root.iter(f"{SVG}rect")
    ]
    assert edges
    assert all(left >= 0 and right <= 1000 for left, right in edges)
