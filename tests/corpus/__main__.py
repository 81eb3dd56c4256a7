"""`python -m tests.corpus [--markdown FILE] [--json FILE] [--only DATABASE] [--no-peers]`."""

import argparse
import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from tests.corpus.databases import Databases
from tests.corpus.judging import Outcome, expected, judged_fairly
from tests.corpus.peers import PEERS, Answers, ask_all
from tests.corpus.program import DATABASES, Program, programs
from tests.corpus.report import tables


def main() -> int:
    """Judge every program, ask the other tools, print the tables.

    Returns:
        1 where perfkit does not judge a program as it is declared, except those known to be wrong.
    """
    arguments = _parser().parse_args()
    warnings.simplefilter("ignore")
    on = [database for database in DATABASES if not arguments.only or database.startswith(arguments.only)]
    databases = Databases()
    try:
        chosen = programs(on)
        judged = {program.name: _judge(program, databases) for program in chosen}
        outcomes = {name: outcome for name, (outcome, _) in judged.items()}
        if arguments.json:
            arguments.json.write_text(json.dumps(_plain(outcomes)), encoding="utf-8")
            return 0
        answers = _ask_peers(chosen, databases) if not arguments.no_peers else Answers({}, {}, {})
    finally:
        databases.close()
    again = [name for name, (_, is_second_run) in judged.items() if is_second_run]
    made = tables(chosen, outcomes, answers, again)
    print(*(table.as_text() for table in made), sep="\n\n")
    if arguments.markdown:
        text = "\n\n".join(table.as_markdown() for table in made)
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    return int(any(outcomes[p.name] != expected(p) and not p.wrong for p in chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.corpus", description="Judge the corpus of programs.")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown too")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write perfkit's outcomes, and nothing else"
    )
    parser.add_argument("--only", choices=DATABASES, help="only programs on this database")
    parser.add_argument("--no-peers", action="store_true", help="do not ask the other tools")
    return parser


def _judge(program: Program, databases: Databases) -> tuple[Outcome | None, bool]:
    try:
        return judged_fairly(program, databases)
    except Exception as error:
        print(f"{program.name}: {error!r}", file=sys.stderr)
        return None, False


def _plain(outcomes: dict[str, Outcome | None]) -> dict[str, object]:
    return {
        name: outcome
        and {
            key: sorted(value) if isinstance(value, frozenset) else value
            for key, value in asdict(outcome).items()
        }
        for name, outcome in outcomes.items()
    }


def _ask_peers(chosen: tuple[Program, ...], databases: Databases) -> Answers:
    supported = tuple(program for program in chosen if any(peer.supports(program) for peer in PEERS))
    return ask_all(supported, databases.postgresql())


if __name__ == "__main__":
    sys.exit(main())
