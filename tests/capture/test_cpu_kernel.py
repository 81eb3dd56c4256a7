"""What a profile of a notebook cell says, in real kernels of every Python that is found."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from tests.interpreters import EACH_VERSION, environment
from tests.waiting import WAIT_S

REPOSITORY = Path(__file__).parents[2]
RUNS = 25
# The frames of a magic: perfkit's own, called by IPython.
MAGIC_FILE = REPOSITORY / "perfkit" / "magics" / "for_this_test.py"
MAGIC = """
from time import perf_counter
from perfkit.capture import _thread_sampler
from perfkit.capture.cpu import CpuCollector
from perfkit.capture.sampling import SamplingCollector
add, longest_s = _thread_sampler._add, 0.0
def noting_the_longest(tallies, key, time_s):
    global longest_s
    longest_s = max(longest_s, time_s)
    add(tallies, key, time_s)
_thread_sampler._add = noting_the_longest
def begin(line):
    global collector, longest_s, start_s
    longest_s, start_s = 0.0, perf_counter()
    collector = SamplingCollector() if line == "sampling" else CpuCollector()
    collector.start()
def seal():
    global profile, elapsed_s
    profile = collector.stop()
    elapsed_s = perf_counter() - start_s
"""
SETUP = (
    f"""
exec(compile({MAGIC!r}, {str(MAGIC_FILE)!r}, "exec"))
get_ipython()._seal = seal
get_ipython().register_magic_function(begin, magic_name="begin")
"""
    + """
import asyncio, functools, json, sqlite3, threading, time
clock, took = time.perf_counter, []
db = sqlite3.connect(":memory:", check_same_thread=False)
def leaf(i):
    return json.dumps({"i": i}, indent=1)
def q(i):
    db.execute("select 1").fetchall()
    return leaf(i)
def top():
    for i in range(200):
        q(i)
        if i % 20 == 0:
            print("row", i)
async def wait(seconds):
    await asyncio.sleep(seconds)
    return [leaf(i) for i in range(50)]
def report(profile):
    functions = profile.functions
    print("REPORT" + json.dumps({
        "longest_s": longest_s, "elapsed_s": elapsed_s, "took": [end - start for start, _, end in took],
        "wall_ms": profile.wall_ms, "attributed_ms": profile.attributed_ms, "notes": profile.notes,
        "functions": [
            {"name": f.location.function_name, "cell": f.location.cell, "line": f.location.line_number,
             "file": f.location.file_path, "source": f.location.source_text,
             "ncalls": f.ncalls, "primitive": f.primitive_calls, "tottime": f.tottime, "cumtime": f.cumtime,
             "is_user_code": f.is_user_code,
             "callers": {functions[e.caller].location.function_name: e.ncalls for e in f.callers}}
            for f in functions],
    }))
"""
)
OTHER_CALLS = """
def numbers():
    try:
        yield 1
        yield 2
    finally:
        leaf(0)
def exhaust():
    return list(numbers())
def throw():
    it = numbers()
    next(it)
    try:
        it.throw(ValueError())
    except ValueError:
        pass
def close():
    it = numbers()
    next(it)
    it.close()
def deep(n):
    return deep(n + 1)
def recurse():
    try:
        deep(0)
    except RecursionError:
        return leaf(1)
@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def everything():
    exhaust(); throw(); close(); recurse(); recurse(); fib(20)
