"""Seven ways to use memory whose true size is known, each in a fresh process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreters import EACH_VERSION, environment

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux resets the peak, so only there it is exact"
)

PROGRAM = """
import json, sqlite3, sys
import numpy as np
from perfkit.capture.memory import MemoryCollector

def resident():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Rss:"))

def in_sqlite():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (b)")
    for _ in range(100):
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    return connection

def forget(value):
    return None

CASES = {
    "kept": lambda: np.ones(25_000_000),
    "untouched": lambda: np.empty(25_000_000),
    "list kept": lambda: list(range(1_000_000)),
    "freed at once": lambda: forget(np.ones(25_000_000)),
    "list freed at once": lambda: forget(list(range(1_000_000))),
    "native": in_sqlite,
    "calloc": lambda: [bytes(100_000) for _ in range(1000)],
}
block = CASES[sys.argv[1]]
collector = MemoryCollector(trace_allocations=sys.argv[2] == "traced")
resident()
collector.start()
before = resident()
kept = block()
after = resident()
profile = collector.stop()
print(json.dumps({
    "truly_kept": after - before, "kept": profile.kept_bytes, "peak": profile.peak_increase_bytes,
    "source": profile.peak_source, "requested_peak": profile.traced_peak_bytes,
    "requested_kept": profile.traced_growth_bytes,
}))
"""
MB = 1_000_000


@pytest.fixture(scope="module", params=EACH_VERSION)
def measured(request, tmp_path_factory):
    """Runs one case in a fresh process of one Python, and says what perfkit measured."""
    programs = environment(request.param, tmp_path_factory)
    if programs is None:
        pytest.skip(f"Python {request.param} is not on this machine")

    def measure(case, mode):
        command = [str(programs / "python"), "-W", "error", "-c", PROGRAM, case, mode]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)
        return json.loads(done.stdout)

    return measure


def within_two_percent_or_one_megabyte(truth):
    return pytest.approx(truth, rel=0.02, abs=MB)


@pytest.mark.parametrize(
    ("case", "peak"),
    [
        ("kept", 200 * MB),
        ("untouched", 0),
        ("list kept", 40 * MB),
        ("freed at once", 200 * MB),
        ("list freed at once", 40 * MB),
    ],
)
def test_the_resident_peak_is_what_the_block_touched(measured, case, peak):
    result = measured(case, "peak")
    assert result["source"] == "kernel"
    assert result["peak"] == within_two_percent_or_one_megabyte(peak)
    assert result["kept"] == within_two_percent_or_one_megabyte(result["truly_kept"])


@pytest.mark.parametrize("case", ["native", "calloc"])
def test_memory_that_python_does_not_count_is_in_the_resident_peak(measured, case):
    result = measured(case, "peak")
    assert result["peak"] > 60 * MB
    assert result["peak"] == within_two_percent_or_one_megabyte(result["truly_kept"])
    assert result["kept"] == within_two_percent_or_one_megabyte(result["truly_kept"])


@pytest.mark.parametrize(
    ("case", "peak", "kept"),
    [
        ("kept", 200 * MB, 200 * MB),
        ("untouched", 200 * MB, 200 * MB),
        ("list kept", 40 * MB, 40 * MB),
        ("freed at once", 200 * MB, 0),
        ("list freed at once", 40 * MB, 0),
        ("native", 0, 0),
        ("calloc", 100 * MB, 100 * MB),
    ],
)
def test_what_python_requested_is_counted_touched_or_not(measured, case, peak, kept):
    result = measured(case, "traced")
    assert result["requested_peak"] == within_two_percent_or_one_megabyte(peak)
    assert result["requested_kept"] == within_two_percent_or_one_megabyte(kept)


@pytest.mark.parametrize(("case", "kept"), [("list kept", 40 * MB), ("list freed at once", 0)])
def test_the_tracers_tables_are_not_called_kept(measured, case, kept):
    result = measured(case, "traced")
    tables = result["truly_kept"] - kept

    assert tables > 60 * MB
    # What reading a million traces leaves behind, a few MB, cannot be told from what the block kept.
    assert result["kept"] == pytest.approx(kept, abs=0.05 * tables)
