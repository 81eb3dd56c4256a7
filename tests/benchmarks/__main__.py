"""`python -m tests.benchmarks [NAME...] [--quick] [--json FILE] [--markdown FILE] [--update-readme]`."""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks import machine, readme
from tests.benchmarks.processes import ROOT
from tests.benchmarks.tables import Table

NAMES = ("start", "queries", "profilers", "dataset", "tour", "proof", "advisors", "plans")


def main() -> int:
    """Run the benchmarks that were named, or all."""
    arguments = _parser().parse_args()
    about = machine.describe()
    kind = readme.run_line(about, quick=arguments.quick)
    print(kind, flush=True)
    tables: dict[str, list[Table]] = {}
    for name in arguments.names or NAMES:
        began = time.perf_counter()
        tables[name] = importlib.import_module(f"tests.benchmarks.{name}").run(quick=arguments.quick)
        print("", *(f"{table.as_text()}\n" for table in tables[name]), sep="\n")
        word = "a quick run" if arguments.quick else "a full run"
        print(f"({name}: {word}, {time.perf_counter() - began:.0f} s)", flush=True)
    sections = {name: _section(kind, found) for name, found in tables.items()}
    markdown = "\n\n".join(sections.values())
    print("", markdown, sep="\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown + "\n", encoding="utf-8")
    if arguments.json:
        found = {name: [table.as_json() for table in section] for name, section in tables.items()}
        data = {"machine": about, "quick": arguments.quick, "sections": found}
        arguments.json.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
    measured = [name for name, found in tables.items() if not all(table.is_skipped for table in found)]
    return _update_readme({name: sections[name] for name in measured}) if arguments.update_readme else 0


def _section(kind: str, tables: Sequence[Table]) -> str:
    """The tables of one section in Markdown, below the run that they come from."""
    return "\n\n".join([kind, *(table.as_markdown() for table in tables)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description="Measure speed and overhead.")
    parser.add_argument(
        "names",
        nargs="*",
        choices=(*NAMES, []),
        metavar="NAME",
        help=f"sections: {', '.join(NAMES)}; all by default",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small data and few repeats: to try it out; the tables say so"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables as JSON too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown too")
    parser.add_argument(
        "--update-readme",
        action="store_true",
        help=f"replace the tables of these sections between {readme.START} and {readme.END}; others stay",
    )
    return parser


def _update_readme(sections: Mapping[str, str]) -> int:
    path = ROOT / "README.md"
    try:
        text = readme.updated(path.read_text(encoding="utf-8"), sections, NAMES)
    except ValueError as error:
        print(f"Nothing was changed: {error}.", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
