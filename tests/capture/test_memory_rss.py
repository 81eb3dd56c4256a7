import subprocess
import sys

import psutil
import pytest

from perfkit.capture import rss
from perfkit.capture.rss import PeakMeter, RssSampler
from perfkit.capture.rss_child import SampleKeeper

MB = 1_000_000
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak")


def touch(size):
    return len(b"x" * size)


def test_resident_memory_agrees_with_psutil():
    assert rss.resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, abs=2 * MB)


@linux_only
def test_a_peak_before_the_start_does_not_count():
    touch(60_000_000)
    meter = PeakMeter()
    meter.start()
    assert meter.stop() < rss.resident_bytes() + 10 * MB


@linux_only
def test_a_meter_within_another_takes_nothing_from_it():
    outer, inner = PeakMeter(), PeakMeter()
    outer.start()
    start = rss.resident_bytes()
    touch(60_000_000)
    inner.start()
    inner_peak, outer_peak = inner.stop(), outer.stop()
    assert outer_peak - start == pytest.approx(60 * MB, abs=3 * MB)
    assert inner_peak < outer_peak - 50 * MB


@linux_only
def test_without_the_reset_a_mark_that_rose_is_exact(monkeypatch):
    rss.reset_high_water()
    monkeypatch.setattr(rss, "reset_high_water", lambda: False)
    meter = PeakMeter()
    meter.start()
    start = rss.resident_bytes()
    touch(60_000_000)
    assert meter.stop() - start == pytest.approx(60 * MB, abs=3 * MB)


@linux_only
def test_without_the_reset_a_mark_that_did_not_rise_says_nothing(monkeypatch):
    touch(80_000_000)
    monkeypatch.setattr(rss, "reset_high_water", lambda: False)
    meter = PeakMeter()
    meter.start()
    touch(1_000_000)
    assert meter.stop() is None


def test_the_sampler_sees_what_c_code_does_under_the_gil():
    sampler = RssSampler()
    assert sampler.start() is None
    start = rss.resident_bytes()
    kept = list(range(8_000_000))
    samples = sampler.stop()
    assert len(kept) == 8_000_000
    # 300 MB are built in one call into C, long enough for the sampler to get a processor on a busy machine;
    # one that the interpreter's lock starves would see a tenth of it.
    assert max(sample.rss_bytes for sample in samples) - start > 30 * MB


def test_the_sampler_process_is_gone_after_the_stop():
    sampler = RssSampler()
    before = psutil.Process().children()
    sampler.start()
    assert len(psutil.Process().children()) == len(before) + 1
    sampler.stop()
    assert psutil.Process().children() == before
    assert sampler.stop() == ()


def test_a_sampler_process_that_was_killed_costs_the_samples_only():
    sampler = RssSampler()
    sampler.start()
    (child,) = (c for c in psutil.Process().children() if "rss_child" in " ".join(c.cmdline()))
    child.kill()
    child.wait(timeout=10)
    assert sampler.stop() == ()


def test_the_sampler_process_ends_with_a_measured_process_that_is_killed():
    program = (
        "import psutil\n"
        "from perfkit.capture.rss import RssSampler\n"
        "kept = RssSampler()\n"
        "kept.start()\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        sampling = psutil.Process(int(process.stdout.readline()))
        process.kill()
        process.wait(timeout=10)
        gone, alive = psutil.wait_procs([sampling], timeout=10)
    assert gone
    assert not alive


def test_the_application_that_embeds_python_is_not_started_again(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/true")
    assert RssSampler().start() == "the sampling process could not be started"


def test_an_interpreter_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert RssSampler().start() == "the sampling process could not be started"


def test_a_long_block_keeps_a_bounded_number_of_samples():
    keeper = SampleKeeper(limit=100)
    for number in range(100_000):
        keeper.add(number * 0.002, 1000)
    assert 50 <= len(keeper.samples) <= 100
    assert keeper.interval_s >= 1.0


def test_thinning_out_keeps_the_highest_sample_at_its_time():
    keeper = SampleKeeper(limit=50)
    for number in range(5000):
        keeper.add(number * 0.01, 9999 if number == 1234 else 1000)
    assert (pytest.approx(12.34), 9999) in keeper.samples


def test_a_short_block_keeps_every_sample():
    keeper = SampleKeeper()
    for number in range(10):
        keeper.add(number * 0.01, number)
    assert [size for _, size in keeper.samples] == list(range(10))
