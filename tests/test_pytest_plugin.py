"""Budgets of statements in tests: a test that breaks one fails with the statements and their lines."""

import subprocess
import sys

import pytest
from pytest_runs import EXECUTE_LINE, LAZY_LINE, prepare, run_pytest

pytestmark = pytest.mark.xdist_group("pytest plugin")  # one run is shared by the tests
COUNTER = """
    import pytest
    from app import ask

    def test_within_its_budget(query_counter):
        ask(1)
        assert query_counter.count <= 1

    def test_over_its_budget(query_counter):
        ask(3)
        assert query_counter.count <= 1

    def test_counts_its_own_only(query_counter):
        assert query_counter.count == 0

    def test_forgets_its_preparation(query_counter):
        ask(5)
        query_counter.reset()
        ask(1)
        assert query_counter.count == 1

    def test_judges(query_counter):
        from perfkit import diagnose
        ask(4)
        assert [f.rule for f in diagnose(query_counter.trace).findings] == ["n-plus-one"]

    def test_parts_within_their_budgets(query_counter):
        with query_counter.max(2) as part:
            ask(2)
            assert part.count == 2
        with query_counter.max(0):
            pass
        ask(5)
        assert query_counter.count == 7

    def test_part_over_its_budget(query_counter):
        with query_counter.max(9):
            with query_counter.max(1):
                ask(2)

    def test_part_that_fails(query_counter):
        with query_counter.max(0):
            ask(1)
            assert 1 == 2

    def test_part_with_a_wrong_number(query_counter):
        with pytest.raises(TypeError, match="max\\\\(3\\\\)"):
            query_counter.max("3")
"""
MARKERS = """
    import unittest

    import pytest
    from app import Author, Session, ask, count_books, engine, select, text

    @pytest.fixture
    def prepared():
        ask(9)
        yield
        ask(9)

    @pytest.mark.max_queries(2)
    def test_few(prepared):
        ask(2)

    @pytest.mark.max_queries(2)
    def test_many(prepared):
        ask(3)

    @pytest.mark.max_queries(0)
    def test_own_failure():
        ask(1)
        assert 1 == 2

    @pytest.mark.max_queries(0)
    def test_skipped():
        ask(1)
        pytest.skip("not today")

    @pytest.mark.xfail(strict=True)
    @pytest.mark.max_queries(0)
    def test_known_to_be_slow():
        ask(1)

    @pytest.mark.max_queries(1)
    class TestClosest:
        def test_of_the_class(self):
            ask(2)

        @pytest.mark.max_queries(2)
        def test_of_the_function(self):
            ask(2)

    @pytest.mark.max_queries("3")
    def test_wrong_number():
        raise SystemError("it ran")

    @pytest.mark.no_n_plus_one("User.posts")
    def test_wrong_names():
        raise SystemError("it ran")

    @pytest.mark.no_n_plus_one
    def test_lazy():
        count_books()

    @pytest.mark.no_n_plus_one(ignore=("Author.books",))
    def test_lazy_and_ignored():
        count_books()

    @pytest.mark.no_n_plus_one(ignore="Author.other")
    def test_lazy_and_another_ignored():
        count_books()

    @pytest.mark.no_n_plus_one(ignore=("Author.books",))
    def test_lookup_beside_the_ignored():
        count_books()
        ask(2)

    @pytest.mark.no_n_plus_one
    def test_refresh():
        with Session(engine) as session:
            for author in session.scalars(select(Author)).all():
                session.refresh(author)

    @pytest.mark.no_n_plus_one
    def test_two_lines(prepared):
        ask(1)
        ask(1)

    @pytest.mark.no_n_plus_one
    def test_duplicates():
        with engine.connect() as connection:
            for _ in range(5):
                connection.execute(text("SELECT 1"))

    @pytest.mark.max_queries(1)
    @pytest.mark.no_n_plus_one
    def test_both():
        ask(3)

    class TestOfUnittest(unittest.TestCase):
        @pytest.mark.max_queries(1)
        def test_of_unittest(self):
            ask(2)
"""
ASYNC = """
    import asyncio

    import pytest
    from app import ask

    async def work():
        await asyncio.sleep(0)
        ask(1)

    @pytest.mark.asyncio
    @pytest.mark.max_queries(2)
    async def test_asyncio_within():
        await asyncio.gather(work(), work())

    @pytest.mark.asyncio
    @pytest.mark.max_queries(1)
    async def test_asyncio_over():
        await asyncio.gather(work(), work())

    @pytest.mark.asyncio
    async def test_asyncio_part(query_counter):
        with query_counter.max(1):
            await work()
            await work()

    @pytest.mark.asyncio
    @pytest.mark.no_n_plus_one
    async def test_asyncio_loop():
        for _ in range(3):
            await asyncio.sleep(0)
            ask(2)

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.anyio
    @pytest.mark.max_queries(1)
    async def test_anyio_over():
        await asyncio.to_thread(ask, 2)

    @pytest.mark.anyio
    async def test_anyio_part(query_counter):
        with query_counter.max(2):
            await work()
            await work()
"""


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """What every test above says, run once, on two workers."""
    folder = prepare(
        tmp_path_factory.mktemp("budgets"), test_counter=COUNTER, test_markers=MARKERS, test_async=ASYNC
    )
    run = run_pytest(folder, "--strict-markers", "-n", "2")
    assert run.exit_code == 1, run.output
    return run.tests


