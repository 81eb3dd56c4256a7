"""The CPU collector within one process: counts, callers, notes, and what it leaves behind."""

import asyncio
import cProfile
import functools
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perfkit.capture._call_graph import block_profile
from perfkit.capture._code_origin import origin
from perfkit.capture.cpu import CpuCollector, CpuProfilerBusyError, free_stuck_profiler, profiler_holder
from perfkit.model.cpu import CpuProfile, FunctionProfile


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert sys.getprofile() is None
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(tool) for tool in (2, 3, 4)] == [None, None, None]


def leaf(n):
    return sum(range(n))


def twice(n):
    return leaf(n) + leaf(n)


def profile_of(call):
    collector = CpuCollector()
    collector.start()
    try:
        call()
    finally:
        profile = collector.stop()
    return profile


def named(profile: CpuProfile) -> dict[str, FunctionProfile]:
    return {function.location.function_name: function for function in profile.functions}


def callers(profile: CpuProfile, name: str) -> dict[str, int]:
    edges = named(profile)[name].callers
    return {profile.functions[edge.caller].location.function_name: edge.ncalls for edge in edges}


def test_counts_callers_and_places_are_those_of_the_code():
    profile = profile_of(functools.partial(twice, 10))
    function = named(profile)["leaf"]
    assert (function.ncalls, callers(profile, "leaf")) == (2, {"twice": 2})
    assert function.location.line_number == leaf.__code__.co_firstlineno
    assert function.location.source_text == "def leaf(n):"
    assert function.is_user_code


def test_built_in_functions_are_listed_without_a_file():
    profile = profile_of(functools.partial(twice, 10))
    function = named(profile)["<built-in method builtins.sum>"]
    assert (function.location.file_path, function.ncalls, function.is_user_code) == ("~", 2, False)


def test_the_attributed_time_is_the_sum_of_own_times_and_lies_within_the_wall_time():
    profile = profile_of(functools.partial(twice, 100_000))
    assert profile.attributed_ms == pytest.approx(sum(f.tottime for f in profile.functions) * 1000)
    assert 0 < profile.attributed_ms <= profile.wall_ms
    assert profile.cpu_ms > 0
    assert profile.engine == "cProfile, this thread"


def test_the_collector_itself_does_not_show_up():
    profile = profile_of(functools.partial(twice, 10))
    names = {"twice", "leaf", "<built-in method builtins.sum>"}
    assert set(named(profile)) == names


def test_a_block_without_calls_gives_an_empty_profile_that_says_where_the_time_was():
    collector = CpuCollector()
    collector.start()
    total = 0
    for number in range(200_000):
        total += number
    profile = collector.stop()
    assert profile.functions == ()
    assert any("own lines outside of any call" in note for note in profile.notes)


def test_stop_can_be_called_again_and_gives_the_same():
    collector = CpuCollector()
    collector.start()
    twice(10)
    assert collector.stop() is collector.stop()


def test_stop_without_start_gives_an_empty_profile():
    assert CpuCollector().stop().functions == ()


def test_an_error_in_the_block_keeps_the_profile():
    collector = CpuCollector()
    collector.start()
    with pytest.raises(TypeError):
        twice("x")
    assert named(collector.stop())["leaf"].ncalls == 1


def test_a_collector_can_record_a_second_block():
    collector = CpuCollector()
    for calls in (1, 2):
        collector.start()
        for _ in range(calls):
            twice(10)
        assert named(collector.stop())["twice"].ncalls == calls


def test_a_second_collector_names_the_first_and_leaves_it_running():
    collector = CpuCollector()
    collector.start()
    with pytest.raises(CpuProfilerBusyError, match="perfkit, for another block"):
        CpuCollector().start()
    twice(10)
    assert named(collector.stop())["twice"].ncalls == 1


def test_a_running_cprofile_is_named_and_left_alone():
    other = cProfile.Profile()
    other.enable()
    try:
        with pytest.raises(CpuProfilerBusyError, match=r"\(cProfile\).*free_stuck_profiler") as raised:
            CpuCollector().start()
        leaf(10)
    finally:
        other.disable()
    assert "\n" not in str(raised.value)
    assert any(entry.code is leaf.__code__ for entry in other.getstats())


def test_a_cprofile_that_an_error_left_enabled_is_freed():
    stuck = cProfile.Profile()
    stuck.enable()
    assert free_stuck_profiler() == "cProfile"
    assert profiler_holder() is None
    assert named(profile_of(functools.partial(twice, 10)))["twice"].ncalls == 1


def test_a_block_of_perfkit_that_was_never_stopped_is_freed():
    CpuCollector().start()
    assert free_stuck_profiler() == "perfkit"
    assert named(profile_of(functools.partial(twice, 10)))["twice"].ncalls == 1


def test_there_is_nothing_to_free_when_nothing_is_stuck():
    assert free_stuck_profiler() is None


def test_a_profiler_that_the_block_switches_off_is_said_to_be():
    def run():
        twice(10)
        take_the_profiler_away()
        twice(10)

    def take_the_profiler_away():
        if sys.version_info < (3, 12):
            sys.setprofile(None)
        else:
            sys.monitoring.free_tool_id(2)

    profile = profile_of(run)
    assert profile.notes[0].startswith("The profiler was switched off before the block ended")
    assert named(profile)["twice"].ncalls >= 1


