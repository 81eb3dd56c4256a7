"""The sampling collector within one process: shares, coverage, notes, and what it leaves behind."""

import asyncio
import cProfile
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from sqlalchemy.engine.default import DefaultDialect

from perfkit.capture._cpu_ticks import CpuTicks
from perfkit.capture._sampled_stacks import Moments, functions_and_stacks, without_repeats
from perfkit.capture._thread_sampler import Seen
from perfkit.capture.sampling import SamplingCollector, _profile
from perfkit.session import measure

needs_ticks = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells of another thread's processor time"
)


def spin(seconds):
    """Run for so long; a busy machine makes it longer. Returns how long it was."""
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        pass
    return time.perf_counter() - start


def near(seconds):
    """A sample stands for 1 to 5 ms, and what another program takes away falls to one of two functions."""
    return pytest.approx(seconds, rel=0.3, abs=0.05)


TOOK = {}


def short():
    TOOK["short"] = spin(0.1)


def long():
    TOOK["long"] = spin(0.3)


def both():
    short()
    long()


def sampled(call):
    collector = SamplingCollector()
    collector.start()
    try:
        call()
    finally:
        profile = collector.stop()
    return profile


def cumulative(profile):
    return {f.location.function_name: f.cumtime for f in profile.functions}


def test_functions_have_their_share_and_own_times_add_up_to_what_is_attributed():
    profile = sampled(both)
    times = cumulative(profile)
    assert {name: times[name] for name in TOOK} == {name: near(took) for name, took in TOOK.items()}
    assert times["both"] == pytest.approx(times["long"] + times["short"])
    assert sum(f.tottime for f in profile.functions) * 1000 == pytest.approx(profile.attributed_ms)
    assert profile.coverage > 0.9


def test_counts_are_samples_and_called_so():
    profile = sampled(both)
    assert profile.counts == "samples"
    assert "samples" in profile.engine
    assert any("Built-in functions are not seen" in note for note in profile.notes)


def test_stacks_are_whole_paths_and_add_up():
    profile = sampled(both)
    names = {
        tuple(profile.functions[n].location.function_name for n in stack.functions)[-3:]
        for stack in profile.stacks
    }
    assert {("both", "short", "spin"), ("both", "long", "spin")} <= names
    assert sum(stack.time_s for stack in profile.stacks) * 1000 == pytest.approx(profile.attributed_ms)


def test_the_block_of_a_with_statement_has_its_own_lines_but_not_its_callers():
    def asking():
        with measure("spin", queries=False, cpu="sampling") as measurement:
            start = time.perf_counter()
            while time.perf_counter() < start + 0.2:
                pass
            took = time.perf_counter() - start
        return measurement.trace.cpu, took

    profile, took = asking()
    times = cumulative(profile)
    assert times[asking.__qualname__] == near(took)
    assert "test_the_block_of_a_with_statement_has_its_own_lines_but_not_its_callers" not in times


def test_c_code_that_holds_the_interpreter_has_the_time_it_took():
    truth = {}

    def timed(name, count):
        start = time.perf_counter()
        sum(range(count))
        truth[name] = time.perf_counter() - start

    def little():
        timed("little", 4_000_000)

    def much():
        timed("much", 12_000_000)

    profile = sampled(lambda: (little(), much()))
    times = cumulative(profile)
    for function in (little, much):
        assert times[function.__qualname__] == near(truth[function.__name__])


class Database:
    """Python and C code that lets go of the interpreter, in turns, and the time that each really took."""

    def __init__(self, sql):
        self.connection, self.sql = sqlite3.connect(":memory:"), sql
        self.truth = {"python": 0.0, "query": 0.0}

    def python(self):
        return sum(i for i in range(12_000))

    def query(self):
        return self.connection.execute(self.sql).fetchall()

    def turns(self):
        end = time.perf_counter() + 1.0
        while time.perf_counter() < end:
            for name in ("python", "query"):
                start = time.perf_counter()
                getattr(self, name)()
                self.truth[name] += time.perf_counter() - start

    def sampled(self):
        profile = sampled(self.turns)
        self.connection.close()
        return profile, cumulative(profile)


