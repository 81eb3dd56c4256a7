"""The tables of the corpus: each program under each tool, and how often each tool is right."""

from collections.abc import Callable, Iterable, Sequence

from tests.benchmarks.tables import Table
from tests.corpus.judging import TIMED, Outcome, expected
from tests.corpus.peers import PEERS, Answers
from tests.corpus.program import Program

# Whether a tool reported a program; None for one that it does not support, or could not run.
Reported = Callable[[Program], bool | None]


def tables(
    chosen: tuple[Program, ...],
    outcomes: dict[str, Outcome | None],
    answers: Answers,
    again: Sequence[str] = (),
) -> tuple[Table, ...]:
    """All tables: programs, then precision and recall, then where perfkit is wrong.

    Args:
        chosen: the programs that were run.
        outcomes: perfkit's, by program.
        answers: the other tools'.
        again: the programs of which the second run was judged.
    """
    return (
        _programs(chosen, outcomes, answers, again),
        _scores(chosen, outcomes, answers),
        _wrong(chosen, outcomes),
    )


def _programs(
    chosen: tuple[Program, ...],
    outcomes: dict[str, Outcome | None],
    answers: Answers,
    again: Sequence[str],
) -> Table:
    names = list(answers.reported)
    rows = []
    for program in chosen:
        others = [_word(_peer(answers, name)(program), program) for name in names]
        rows.append((program.name, program.on, _rules(program.verdict), _ours(program, outcomes), *others))
    columns = ("program", "on", "expected", "perfkit", *names)
    return Table("Programs", columns, tuple(rows), (*_how(answers), _second_runs(again)))


def _how(answers: Answers) -> tuple[str, ...]:
    notes = [
        "perfkit is right where it names exactly the expected rules, the line, the loop and the count of "
        "statements; the count is also checked against SQLite's trace, libpq's trace or Django's log.",
        "Another tool is right where it reports anything at all on a program with a mistake, and nothing "
        "on a look-alike. A blank: its documentation does not claim that it sees such a program.",
    ]
    for peer in PEERS:
        version = answers.versions.get(peer.name)
        if version:
            notes.append(f"{peer.name} {version} reports where {peer.how}.")
        elif peer.name in answers.reasons:
            notes.append(f"{peer.name} could not be installed: {answers.reasons[peer.name]}")
    return tuple(notes)


def _second_runs(again: Sequence[str]) -> str:
    rules = ", ".join(sorted(TIMED))
    what = f"A program that differs only in rules that read times ({rules}) is run once more"
    return f"{what}: {', '.join(again)}." if again else f"{what}; none was."


def _scores(chosen: tuple[Program, ...], outcomes: dict[str, Outcome | None], answers: Answers) -> Table:
    rows = [_score("perfkit, exact", chosen, lambda program: _exactly(program, outcomes))]
    for name in answers.reported:
        reported = _peer(answers, name)
        shared = tuple(program for program in chosen if reported(program) is not None)
        rows.append(_score(name, shared, reported))
        rows.append(_score(f"perfkit, exact, on those of {name}", shared, lambda p: _exactly(p, outcomes)))
    columns = ("tool", "programs", "found", "missed", "false alarms", "silent", "precision", "recall")
    return Table("Precision and recall", columns, tuple(rows))


def _score(tool: str, chosen: Iterable[Program], reported: Reported) -> tuple[str, ...]:
    counts = {(should, did): 0 for should in (True, False) for did in (True, False)}
    for program in chosen:
        counts[bool(program.verdict), bool(reported(program))] += 1
    found, missed = counts[True, True], counts[True, False]
    alarms, silent = counts[False, True], counts[False, False]
    numbers = (found + missed + alarms + silent, found, missed, alarms, silent)
    return (tool, *map(str, numbers), _share(found, found + alarms), _share(found, found + missed))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _exactly(program: Program, outcomes: dict[str, Outcome | None]) -> bool:
    """A mistake: whether all was named rightly. A look-alike: whether anything was named or miscounted."""
    is_right = outcomes[program.name] == expected(program)
    return is_right if program.verdict else not is_right


def _peer(answers: Answers, name: str) -> Reported:
    return lambda program: answers.reported[name].get(program.name)


def _wrong(chosen: tuple[Program, ...], outcomes: dict[str, Outcome | None]) -> Table:
    rows = tuple(
        (program.name, program.wrong or "not known yet")
        for program in chosen
        if outcomes[program.name] != expected(program)
    )
    return Table("Where perfkit is wrong", ("program", "why"), rows)


def _ours(program: Program, outcomes: dict[str, Outcome | None]) -> str:
    outcome = outcomes[program.name]
    if outcome == expected(program):
        return "right"
    return "failed" if outcome is None else f"WRONG: {_rules(outcome.verdict)}"


def _rules(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "silent"


def _word(reported: bool | None, program: Program) -> str:
    if reported is None:
        return ""
    if program.verdict:
        return "found" if reported else "MISSED"
    return "FALSE ALARM" if reported else "silent"
