"""Several magics on one cell: ours on ours, ours above and below others."""


def test_two_of_ours_both_report_and_await_works(notebook):
    ran = notebook.run("%%querycount counted\n%%profile profiled\nawait asyncio.sleep(0)\nask(5)")
    assert ran.status == "ok", ran.error
    assert ran.shown == "5"
    assert [trace["name"] for trace in ran.traces] == ["counted", "profiled"]
    assert len(ran.traces[0]["queries"]) == 1
    assert ran.traces[1]["cpu"]["functions"]
    assert notebook.value("[counted.trace.cpu, profiled.trace.queries]") == [None, None]


def test_line_numbers_hold_below_two_magics(notebook):
    ran = notebook.run("%%querycount\n%%profile\n\n1 / 0")
    assert f"{ran.label}, line 4" in ran.error
    assert [trace["error"] for trace in ran.traces] == ["ZeroDivisionError"] * 2


def test_if_one_cannot_start_none_does(notebook):
    notebook.run("import cProfile\nmine = cProfile.Profile()\nmine.enable()")
    ran = notebook.run("%%querycount\n%%profile\nprint('ran')")
    assert "%%querycount with %%profile cannot measure this cell: Another profiler (cProfile)" in ran.error
    assert ran.printed == ""
    assert ran.traces == []
    notebook.run("mine.disable()")


def test_magics_that_measure_the_same_share_it(notebook):
    ran = notebook.run("%%profile\n%%diagnose\n%%memtrace\nask(5)")
    assert ran.status == "ok", ran.error
    parts = [{"queries", "plans", "cpu", "memory"} & trace.keys() for trace in ran.traces]
    assert parts == [{"cpu"}, {"queries", "plans", "cpu", "memory"}, {"memory"}]
    # One clock for all: what it costs to start one of them is not charged to another.
    assert len({trace["duration_ms"] for trace in ran.traces}) == 1


def test_the_budget_holds_below_another_magic(notebook):
    ran = notebook.run("%%profile\n%%querycount --max 0\nask(5)")
    assert ran.reply["ename"] == "QueryBudgetExceeded"
    assert len(ran.traces) == 2


def test_a_wrong_argument_of_the_second_keeps_the_first_from_starting(notebook):
    ran = notebook.run("%%querycount\n%%profile --fast\nprint('ran')")
    assert ran.error.startswith("UsageError: %%profile: unrecognized arguments: --fast.")
    assert ran.printed == ""
    assert ran.traces == []


def test_time_below_ours(notebook):
    ran = notebook.run("%%querycount\n%%time\nx = ask(3)\nx")
    assert ran.status == "ok", ran.error
    assert ran.shown == "3"
    assert "Wall time" in ran.printed
    assert len(ran.traces[0]["queries"]) == 1


def test_time_above_ours(notebook):
    ran = notebook.run("%%time\n%%querycount\nx = ask(3)\nx")
    assert ran.status == "ok", ran.error
    assert ran.shown == "3"
    assert "Wall time" in ran.printed
    assert len(ran.traces[0]["queries"]) == 1


def test_time_between_two_of_ours(notebook):
    ran = notebook.run("%%querycount counted\n%%time\n%%profile profiled\nask(3)")
    assert ran.status == "ok", ran.error
    assert sorted(trace["name"] for trace in ran.traces) == ["counted", "profiled"]


def test_a_failure_below_time_fails_the_cell(notebook):
    ran = notebook.run("%%querycount\n%%time\n1 / 0")
    assert ran.status == "error"
    assert [trace["error"] for trace in ran.traces] == ["ZeroDivisionError"]


def test_capture_above_ours_keeps_the_report(notebook):
    ran = notebook.run("%%capture kept\n%%querycount counted\nask(3)")
    assert ran.status == "ok", ran.error
    assert ran.bundles == []
    assert notebook.value("[len(kept.outputs), len(counted.trace.queries)]") == [2, 1]


def test_timeit_below_ours_counts_every_run(notebook):
    ran = notebook.run("%%querycount\n%%timeit -n 2 -r 3\nask(3)")
    assert ran.status == "ok", ran.error
    assert len(ran.traces[0]["queries"]) == 6


def test_timeit_above_ours_is_refused(notebook):
    ran = notebook.run("%%timeit -n 2 -r 3\n%%querycount\nask(3)")
    assert ran.status == "error"
    assert "goes below %%querycount" in ran.error
    assert len(notebook.run("%%querycount\nask(3)").traces) == 1


def test_a_cell_of_another_language_below_ours(notebook):
    ran = notebook.run("%%querycount\n%%html\n<b>bold</b>")
    assert ran.status == "ok", ran.error
    assert "<b>bold</b>\n" in [item["data"].get("text/html") for item in ran.outputs if "data" in item]
    assert len(ran.traces) == 1


def test_a_call_of_the_magic_from_code_fails_as_its_cell_does(notebook):
    ran = notebook.run("get_ipython().run_cell_magic('querycount', 'kept', 'ask(1)\\n1 / 0')\nprint('after')")
    assert ran.status == "error"
    assert "after" not in ran.printed
    assert notebook.value("len(kept.trace.queries)") == 1


def test_an_alias_measures_too(notebook):
    notebook.run("%alias_magic --cell qc querycount")
    assert len(notebook.run("%%qc\nask(1)").traces) == 1
    notebook.run("del get_ipython().magics_manager.magics['cell']['qc']")
