from perfkit.model.builders import line
from perfkit.model.memory import MemoryProfile, RssSample, StatementMemory
from perfkit.views import memory, memory_statements

MB = 1_000_000


def profile(*sizes, traced=False):
    """A cell whose statements each rise to and end at these sizes in MB, 100 ms apart."""
    statements = tuple(
        StatementMemory(
            line(number, f"step_{number}()"),
            100.0 * (number - 1),
            100.0 * number,
            round(end * MB),
            round(peak * MB),
            *([round(peak * MB), round(end * MB)] if traced else [None, None]),
        )
        for number, (peak, end) in enumerate(sizes, start=1)
    )
    samples = tuple(RssSample(100.0 * number, 100 * MB) for number in range(len(sizes) + 1))
    return MemoryProfile(100 * MB, 200 * MB, 100 * MB, "kernel", samples, statements=statements)


def test_a_rise_counts_from_where_the_statement_began():
    first, second, third = memory_statements.steps(profile((50, 50), (90, 60), (60, 10)))
    assert (first.rise_bytes, first.change_bytes) == (50 * MB, 50 * MB)
    assert (second.rise_bytes, second.change_bytes) == (40 * MB, 10 * MB)
    assert (third.rise_bytes, third.change_bytes) == (0, -50 * MB)


def test_what_was_requested_stands_beside_what_became_resident():
    text = memory_statements.as_text(profile((50, 50), (90, 60), traced=True))
    assert "requested" in text
    assert "40.0 MB | +10.0 MB | 40.0 MB | +10.0 MB | In[1]:2 | step_2()" in text


def test_statements_that_moved_memory_are_marked_in_their_order():
    found = memory_statements.marks(profile((50, 0), (0.05, 0), (90, 0)))
    assert [(mark.time_ms, mark.label) for mark in found] == [
        (0.0, "In[1]:1  step_1()"),
        (200.0, "In[1]:3  step_3()"),
    ]


def test_quiet_statements_are_counted_and_not_listed():
    text = memory.as_text(profile((50, 50), (50, 50), (50.02, 50)))
    assert "step_2" not in text
    assert "2 other statements moved less" in text


def test_one_statement_needs_no_table():
    assert memory_statements.as_text(profile((50, 50))) == ""
    assert memory_statements.as_html(profile((50, 50))).markup == ""


def test_a_kernel_that_tells_no_peak_leaves_what_stood_after_each():
    only = StatementMemory(line(1), 0.0, 1.0, 5 * MB)
    (step,) = memory_statements.steps(MemoryProfile(0, 5 * MB, 5 * MB, "sampled", statements=(only,)))
    assert (step.rise_bytes, step.change_bytes) == (5 * MB, 5 * MB)
