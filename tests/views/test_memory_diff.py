from perfkit.model.builders import line, memory_profile
from perfkit.model.memory import AllocationDiff
from perfkit.model.retention import Retention, TypeGrowth
from perfkit.views import memory_diff

MB = 1_000_000


def profile(size, *, number=1, cell="In[1]", **fields):
    growth = (AllocationDiff(line(number, "rows = load()", cell=cell), size, 1),)
    return memory_profile(
        size, size, growth=growth, traced_peak_bytes=size, traced_growth_bytes=size, **fields
    )


def test_a_line_is_known_by_its_text_though_it_moved():
    (change,) = memory_diff.line_changes(profile(5 * MB), profile(2 * MB, number=9, cell="In[7]"))
    assert (change.name, change.before_bytes, change.after_bytes) == ("rows = load()", 5 * MB, 2 * MB)
    assert change.change_bytes == -3 * MB


def test_types_are_compared_where_both_sides_have_them():
    before = profile(MB, retention=Retention((TypeGrowth("Order", 10, MB),)))
    after = profile(
        MB, retention=Retention((TypeGrowth("Order", 30, 3 * MB), TypeGrowth("list", 1, 400_000)))
    )
    changes = {change.name: change.change_bytes for change in memory_diff.type_changes(before, after)}
    assert changes == {"Order": 2 * MB, "list": 400_000}


def test_what_was_not_measured_is_not_zero():
    text = memory_diff.as_text(memory_profile(MB), profile(MB), title="a → b")
    assert "not measured" in text
    assert "unknown" in text


def test_small_changes_are_counted_and_not_listed():
    text = memory_diff.as_text(profile(MB), profile(MB + 50_000), title="a → b")
    assert "rows = load()" not in text
    assert "1 line changed by less than 100.0 kB" in text


def test_rows_hold_totals_lines_and_types():
    rows = memory_diff.rows(profile(5 * MB), profile(2 * MB))
    assert {row["kind"] for row in rows} == {"total", "line"}
    assert rows[0]["change_bytes"] == -3 * MB
