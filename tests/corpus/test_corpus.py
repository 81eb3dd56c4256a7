"""Every program of the corpus: the verdict, the lines and the counts, the last against the databases' own."""

import warnings

import pytest

from tests.corpus.databases import Databases
from tests.corpus.judging import expected, judged
from tests.corpus.program import programs


@pytest.fixture(scope="module")
def databases():
    made = Databases()
    yield made
    made.close()


def _case(program):
    marks = [pytest.mark.xfail(reason=program.wrong, strict=True)] if program.wrong else []
    return pytest.param(program, id=program.name, marks=marks)


CASES = [_case(program) for program in programs(("sqlite", "postgresql"))]


@pytest.mark.xdist_group("corpus")
@pytest.mark.parametrize("program", CASES)
def test_a_program_gets_its_verdict_its_lines_and_its_count(databases, program):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judged(program, databases) == expected(program)
