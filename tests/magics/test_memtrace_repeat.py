"""`%%memtrace --repeat` in a real kernel."""

import json

import pytest

from perfkit.model.codec import loads
from perfkit.model.memory_growth import GrowthVerdict, judge


def memory(ran):
    """The trace's memory, decoded."""
    bundle = ran.bundles[-1]["application/vnd.perfkit.trace+json"]
    fields = {key: bundle[key] for key in ("schema_version", "trace")}
    return loads(json.dumps(fields)).memory


def verdict(ran):
    return judge([item.traced_bytes for item in memory(ran).repeats.iterations]).verdict


SETUP = """
import functools
store, table = [], {}
class Order:
    def __init__(self, number):
        self.lines = [number] * 100
@functools.lru_cache(maxsize=None)
def price(number):
    return [number] * 10
counter = 0
"""


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("store.extend([Order(number) for number in range(1000)])", GrowthVerdict.GROWTH),
        ("rows = [Order(number) for number in range(1000)]\nrows", GrowthVerdict.PLATEAU),
        ("table.update({number: Order(number) for number in range(1000)})", GrowthVerdict.PLATEAU),
        ("x = 1", GrowthVerdict.PLATEAU),
        ("[Order(number) for number in range(1000)]", GrowthVerdict.PLATEAU),
    ],
)
def test_growth_is_told_from_a_plateau(notebook, cell, expected):
    notebook.run(SETUP)
    ran = notebook.run(f"%%memtrace --repeat 6\n{cell}")
    assert ran.status == "ok", ran.error
    assert len(memory(ran).repeats.iterations) == 6
    assert verdict(ran) is expected
    assert f"Run again: {expected.value}" in ran.bundles[-1]["text/plain"]


def test_growth_is_a_finding_with_its_holder(notebook):
    notebook.run(SETUP)
    ran = notebook.run("%%memtrace kept --repeat 6\nstore.extend([Order(number) for number in range(2000)])")
    assert ran.status == "ok", ran.error
    assert notebook.value("[finding.code for finding in kept.findings]") == ["PK401", "PK901"]
    assert "held by store" in notebook.value("kept.findings[0].advice")


def test_a_cache_that_grows_with_each_run_is_a_finding(notebook):
    notebook.run(SETUP)
    ran = notebook.run("%%memtrace kept --repeat 6\nfor _ in range(5):\n    counter += 1\n    price(counter)")
    assert ran.status == "ok", ran.error
    (cache,) = [use for use in memory(ran).retention.caches if use.name == "price"]
    assert cache.lengths == (0, 5, 10, 15, 20, 25, 30, 35)
    assert notebook.value("[finding.code for finding in kept.findings]") == ["PK901"]


def test_variables_prints_and_numbers_are_those_of_a_cell_that_ran_so_often(notebook):
    notebook.run("n = 0")
    ran = notebook.run("%%memtrace --repeat 5\nn += 1\nprint('once', n)\nn")
    assert ran.printed.count("once") == 1
    assert ran.values == ["1"]
    assert notebook.value("n") == 6
    assert notebook.value("tracemalloc.is_tracing()" if notebook.run("import tracemalloc") else "") is False


SIDE_EFFECTS = {
    "file opened for writing": "open({path!r}, 'w').close()",
    "change of a file": "import os\nos.mkdir({path!r})",
    "program started": "import subprocess\nsubprocess.run(['true'])",
    "INSERT": "with engine.begin() as c:\n    c.execute(sa.text('create table if not exists t (a)'))\n"
    "    c.execute(sa.text('insert into t values (1)'))",
    "pathlib": "import pathlib\npathlib.Path({path!r}).write_text('x')",
}


@pytest.mark.parametrize("effect", SIDE_EFFECTS)
def test_a_cell_with_side_effects_is_not_repeated_unless_told(notebook, tmp_path, effect):
    cell = SIDE_EFFECTS[effect].format(path=str(tmp_path / "made"))
    ran = notebook.run(f"%%memtrace --repeat 5\n{cell}")
    assert ran.status == "error"
    assert "not repeated, the cell has side effects" in ran.error
    assert "--yes" in ran.error
    assert str(tmp_path) not in ran.error
    assert memory(ran).repeats is None
    if effect not in ("change of a file",):
        allowed = notebook.run(f"%%memtrace --repeat 5 --yes\n{cell}")
        assert allowed.status == "ok", allowed.error
        assert len(memory(allowed).repeats.iterations) == 5


@pytest.mark.parametrize(
    ("line", "cell", "words"),
    [
        ("--repeat 5", "import asyncio\nawait asyncio.sleep(0)", "await at its top level"),
        ("--repeat 5", "!true", "runs commands"),
        ("--repeat 5", "x = input()", "input()"),
        ("--repeat 2", "x = 1", "give a number from 5 to 1000"),
        ("--repeat many", "x = 1", "give a number from 5 to 1000"),
        ("--repeat 5 --peak", "x = 1", "--repeat goes without --peak"),
    ],
)
def test_what_cannot_be_repeated_is_told_before_the_cell_runs(notebook, line, cell, words):
    ran = notebook.run(f"%%memtrace {line}\nprint('ran')\n{cell}")
    assert ran.status == "error"
    assert words in ran.error
    assert "ran\n" not in ran.printed


def test_a_cell_that_only_reads_is_repeated(notebook, tmp_path):
    path = tmp_path / "data"
    path.write_text("x")
    ran = notebook.run(f"%%memtrace --repeat 5\nask(1)\nopen({str(path)!r}).read()")
    assert ran.status == "ok", ran.error
    assert len(memory(ran).repeats.iterations) == 5


def test_an_error_in_a_repeat_ends_them_and_is_named(notebook):
    notebook.run("left = [1, 2, 3]")
    ran = notebook.run("%%memtrace --repeat 5\nleft.pop()")
    repeats = memory(ran).repeats
    assert ran.status == "ok", ran.error
    assert len(repeats.iterations) == 2
    assert repeats.stopped_by == "IndexError in the cell"
    assert "IndexError in the cell ended them" in ran.bundles[-1]["text/plain"]
    assert "cannot be told" in ran.bundles[-1]["text/plain"]


def test_a_cell_that_fails_is_not_repeated(notebook):
    ran = notebook.run("%%memtrace --repeat 5\n1/0")
    assert "ZeroDivisionError" in ran.error
    assert memory(ran).repeats is None


def test_an_interrupt_ends_the_repeats_and_the_report_appears(notebook):
    notebook.run("runs = 0")
    ran = notebook.run(
        "%%memtrace --repeat 5\nimport os, signal, time\nruns += 1\n"
        "if runs == 3:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(30)"
    )
    assert memory(ran).repeats.stopped_by == "an interrupt"
    assert notebook.value("runs") == 3
    assert notebook.run("1 + 1").shown == "2"
