"""What a measured cell does that a plain cell does: the manners of the magics, in a real kernel."""

import pytest

ALL = ["querycount", "explain", "profile", "memtrace", "diagnose"]


@pytest.mark.parametrize("magic", ALL)
def test_a_cell_runs_as_it_would_alone_and_shows_its_report(notebook, magic):
    ran = notebook.run(f"%%{magic} result\nfound = [ask(i) for i in range(3)]\nfound")
    assert ran.status == "ok", ran.error
    assert ran.shown == "[0, 1, 2]"
    assert [trace["name"] for trace in ran.traces] == ["result"]
    assert notebook.value("[found, type(result).__name__]") == [[0, 1, 2], "Result"]


@pytest.mark.parametrize("magic", ALL)
def test_await_works_at_the_top_of_a_cell(notebook, magic):
    ran = notebook.run(
        f"%%{magic}\n"
        "async def answer(n):\n    await asyncio.sleep(0)\n    return ask(n)\n"
        "both = await asyncio.gather(answer(1), answer(2))\n"
        "async with asyncio.timeout(30):\n    three = [n async for n in _numbers()] if 0 else [3]\n"
        "await answer(sum(both))"
    )
    assert ran.status == "ok", ran.error
    assert ran.shown == "3"
    assert len(ran.traces) == 1
    assert notebook.value("both") == [1, 2]


@pytest.mark.parametrize("magic", ALL)
def test_a_failing_cell_fails_with_its_own_lines_and_still_shows_its_report(notebook, magic):
    ran = notebook.run(f"%%{magic} kept\nask(1)\n\ndef broken():\n    return 1 / 0\nbroken()")
    assert ran.status == "error"
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert "line 5, in broken()" in ran.error or "broken()\n      4" in ran.error
    assert "perfkit/magics" not in ran.error
    assert [trace["error"] for trace in ran.traces] == ["ZeroDivisionError"]
    assert notebook.value("kept.trace.error") == "ZeroDivisionError"


def test_line_numbers_of_tracebacks_and_of_statements_are_those_of_the_editor(notebook):
    ran = notebook.run("%%querycount\n\nfor i in range(3):\n    ask(\n        i)\nraise ValueError(i)")
    assert f"{ran.label}, line 6" in ran.error
    places = {span["loop_site"]["line_number"] for span in ran.traces[0]["queries"]}
    assert places == {3}


def test_the_report_names_the_cell(notebook):
    ran = notebook.run("%%querycount\nask(1)")
    assert ran.traces[0]["name"] == ran.label


def test_the_last_value_is_kept_by_ipython(notebook):
    ran = notebook.run("%%querycount\nask(7)")
    assert notebook.value(f"[_, Out[{ran.reply['execution_count']}]]") == [7, 7]


def test_a_semicolon_hides_the_last_value(notebook):
    assert notebook.run("%%querycount\nask(7);").shown == ""


def test_what_the_repr_of_the_last_value_does_is_not_measured(notebook):
    notebook.run("class Lazy:\n    def __repr__(self):\n        return str(ask(1))")
    ran = notebook.run("%%querycount\nLazy()")
    assert ran.shown == "1"
    assert ran.traces[0].get("queries", []) == []


@pytest.mark.parametrize(
    ("mode", "body", "shown"),
    [
        ("all", "ask(1)\nask(2)", ["1", "2"]),
        ("last", "ask(1)\nask(2)", ["2"]),
        ("last", "for i in range(2):\n    ask(i)", ["0", "1"]),
        ("last_expr", "ask(1)\nx = ask(2)", []),
        ("none", "ask(1)\nask(2)", []),
        ("last_expr_or_assign", "ask(1)\nx = ask(2)", ["2"]),
        ("last_expr_or_assign", "ask(1)\nx = y = ask(2)", []),
        ("last_expr_or_assign", "x = ask(1)\nx += ask(2)", ["3"]),
        ("last_expr_or_assign", "ask(1)\nask(2)", ["2"]),
        ("last_expr_or_assign", "ask(1)\nfor i in [2]: ask(i)", []),
    ],
)
def test_ipythons_ways_to_show_values_are_kept(notebook, mode, body, shown):
    notebook.run(f"get_ipython().ast_node_interactivity = {mode!r}", store_history=False)
    ran = notebook.run(f"%%querycount\n{body}")
    assert ran.values == shown
    assert len(ran.traces[0]["queries"]) == 2


