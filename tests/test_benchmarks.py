"""The benchmarks' own book-keeping: what a run says of itself, and which tables of the README it replaces."""

import json
import sys
from types import SimpleNamespace

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import readme
from tests.benchmarks.tables import Table

ORDER = ("start", "queries", "plans")
README = (
    f"before\n{readme.START}\n"
    "<!-- bench:section start -->\nold start\n\n#### Import\n\n| a |\n\n"
    "<!-- bench:section queries -->\nold queries\n"
    f"{readme.END}\nafter\n"
)


def test_a_run_of_one_section_replaces_its_tables_alone():
    text = readme.updated(README, {"queries": "new queries"}, ORDER)
    assert "old start\n\n#### Import\n\n| a |\n\n<!-- bench:section queries -->\nnew queries\n" in text
    assert "old queries" not in text
    assert text.startswith("before\n")
    assert text.endswith(f"{readme.END}\nafter\n")


def test_a_section_that_was_not_there_comes_at_its_place():
    text = readme.updated(README, {"plans": "new plans"}, ("plans", *ORDER[:2]))
    assert text.index("new plans") < text.index("old start") < text.index("old queries")


def test_the_same_run_twice_changes_nothing_more():
    once = readme.updated(README, {"queries": "new"}, ORDER)
    assert readme.updated(once, {"queries": "new"}, ORDER) == once


def test_a_section_that_is_no_more_is_dropped():
    assert "old start" not in readme.updated(README, {"queries": "new"}, ("queries",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no marks", "has no lines"),
        (f"{readme.START} alone", "has no lines"),
        (f"{readme.START}\nA run.\n\n#### Import\n{readme.END}", "tables of no section"),
    ],
)
def test_a_readme_that_some_sections_cannot_be_put_into_is_left_as_it_is(text, reason):
    with pytest.raises(ValueError, match=reason):
        readme.updated(text, {"queries": "new"}, ORDER)


def test_all_sections_replace_tables_of_which_nobody_knows_the_section():
    text = readme.updated(f"{readme.START}\nold\n{readme.END}", dict.fromkeys(ORDER, "new"), ORDER)
    assert "old" not in text
    assert text.count("new") == 3


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs sections that measure nothing; returns the exit code, the output and the README."""
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    monkeypatch.setattr(benchmarks, "ROOT", tmp_path)

    def section(name):
        def measure(*, quick):
            skipped = name == "tour" and quick
            return [Table(f"Table of {name}", ("what",), (("skipped" if skipped else "1",),), (), skipped)]

        return SimpleNamespace(run=measure)

    monkeypatch.setattr(
        benchmarks.importlib, "import_module", lambda module: section(module.rpartition(".")[2])
    )

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
        return benchmarks.main(), capsys.readouterr().out, (tmp_path / "README.md").read_text("utf-8")

    return call


def test_what_is_printed_says_of_each_section_how_it_ran(run):
    _, quick, _ = run("queries", "plans", "--quick")
    assert quick.startswith("Quick run, with small data and few repeats:")
    assert "(queries: a quick run," in quick
    _, full, _ = run("queries")
    assert full.startswith("Full run:")
    assert "Quick run" not in full


def test_quick_and_full_sections_stand_side_by_side_and_say_which_they_are(run):
    run("queries", "--update-readme")
    _, _, text = run("start", "--quick", "--update-readme")
    start, queries = text.split("<!-- bench:section queries -->")
    assert "Quick run, with small data" in start
    assert "Full run:" in queries
    assert "Quick run" not in queries


def test_a_section_that_was_skipped_replaces_no_numbers(run):
    run("tour", "--update-readme")
    _, shown, text = run("tour", "--quick", "--update-readme")
    assert "skipped" in shown
    assert "skipped" not in text
    assert "Table of tour" in text


def test_without_being_asked_the_readme_stays(run):
    assert run("queries")[2] == README


def test_the_json_says_which_run_it_was(run, tmp_path):
    run("queries", "--quick", "--json", str(tmp_path / "a.json"))
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["quick"] is True
    assert [table["title"] for table in data["sections"]["queries"]] == ["Table of queries"]


def test_a_section_that_does_not_exist_is_refused_with_those_that_do(run, capsys):
    with pytest.raises(SystemExit):
        run("speed")
    assert "queries" in capsys.readouterr().err