older = numbers()
next(older)
"""


class Kernel:
    """A kernel of one Python, as JupyterLab would start it."""

    def __init__(self, python: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        self.manager.start_kernel(env=env)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)

    def run(self, code: str) -> str:
        text: list[str] = []

        def collect(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, output_hook=collect, timeout=WAIT_S)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(text)

    def profile(self, body: str, engine: str = "cprofile") -> dict[str, Any]:
        self.run(f"get_ipython().run_line_magic('begin', '{engine}')\n{body}\nget_ipython()._seal()")
        return json.loads(self.run("report(profile)").partition("REPORT")[2])

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module", params=EACH_VERSION)
def kernel(request, tmp_path_factory):
    if request.param == f"{sys.version_info.major}.{sys.version_info.minor}":
        python = sys.executable
    else:
        programs = environment(request.param, tmp_path_factory)
        if programs is None:
            pytest.skip(f"Python {request.param} is not on this machine")
        python = str(programs / "python")
    kernel = Kernel(python)
    try:
        kernel.run(SETUP)
        yield kernel
    finally:
        kernel.close()


def _by_name(profile: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {function["name"]: function for function in profile["functions"]}


def _is_exact(profile: dict[str, Any]) -> bool:
    named = _by_name(profile)
    expected = {
        "top": (1, {"<module>": 1}),
        "q": (200, {"top": 200}),
        "leaf": (200, {"q": 200}),
        "dumps": (200, {"leaf": 200}),
        "JSONEncoder.encode": (200, {"dumps": 200}),
        "<method 'execute' of 'sqlite3.Connection' objects>": (200, {"q": 200}),
        "<method 'fetchall' of 'sqlite3.Cursor' objects>": (200, {"q": 200}),
        "<built-in method builtins.print>": (10, {"top": 10}),
    }
    return all(
        name in named and (named[name]["ncalls"], named[name]["callers"]) == counts
        for name, counts in expected.items()
    )


def test_counts_and_callers_are_exact_in_25_of_25_cells_that_print_and_query(kernel):
    assert sum(_is_exact(kernel.profile("top()")) for _ in range(RUNS)) == RUNS


def test_counts_and_callers_are_exact_while_a_thread_of_the_user_runs_the_same_code(kernel):
    kernel.run(
        "stop = threading.Event()\n"
        "def busy():\n    while not stop.is_set(): leaf(0)\n"
        "threads = [threading.Thread(target=busy) for _ in range(2)]\n"
        "for thread in threads: thread.start()"
    )
    exact = [_is_exact(kernel.profile("top()")) for _ in range(5)]
    kernel.run("stop.set()\nfor thread in threads: thread.join()")
    assert all(exact)


def test_counts_and_callers_are_exact_when_the_cell_starts_threads_that_run_the_same_code(kernel):
    body = (
        "threads = [threading.Thread(target=lambda: [leaf(i) for i in range(500)]) for _ in range(2)]\n"
        "for thread in threads: thread.start()\ntop()\nfor thread in threads: thread.join()"
    )
    assert all(_is_exact(kernel.profile(body)) for _ in range(5))


def test_three_sleeps_of_one_cell_are_three_rows_with_their_own_lines(kernel):
    profile = kernel.profile(THREE_SLEEPS)
    rows = [f for f in profile["functions"] if f["name"] == "<module>" and f["line"] in (3, 4, 5)]
    rows.sort(key=lambda row: row["line"])
    assert all(row["cell"].startswith("In[") and row["is_user_code"] for row in rows)
    # Each has its own sleep, and together they have no more than there was.
    assert all(row["cumtime"] >= took for row, took in zip(rows, profile["took"], strict=True))
    assert sum(row["cumtime"] for row in rows) * 1000 <= profile["attributed_ms"] <= profile["wall_ms"]


def test_a_gather_of_two_waits_counts_the_coroutines_and_says_that_the_rest_was_waiting(kernel):
    for _ in range(5):
        profile = kernel.profile("await asyncio.gather(wait(0.05), wait(0.1))")
        named = _by_name(profile)
        assert (named["wait"]["ncalls"], named["leaf"]["ncalls"]) == (4, 100)
        # Nothing of it runs in the first 50 ms.
        assert profile["wall_ms"] - profile["attributed_ms"] >= 50
        assert any("waiting at an await" in note for note in profile["notes"])


def test_neither_the_kernel_nor_the_collector_shows_up(kernel):
    for body in ("top()", "await asyncio.gather(wait(0.01), wait(0.01))"):
        functions = kernel.profile(body)["functions"]
        assert not [f["file"] for f in functions if f["file"].startswith(str(REPOSITORY / "perfkit"))]
        names = {f["name"].rpartition(".")[2] for f in functions}
        assert not names & {"begin", "seal", "get_ipython", "run_code", "run_line_magic", "extra_flags"}


def test_the_kernel_does_not_show_up_either_where_a_statement_of_the_cell_starts_the_recording(kernel):
    kernel.run("begin('')\ntop()\nseal()")
    profile = json.loads(kernel.run("report(profile)").partition("REPORT")[2])
    names = {f["name"].rpartition(".")[2] for f in profile["functions"]}
    assert not names & {"begin", "seal", "run_code", "__call__", "extra_flags"}
    assert _is_exact(profile)


def test_statements_are_the_blocks_own_calls_even_where_the_cell_uses_exec_itself(kernel):
    profile = kernel.profile("exec('leaf(1)')\neval('leaf(1)')\ntop()")
    statements = [f for f in profile["functions"] if f["cell"] and f["name"] == "<module>"]
    assert [f["callers"] for f in statements] == [{}] * 4


def test_what_a_with_block_in_a_cell_calls_itself_is_listed(kernel):
    kernel.run("if True:\n    begin('')\n    json.dumps({'i': 1}, indent=1)\n    seal()")
    profile = json.loads(kernel.run("report(profile)").partition("REPORT")[2])
    assert _by_name(profile)["dumps"]["ncalls"] == 1


def test_the_statements_of_a_cell_that_awaits_stand_at_their_own_lines(kernel):
    profile = kernel.profile("x = leaf(1)\nawait asyncio.sleep(0.01)\nfor i in range(3):\n    leaf(i)")
    lines = {f["line"]: f["source"] for f in profile["functions"] if f["name"] == "<module>"}
    assert lines[2] == "x = leaf(1)"
    assert lines[3] == "await asyncio.sleep(0.01)"
    assert lines[4] == "for i in range(3):"


def test_generators_recursion_and_caches_count_as_python_counts_them(kernel):
    kernel.run(OTHER_CALLS)
    named = _by_name(kernel.profile("everything()\nolder.close()"))
    assert named["everything"]["callers"] == {"<module>": 1}
    # Each resumption is a call: 3 to exhaust, 2 to throw, 2 to close, 1 for the one from before.
    assert (named["numbers"]["ncalls"], named["leaf"]["ncalls"]) == (8, 6)
    assert (named["recurse"]["ncalls"], named["deep"]["callers"]["recurse"]) == (2, 2)
    assert named["deep"]["ncalls"] > 1000
    assert named["fib"]["ncalls"] == 21


def test_a_cell_that_fails_leaves_no_profiler_behind_once_stopped(kernel):
    kernel.run(
        "get_ipython().run_line_magic('begin', '')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    collector.stop(); collector.stop()"
    )
    assert _is_exact(kernel.profile("top()"))


THREE_SLEEPS = """took.clear()
took.append((clock(), time.sleep(0.05), clock()))
took.append((clock(), time.sleep(0.1), clock()))
took.append((clock(), time.sleep(0.2), clock()))"""
SAMPLED_CALLS = """
truth = {}
def timed(function):
    def run():
        start = clock()
        function()
        truth[function.__name__] = clock() - start
    return run
