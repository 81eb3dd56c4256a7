import gc
import sys
import threading
import tracemalloc

import psutil
import pytest

from perfkit.capture import rss
from perfkit.capture.memory import MemoryCollector

MB = 1_000_000


def traces_left():
    return (
        threading.active_count(),
        tracemalloc.is_tracing(),
        sys.gettrace(),
        [child.pid for child in psutil.Process().children()],
    )


def collect(block, **options):
    collector = MemoryCollector(**options)
    collector.start()
    kept = block()
    return collector.stop(), kept


def growth_of(profile, text):
    return sum(diff.size_diff for diff in profile.growth if text in diff.location.source_text)


@pytest.mark.parametrize("traced", [True, False])
def test_nothing_is_left_behind(traced):
    before = traces_left()
    collect(lambda: [0] * 1000, trace_allocations=traced)
    assert traces_left() == before


def test_the_line_that_keeps_memory_is_named_with_its_source():
    profile, _ = collect(lambda: bytearray(5_000_000))
    largest = profile.growth[0]
    assert largest.is_user_code
    assert "bytearray(5_000_000)" in largest.location.source_text
    assert largest.size_diff == pytest.approx(5 * MB, abs=1000)
    assert profile.traced_growth_bytes == pytest.approx(5 * MB, abs=10_000)


def test_memory_that_was_freed_is_in_the_peak_and_in_no_line():
    profile, _ = collect(lambda: len(bytearray(5_000_000)))
    assert profile.traced_peak_bytes == pytest.approx(5 * MB, abs=100_000)
    assert growth_of(profile, "bytearray") < 1000


def test_an_empty_block_shows_no_growth_of_perfkits_own():
    profile, _ = collect(lambda: None)
    assert abs(profile.traced_growth_bytes) < 2000
    assert not [diff for diff in profile.growth if "perfkit/capture" in diff.location.file_path]


def test_library_lines_are_told_from_the_users():
    numpy = pytest.importorskip("numpy")
    profile, _ = collect(lambda: numpy.ones(1_000_000))
    (diff,) = [diff for diff in profile.growth if diff.size_diff > MB]
    assert not diff.is_user_code
    assert "numpy" in diff.location.file_path


def test_without_tracing_only_resident_memory_is_measured():
    profile, _ = collect(lambda: bytearray(5_000_000), trace_allocations=False)
    assert (profile.traced_peak_bytes, profile.traced_growth_bytes, profile.tracer_bytes) == (
        None,
        None,
        None,
    )
    assert profile.growth == ()
    assert profile.peak_bytes >= profile.baseline_bytes > 0


def test_the_curve_begins_at_the_baseline_and_ends_with_the_block():
    profile, _ = collect(lambda: [str(number) for number in range(200_000)])
    times = [sample.time_ms for sample in profile.rss_samples]
    assert times[0] == 0
    assert times == sorted(times)
    assert profile.rss_samples[0].rss_bytes == profile.baseline_bytes
    assert max(sample.rss_bytes for sample in profile.rss_samples) <= profile.peak_bytes + MB


def test_no_curve_is_recorded_when_none_is_wanted():
    profile, _ = collect(lambda: None, sample_over_time=False)
    assert profile.rss_samples == ()
    assert profile.peak_bytes > 0


def test_garbage_in_cycles_is_not_called_kept_but_is_told():
    class Node:
        pass

    def leave_garbage():
        node = Node()
        node.itself, node.load = node, bytearray(5_000_000)

    profile, _ = collect(leave_garbage)
    assert growth_of(profile, "bytearray") == 0
    assert profile.garbage_bytes == pytest.approx(5 * MB, abs=100_000)


def test_a_collector_that_the_user_switched_off_is_left_off():
    gc.disable()
    try:
        profile, _ = collect(lambda: None)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert "garbage collector is switched off" in " ".join(profile.notes)


def test_tracing_that_was_running_keeps_running_with_its_peak():
    tracemalloc.start()
    try:
        older = bytearray(3_000_000)
        len(bytearray(20_000_000))
        profile, _ = collect(lambda: bytearray(5_000_000))
        assert tracemalloc.is_tracing()
        assert tracemalloc.get_traced_memory()[1] > 20 * MB
    finally:
        tracemalloc.stop()
    assert growth_of(profile, "bytearray(5_000_000)") == pytest.approx(5 * MB, abs=1000)
    assert growth_of(profile, "older = ") == 0
    assert profile.traced_peak_bytes is None
    assert "already running" in " ".join(profile.notes)
    assert len(older) == 3_000_000


def test_a_running_tracing_tells_the_peak_if_the_block_went_higher():
    tracemalloc.start()
    try:
        # More than looking at all objects took before the block, in a process that has run many tests.
        profile, _ = collect(lambda: bytearray(100_000_000))
    finally:
        tracemalloc.stop()
    assert profile.traced_peak_bytes == pytest.approx(100 * MB, rel=0.02)


def test_a_block_that_stops_tracemalloc_costs_the_growth_and_nothing_else():
    profile, _ = collect(tracemalloc.stop)
    assert profile.traced_growth_bytes is None
    assert profile.peak_bytes > 0
    assert "the block stopped tracemalloc" in " ".join(profile.notes)
    assert not tracemalloc.is_tracing()
    assert collect(lambda: None)[0].traced_growth_bytes is not None


def test_nested_collectors_each_see_their_own_peak():
    outer, inner = MemoryCollector(), MemoryCollector()
    outer.start()
    len(bytearray(b"x" * 30_000_000))
    inner.start()
    len(bytearray(b"x" * 10_000_000))
    inner_profile = inner.stop()
    assert tracemalloc.is_tracing()
    outer_profile = outer.stop()
    assert not tracemalloc.is_tracing()
    assert outer_profile.traced_peak_bytes > 29 * MB
    assert inner_profile.traced_peak_bytes == pytest.approx(20 * MB, abs=MB)
    assert outer_profile.peak_increase_bytes > inner_profile.peak_increase_bytes + 15 * MB


def test_functions_without_python_code_are_refused_at_once():
    before = traces_left()
    with pytest.raises(TypeError, match="'len' cannot be measured line by line"):
        MemoryCollector(functions=[len])
    assert traces_left() == before


def test_growth_is_left_out_when_lines_are_measured_and_a_note_says_so():
    def build():
        return bytearray(1000)

    profile, _ = collect(build, functions=[build])
    assert profile.traced_growth_bytes is None
    assert profile.lines
    assert "Growth by line was left out" in " ".join(profile.notes)


def test_a_start_that_fails_leaves_nothing_running(monkeypatch):
    before = traces_left()

    def fail():
        raise OSError("no baseline")

    monkeypatch.setattr("perfkit.capture.memory.resident_bytes", fail)
    with pytest.raises(OSError, match="no baseline"):
        MemoryCollector().start()
    assert traces_left() == before


def test_a_kernel_that_cannot_tell_leaves_the_highest_sample(monkeypatch):
    monkeypatch.setattr(rss, "high_water_bytes", lambda: None)
    profile, _ = collect(lambda: [str(number) for number in range(200_000)])
    assert profile.peak_source == "sampled"
    assert profile.peak_bytes == max(sample.rss_bytes for sample in profile.rss_samples)


def test_a_missing_sampler_is_told_in_a_note(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    profile, _ = collect(lambda: None)
    assert "could not be started" in " ".join(profile.notes)
    assert len(profile.rss_samples) == 2
