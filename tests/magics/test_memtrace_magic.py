"""`%%memtrace` in a real kernel."""

import pytest

MB = 1_000_000


def memory(ran):
    return ran.traces[-1]["memory"]


def test_the_peak_alone_is_exact_and_traces_nothing(notebook):
    ran = notebook.run("%%memtrace --peak\nlen(bytearray(b'x' * 50_000_000))")
    measured = memory(ran)
    assert ran.status == "ok", ran.error
    assert "traced_peak_bytes" not in measured
    assert "growth" not in measured
    assert measured["peak_source"] == "kernel"
    assert measured["peak_bytes"] - measured["baseline_bytes"] == pytest.approx(100 * MB, rel=0.02)


CELL = """%%memtrace {options}
import asyncio
small = 1
await asyncio.sleep(0)
for _ in range(2):
    len(bytearray(b'x' * 40_000_000))
large = b'x' * 60_000_000
del large
large"""


@pytest.mark.parametrize("options", ["", "--peak"])
def test_statements_are_told_apart_each_with_its_own_peak(own_kernel, options):
    own_kernel.run("%load_ext perfkit")
    ran = own_kernel.run(CELL.format(options=options))
    statements = memory(ran)["statements"]
    assert ran.status == "error"
    assert "NameError" in ran.error
    assert "----> 9 large" in ran.error
    assert [item["location"]["line_number"] for item in statements] == [2, 3, 4, 5, 7, 8, 9]
    assert {item["location"].get("cell") for item in statements} == {ran.label.removeprefix("Cell ")}
    by_line = {item["location"]["line_number"]: item for item in statements}
    assert by_line[5]["peak_bytes"] - by_line[4]["end_bytes"] == pytest.approx(80 * MB, rel=0.05)
    assert by_line[7]["end_bytes"] - by_line[5]["end_bytes"] == pytest.approx(60 * MB, rel=0.05)
    assert by_line[3]["peak_bytes"] < 3 * MB
    assert memory(ran)["peak_bytes"] - memory(ran)["baseline_bytes"] == pytest.approx(80 * MB, rel=0.05)
    if not options:
        assert by_line[5]["traced_peak_bytes"] == pytest.approx(80 * MB, rel=0.02)
        assert by_line[7]["traced_end_bytes"] == pytest.approx(60 * MB, rel=0.02)


def test_statements_appear_in_the_report_with_their_source(notebook):
    ran = notebook.run("%%memtrace\nkept = list(range(500_000))\nlost = len(list(range(1_000_000)))")
    text = ran.bundles[-1]["text/plain"]
    assert "Statement by statement" in text
    assert "kept = list(range(500_000))" in text
    assert "lost = len(list(range(1_000_000)))" in text


@pytest.mark.parametrize("mode", ["all", "last", "last_expr", "none", "last_expr_or_assign"])
def test_marks_show_nothing_of_their_own(notebook, mode):
    notebook.run(f"get_ipython().ast_node_interactivity = {mode!r}", store_history=False)
    plain = notebook.run("a = 3\na\na + 1")
    marked = notebook.run("%%memtrace\na = 3\na\na + 1")
    assert marked.status == "ok", marked.error
    assert marked.values == plain.values


def test_a_cell_without_memtrace_is_not_marked(notebook):
    ran = notebook.run("%%diagnose\na = 3\nb = 4")
    assert "statements" not in memory(ran)


KEEPERS = """
import functools
class Order:
    def __init__(self, number):
        self.lines = [number]
store, cache = [], {}
@functools.lru_cache(maxsize=None)
def remembered(number):
    return [number] * 50
def fail():
    rows = [Order(number) for number in range(2000)]
    raise ValueError("on purpose")
"""


def kept(ran, type_name):
    (growth,) = [item for item in memory(ran)["retention"]["types"] if item["type_name"] == type_name]
    return growth


@pytest.mark.parametrize(
    ("cell", "type_name", "kind", "name"),
    [
        ("store.extend(Order(number) for number in range(2000))", "Order", "variable", "store"),
        ("cache.update({number: 'x%d' % number * 50 for number in range(2000)})", "str", "variable", "cache"),
        ("for number in range(2000):\n    remembered(number)", "list", "variable", "remembered"),
        ("[Order(number) for number in range(2000)]", "Order", "result", "Out[{number}]"),
        ("fail()", "Order", "exception", "sys.last_traceback"),
    ],
)
def test_who_holds_what_stays_is_named(notebook, cell, type_name, kind, name):
    notebook.run(KEEPERS)
    notebook.run("1/0")  # the error of an earlier test must not hold anything
    ran = notebook.run(f"%%memtrace\n{cell}")
    growth = kept(ran, type_name)
    number = ran.reply["execution_count"]
    assert growth["count_diff"] >= 1990
    assert growth["holder"]["kind"] == kind, growth
    if kind != "exception":
        assert growth["holder"]["name"] == name.format(number=number)
    else:
        assert growth["holder"]["name"].startswith("sys.last_")


ORDERS = """
import gc
def orders():
    gc.collect()
    return sum(type(thing) is Order for thing in gc.get_objects())
"""


def test_the_way_to_let_go_of_a_result_is_true(notebook):
    notebook.run(KEEPERS + ORDERS)
    ran = notebook.run("%%memtrace\n[Order(number) for number in range(2000)]")
    advice = f"%xdel _{ran.reply['execution_count']}"
    assert f"{advice} lets go of it" in ran.bundles[-1]["text/plain"]
    assert notebook.value("orders()") == 2000
    notebook.run(advice)
    assert notebook.value("orders()") == 0


def test_the_way_to_let_go_of_an_error_is_true(notebook):
    notebook.run(KEEPERS + ORDERS)
    notebook.run("1/0")
    ran = notebook.run("%%memtrace\nfail()")
    assert "no leak of your code" in ran.bundles[-1]["text/plain"]
    assert notebook.value("orders()") == 2000
    notebook.run("1/0")
    assert notebook.value("orders()") == 0


def test_a_quiet_cell_leaves_nothing_worth_a_line(notebook):
    notebook.run("%%memtrace\nx = 1")
    ran = notebook.run("%%memtrace\nx = 2")
    assert "What stays" not in ran.bundles[-1]["text/plain"]


def test_two_results_stand_side_by_side(notebook):
    notebook.run("%%memtrace old\nrows = [[number] for number in range(200_000)]")
    ran = notebook.run("%%memtrace new --diff old\nrows = [[number] for number in range(100_000)]\n")
    assert ran.status == "ok", ran.error
    texts = [item["data"]["text/plain"] for item in ran.outputs if "data" in item]
    (shown,) = [text for text in texts if text.startswith("old → new")]
    assert "requested by Python, peak" in shown
    assert "rows = [[number] for number in range(200_000)]" in shown
    again = notebook.run("%%memtrace old --diff old\nx = 1")
    assert again.status == "ok", again.error


@pytest.mark.parametrize(
    ("name", "words"), [("nothing", "no variable 'nothing'"), ("x", "holds no memory result")]
)
def test_a_name_without_a_memory_result_is_told_before_the_cell_runs(notebook, name, words):
    notebook.run("x = 1")
    ran = notebook.run(f"%%memtrace --diff {name}\nprint('ran')")
    assert ran.status == "error"
    assert words in ran.error
    assert "ran" not in ran.printed
