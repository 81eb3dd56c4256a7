"""The static chart: its boxes, its text alternative, its size."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from cpu_profiles import HOSTILE_NAMES, cell_profile, function, large_profile, profile

from perfkit.model.cpu import StackTime
from perfkit.views import flame


def test_each_call_lies_below_its_caller_and_within_its_width():
    drawn = {box.label.split("  ")[0]: box for box in flame.boxes(cell_profile())}
    page, execute = drawn["users_page"], drawn["sqlite3.Cursor.execute"]
    assert (page.depth, execute.depth) == (2, 3)
    assert page.start <= execute.start
    assert execute.start + execute.share <= page.start + page.share + 1e-9


def test_widths_are_shares_of_the_wall_time_and_the_rest_is_a_box_of_its_own():
    drawn = flame.boxes(cell_profile())
    page = next(box for box in drawn if box.label.startswith("users_page"))
    rest = next(box for box in drawn if box.label.startswith("not attributed"))
    assert page.share == pytest.approx(0.15 / 0.25)
    assert rest.share == pytest.approx(0.049 / 0.25)
    assert rest.start + rest.share == pytest.approx(1)


def test_a_profile_that_accounts_for_all_has_no_box_for_the_rest():
    drawn = flame.boxes(profile(function("all", own=0.1)))
    assert not [box for box in drawn if box.label.startswith("not attributed")]


def test_the_persons_code_libraries_and_built_ins_have_different_colours():
    drawn = flame.boxes(
        profile(function("mine", user=True), function("theirs"), function("<built-in method x>", path="~"))
    )
    assert len({box.colour for box in drawn if box.function}) == 3


def test_recursion_is_drawn_once_and_ends():
    drawn = flame.boxes(
        profile(function("a", own=0.1, cumulative=0.2), function("b", own=0.1, callers=[(0, 0.1), (1, 0.05)]))
    )
    assert [box.depth for box in drawn if box.label.startswith("b ")] == [2]


def test_functions_that_only_call_each_other_do_not_stop_the_drawing():
    drawn = flame.boxes(profile(function("a", callers=[(1, 0.1)]), function("b", callers=[(0, 0.1)])))
    assert [box.depth for box in drawn] == [0]


def test_the_text_alternative_names_the_heaviest_path():
    text = flame.alternative_text(cell_profile())
    assert "250 ms" in text
    assert text.index("users_page at services.py:42, 150 ms") < text.index("sqlite3.Cursor.execute")
    assert "wait()" not in text


@pytest.mark.parametrize("count", [1, 500, 7_000])
def test_the_picture_is_small_and_well_formed_for_any_size(count):
    svg = flame.as_svg(large_profile(count))
    assert len(svg) < 60_000
    ET.fromstring(svg)


def test_the_picture_is_small_for_wide_and_deep_profiles():
    wide = profile(*(function("n" * 80, own=0.001) for _ in range(300)))
    deep = profile(
        *(
            function(f"f{n}", own=0.001, cumulative=1.0, callers=[(n - 1, 1.0)] if n else [])
            for n in range(300)
        )
    )
    assert len(flame.as_svg(wide)) < 60_000
    assert max(box.depth for box in flame.boxes(deep)) < 17


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_hostile_names_are_escaped(name):
    hostile = profile(function(name, user=True, path=f"/tmp/{name[:80]}"))
    assert len(ET.fromstring(flame.as_svg(hostile)).findall(".//{*}script")) == 0
    markup = str(flame.as_html(hostile))
    assert re.findall(r"<(\w+)", markup) == ["div", "img"]


def test_nothing_recorded_is_no_picture():
    assert str(flame.as_html(profile())) == ""


def test_whole_paths_are_drawn_as_they_were_sampled_recursion_included():
    functions = (function("a", own=0.1), function("b", own=0.3))
    stacks = (StackTime((0, 1), 0.3), StackTime((1, 0, 1), 0.1))
    drawn = flame.boxes(replace(profile(*functions), counts="samples", stacks=stacks))
    below = [(box.depth, box.label.split()[0], round(box.share, 3)) for box in drawn if box.function]
    assert below == [(1, "a", 0.75), (1, "b", 0.25), (2, "b", 0.75), (2, "a", 0.25), (3, "b", 0.25)]
