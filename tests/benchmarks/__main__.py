"""`python -m tests.benchmarks [NAME...] [--quick] [--json FILE] [--markdown FILE] [--update-readme]`."""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.processes import ROOT
from tests.benchmarks.tables import Table

NAMES = ("start", "queries", "profilers", "dataset", "tour", "proof", "advisors", "plans")
START, END = "<!-- bench:start -->", "<!-- bench:end -->"


def main() -> int:
    """Run the benchmarks that were named, or all."""
    arguments = _parser().parse_args()
    about = machine.describe()
    print(about, flush=True)
    tables: list[Table] = []
    for name in arguments.names or NAMES:
        began = time.perf_counter()
        found = importlib.import_module(f"tests.benchmarks.{name}").run(quick=arguments.quick)
        tables += found
        print("", *(f"{table.as_text()}\n" for table in found), sep="\n")
        print(f"({name}: {time.perf_counter() - began:.0f} s)", flush=True)
    markdown = "\n\n".join(
        [_headline(about, quick=arguments.quick), *(table.as_markdown() for table in tables)]
    )
    print("", markdown, sep="\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown + "\n", encoding="utf-8")
    if arguments.json:
        data = {"machine": about, "quick": arguments.quick, "tables": [table.as_json() for table in tables]}
        arguments.json.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
    return _update_readme(markdown) if arguments.update_readme else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description="Measure speed and overhead.")
    parser.add_argument("names", nargs="*", choices=(*NAMES, []), metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small data and few repeats: to try it out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables as JSON too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown too")
    parser.add_argument(
        "--update-readme", action="store_true", help=f"replace what stands between {START} and {END}"
    )
    return parser


def _headline(about: str, *, quick: bool) -> str:
    how = "A quick run with few repeats. " if quick else ""
    return f"{how}Measured by `make bench` on {about}."


def _update_readme(markdown: str) -> int:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        print(f"README.md has no lines {START} and {END}: nothing was changed.", file=sys.stderr)
        return 1
    readme.write_text(f"{before}{START}\n{markdown}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
