from dataclasses import replace

import pytest

from perfkit.model import builders
from perfkit.model.cpu import CpuProfile, FunctionProfile
from perfkit.model.memory import MemoryProfile
from perfkit.views.comparison import SHOWN_SHAPES, as_html, as_text, rows

USERS = builders.query("SELECT id FROM users", duration_ms=4)
POSTS = "SELECT id FROM posts WHERE user_id = ?"
IN_ONE = builders.query("SELECT id FROM posts WHERE user_id IN (?)", duration_ms=9)
BEFORE = builders.trace(USERS, builders.loop(100, POSTS), name="slow", duration_ms=150)
AFTER = builders.trace(USERS, IN_ONE, name="fast", duration_ms=15)


def function(name, own_s, *, cell="In[1]", file_path="cell.py"):
    location = builders.line(3, function_name=name, cell=cell, file_path=file_path)
    return FunctionProfile(location, 1, 1, own_s, own_s)


def profiled(trace, *functions):
    return replace(trace, cpu=CpuProfile("cProfile", 10, 10, 8, functions))


def remembered(trace, peak, traced=None):
    return replace(trace, memory=MemoryProfile(50, peak, 60, "kernel", traced_peak_bytes=traced))


def measures(before, after):
    return {row["measure"]: (row["before"], row["after"]) for row in rows(before, after)}


def test_rows_hold_what_both_blocks_measured():
    found = measures(BEFORE, AFTER)
    assert found["statements"] == (101, 2)
    assert found["time"] == (150, 15)
    assert found["time in the database"] == (104, 13)
    assert "CPU time" not in found
    assert "peak memory" not in found


def test_rows_of_processor_and_memory_appear_when_measured():
    before = remembered(profiled(BEFORE, function("page", 1.0)), 90, traced=30)
    after = remembered(profiled(AFTER, function("page", 0.5)), 80, traced=20)
    found = measures(before, after)
    assert found["CPU time"] == (8, 8)
    assert found["peak memory"] == (90, 80)
    assert found["peak above the start"] == (40, 30)
    assert found["peak that Python asked for"] == (30, 20)


def test_what_only_one_block_measured_is_no_row():
    found = measures(remembered(BEFORE, 90), AFTER)
    assert "peak memory" not in found


def test_the_text_tells_what_came_and_went():
    text = as_text(BEFORE, AFTER)
    assert text.startswith("slow → fast\n")
    assert f"Statements, vanished:\n    100 → 0       {POSTS}" in text
    assert f"Statements, appeared:\n      0 → 1       {IN_ONE.query_text}" in text
    assert "Statements, same count:\n      1 → 1       SELECT id FROM users" in text
    assert "count changed" not in text


def test_a_shape_that_is_sent_more_often_has_changed():
    assert "Statements, count changed:\n      1 → 2 " in as_text(
        builders.trace(USERS), builders.trace(USERS, USERS)
    )


def test_a_long_statement_stays_on_one_line():
    long = builders.query("SELECT " + ",\n  ".join(f"column_{i}" for i in range(50)))
    text = as_text(builders.trace(long), builders.trace())
    assert "SELECT column_0, column_1" in text
    assert max(map(len, text.splitlines())) < 110


def test_many_shapes_are_cut_with_a_word_about_the_rest():
    many = builders.trace(builders.query(f"SELECT {i}") for i in range(SHOWN_SHAPES + 3))
    assert "3 more shapes not shown." in as_text(many, builders.trace())
    assert "3 more shapes not shown." in as_html(many, builders.trace()).markup


def test_statements_that_did_not_change_are_folded():
    markup = as_html(BEFORE, AFTER).markup
    folded = markup[markup.index("<details") : markup.index("</details>")]
    assert "same count" in folded
    assert "vanished" not in folded


def test_what_is_zero_on_both_sides_takes_no_line():
    assert "rollbacks" not in as_text(BEFORE, AFTER)
    assert "rollbacks" not in as_html(BEFORE, AFTER).markup


@pytest.mark.parametrize("show", [as_text, lambda *traces: as_html(*traces).markup])
def test_statements_that_were_not_measured_are_said_to_be_so(show):
    assert "Statements were not measured after." in show(BEFORE, builders.unmeasured())
    assert "Statements were not measured before and after." in show(*[builders.unmeasured()] * 2)
    assert "not measured" not in show(BEFORE, AFTER)


@pytest.mark.parametrize("show", [as_text, lambda *traces: as_html(*traces).markup])
def test_a_block_that_failed_is_said_to_have(show):
    assert "The block after ended with ValueError." in show(BEFORE, replace(AFTER, error="ValueError"))


def test_blocks_without_statements_show_their_times():
    text = as_text(builders.trace(duration_ms=10), builders.trace(duration_ms=5))
    assert "10 ms" in text
    assert "Statements," not in text


def test_functions_are_recognised_in_another_cell_and_missed_when_gone():
    before = profiled(BEFORE, function("page", 1.2), function("old", 0.1))
    after = profiled(AFTER, function("page", 0.02, cell="In[2]", file_path="other.py"))
    text = as_text(before, after)
    assert [line.split()[-4:] for line in text.splitlines() if "page  " in line] == [
        ["1.20", "s", "20", "ms"]
    ]
    assert [line.split()[-4:] for line in text.splitlines() if "old  " in line] == [
        ["100", "ms", "not", "called"]
    ]
    assert "Functions by their own time" in as_html(before, after).markup


def test_only_the_functions_with_the_most_time_are_listed():
    before = profiled(BEFORE, *(function(f"f{i}", i / 10) for i in range(20)))
    assert "f15" in as_text(before, before)
    assert "f14 " not in as_text(before, before)


def test_functions_of_one_name_in_two_files_stay_apart():
    two = profiled(
        BEFORE,
        function("run", 1.0, cell=None, file_path="/a/one.py"),
        function("run", 2.0, cell=None, file_path="/a/two.py"),
    )
    text = as_text(two, two)
    assert "one.py" in text
    assert "two.py" in text


def test_everything_from_outside_is_escaped():
    hostile = "<script>alert(1)</script>"
    trace = builders.trace(builders.query(f"SELECT '{hostile}'"), name=hostile, error=hostile)
    markup = as_html(profiled(trace, function(hostile, 1.0)), trace).markup
    assert "<script" not in markup
    markup = as_html(*[profiled(trace, function(hostile, 1.0, file_path=hostile))] * 2).markup
    assert "<script" not in markup


def test_of_two_explained_statements_only_the_plans_are_compared():
    from perfkit.model.plan_builders import node, plan

    before, after = (
        replace(builders.unmeasured(name), plans=(plan(node("Seq Scan", ms=ms, relation_name="orders")),))
        for name, ms in (("slow", 50), ("quick", 2))
    )

    assert rows(before, after) == []
    text = as_text(before, after)
    assert text.startswith("slow → quick")
    assert "Times include the measuring" not in text
    assert "Times include the measuring" not in as_html(before, after).markup
