from dataclasses import replace

import pytest

from perfkit.model.builders import line
from perfkit.model.location import CodeLocation
from perfkit.model.memory import AllocationDiff, LineMemory, MemoryProfile, RssSample
from perfkit.views import memory

MB = 1_000_000
LIBRARY = CodeLocation(
    "/env/lib/python3.11/site-packages/numpy/_core/numeric.py", 232, "<module>", None, "empty()"
)


def profile(peak=0.0, kept=0.0, requested=None, held=None, **fields):
    """Sizes in MB above a start of 100 MB."""

    def size(value):
        return None if value is None else round(value * MB)

    return MemoryProfile(
        baseline_bytes=100 * MB,
        peak_bytes=100 * MB + size(peak),
        end_bytes=100 * MB + size(kept),
        peak_source=fields.pop("peak_source", "kernel"),
        traced_peak_bytes=size(requested),
        traced_growth_bytes=size(held),
        tracer_bytes=fields.pop("tracer_bytes", None if requested is None else 20_000),
        **fields,
    )


def growth(*sizes, source="rows = load()", location=None, is_user_code=True):
    return tuple(
        AllocationDiff(location or line(number, source), size, 10, is_user_code)
        for number, size in enumerate(sizes, start=1)
    )


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (profile(200, 200, 200, 200), "The peaks agree"),
        (profile(0, 0, 200, 200), "Python requested 200.0 MB more than became resident"),
        (profile(0, 0, 200, 200), "Python holds 200.0 MB more of what the block requested"),
        (profile(108, 108, 0.1, 0.1), "memory of C code, such as database drivers"),
        (profile(137, 1, 40, 0), "tracemalloc's own tables"),
        (profile(40, 30, 40, 1), "memory that Python freed and the allocator has not given back"),
        (profile(1, 1, 1, 1, garbage_bytes=5 * MB), "5.0 MB sat in reference cycles"),
    ],
)
def test_the_numbers_are_explained(measured, words):
    assert words in " ".join(memory.explanations(measured))
    assert words in memory.as_text(measured)


@pytest.mark.parametrize(
    ("measured", "silent_about"),
    [
        (profile(200, 200), ""),
        (profile(201, 201, 200, 200), "Resident memory rose"),
        (profile(108, 108, 0.1, 0.1), "tables"),
        (profile(41, 1, 40, 0), "The process kept"),
        (profile(1, 1, 1, 1, garbage_bytes=5000), "reference cycles"),
    ],
)
def test_small_differences_are_not_explained(measured, silent_about):
    sentences = memory.explanations(measured)
    assert sentences == () if not silent_about else silent_about not in " ".join(sentences)


@pytest.mark.parametrize(
    ("measured", "label"),
    [
        (profile(200), "(exact, by the kernel)"),
        (profile(200, requested=200, held=200), "(exact, by the kernel)"),
        (profile(108, requested=0.1, held=0.1), "(exact, by the kernel)"),
        (profile(137, requested=40, held=40), "(at most: tracemalloc's tables are in it)"),
        (profile(200, peak_source="sampled"), "(sampled: 10 ms can hide one)"),
    ],
)
def test_the_peak_says_how_well_it_is_known(measured, label):
    assert label in memory.as_text(measured)


def test_sizes_stand_with_their_units():
    text = memory.as_text(profile(200.14, 12, 150, 0.5))
    assert "200.1 MB" in text
    assert "12.0 MB" in text
    assert "500.0 kB" in text
    assert "1 MB is 1,000,000 bytes" in text


def test_the_persons_lines_stand_apart_from_the_libraries():
    measured = profile(
        9, 9, 9, 9, growth=growth(6 * MB) + growth(3 * MB, location=LIBRARY, is_user_code=False)
    )
    text = memory.as_text(measured)
    assert text.index("your code") < text.index("In[1]:1") < text.index("libraries")
    assert "numpy/_core/numeric.py:232" in text


@pytest.mark.parametrize(("library_size", "is_open"), [(8 * MB, True), (1 * MB, False)])
def test_library_lines_unfold_when_most_of_the_growth_is_theirs(library_size, is_open):
    theirs = growth(library_size, location=LIBRARY, is_user_code=False)
    measured = profile(9, 9, 9, 9, growth=growth(9 * MB - library_size) + theirs)
    assert ("<details open>" in memory.as_html(measured).markup) is is_open


def test_lines_of_a_few_bytes_are_summed_up():
    text = memory.as_text(profile(9, 9, 9, 9, growth=growth(6 * MB, 300, 200)))
    assert "2 more lines, 500 bytes together." in text
    assert "In[1]:2" not in text


def test_a_small_line_shows_when_it_is_the_only_one():
    assert "In[1]:1" in memory.as_text(profile(0, 0, 0, 0, growth=growth(300)))


def test_more_lines_than_fit_are_counted():
    text = memory.as_text(profile(9, 9, 9, 9, growth=growth(*[MB] * 20)), top=5)
    assert "15 more lines, 15.0 MB together." in text


def test_shrinking_lines_are_negative():
    assert "−2.0 MB" in memory.as_text(profile(0, -2, 0, -2, growth=growth(-2 * MB)))


def test_lines_measured_by_memory_profiler_keep_their_indentation():
    lines = (LineMemory(line(4, "    big = load()", function_name="f"), 300 * MB, 200 * MB, 2),)
    measured = profile(200, 200, lines=lines)
    assert "    big = load()" in memory.as_text(measured)
    assert "    big = load()" in memory.as_html(measured).markup
    assert "+200.0 MB" in memory.as_text(measured)


def test_everything_shown_is_escaped():
    hostile = '</code><script>alert("x")</script>'
    location = line(1, hostile, cell=hostile)
    measured = profile(
        9,
        9,
        9,
        9,
        growth=(AllocationDiff(location, 9 * MB, 1),),
        lines=(LineMemory(location, 1, 1, 1),),
        notes=(hostile,),
        rss_samples=tuple(RssSample(float(n), 100 * MB) for n in range(5)),
    )
    markup = memory.as_html(measured, [memory.Mark(1.0, hostile)]).markup
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup


def test_odd_characters_and_long_lines_stay_on_one_line():
    text = memory.as_text(profile(9, 9, 9, 9, growth=growth(MB, source="a\u2028b\ud800" + "x" * 10_000)))
    (row,) = [row for row in text.splitlines() if "In[1]:1" in row]
    assert "…" in row
    assert len(row) < 200
    memory.as_html(profile(9, 9, 9, 9, growth=growth(MB, source="\ud800"))).markup.encode()


def test_a_profile_with_nothing_in_it_shows():
    empty = MemoryProfile(0, 0, 0, "kernel")
    assert "0 bytes" in memory.as_text(empty)
    assert "0 bytes" in memory.as_html(empty).markup


def test_a_traced_block_that_kept_nothing_says_so():
    assert "No line holds more memory" in memory.as_html(profile(0, 0, 0, 0)).markup
    assert "No line holds more memory" not in memory.as_html(profile(0, 0)).markup


def test_notes_are_shown():
    measured = replace(profile(), notes=("Growth by line was left out.",))
    assert "Growth by line was left out." in memory.as_text(measured)
    assert "Growth by line was left out." in memory.as_html(measured).markup


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (line(3), "In[1]:3"),
        (line(42, cell=None, file_path="/home/me/services.py"), "services.py:42"),
        (LIBRARY, "numpy/_core/numeric.py:232"),
        (line(0, cell=None, file_path="<unknown>"), "not Python"),
    ],
)
def test_places_are_short(location, words):
    assert memory.place(location) == words
