"""The table of a CPU profile: what it lists, in which order, and what it says beside."""

from dataclasses import replace

import pytest
from cpu_profiles import HOSTILE_NAMES, cell_profile, function, large_profile, profile

from perfkit.model.cpu import StackTime
from perfkit.views import cpu
from perfkit.views._functions import callees, function_name, outside_calls, place


def test_rows_are_plain_values_with_units_in_their_names_worst_own_time_first():
    rows = cpu.rows(cell_profile())
    assert rows[0]["function"] == "<method 'execute' of 'sqlite3.Cursor' objects>"
    assert rows[0]["own_ms"] == pytest.approx(140)
    assert rows[0]["own_share"] == pytest.approx(140 / 201)
    assert rows[0]["place"] == "built-in"
    assert rows[1]["place"] == "In[7]:3"
    assert {type(value) for row in rows for value in row.values()} == {str, float, int, bool}


def test_the_share_never_exceeds_the_whole():
    rows = cpu.rows(profile(function("recursive", own=0.1, cumulative=5.0)))
    assert rows[0]["cumulative_share"] == 1.0


def test_the_text_says_how_much_is_attributed_by_which_engine_and_what_the_rest_was():
    text = cpu.as_text(cell_profile())
    assert "attributed 201 ms of 250 ms (80%)" in text
    assert "engine: cProfile, this thread" in text
    assert "49 ms not attributed: waiting at an await." in text


def test_the_persons_code_stands_apart_and_first():
    text = cpu.as_text(cell_profile())
    yours, others = text.index("Your code"), text.index("Libraries and built-in functions")
    assert yours < text.index("users_page") < others < text.index("sqlite3.Cursor.execute")
    assert text.index("services.py:42") < others


def test_what_is_not_listed_is_counted_with_its_time():
    text = cpu.as_text(large_profile(100), top=15)
    assert "85 more functions, own time" in text
    assert "more function" not in cpu.as_text(cell_profile(), top=15)


def test_the_html_says_the_same():
    markup = str(cpu.as_html(cell_profile()))
    for text in (
        "attributed 201 ms of 250 ms (80%)",
        "cProfile, this thread",
        "waiting at an await",
        "In[7]:3",
    ):
        assert text in markup


def test_callers_and_callees_of_the_heaviest_are_there():
    markup = str(cpu.as_html(cell_profile()))
    assert "called by" in markup
    assert "Callers and callees" in markup


def test_an_empty_profile_says_so():
    assert "No function calls were recorded." in cpu.as_text(profile())
    assert "No function calls were recorded." in str(cpu.as_html(profile()))


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_hostile_names_are_escaped_and_kept_on_one_line(name):
    hostile = profile(function(name, user=True, path=f"/tmp/{name[:80]}", source_text=name, cell=name[:40]))
    markup = str(cpu.as_html(hostile))
    assert "<script" not in markup
    assert "<img src=x" not in markup
    markup.encode("utf-8")
    cpu.as_text(hostile).encode("utf-8")
    assert len(cpu.as_text(hostile).splitlines()) == 5


def test_functions_are_called_as_a_person_writes_them():
    names = [
        ("<built-in method time.sleep>", "time.sleep"),
        ("<built-in method builtins.sum>", "sum"),
        ("<method 'append' of 'list' objects>", "list.append"),
        ("Session.execute", "Session.execute"),
    ]
    assert [function_name(function(name)) for name, _ in names] == [shown for _, shown in names]


def test_a_statement_of_a_cell_is_called_by_its_source():
    statement = function(
        "<module>", path="/tmp/1.py", line=3, cell="In[7]", source_text="users_page(session)"
    )
    assert (function_name(statement), place(statement)) == ("users_page(session)", "In[7]:3")


def test_a_whole_script_is_not_called_by_its_first_line():
    script = function("<module>", path="/x/script.py", line=1, source_text="import sys")
    assert function_name(script) == "<module>"


def sampled_profile():
    stacks = (StackTime((1, 2, 3), 0.1), StackTime((1, 2), 0.05))
    return replace(cell_profile(), counts="samples", stacks=stacks)


def test_a_sampled_profile_shows_samples_and_never_calls():
    assert {"samples"} <= cpu.rows(sampled_profile())[0].keys()
    assert not {"calls", "primitive_calls", "per_call_ms"} & cpu.rows(sampled_profile())[0].keys()
    for shown in (cpu.as_text(sampled_profile()), str(cpu.as_html(sampled_profile()))):
        assert "samples" in shown
        assert "per call" not in shown
        assert ">calls</th>" not in shown


def test_a_profile_from_a_file_claims_no_share_of_the_wall_time():
    saved = replace(cell_profile(), is_wall_known=False, engine="read from a.prof")
    for shown in (cpu.as_text(saved), str(cpu.as_html(saved))):
        assert "wall time" not in shown
        assert "attributed" not in shown.replace("not attributed", "")
        assert "read from a.prof" in shown


def test_calls_from_the_block_are_what_no_recorded_caller_accounts_for():
    called = function("leaf", own=0.5, calls=5, callers=[(1, 0.1), (2, 0.1)])
    outside = outside_calls(called, 0)
    assert outside is not None
    assert (outside.ncalls, outside.cumtime) == (3, pytest.approx(0.3))
    assert outside_calls(function("leaf", calls=2, callers=[(1, 0.1), (2, 0.1)]), 0) is None


def test_callees_are_listed_by_caller_the_longest_first():
    called = callees(cell_profile())
    assert [number for number, _ in called[-1]] == [1, 0]
    assert [number for number, _ in called[2]] == [3]
