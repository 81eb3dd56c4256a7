"""The tables of functions that were timed line by line."""

from dataclasses import replace

from cpu_profiles import HOSTILE_NAMES

from perfkit.model.cpu import LineTime
from perfkit.model.location import CodeLocation
from perfkit.views import line_times


def line(number, time_s, source="x = 1", name="f", cell="In[3]"):
    return LineTime(CodeLocation("/tmp/1.py", number, name, cell, source), 10, time_s)


def test_each_function_has_a_table_with_shares_of_its_own_time():
    text = "\n".join(line_times.text_lines([line(2, 0.3), line(3, 0.1), line(9, 1.0, name="g")]))
    assert "f (In[3]), line by line: 400 ms" in text
    assert "75%" in text
    assert "100%" in text
    assert text.index("f (In[3])") < text.index("g (In[3])")


def test_lines_of_a_function_that_called_itself_are_said_to_count_inner_calls_again():
    lines = [replace(line(2, 0.3), is_recursive=True), line(9, 1.0, name="g")]
    for shown in ("\n".join(line_times.text_lines(lines)), str(line_times.as_html(lines))):
        assert "f (In[3]), line by line: 300 ms, inner calls counted again" in shown
        assert shown.count("f called itself: the line of the inner call includes all that happens in it") == 1
        assert "g called itself" not in shown


def test_indentation_is_kept_and_tabs_are_spaces():
    text = "\n".join(line_times.text_lines([line(2, 0.3, "if x:"), line(3, 0.1, "\treturn x")]))
    assert "25%      return x" in text


def test_nothing_timed_shows_nothing():
    assert line_times.text_lines([]) == []
    assert str(line_times.as_html([])) == ""


def test_a_line_without_time_has_no_share():
    assert "0%" in "\n".join(line_times.text_lines([line(2, 0.0)]))


def test_hostile_sources_are_escaped():
    for name in HOSTILE_NAMES:
        markup = str(line_times.as_html([line(1, 0.1, name, name=name, cell=name)]))
        assert "<script" not in markup
        assert "<img src=x" not in markup
        markup.encode("utf-8")