@pytest.mark.parametrize(
    "name",
    [
        "test_within_its_budget",
        "test_counts_its_own_only",
        "test_forgets_its_preparation",
        "test_judges",
        "test_parts_within_their_budgets",
        "test_part_with_a_wrong_number",
        "test_few",
        "test_of_the_function",
        "test_lazy_and_ignored",
        "test_two_lines",
        "test_duplicates",
        "test_asyncio_within",
        "test_anyio_part",
    ],
)
def test_a_test_that_sends_what_it_may_passes(tests, name):
    assert tests[name] == ""


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("test_over_its_budget", "assert 3 <= 1 statement"),
        ("test_part_over_its_budget", "2 statements sent, at most 1 allowed by query_counter.max(1):"),
        ("test_many", "3 statements sent, at most 2 allowed by max_queries(2):"),
        ("test_of_the_class", "2 statements sent, at most 1 allowed by max_queries(1):"),
        ("test_of_unittest", "2 statements sent, at most 1 allowed by max_queries(1):"),
        ("test_asyncio_loop", "no_n_plus_one: 1 finding in 6 statements:"),
        ("test_anyio_over", "2 statements sent, at most 1 allowed by max_queries(1):"),
    ],
)
def test_a_broken_budget_names_statements_line_and_loop(tests, name, head):
    text = tests[name]

    assert head in text
    assert " x SELECT ?, ?" in text
    assert f"app.py:{EXECUTE_LINE} in ask" in text
    assert f"loop at app.py:{EXECUTE_LINE - 1} in ask" in text


def test_a_broken_budget_of_tasks_names_the_line(tests):
    assert "2 statements sent, at most 1 allowed by max_queries(1):" in tests["test_asyncio_over"]
    assert f"app.py:{EXECUTE_LINE} in ask" in tests["test_asyncio_over"]


def test_a_broken_part_shows_its_with_line_and_nothing_of_perfkit(tests):
    text = tests["test_part_over_its_budget"]

    assert ">           with query_counter.max(1):" in text
    assert "__exit__" not in text
    assert "at most 1 allowed by query_counter.max(1)" in tests["test_asyncio_part"]


def test_advice_comes_with_a_broken_budget(tests):
    assert "[worth it] 3 statements where one would do" in tests["test_many"]
    assert "Ask once, before the loop" in tests["test_many"]


@pytest.mark.parametrize("name", ["test_own_failure", "test_part_that_fails"])
def test_a_test_that_fails_by_itself_keeps_its_own_failure(tests, name):
    assert "assert 1 == 2" in tests[name]
    assert "allowed" not in tests[name]


def test_skipped_and_expected_failures_stay_what_they_are(tests):
    assert "not today" in tests["test_skipped"]
    assert "test_known_to_be_slow" in tests
    assert "XPASS" not in tests["test_known_to_be_slow"]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("test_wrong_number", "@pytest.mark.max_queries(3)"),
        ("test_wrong_names", '@pytest.mark.no_n_plus_one(ignore=("User.posts",))'),
    ],
)
def test_a_marker_written_wrongly_says_how_and_the_test_does_not_run(tests, name, example):
    assert example in tests[name]
    assert "it ran" not in tests[name]


@pytest.mark.parametrize("name", ["test_lazy", "test_lazy_and_another_ignored"])
def test_a_relationship_loaded_one_by_one_fails_with_the_option_to_add(tests, name):
    text = tests[name]

    assert "no_n_plus_one: 1 finding in 4 statements:" in text
    assert "select(Author).options(selectinload(Author.books))" in text
    assert f"loop   app.py:{LAZY_LINE} in " in text


def test_an_ignored_relationship_does_not_hide_another_finding(tests):
    text = tests["test_lookup_beside_the_ignored"]

    assert "no_n_plus_one: 1 finding in 6 statements:" in text
    assert "loading Author.books" not in text


def test_columns_loaded_one_by_one_fail(tests):
    assert "3 statements load Author again" in tests["test_refresh"]


def test_both_markers_say_a_finding_once(tests):
    assert tests["test_both"].count("[worth it]") == 1
    assert "no_n_plus_one: 1 finding, see above." in tests["test_both"]


@pytest.mark.parametrize("module", ["perfkit", "perfkit.pytest_plugin"])
def test_importing_it_loads_nothing_heavy(module):
    heavy = ("sqlalchemy", "sqlglot", "pandas", "IPython", "perfkit.capture", "perfkit.rules")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
