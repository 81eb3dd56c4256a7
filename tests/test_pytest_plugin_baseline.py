"""A recorded baseline: a test that sends more than was recorded fails with the line, fewer is a hint."""

import json

import pytest
from pytest_runs import EXECUTE_LINE, prepare, run_pytest

from perfkit.model.builders import line, loop, query, trace
from perfkit.model.location import CodeLocation
from perfkit.pytest_plugin import baseline
from perfkit.pytest_plugin.baseline import BaselineError, Change, Source

pytestmark = pytest.mark.xdist_group("pytest plugin, baseline")  # the runs below are shared by tests
RECORDED = """
    import pytest
    from app import ask, count_books, engine, text

    @pytest.mark.parametrize("times", [1, 2])
    @pytest.mark.xdist_group("together")
    def test_some(times):
        ask(times)

    def test_none():
        pass

    def test_page():
        count_books()

    def test_moved():
        ask(1)

    def test_shrinks():
        ask(5)

    def test_changes():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def test_fails():
        ask(1)
        assert 1 == 2

    @pytest.fixture
    def broken():
        raise RuntimeError

    def test_without_its_fixture(broken):
        pass
"""
CHANGED = """
    import pytest
    from app import ask, count_books, engine, text

    @pytest.mark.parametrize("times", [1, 2])
    @pytest.mark.xdist_group("together")
    def test_some(times):
        ask(2)

    def test_none():
        ask(1)

    def test_page():
        count_books()

    def elsewhere():
        with engine.connect() as connection:
            connection.execute(text("SELECT :n, 'secret'"), {"n": 1})

    def test_moved():
        elsewhere()

    def test_shrinks():
        ask(3)

    def test_changes():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 + 1"))

    def test_fails():
        ask(9)
        assert 1 == 2

    def test_new():
        ask(3)

    def test_new_without_statements():
        pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("baseline"), test_shop=RECORDED)


@pytest.fixture(scope="module")
def recorded(folder):
    """One process records, then two workers do."""
    alone = run_pytest(folder, "--perfkit-record")
    first = (folder / "perfkit-baseline.json").read_bytes()
    shared = run_pytest(folder, "-n", "2", "--dist", "loadgroup", "--perfkit-record")
    return alone, first, shared, (folder / "perfkit-baseline.json").read_bytes()


@pytest.fixture(scope="module")
def checked(folder, recorded):
    prepare(folder, test_shop=CHANGED)
    return run_pytest(folder, "-n", "2", "--dist", "loadgroup", "--perfkit-check")


def test_two_recordings_are_equal_to_the_byte_with_and_without_workers(recorded):
    alone, first, shared, second = recorded

    assert first == second
    for run in (alone, shared):
        assert "Recorded 7 tests in perfkit-baseline.json." in run.output
        assert "2 tests failed and left no new entry." in run.output


def test_the_file_holds_shapes_places_and_counts_and_neither_lines_nor_values(recorded):
    content = json.loads(recorded[1])

    assert list(content["tests"]) == sorted(content["tests"])
    assert content["tests"]["test_shop.py::test_none"] == []
    assert content["tests"]["test_shop.py::test_some[2]"] == [
        {"sent_from": "app.py:ask", "count": 2, "statement": "SELECT ?, ?"}
    ]
    lazy, authors = content["tests"]["test_shop.py::test_page"]
    assert (lazy["count"], lazy["sent_from"]) == (1, "app.py:count_books")
    assert (authors["count"], authors["sent_from"]) == (3, "app.py:count_books")
    assert b"secret" not in recorded[1]
    assert b"test_fails" not in recorded[1]


def test_only_tests_that_send_more_fail(checked):
    assert sorted(checked.failed) == ["test_changes", "test_fails", "test_none", "test_some[1]"]


@pytest.mark.parametrize(
    ("name", "quantity", "command"),
    [
        ("test_none", "new, 1 × SELECT ?, ?", "pytest test_shop.py::test_none --perfkit-record"),
        (
            "test_some[1]",
            "2 ×, recorded 1 ×: SELECT ?, ?",
            "pytest 'test_shop.py::test_some[1]' --perfkit-record",
        ),
    ],
)
def test_the_failure_names_statement_line_and_how_to_record_again(checked, name, quantity, command):
    text = checked.tests[name]

    assert "1 statement more than perfkit-baseline.json has for this test:" in text
    assert quantity in text
    assert f"app.py:{EXECUTE_LINE} in ask" in text
    assert f"If that is meant to be: {command}" in text


def test_a_statement_that_became_another_is_shown_with_the_one_it_replaces(checked):
    assert "new, 1 × SELECT ? + ?" in checked.tests["test_changes"]
    assert "no longer sent: SELECT ?" in checked.tests["test_changes"]


def test_a_test_that_fails_by_itself_keeps_its_own_failure(checked):
    assert "assert 1 == 2" in checked.tests["test_fails"]
    assert "more than" not in checked.tests["test_fails"]


def test_fewer_statements_and_tests_without_an_entry_are_hints(checked):
    summary = checked.output.partition("perfkit baseline")[2]

    assert "test_shop.py::test_shrinks: 3 statements, recorded 5" in summary
    assert "test_shop.py::test_new: 3 statements" in summary
    assert "test_new_without_statements" not in summary


def test_a_strict_check_fails_tests_without_an_entry(folder, checked):
    strict = run_pytest(folder, "-k", "new or shrinks", "--perfkit-check", "--perfkit-strict")

    assert strict.failed == ["test_new"]
    assert "3 statements sent, and perfkit-baseline.json has no entry" in strict.tests["test_new"]


def test_recording_a_few_tests_keeps_the_entries_of_the_others(folder, checked):
    before = json.loads((folder / "perfkit-baseline.json").read_text())["tests"]

    run = run_pytest(folder, "test_shop.py::test_none", "--perfkit-record=other.json")
    again = run_pytest(folder, "test_shop.py::test_shrinks", "--perfkit-record=other.json")

    after = json.loads((folder / "other.json").read_text())["tests"]
    assert list(after) == ["test_shop.py::test_none", "test_shop.py::test_shrinks"]
    assert (run.exit_code, again.exit_code) == (0, 0)
    assert "1 entry of tests that did not run or pass stayed as before" in again.output
    assert before == json.loads((folder / "perfkit-baseline.json").read_text())["tests"]


def test_settings_of_the_configuration_do_the_same(tmp_path):
    settings = """
    perfkit_baseline = kept/statements.json
    perfkit_check = true
    perfkit_strict = true
    """
    module = "from app import ask\n\ndef test_page():\n    ask(2)\n"
    folder = prepare(tmp_path, settings, test_shop=module)

    missing = run_pytest(folder)
    (folder / "kept").mkdir()
    assert run_pytest(folder, "--perfkit-record").exit_code == 0
    prepare(folder, settings, test_shop=module.replace("2", "3"))
    checked = run_pytest(folder)

    assert missing.exit_code == pytest.ExitCode.USAGE_ERROR
    assert "statements.json does not exist: record it by pytest --perfkit-record" in missing.output
    assert checked.failed == ["test_page"]
    assert "1 statement more than kept/statements.json has" in checked.tests["test_page"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--perfkit-check=bad.json", "-n", "1"], "bad.json is damaged or no baseline of perfkit: delete it"),
        (["--perfkit-record=bad.json"], "bad.json is damaged or no baseline of perfkit: delete it"),
        (["--perfkit-record=no/such.json"], "no does not exist."),
        (["--perfkit-check", "test_shop.py"], "'test_shop.py' is no .json file. Put the tests before"),
        (["--perfkit-check", "--perfkit-record"], "exclude each other: give one of them."),
    ],
)
def test_a_file_or_option_that_cannot_be_used_is_one_clear_line(tmp_path, arguments, message):
    folder = prepare(tmp_path, test_shop="def test_page():\n    pass\n", app="")
    (folder / "bad.json").write_text('{"perfkit_baseline": 1, "tests": {"a"')

    run = run_pytest(folder, *arguments)

    assert run.exit_code == pytest.ExitCode.USAGE_ERROR
    assert message in run.output
    assert "Traceback" not in run.output
    assert (folder / "bad.json").read_text().endswith('{"a"')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"tests": {}}',
        '{"perfkit_baseline": 1}',
        '{"perfkit_baseline": 1, "tests": []}',
        '{"perfkit_baseline": 1, "tests": {"t": [{"count": 1}]}}',
        '{"perfkit_baseline": 1, "tests": {"t": [{"count": 0, "sent_from": "", "statement": ""}]}}',
        '{"perfkit_baseline": 1, "tests": {"t": [{"count": true, "sent_from": "", "statement": ""}]}}',
        '{"perfkit_baseline": 1, "tests": {"t": [{"count": 1, "sent_from": [], "statement": ""}]}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "baseline.json"
    path.write_text(text)

    with pytest.raises(BaselineError, match=r"baseline\.json is damaged"):
        baseline.read(path)


def test_a_file_that_is_no_text_or_of_another_version_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BaselineError, match="damaged"):
        baseline.read(path)
    path.write_text('{"perfkit_baseline": 2}')
    with pytest.raises(BaselineError, match="another version"):
        baseline.read(path)


def test_what_is_written_is_read_back(tmp_path):
    tests = {
        "b.py::test[ü]": {Source('SELECT "é"', "a.py:f"): 2, Source("SELECT ?", ""): 1},
        "a.py::test": {},
    }
    path = tmp_path / "baseline.json"
    path.write_text(baseline.dumps(tests), encoding="utf-8")

    assert baseline.read(path) == tests
    assert baseline.dumps(baseline.read(path)) == baseline.dumps(tests)


def test_each_statement_has_a_line_of_its_own():
    text = baseline.dumps({"t": {Source("B", "a.py:f"): 2, Source("A", "a.py:f"): 1}})

    assert [row.strip() for row in text.splitlines() if "sent_from" in row] == [
        '{"sent_from": "a.py:f", "count": 1, "statement": "A"},',
        '{"sent_from": "a.py:f", "count": 2, "statement": "B"}',
    ]


def test_moving_a_statement_to_another_function_adds_none():
    before, after = {Source("A", "a.py:f"): 2}, {Source("A", "a.py:g"): 1, Source("A", "b.py:f"): 1}

    assert baseline.changes(before, after) == []


def test_changes_count_by_shape():
    before = {Source("A", "f"): 2, Source("B", "f"): 1, Source("C", "f"): 1}
    after = {Source("A", "f"): 1, Source("A", "g"): 2, Source("C", "f"): 1, Source("D", "f"): 1}

    assert baseline.changes(before, after) == [Change("A", 2, 3), Change("B", 1, 0), Change("D", 0, 1)]


def test_a_place_has_no_line_and_no_folder_of_this_machine(tmp_path):
    inside = CodeLocation(str(tmp_path / "shop" / "pages.py"), 3, "page")
    outside = CodeLocation("/elsewhere/lib.py", 3, "load")

    spans = trace([query(call_site=inside), query(call_site=outside), query()]).queries

    assert [baseline.source_of(span, tmp_path).sent_from for span in spans] == [
        "shop/pages.py:page",
        "lib.py:load",
        "",
    ]


def test_a_comprehension_belongs_to_its_function_in_every_version_of_python(tmp_path):
    path = tmp_path / "pages.py"
    path.write_text("def outer():\n    def inner():\n        return [ask() for _ in range(3)]\nask()\n")

    places = [CodeLocation(str(path), 3, name) for name in ("<listcomp>", "inner", "<lambda>")]

    assert [baseline.function_name(place) for place in places] == ["inner"] * 3
    assert baseline.function_name(CodeLocation(str(path), 4, "<module>")) == "<module>"
    assert baseline.function_name(CodeLocation("/no/such.py", 4, "<genexpr>")) == "<module>"


def test_a_test_that_ran_twice_keeps_its_larger_counts():
    spans = trace(loop(3), query("SELECT 1", call_site=line(1))).queries
    counts = baseline.unflat(baseline.flat(baseline.count_sources(spans, line(1).file_path)))

    assert baseline.total(counts) == 4
    assert baseline.larger(counts, {Source("other", ""): 1, next(iter(counts)): 1}) == {
        **counts,
        Source("other", ""): 1,
    }
