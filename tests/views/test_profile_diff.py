"""Two profiles side by side: how functions are matched, ranked and counted."""

from dataclasses import replace

import pytest
from cpu_profiles import HOSTILE_NAMES, function, profile

from perfkit.views import profile_diff

BEFORE = profile(
    function("page", own=0.5, calls=100, user=True, path="/x/a.py", line=3),
    function("query", own=0.2, calls=100),
    function("gone", own=0.1, calls=7),
    function("same", own=0.3, calls=2),
)
AFTER = profile(
    function("page", own=0.1, calls=1, user=True, path="/x/a.py", line=30),
    function("query", own=0.3, calls=2),
    function("new", own=0.05, calls=1),
    function("same", own=0.3, calls=2),
)


def test_the_worst_change_comes_first_and_functions_are_known_by_file_and_name():
    rows = profile_diff.rows(BEFORE, AFTER)
    assert [row["function"] for row in rows] == ["query", "new", "same", "gone", "page"]
    assert rows[0]["own_change_ms"] == pytest.approx(100)
    assert (rows[-1]["calls_before"], rows[-1]["calls_after"]) == (100, 1)
    assert (rows[1]["own_before_ms"], rows[1]["calls_before"]) == (0, 0)


def test_the_text_has_what_became_slower_before_what_became_faster():
    text = profile_diff.as_text(BEFORE, AFTER, title="a → b")
    assert text.index("Slower") < text.index("query") < text.index("Faster") < text.index("page")
    assert "209 → 6 calls" in text
    assert "not called" in text
    assert "1 function changed by less than 1 % of the block" in text


def test_equal_profiles_have_nothing_slower_or_faster():
    text = profile_diff.as_text(BEFORE, BEFORE, title="a → b")
    assert "Slower" not in text
    assert "Faster" not in text


def test_calls_of_sampled_profiles_are_unknown_not_counted():
    before, after = (replace(side, counts="samples") for side in (BEFORE, AFTER))
    assert {row["calls_after"] for row in profile_diff.rows(before, after)} == {None}
    text = profile_diff.as_text(before, after, title="a → b")
    assert "Calls are not compared" in text
    assert "Two engines" not in text
    assert "calls before" not in text
    assert "calls\n" not in text


@pytest.mark.parametrize("sampled_side", ["before", "after"])
def test_profiles_of_two_engines_are_compared_by_their_times_alone(sampled_side):
    before, after = (
        replace(side, counts="samples") if name == sampled_side else side
        for name, side in (("before", BEFORE), ("after", AFTER))
    )
    for shown in (
        profile_diff.as_text(before, after, title="a → b"),
        profile_diff.as_html(before, after, title="a → b").markup,
    ):
        assert "Two engines: one counted calls" in shown
        assert "Only times are compared" in shown
        assert "calls before" not in shown
    assert {row["calls_before"] for row in profile_diff.rows(before, after)} == {None}


def test_a_function_without_a_sample_may_have_been_called():
    sampled = replace(AFTER, counts="samples")
    (gone,) = [
        line for line in profile_diff.as_text(BEFORE, sampled, title="").splitlines() if "gone" in line
    ]
    assert "no sample" in gone
    assert "not called" not in gone


def test_profiles_of_one_engine_say_nothing_of_engines():
    text = profile_diff.as_text(BEFORE, AFTER, title="a → b")
    assert "calls before" in text
    assert "Two engines" not in text


def test_statements_of_a_cell_are_known_by_their_text_in_whatever_cell():
    old = function("<module>", own=0.2, path="/tmp/1.py", cell="In[1]", line=2, source_text="run()")
    new = function("<module>", own=0.1, path="/tmp/2.py", cell="In[2]", line=5, source_text="run()")
    other = function("<module>", own=0.1, path="/tmp/2.py", cell="In[2]", line=6, source_text="stop()")
    rows = profile_diff.rows(profile(old), profile(new, other))
    assert [(row["own_before_ms"], row["own_after_ms"]) for row in rows] == [(0, 100), (200, 100)]


def test_empty_profiles_compare():
    assert profile_diff.rows(profile(), profile()) == []
    profile_diff.as_html(profile(), profile(), title="a → b")


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_hostile_names_are_escaped(name):
    markup = str(profile_diff.as_html(profile(function(name)), profile(), title=name))
    assert "<script" not in markup
    assert "<img src=x" not in markup
    markup.encode("utf-8")