QUICK = "SELECT 1"
BUSY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT count(*) FROM n"
)


@needs_ticks
@pytest.mark.parametrize("sql", [QUICK, BUSY], ids=["quick", "busy"])
def test_code_that_lets_go_of_the_interpreter_has_its_share_and_no_more(sql):
    database = Database(sql)

    profile, times = database.sampled()

    whole = sum(database.truth.values())
    for name in ("python", "query"):
        share = times.get(f"Database.{name}", 0.0) * 1000 / profile.wall_ms
        assert share == pytest.approx(database.truth[name] / whole, abs=0.15)
    assert profile.coverage > 0.9


@needs_ticks
def test_a_wait_counts_beside_work():
    pause, waited = threading.Event(), []

    def wait():
        start = time.perf_counter()
        pause.wait(0.3)
        waited.append(time.perf_counter() - start)

    def turns():
        long()
        wait()

    times = cumulative(sampled(turns))
    assert times["long"] == near(TOOK["long"])
    assert times[wait.__qualname__] == near(waited[0])


@needs_ticks
def test_a_program_with_a_handler_of_its_own_keeps_it_and_is_told_what_that_means():
    ticks = []
    before = signal.signal(signal.SIGPROF, lambda number, frame: ticks.append(number))
    try:
        profile = sampled(both)
        signal.raise_signal(signal.SIGPROF)
    finally:
        signal.signal(signal.SIGPROF, before)

    assert ticks == [signal.SIGPROF]
    assert any("lets go of the interpreter" in note for note in profile.notes)


@needs_ticks
def test_another_thread_is_sampled_with_a_word_of_warning():
    profiles = []
    thread = threading.Thread(target=lambda: profiles.append(sampled(both)))
    thread.start()
    thread.join()

    assert any("lets go of the interpreter" in note for note in profiles[0].notes)
    assert cumulative(profiles[0])["both"] > 0.2


@needs_ticks
def test_a_program_that_is_started_meanwhile_gets_no_signal():
    def start():
        spin = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
        return subprocess.run([sys.executable, "-c", spin], check=True)

    assert "start" in " ".join(cumulative(sampled(start)))


@needs_ticks
def test_many_blocks_end_without_a_signal_that_comes_too_late():
    # The signal's default would end the process.
    profiles = [sampled(lambda: spin(0.005)) for _ in range(200)]

    assert all(profile.wall_ms >= 5 for profile in profiles)


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="'cprofile' or 'sampling'"):
        measure(cpu="magic")  # type: ignore[arg-type]


def test_few_samples_are_said_to_be_few():
    assert any("the shares are rough" in note for note in sampled(lambda: spin(0.01)).notes)


def test_one_sample_is_one_sample():
    sampler = SimpleNamespace(seen=lambda: [Seen((), (), True, 0.001, 1)], longest_gap_s=0.0, is_biased=False)
    profile = _profile(sampler, 0.001, 0.001)
    assert profile.engine.startswith("sampling, 1 sample, one each 1.0 ms")
    assert any(note.startswith("Only 1 sample:") for note in profile.notes)


def test_an_empty_block_and_a_stop_without_start_give_empty_profiles():
    assert SamplingCollector().stop().functions == ()
    collector = SamplingCollector()
    collector.start()
    assert collector.stop() is collector.stop()


def test_waits_in_asyncio_run_are_those_of_the_coroutines():
    async def wait(seconds):
        await asyncio.sleep(seconds)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(wait(0.2))
            await asyncio.sleep(0.1)

    profile = sampled(lambda: asyncio.run(main()))
    times = cumulative(profile)
    assert times[wait.__qualname__] == near(0.2)
    assert times[main.__qualname__] == near(0.2)
    assert profile.coverage > 0.9