def loop(cpu_s):
    end_cpu_s = time.thread_time() + cpu_s
    while time.thread_time() < end_cpu_s:
        pass
@timed
def short(): loop(0.1)
@timed
def long(): loop(0.3)
async def one(seconds):
    start = clock()
    await asyncio.sleep(seconds)
    truth["one"] = clock() - start
async def other(seconds):
    start = clock()
    await asyncio.sleep(seconds)
    truth["other"] = clock() - start
async def both():
    await asyncio.gather(one(0.1), other(0.3))
async def group():
    start = clock()
    task = asyncio.create_task(other(0.1))
    await task
    truth["group"] = clock() - start
"""


def _near(seconds: float, profile: dict[str, Any]) -> Any:
    """A sample may be another's where a function begins and ends; on a busy machine one stands for much."""
    return pytest.approx(seconds, abs=2 * profile["longest_s"])


@pytest.fixture
def sampled(kernel):
    kernel.run(SAMPLED_CALLS)

    def profiled(body):
        profile = kernel.profile(body, "sampling")
        # Whatever a tolerance allows, no time is counted twice.
        assert sum(f["tottime"] for f in profile["functions"]) <= profile["elapsed_s"]
        return profile

    yield profiled
    names = kernel.run("print(sorted(t.name for t in threading.enumerate()))")
    assert "perfkit sampler" not in names


def test_samples_put_three_sleeps_of_one_cell_on_three_rows(sampled):
    profile = sampled(THREE_SLEEPS)
    rows = {f["line"]: f["tottime"] for f in profile["functions"] if f["name"] == "<module>"}
    assert [rows[line] for line in (3, 4, 5)] == [_near(took, profile) for took in profile["took"]]


def test_samples_give_each_coroutine_of_a_gather_its_own_waiting_time(kernel, sampled):
    for call in ("await both()", "await asyncio.gather(one(0.1), other(0.3))"):
        profile = sampled(call)
        named = _by_name(profile)
        truth = json.loads(kernel.run("print(json.dumps(truth))"))
        for name in ("one", "other"):
            assert named[name]["cumtime"] == _near(truth[name], profile)
        own_s = sum(f["tottime"] for f in profile["functions"])
        assert truth["other"] - 2 * profile["longest_s"] <= own_s <= profile["wall_ms"] * 1.001 / 1000
        assert any("waiting at an await" in note for note in profile["notes"])
        assert not [
            n for n in named if n.rpartition(".")[2] in ("select", "_run_once", "run_code", "run_cell_async")
        ]


def test_samples_see_through_a_task_that_is_awaited(kernel, sampled):
    profile = sampled("await group()")
    named = _by_name(profile)
    truth = json.loads(kernel.run("print(json.dumps(truth))"))
    for name in ("other", "group"):
        assert named[name]["cumtime"] == _near(truth[name], profile)


def test_samples_give_loops_the_time_they_took(kernel, sampled):
    profile = sampled("short()\nlong()")
    truth = json.loads(kernel.run("print(json.dumps(truth))"))
    named = _by_name(profile)
    for name in ("short", "long"):
        assert named[name]["cumtime"] == _near(truth[name], profile)
    assert profile["attributed_ms"] / 1000 >= truth["short"] + truth["long"] - 2 * profile["longest_s"]


def test_samples_of_a_cell_show_neither_the_kernel_nor_the_collector(sampled):
    for body in ("short()", "await both()"):
        functions = sampled(body)["functions"]
        assert not [f["file"] for f in functions if f["file"].startswith(str(REPOSITORY / "perfkit"))]
        names = {f["name"].rpartition(".")[2] for f in functions}
        assert not names & {"begin", "run_code", "run_line_magic", "select", "_run"}
