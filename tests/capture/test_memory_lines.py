import asyncio
import functools
import linecache
import mmap
import sys
import threading

import pytest

from perfkit.capture.line_memory import LineMemoryRecorder
from perfkit.capture.named_functions import functions_in

MB = 1_000_000


def fill(size):
    """Pages straight from the system: the C allocator would hand out freed ones that are resident already."""
    block = mmap.mmap(-1, size)
    block[::4096] = b"x" * len(range(0, size, 4096))
    return block


def grow(keep):
    keep.append(fill(20_000_000))
    return len(keep)


def grow_twice(keep):
    grow(keep)
    grow(keep)


def release(keep):
    keep.clear()


def recurse(depth, keep):
    if depth:
        recurse(depth - 1, keep)
    keep.append(fill(8_000_000))


def comprehend():
    return [fill(10_000_000) for _ in range(3)]


def numbers(count):
    for _ in range(count):
        yield fill(8_000_000)


def fail(keep):
    keep.append(fill(1000))
    raise ValueError("on purpose")


async def grow_async(keep):
    keep.append(fill(20_000_000))
    await asyncio.sleep(0)
    keep.append(fill(10_000_000))


@functools.lru_cache(maxsize=2)
def cached(size):
    return fill(size)


class Shelf:
    def __init__(self):
        self.items = []

    def add(self, size):
        self.items.append(fill(size))


def record(functions, block):
    before = sys.gettrace()
    recorder = LineMemoryRecorder(functions)
    recorder.start()
    try:
        block()
    finally:
        recorder.stop()
    assert sys.gettrace() is before
    return recorder


def increments(recorder, text):
    return [line.increment_bytes for line in recorder.lines() if text in line.location.source_text]


def about(megabytes):
    return pytest.approx(megabytes * MB, abs=2 * MB)


def test_each_line_shows_what_it_added_and_how_often_it_ran():
    keep = []
    recorder = record([grow], lambda: [grow(keep), grow(keep)])
    (line,) = [line for line in recorder.lines() if "append" in line.location.source_text]
    assert line.increment_bytes == about(40)
    assert line.occurrences == 2
    assert line.rss_bytes > 40 * MB
    assert line.location.function_name == "grow"
    assert line.location.source_text == "    keep.append(fill(20_000_000))"


def test_memory_given_back_is_negative():
    keep = [fill(30_000_000)]
    recorder = record([release], lambda: release(keep))
    assert increments(recorder, "keep.clear()") == [about(-30)]


def test_a_line_that_calls_another_measured_function_contains_it():
    keep = []
    recorder = record([grow_twice, grow], lambda: grow_twice(keep))
    assert increments(recorder, "    grow(keep)") == [about(20), about(20)]
    assert increments(recorder, "keep.append(fill(20_000_000))") == [about(40)]


def test_the_first_line_is_not_charged_with_the_whole_process():
    recorder = record([grow_twice, grow], lambda: grow_twice([]))
    assert increments(recorder, "def grow") == [about(0), about(0)]


def test_recursive_calls_count_once():
    keep = []
    recorder = record([recurse], lambda: recurse(3, keep))
    assert increments(recorder, "keep.append") == [about(32)]
    assert increments(recorder, "recurse(depth - 1") == [about(0)]


def test_a_comprehension_counts_once():
    kept = []
    recorder = record([comprehend], lambda: kept.extend(comprehend()))
    assert increments(recorder, "return [fill") == [about(30)]


def test_generators_are_measured_where_they_stand():
    kept = []
    recorder = record([numbers], lambda: kept.extend(numbers(3)))
    assert increments(recorder, "yield fill") == [about(24)]


def test_async_functions_are_measured():
    keep = []
    recorder = record([grow_async], lambda: asyncio.run(grow_async(keep)))
    assert increments(recorder, "fill(20_000_000)") == [about(20)]
    assert increments(recorder, "fill(10_000_000)") == [about(10)]


def test_methods_and_decorated_functions_are_measured():
    shelf = Shelf()
    recorder = record([Shelf.add, cached], lambda: (shelf.add(20_000_000), cached(10_000_000)))
    assert increments(recorder, "self.items.append") == [about(20)]
    assert increments(recorder, "return fill(size)") == [about(10)]
    cached.cache_clear()


