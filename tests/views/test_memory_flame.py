from perfkit.model.builders import line
from perfkit.model.location import CodeLocation
from perfkit.model.native import AllocatingFunction, AllocationStack, NativeProfile
from perfkit.views import memory_flame

MB = 1_000_000
YOURS = AllocatingFunction(line(5, "fill(connection)"), is_user_code=True)
IN_C = AllocatingFunction(CodeLocation("~", 0, "sqlite3_step", None, ""))
HOSTILE = AllocatingFunction(CodeLocation("~", 0, "</script><img src=x>\u2028", None, ""))
PROFILE = NativeProfile(
    100 * MB, (YOURS, IN_C), (AllocationStack((0, 1), 75 * MB, 9), AllocationStack((1,), 25 * MB, 1))
)


def test_boxes_are_as_wide_as_what_was_allocated_below_them():
    labels = {box.label: box.share for box in memory_flame.boxes(PROFILE)}
    assert labels["the block: 100.0 MB"] == 1
    assert labels["fill(connection)  75.0 MB  In[1]:5"] == 0.75
    assert labels["sqlite3_step  25.0 MB  C code"] == 0.25


def test_sizes_belong_to_the_persons_innermost_line():
    first, second = memory_flame.rows(PROFILE)
    assert (first["place"], first["size_bytes"], first["count"]) == ("In[1]:5", 75 * MB, 9)
    assert (second["place"], second["size_bytes"]) == ("not below your code", 25 * MB)


def test_the_chart_is_told_in_words():
    assert "Heaviest path: fill(connection) at In[1]:5, 75.0 MB" in memory_flame.describe(PROFILE)


def test_nothing_recorded_is_told():
    assert "nothing" in memory_flame.as_html(NativeProfile(0, (), ())).markup


def test_names_are_escaped():
    profile = NativeProfile(MB, (HOSTILE,), (AllocationStack((0,), MB, 1),))
    assert "<img src=x" not in memory_flame.as_svg(profile)
    assert "<img src=x" not in memory_flame.as_html(profile).markup
