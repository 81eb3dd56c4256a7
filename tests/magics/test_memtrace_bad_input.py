"""Cells that make it hard for `%%memtrace`, in a real kernel: the error is theirs, the next cell works."""

import sys

import pytest

MB = 1_000_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and fork as Linux has them")
LIMIT = """
import resource
def limit(megabytes):
    used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000, resource.RLIM_INFINITY))
def unlimited():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def memory(ran):
    return ran.traces[-1]["memory"]


@pytest.fixture
def small(notebook):
    notebook.run(LIMIT)
    notebook.run("%%memtrace\nx = 1")  # what is imported once must not count
    yield notebook
    notebook.run("unlimited()\nhoard = None")
    notebook.run("1/0")


# Where not even a few MB are left, IPython itself spins while it shows the error, measured or not.
@linux
@pytest.mark.parametrize("options", ["", "--peak", "--repeat 5"])
@pytest.mark.parametrize(
    "cell",
    ["hoard = bytearray(2_000_000_000)", "hoard = []\nwhile True:\n    hoard.append(b'x' * 40_000_000)"],
)
def test_a_cell_that_runs_out_of_memory_fails_as_itself_and_is_reported(small, options, cell):
    small.run("limit(300)")
    ran = small.run(f"%%memtrace {options}\n{cell}")
    assert ran.status == "error"
    assert "MemoryError" in ran.error
    assert memory(ran)["peak_bytes"] > 0
    assert ran.traces[-1]["error"] == "MemoryError"
    small.run("unlimited()\nhoard = None")
    assert small.run("%%memtrace\ny = 2").status == "ok"


@pytest.mark.parametrize(
    ("cell", "after"),
    [
        ("import tracemalloc\ntracemalloc.start(5)\nx = [1] * 1000", False),
        ("import tracemalloc\ntracemalloc.start()\ntracemalloc.stop()", False),
        ("import tracemalloc\ntracemalloc.clear_traces()", False),
        ("import tracemalloc\ntracemalloc.stop()\ntracemalloc.start()", False),
    ],
)
def test_a_cell_that_uses_tracemalloc_itself(notebook, cell, after):
    ran = notebook.run(f"%%memtrace\n{cell}")
    assert ran.status == "ok", ran.error
    assert memory(ran)["peak_bytes"] > 0
    assert notebook.value("__import__('tracemalloc').is_tracing()") is after


def test_a_tracing_that_the_cell_starts_is_its_own_when_only_the_peak_is_measured(notebook):
    ran = notebook.run("%%memtrace --peak\nimport tracemalloc\ntracemalloc.start()")
    assert ran.status == "ok", ran.error
    assert notebook.value("tracemalloc.is_tracing()") is True
    notebook.run("tracemalloc.stop()")


FORK = """%%memtrace
import os, signal
child = os.fork()
if child == 0:
    signal.pause()
    os._exit(0)
kept = bytearray(b'x' * 20_000_000)"""


@linux
def test_a_cell_that_forks(notebook):
    ran = notebook.run(FORK)
    assert ran.status == "ok", ran.error
    assert memory(ran)["traced_growth_bytes"] == pytest.approx(20 * MB, rel=0.05)
    notebook.run("os.kill(child, signal.SIGKILL)\nos.waitpid(child, 0)")


THREAD = """%%memtrace
import threading
done, ready = threading.Event(), threading.Event()
def work():
    mine = [[number] for number in range(5000)]
    ready.set()
    done.wait(60)
thread = threading.Thread(target=work)
thread.start()
ready.wait(60)"""


def test_threads_that_outlive_the_cell(notebook):
    ran = notebook.run(THREAD)
    assert ran.status == "ok", ran.error
    lists = [item for item in memory(ran)["retention"]["types"] if item["type_name"] == "list"]
    assert lists[0]["holder"] == {"kind": "frame", "name": "mine in work()", "path": ["list of 5,000"]}
    notebook.run("done.set()\nthread.join()")


HOSTILE = """%%memtrace
class Meta(type):
    def __getattribute__(cls, name):
        raise SystemError(name)
def refuse(*arguments, **options):
    raise SystemError('called')
special = ('__len__', '__eq__', '__hash__', '__repr__', '__sizeof__', '__bool__')
names = {**{name: refuse for name in special}, '__module__': '</script><img src=x>'}
Bad = Meta('Bad', (list,), names)
bad = [Bad([1]) for _ in range(2000)]
plain = type('x' * 5000, (), {})
more = [plain() for _ in range(2000)]"""


def test_types_with_hostile_names_and_methods(notebook):
    ran = notebook.run(HOSTILE)
    assert ran.status == "ok", ran.error
    types = {item["type_name"]: item for item in memory(ran)["retention"]["types"]}
    assert types["</script><img src=x>.Bad"]["count_diff"] == 2000
    assert types["</script><img src=x>.Bad"]["holder"]["name"] == "bad"
    assert max(map(len, types)) == 120
    markup = ran.bundles[-1]["text/html"]
    assert "<img src=x>" not in markup
    assert "</script>" not in markup


def test_an_empty_cell_is_told(notebook):
    ran = notebook.run("%%memtrace --repeat 5\n")
    assert "the cell is empty" in ran.error
