"""Where the system keeps no /proc: macOS, Windows, some containers."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
from pathlib import Path
from perfkit.capture import rss
from perfkit.capture.memory import MemoryCollector
rss.PROC = Path("/there/is/no/proc")
higher = bytearray(b"x" * 150_000_000) if sys.argv[1] == "lower" else None
higher = None
collector = MemoryCollector(trace_allocations=False)
collector.start()
kept = bytearray(b"x" * 50_000_000)
collector.mark("cell.py", 1)
profile = collector.stop()
print(json.dumps({
    "peak": profile.peak_increase_bytes, "kept": profile.kept_bytes, "source": profile.peak_source,
    "samples": len(profile.rss_samples), "notes": profile.notes,
    "statement_peaks": [item.peak_bytes for item in profile.statements],
}))
"""
MB = 1_000_000


@pytest.mark.parametrize(("case", "source"), [("higher", "kernel"), ("lower", "sampled")])
def test_sizes_come_from_the_system_and_the_peak_says_how_it_is_known(case, source):
    # By way of a shell: a process inherits the peak of the one that it replaces, here that of the tests.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-W", "error", "-c", PROGRAM, case]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    result = json.loads(done.stdout)
    assert result["source"] == source
    assert result["kept"] == pytest.approx(50 * MB, rel=0.05)
    assert 45 * MB < result["peak"] < 110 * MB
    assert result["samples"] >= 2
    assert result["statement_peaks"] == [None]