def test_an_older_task_that_waits_beside_the_block_is_not_the_blocks():
    async def older():
        await asyncio.sleep(10)

    async def main():
        task = asyncio.create_task(older())
        await asyncio.sleep(0)
        async with measure("wait", queries=False, cpu="sampling") as measurement:
            await asyncio.sleep(0.1)
        task.cancel()
        return measurement.trace.cpu

    times = cumulative(asyncio.run(main()))
    assert older.__qualname__ not in times
    assert times[main.__qualname__] == near(0.1)


def test_many_tasks_are_counted_without_stopping_the_loop():
    async def wait():
        await asyncio.sleep(0.1)

    async def main():
        await asyncio.gather(*(wait() for _ in range(3000)))

    profile = sampled(lambda: asyncio.run(main()))
    assert profile.wall_ms < 3000
    assert wait.__qualname__ in cumulative(profile)


def test_another_profiler_does_not_matter():
    other = cProfile.Profile()
    other.enable()
    try:
        profile = sampled(both)
    finally:
        other.disable()
    assert "long" in cumulative(profile)


def test_deep_recursion_is_one_level():
    took = []

    def deep(n):
        if n:
            deep(n - 1)
        else:
            took.append(spin(0.1))

    profile = sampled(lambda: deep(400))
    assert max(len(stack.functions) for stack in profile.stacks) < 10
    assert cumulative(profile)[deep.__qualname__] == near(took[0])


def test_an_error_in_the_block_keeps_the_profile():
    def fail():
        spin(0.05)
        raise KeyError

    collector = SamplingCollector()
    collector.start()
    with pytest.raises(KeyError):
        fail()
    assert fail.__qualname__ in cumulative(collector.stop())


A, B, C = (("/x/a.py", 1, "a"), ("/x/b.py", 1, "b"), ("/x/c.py", 1, "c"))


def test_paths_at_once_share_own_time_and_each_has_its_whole_cumulative_time():
    functions, stacks = functions_and_stacks([Moments(((A, B), (A, C)), 1.0, 10)], has_sources=False)
    found = {f.location.function_name: (f.tottime, f.cumtime, f.ncalls) for f in functions}
    assert found == {"a": (0.0, 1.0, 10), "b": (0.5, 1.0, 10), "c": (0.5, 1.0, 10)}
    assert sorted(stack.time_s for stack in stacks) == [0.5, 0.5]


def test_a_recursion_through_others_counts_once_and_keeps_its_outer_caller():
    functions, _ = functions_and_stacks([Moments(((A, B, A),), 1.0, 1)], has_sources=False)
    found = {f.location.function_name: f for f in functions}
    assert (found["a"].cumtime, found["a"].ncalls, found["a"].callers) == (1.0, 1, ())


def test_very_many_paths_are_cut_to_their_callers_without_losing_time():
    seen = [Moments(((A, ("/x/d.py", n, "d"), B),), 1.0, 1) for n in range(6000)]
    _, stacks = functions_and_stacks(seen, has_sources=False)
    assert len(stacks) <= 5001
    assert sum(stack.time_s for stack in stacks) == pytest.approx(6000)


def test_direct_repeats_are_folded():
    assert without_repeats([A, A, B, B, A]) == (A, B, A)


def test_a_thread_that_cannot_be_started_leaves_no_hook_and_no_timer(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    execute = DefaultDialect.do_execute

    with pytest.raises(RuntimeError, match="start new thread"), measure("block", cpu="sampling"):
        pass

    assert DefaultDialect.do_execute is execute
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


@needs_ticks
def test_a_start_that_is_interrupted_ends_the_thread(monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(CpuTicks, "start", interrupted)

    with pytest.raises(KeyboardInterrupt), measure("block", cpu="sampling"):
        pass

    assert "perfkit sampler" not in {thread.name for thread in threading.enumerate()}
