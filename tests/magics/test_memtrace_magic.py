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
def test_statements_are_told_apart_each_with_its_own_peak(notebook, options):
    ran = notebook.run(CELL.format(options=options))
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