def test_an_exception_passes_through():
    def block():
        with pytest.raises(ValueError, match="on purpose"):
            fail([])

    recorder = record([fail], block)
    assert len(increments(recorder, "raise ValueError")) == 1


def test_functions_of_a_notebook_cell_have_their_source_though_there_is_no_file():
    source = "def load(size):\n    data = fill(size)\n    return data\n"
    path = "<ipython-input-7-0123456789ab>"
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    namespace = {"fill": fill}
    exec(compile(source, path, "exec"), namespace)
    kept = []
    recorder = record(functions_in(namespace, ["load"]), lambda: kept.append(namespace["load"](20_000_000)))
    del linecache.cache[path]
    assert [line.location.line_number for line in recorder.lines()] == [1, 2, 3]
    assert recorder.lines()[1].increment_bytes == about(20)


def test_a_function_that_the_block_defines_is_found_when_it_is_called():
    namespace = {"fill": fill, "kept": []}
    source = "def load():\n    kept.append(fill(20_000_000))\nload()\n"
    code = compile(source, "<ipython-input-8-0123456789ab>", "exec")
    recorder = record(functions_in(namespace, ["load"]), lambda: exec(code, namespace))
    assert [line.increment_bytes for line in recorder.lines()][1] == about(20)
    assert recorder.notes() == ()


def test_a_function_that_the_block_defines_anew_is_measured_in_its_new_form():
    namespace = {"fill": fill, "kept": []}
    exec(compile("def load():\n    pass\n", "old", "exec"), namespace)
    code = compile("def load():\n    kept.append(fill(20_000_000))\nload()\n", "new", "exec")
    recorder = record(functions_in(namespace, ["load"]), lambda: exec(code, namespace))
    assert {line.location.file_path for line in recorder.lines()} == {"new"}


def test_a_function_of_the_same_name_elsewhere_is_left_alone():
    recorder = record(functions_in({}, ["grow"]), lambda: grow([]))
    assert recorder.lines() == ()


def test_a_function_that_was_not_called_is_named():
    recorder = record(functions_in(globals(), ["grow", "no_such_name"]), lambda: None)
    assert recorder.lines() == ()
    assert [note.split()[0] for note in recorder.notes()] == ["grow", "no_such_name"]


def test_a_function_called_in_another_thread_only_is_told():
    def block():
        thread = threading.Thread(target=grow, args=([],))
        thread.start()
        thread.join()

    recorder = record([grow], block)
    assert recorder.lines() == ()
    assert "only in other threads" in recorder.notes()[0]


def test_a_trace_function_that_was_there_is_put_back_and_still_called():
    events = []

    def tracer(frame, event, arg):
        events.append(event)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        recorder = LineMemoryRecorder([release])
        recorder.start()
        release([])
        recorder.stop()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "line" in events
    assert recorder.lines()


def test_a_trace_function_that_the_block_installs_stays():
    def tracer(frame, event, arg):
        return None

    before = sys.gettrace()
    recorder = LineMemoryRecorder([release])
    recorder.start()
    try:
        sys.settrace(tracer)
        recorder.stop()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "incomplete" in recorder.notes()[-1]


def test_dotted_names_lead_to_methods():
    recorder = record(functions_in({"Shelf": Shelf}, ["Shelf.add"]), lambda: Shelf().add(1000))
    assert len(increments(recorder, "self.items.append")) == 1


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.load", LookupError, "There is no 'nowhere'"),
        ("Shelf.sell", LookupError, "there is no 'sell' in it"),
        ("length", TypeError, "'length' cannot be measured line by line"),
        ("Shelf", TypeError, "Name a function, or a method as Class.method"),
        ("number", TypeError, "'number' cannot be measured"),
    ],
)
def test_names_that_cannot_be_measured_say_what_to_do(name, error, message):
    with pytest.raises(error, match=message):
        functions_in({"Shelf": Shelf, "length": len, "number": 3}, [name])