def test_magics_of_lines_and_shell_commands_work_inside(notebook):
    ran = notebook.run("%%querycount\n%precision 3\nlisting = !echo hello\nlisting[0]")
    assert ran.status == "ok", ran.error
    assert "hello" in ran.shown


def test_a_future_import_may_be_the_first_line(notebook):
    ran = notebook.run("%%querycount\nfrom __future__ import annotations\ndef f(x: undefined): ...\nask(1)")
    assert ran.status == "ok", ran.error
    notebook.run("get_ipython().compile.reset_compiler_flags()", store_history=False)


def test_a_syntax_error_shows_its_line_and_leaves_the_next_cell_alone(notebook):
    ran = notebook.run("%%querycount\nask(1)\nask(")
    assert ran.status == "error"
    assert ran.reply["ename"] in ("SyntaxError", "_IncompleteInputError")
    assert "line 3" in ran.error
    assert ran.traces == []
    assert len(notebook.run("%%querycount\nask(1)").traces) == 1


@pytest.mark.parametrize("call", ["import sys; sys.exit(3)", "raise SystemExit"])
def test_a_cell_that_exits_ends_with_its_report(notebook, call):
    ran = notebook.run(f"%%querycount\nask(1)\n{call}")
    assert ran.status == "error"
    assert ran.reply["ename"] == "SystemExit"
    assert [trace["error"] for trace in ran.traces] == ["SystemExit"]


def test_a_cell_within_a_cell_has_its_own_report(notebook):
    ran = notebook.run(
        "%%querycount outer\n"
        "ask(1)\n"
        "get_ipython().run_cell('%%querycount inner\\nask(2)\\nask(3)')\n"
        "get_ipython().run_cell('1/0')\n"
        "ask(4)"
    )
    counts = {trace["name"]: len(trace["queries"]) for trace in ran.traces}
    assert counts == {"inner": 2, "outer": 4}
    assert ran.shown == "4"


def test_a_cell_that_a_program_runs_silently_is_measured_no_further(notebook):
    ran = notebook.run("%%querycount\nask(1)", silent=True)
    assert ran.status == "ok"
    assert notebook.value("get_ipython()._perfkit._meter.busy") is False


def test_names_that_the_cell_deletes_or_shadows_do_no_harm(notebook):
    ran = notebook.run("%%querycount\nimport builtins\nprint = None\ndisplay = None\nask(1)")
    assert ran.status == "ok", ran.error
    assert len(ran.traces) == 1


def test_loading_twice_measures_once(notebook):
    notebook.run("%load_ext perfkit\nimport perfkit.magics as m; m.load_ipython_extension(get_ipython())")
    assert len(notebook.run("%%querycount\nask(1)").traces) == 1


def test_unloading_within_a_measured_cell_is_refused(notebook):
    ran = notebook.run("%%querycount\n%unload_ext perfkit\nask(1)")
    assert ran.error == "UsageError: This cell is being measured: unload perfkit in a cell of its own."
    assert len(ran.traces) == 1


def test_reloading_keeps_one_of_everything(notebook):
    assert notebook.run("%reload_ext perfkit").status == "ok"
    assert len(notebook.run("%%querycount\nask(1)").traces) == 1


def test_after_unloading_the_magics_are_gone(notebook):
    notebook.run("%unload_ext perfkit")
    ran = notebook.run("%%querycount\nask(1)")
    assert ran.status == "error"
    assert "querycount" in ran.printed
    notebook.run("%load_ext perfkit")
