"""Every program of the corpus: the verdict, the lines and the counts, the last against the databases' own."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.corpus.databases import Databases
from tests.corpus.judging import Outcome, expected, judged_fairly
from tests.corpus.peers import PEERS
from tests.corpus.program import DATABASES, programs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def databases():
    made = Databases()
    yield made
    made.close()


def _case(program):
    marks = [pytest.mark.xfail(reason=program.wrong, strict=True)] if program.wrong else []
    return pytest.param(program, id=program.name, marks=marks)


CASES = [_case(program) for program in programs(("sqlite", "postgresql"))]
DJANGO = [_case(program) for program in programs(("django", "django-postgresql"))]


@pytest.mark.xdist_group("corpus")
@pytest.mark.parametrize("program", CASES)
def test_a_program_gets_its_verdict_its_lines_and_its_count(databases, program):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = judged_fairly(program, databases)
    assert found == expected(program)


@pytest.fixture(scope="module")
def django_outcomes(tmp_path_factory):
    """A process can configure Django once, so these programs have one of their own."""
    path = tmp_path_factory.mktemp("corpus") / "django.json"
    command = [sys.executable, "-m", "tests.corpus", "--only", "django", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.xdist_group("corpus")
@pytest.mark.parametrize("program", DJANGO)
def test_a_program_of_djangos_gets_its_verdict_its_lines_and_its_count(django_outcomes, program):
    found = {
        key: frozenset(value) if isinstance(value, list) else value
        for key, value in django_outcomes[program.name].items()
    }
    assert Outcome(**found) == expected(program)


def test_every_program_is_explained_in_one_sentence_and_marked():
    for program in programs():
        assert program.why.endswith("."), program.name
        assert program.verdict == frozenset() or program.marked("line"), program.name
        assert program.verdict or not any(
            program.marked(word) for word in ("line", "loop", "inside", "cause")
        )


def test_there_are_enough_programs_on_each_side():
    firing = [program for program in programs() if program.verdict]
    silent = [program for program in programs() if not program.verdict]
    assert len(firing) >= 40
    assert len(silent) >= 40
    assert {program.on for program in firing} == {program.on for program in silent} == set(DATABASES)


def test_a_peer_is_asked_only_what_it_claims():
    for peer in PEERS:
        supported = [program for program in programs() if peer.supports(program)]
        assert {program.on for program in supported} == {"sqlite", "postgresql"}
        assert {program.kind for program in supported if program.verdict} == set(peer.claims)