def test_greenlets_keep_the_counts_and_are_named_in_a_note():
    greenlet = pytest.importorskip("greenlet", reason="greenlet is not installed")

    def child():
        for _ in range(10):
            twice(10)
            greenlet.getcurrent().parent.switch()

    def run():
        other = greenlet.greenlet(child)
        for _ in range(10):
            other.switch()
            twice(10)

    profile = profile_of(run)
    assert (named(profile)["twice"].ncalls, named(profile)["leaf"].ncalls) == (20, 40)
    assert any("switches greenlets" in note for note in profile.notes)


def test_waiting_at_an_await_is_told_apart_from_the_work_of_the_coroutines():
    async def work(seconds):
        await asyncio.sleep(seconds)
        return twice(10)

    async def main():
        return await asyncio.gather(work(0.02), work(0.04))

    profile = profile_of(lambda: asyncio.run(main()))
    assert callers(profile, "twice") == {work.__qualname__: 2}
    assert profile.attributed_ms < 0.5 * profile.wall_ms
    assert any("waiting at an await" in note for note in profile.notes)
    assert any("Every task that ran on this event loop" in note for note in profile.notes)
    assert not any("_run_once" in name or "method 'poll'" in name for name in named(profile))


def test_a_block_that_waits_for_nothing_says_nothing_of_it():
    # Long enough for a hundredth of it to be more than what a busy machine takes away.
    notes = profile_of(functools.partial(twice, 10_000_000)).notes

    # Under xdist the process has a thread of its own, which a note may name.
    assert [note for note in notes if "other thread" not in note.lower()] == []


def test_threads_started_in_the_block_are_not_mixed_in_and_named_in_a_note():
    def run():
        threads = [threading.Thread(target=lambda: [twice(50) for _ in range(200)]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            twice(50)
        for thread in threads:
            thread.join()

    profile = profile_of(run)
    assert (named(profile)["twice"].ncalls, named(profile)["leaf"].ncalls) == (100, 200)
    assert "What other threads did is not included." in profile.notes


def test_statements_compiled_apart_keep_their_own_lines():
    statements = [compile(f"{chr(10) * n}leaf({n})", "<many>", "exec") for n in range(3)]
    profile = profile_of(lambda: [exec(code, {"leaf": leaf}) for code in statements])
    lines = {f.location.line_number for f in profile.functions if f.location.function_name == "<module>"}
    assert lines == {1, 2, 3}
    assert callers(profile, "leaf") == {"<module>": 1}
    assert named(profile)["leaf"].ncalls == 3


def test_statements_at_one_line_are_one_row():
    statements = [compile("leaf(1)", "<many>", "exec") for _ in range(3)]
    profile = profile_of(lambda: [exec(code, {"leaf": leaf}) for code in statements])
    assert (named(profile)["<module>"].ncalls, callers(profile, "leaf")) == (3, {"<module>": 3})


def test_equal_functions_made_twice_are_counted_together():
    def make():
        scope: dict[str, object] = {}
        exec(compile("def same(): return 1", "made.py", "exec"), scope)
        return scope["same"]

    functions = [make(), make()]
    profile = profile_of(lambda: [function() for function in functions])
    assert named(profile)["same"].ncalls == 2


def test_recursion_to_the_limit_counts_and_leaves_the_callers_right():
    def deep(n):
        return deep(n + 1)

    def run():
        for _ in range(3):
            with pytest.raises(RecursionError):
                deep(0)
        twice(10)

    profile = profile_of(run)
    assert callers(profile, deep.__qualname__)[run.__qualname__] == 3
    assert callers(profile, "twice") == {run.__qualname__: 1}


def test_generators_that_are_thrown_into_and_closed_keep_the_stack_in_order():
    def numbers():
        try:
            yield 1
            yield 2
        finally:
            leaf(1)

    before = numbers()
    next(before)

    def run():
        list(numbers())
        thrown, closed = numbers(), numbers()
        next(thrown)
        next(closed)
        with pytest.raises(KeyError):
            thrown.throw(KeyError())
        closed.close()
        with pytest.raises(KeyError):
            before.throw(KeyError())
        twice(10)

    profile = profile_of(run)
    assert named(profile)[numbers.__qualname__].ncalls == 3 + 2 + 2 + 1
    assert callers(profile, "leaf") == {numbers.__qualname__: 4, "twice": 2}
    assert callers(profile, "twice") == {run.__qualname__: 1}


def test_cached_calls_are_not_calls():
    @functools.lru_cache
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert named(profile_of(lambda: fib(20)))[fib.__qualname__].ncalls == 21


def test_nothing_recorded_is_an_empty_block():
    assert block_profile([]).functions == ()


def test_code_is_told_apart_by_its_owner():
    import perfkit.capture.call_site
    import perfkit.model.cpu

    assert origin("~") == "builtin"
    assert origin(__file__) == "user"
    assert origin(perfkit.capture.call_site.__file__) == "own"
    assert origin(str(Path(perfkit.model.cpu.__file__).parents[1] / "lab" / "server.py")) == "library"
    assert origin(asyncio.__file__) == "host"
    assert origin(functools.__file__) == "stdlib"
    assert origin(pytest.__file__) == "library"
    assert origin("<frozen importlib._bootstrap>") == "stdlib"


def test_the_profiler_is_off_when_a_program_ends_in_the_middle_of_a_block():
    program = "from perfkit.capture.cpu import CpuCollector\nCpuCollector().start()\nprint(sum([1, 2]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "3", "")
