"""What perfkit says of a program, in the words in which programs declare it."""

from dataclasses import dataclass

from perfkit.model.location import CodeLocation
from perfkit.session import measure
from tests.corpus.databases import Databases
from tests.corpus.oracle import Oracle
from tests.corpus.program import Program
from tests.corpus.running import run

# What these rules say rests on the times of single statements and pauses. On a machine that is busy with
# other things, such a time may tell of those: a program that differs in nothing else is run once more.
TIMED = frozenset({"deep-offset", "connection-held-idle", "idle-in-transaction", "pool-exhausted"})


@dataclass(frozen=True)
class Outcome:
    """Rules that reported, the lines they named, and two counts that must agree."""

    verdict: frozenset[str]
    loop: frozenset[int]
    inside: frozenset[int]
    line: frozenset[int]
    cause: frozenset[int]
    statements: int
    executions: int


def expected(program: Program) -> Outcome:
    """What the program declares. A cause is asked for only where one is marked."""
    marks = {word: program.marked(word) for word in ("loop", "inside", "line", "cause")}
    return Outcome(program.verdict, **marks, statements=program.statements, executions=program.executions)


def judged_fairly(program: Program, databases: Databases) -> tuple[Outcome, bool]:
    """The same as `judged`, and whether the program had to run a second time."""
    found, wanted = judged(program, databases), expected(program)
    differing = found.verdict ^ wanted.verdict
    if differing and differing <= TIMED:
        return judged(program, databases), True
    return found, False


def judged(program: Program, databases: Databases) -> Outcome:
    """Run the program twice: under perfkit, and under the databases' own oracles without perfkit."""
    measurement = run(program, databases, lambda: measure(program.name))
    findings = measurement.diagnosis.findings
    path = program.work.__code__.co_filename
    causes = _lines(path, (finding.cause for finding in findings))
    return Outcome(
        verdict=frozenset(finding.rule for finding in findings),
        loop=_lines(path, (finding.loop for finding in findings)),
        inside=_lines(path, (finding.outer_loop for finding in findings)),
        line=_lines(path, (finding.location for finding in findings)),
        cause=causes if program.marked("cause") else frozenset(),
        statements=len(measurement.trace.queries),
        executions=_executions(program, databases),
    )


def _executions(program: Program, databases: Databases) -> int:
    if program.on.startswith("django"):
        from tests.corpus.django_library import captured

        return captured(program, databases)
    oracle = Oracle()
    run(program, databases, oracle.watching, oracle)
    return len(oracle.executions)


def _lines(path: str, places: "object") -> frozenset[int]:
    """The lines of the program's own file; 0 stands for a place elsewhere, which is always wrong."""
    found: set[int] = set()
    for place in places:  # type: ignore[attr-defined]
        if isinstance(place, CodeLocation):
            found.add(place.line_number if place.file_path == path else 0)
    return frozenset(found)
