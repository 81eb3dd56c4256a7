"""The fixture counts, and a broken budget names the lines."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

MODULE = """
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite://")

    def ask(times):
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(text("SELECT :n"), {"n": number})
"""


@pytest.fixture
def run(pytester):
    def run(body):
        pytester.makepyfile(MODULE + body)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider")

    return run


def test_a_test_within_its_budget_passes(run):
    result = run("""
    def test_page(query_counter):
        ask(1)
        assert query_counter.count <= 1
""")

    result.assert_outcomes(passed=1)


def test_a_test_over_its_budget_fails_with_the_statements_and_their_lines(run):
    result = run("""
    def test_page(query_counter):
        ask(3)
        assert query_counter.count <= 1
""")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert 3 <= 1 statements*", "*3 x SELECT ?*", "*:8 in ask*loop at*:7 in ask*"]
    )


def test_what_the_preparation_sent_can_be_forgotten(run):
    result = run("""
    def test_page(query_counter):
        ask(5)
        query_counter.reset()
        ask(1)
        assert query_counter.count == 1
""")

    result.assert_outcomes(passed=1)


def test_each_test_counts_its_own_and_only_its_own(run):
    result = run("""
    def test_one(query_counter):
        ask(2)
        assert query_counter.count == 2

    def test_other(query_counter):
        assert query_counter.count == 0
""")

    result.assert_outcomes(passed=2)


def test_the_statements_can_be_judged(run):
    result = run("""
    def test_page(query_counter):
        from perfkit import diagnose
        ask(4)
        assert [f.rule for f in diagnose(query_counter.trace).findings] == ["n-plus-one"]
""")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("module", ["perfkit", "perfkit.pytest_plugin"])
def test_importing_it_loads_nothing_heavy(module):
    code = (
        f"import sys, {module}; print([m for m in ('sqlalchemy', 'pandas', 'IPython') if m in sys.modules])"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
