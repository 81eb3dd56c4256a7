import io
import sys

from rich.console import Console

from perfkit.lab import progress
from perfkit.lab.progress import BarReporter, PlainReporter, reporter


def work(told):
    with told:
        told.begin("Sample data", 2_000)
        told.advance("users", 500)
        told.advance("posts", 1_500)


def test_what_is_quick_says_nothing(capsys):
    work(PlainReporter())
    stream = io.StringIO()
    work(BarReporter(Console(file=stream, force_terminal=True)))
    assert capsys.readouterr() == ("", "")
    assert stream.getvalue() == ""


def test_long_work_writes_plain_lines_on_the_error_stream(capsys, monkeypatch):
    monkeypatch.setattr(progress, "QUICK_S", 0.0)
    work(PlainReporter())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "perfkit: Sample data: users, 500 of 2,000 rows",
        "perfkit: Sample data: posts, 2,000 of 2,000 rows",
    ]


def test_long_work_shows_a_bar_in_a_terminal(monkeypatch):
    monkeypatch.setattr(progress, "QUICK_S", 0.0)
    stream = io.StringIO()
    work(BarReporter(Console(file=stream, force_terminal=True)))
    assert "Sample data: posts" in stream.getvalue()
    assert "2000/2000" in stream.getvalue()


def test_without_a_terminal_lines_are_chosen(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(reporter(), PlainReporter)
