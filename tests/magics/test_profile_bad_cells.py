"""Cells that a profiler may stumble over: the report appears, nothing stays enabled, the next cell works."""

import re

import pytest

ENGINES = ["cprofile", "sampling"]


@pytest.fixture
def profiled(notebook):
    """Runs a cell under an engine, and then proves that the next one is profiled too."""

    def run(engine: str, cell: str):
        ran = notebook.run(f"%%profile kept --engine {engine}\n{cell}")
        assert len(ran.traces) == 1, ran.error
        after = notebook.run("%%profile\nsorted([2, 1])")
        assert after.status == "ok", after.error
        assert len(after.traces) == 1
        return ran

    return run


def functions(ran) -> dict[str, dict]:
    return {f["location"]["function_name"]: f for f in ran.traces[0]["cpu"]["functions"]}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("limit", [1000, 20_000])
def test_recursion_to_the_limit(profiled, notebook, engine, limit):
    ran = profiled(
        engine,
        f"import sys\nbefore = sys.getrecursionlimit()\nsys.setrecursionlimit({limit})\n"
        "def deep(n):\n    return deep(n + 1)\n"
        "try:\n    for _ in range(5):\n        try:\n            deep(0)\n"
        "        except RecursionError:\n            pass\n"
        "finally:\n    sys.setrecursionlimit(before)",
    )
    assert ran.status == "ok", ran.error
    if engine == "cprofile":
        assert functions(ran)["deep"]["ncalls"] > limit


@pytest.mark.parametrize("engine", ENGINES)
def test_a_million_calls(profiled, engine):
    ran = profiled(engine, "def call(): pass\nfor _ in range(1_000_000): call()")
    assert ran.status == "ok", ran.error
    if engine == "cprofile":
        assert functions(ran)["call"]["ncalls"] == 1_000_000


HOSTILE = [
    "</script><script>alert(1)</script>",
    "quotes ' and \"",
    "\u2028",
    "x" * 10_000,
    "<img src=x onerror=alert(1)>",
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [*HOSTILE, "lone \ud800"], ids=range(len(HOSTILE) + 1))
def test_hostile_names(profiled, engine, name):
    ran = profiled(
        engine,
        "import time\ndef plain(): time.sleep(0.02)\n"
        f"plain.__code__ = plain.__code__.replace(co_name={name!a}, co_qualname={name!a})\nplain()",
    )
    assert ran.status == "ok", ran.error
    markup = ran.bundles[0]["text/html"]
    assert "<script>alert(1)" not in markup
    assert "<img src=x" not in markup


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["settrace", "threading.settrace", "threading.setprofile"])
def test_a_cell_that_installs_a_tracer_keeps_it(profiled, notebook, engine, kind):
    call = kind if "." in kind else f"sys.{kind}"
    try:
        ran = profiled(engine, f"import sys, threading\n{call}(lambda *_: None)\nprint('ran')")
        assert "ran" in ran.printed
    finally:
        notebook.run(f"import sys, threading\n{call}(None)")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "switch_on",
    ["sys.setprofile(lambda *_: None)", "stuck = cProfile.Profile(); stuck.enable()"],
    ids=["setprofile", "cProfile"],
)
def test_a_profiler_that_a_cell_leaves_running_is_named_and_can_be_freed(notebook, engine, switch_on):
    free = "from perfkit.capture.cpu import free_stuck_profiler; free_stuck_profiler()"
    try:
        ran = notebook.run(
            f"%%profile --engine {engine}\nimport cProfile, sys\n"
            f"try:\n    {switch_on}\nexcept ValueError:\n    print('refused')\nprint('ran')"
        )
        assert "ran" in ran.printed
        assert len(ran.traces) == 1
        after = notebook.run("%%profile\nprint('next')")
        # Python 3.12 refuses a second cProfile, and only one that takes the hook of 3.11 can stay.
        if after.status == "error":
            assert re.search(r"Another profiler \(.+\) is running", after.error)
            assert free in after.error
            notebook.run(free)
            after = notebook.run("%%profile\nprint('next')")
        assert "next" in after.printed
        assert len(after.traces) == 1
    finally:
        notebook.run(f"{free}\nstuck = None")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cell_that_forks(profiled, engine):
    ran = profiled(
        engine,
        "import os, warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n"
        "    child = os.fork()\n    if child == 0:\n        os._exit(7)\n"
        "print('code', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
    )
    assert ran.status == "ok", ran.error
    assert "code 7" in ran.printed


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cell_whose_threads_outlive_it(profiled, notebook, engine):
    ran = profiled(
        engine,
        "import threading, time\nending = threading.Event()\ndef outlive():\n"
        "    while not ending.is_set(): time.sleep(0.001)\n"
        "worker = threading.Thread(target=outlive)\nworker.start()\ntime.sleep(0.05)",
    )
    assert ran.status == "ok", ran.error
    assert "outlive" not in functions(ran)
    notebook.run("ending.set()\nworker.join()")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupted_cell_keeps_its_profile(notebook, engine):
    ran = notebook.run(
        f"%%profile kept --engine {engine}\nimport time\nprint('started', flush=True)\ntime.sleep(60)",
        interrupt_at="started",
    )
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert ran.traces[0]["error"] == "KeyboardInterrupt"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cell_without_anything_to_profile(profiled, engine):
    assert profiled(engine, "pass").status == "ok"


def test_a_cell_that_ends_its_memory_keeps_its_profile(profiled):
    ran = profiled("sampling", "bytearray(1 << 62)")
    assert ran.reply["ename"] == "MemoryError"
