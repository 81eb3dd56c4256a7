"""`perfkit tour`: build the sample data, run every guided notebook, write the reports."""

import argparse
from pathlib import Path
from typing import Any

from perfkit.cli._notebooks import Plan, make_reports
from perfkit.cli._shared import CommandError, add_create_option, add_database_options, lab_errors, say
from perfkit.cli._workspace import Workspace, prepare


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "tour",
        help="build the sample data, run every guided notebook, write reports/index.html",
        description="Build the sample data unless it is there, run every guided notebook, write its report. "
        "In a checkout the notebooks of the checkout are run; an installed perfkit first copies them to DIR.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where notebooks and reports go")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where the reports go; default: DIR/reports"
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="run only this notebook; may be repeated"
    )
    add_database_options(parser)
    add_create_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tour; 0 when every notebook ran to its end."""
    workspace = prepare(arguments.folder)
    notebooks = _chosen(workspace, arguments.only)
    rows = build_data(arguments)
    say(f"The sample shop holds {rows:,} rows.")
    output = arguments.output or workspace.folder / "reports"
    return make_reports(Plan(notebooks, output, environment=kernel_environment(arguments)))


def build_data(arguments: argparse.Namespace) -> int:
    """Build the sample data unless it is there; the number of its rows."""
    with lab_errors():
        from perfkit.lab import build

        return sum(build(arguments.scale, url=arguments.database_url, create=arguments.create).values())


def kernel_environment(arguments: argparse.Namespace) -> dict[str, str]:
    """What the kernels must know of the command's options."""
    given = {"PERFKIT_SCALE": arguments.scale, "PERFKIT_DATABASE_URL": arguments.database_url}
    return {name: value for name, value in given.items() if value}


def _chosen(workspace: Workspace, only: list[str] | None) -> tuple[Path, ...]:
    notebooks = workspace.notebooks
    if not notebooks:
        raise CommandError(f"There are no guided notebooks in {workspace.folder / 'notebooks'}.")
    if not only:
        return notebooks
    chosen = tuple(path for path in notebooks if any(_is_meant(path, name) for name in only))
    unknown = [name for name in only if not any(_is_meant(path, name) for path in notebooks)]
    if unknown:
        names = ", ".join(path.stem for path in notebooks)
        raise CommandError(f"No guided notebook is called {', '.join(unknown)}. There are: {names}.")
    return chosen


def _is_meant(path: Path, name: str) -> bool:
    """`01`, `01_too_many_queries` and `01_too_many_queries.ipynb` mean the same notebook."""
    wanted = name.removesuffix(".ipynb")
    return path.stem == wanted or path.stem.split("_")[0] == wanted
