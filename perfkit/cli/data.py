"""`perfkit data`: build, show, reset, stop or remove the sample shop."""

import argparse
from typing import Any

from perfkit.cli._shared import add_create_option, add_database_options, lab_errors, say, table


def add_to(commands: Any) -> None:
    """Add the subcommand and its own."""
    parser = commands.add_parser("data", help="build, show, reset, stop or remove the sample shop")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add(actions, "build", _build, "build the sample data unless it is there", create=True)
    _add(actions, "info", _info, "show what there is and how large it is", scale=False)
    reset = _add(actions, "reset", _reset, "bring a shop back to its first state", create=True)
    reset.add_argument("name", nargs="?", default="shop", metavar="NAME", help="which shop; default: shop")
    stop = actions.add_parser("stop", help="stop the embedded server unless somebody uses it")
    stop.set_defaults(run=_stop)
    remove = actions.add_parser("remove", help="stop the embedded server and delete all of its data")
    remove.set_defaults(run=_remove)


def _add(
    actions: Any, name: str, run: Any, text: str, *, create: bool = False, scale: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text)
    add_database_options(parser, scale=scale)
    if create:
        add_create_option(parser)
    parser.set_defaults(run=run)
    return parser


def _build(arguments: argparse.Namespace) -> int:
    with lab_errors():
        from perfkit.lab import build

        rows = build(arguments.scale, url=arguments.database_url, create=arguments.create)
    say(table(("table", "rows"), [(name, f"{count:,}") for name, count in rows.items()]))
    return 0


def _info(arguments: argparse.Namespace) -> int:
    with lab_errors():
        from perfkit.lab import info

        found = info(url=arguments.database_url)
    say(f"The lab's data: {found.where}")
    if not found.databases:
        say("No sample data yet. Build them: perfkit data build")
        return 0
    rows = [
        (base.name, base.kind, base.scale or "-", f"{base.rows:,}", _megabytes(base.size_bytes))
        for base in found.databases
    ]
    say(table(("database", "kind", "scale", "rows", "size"), rows))
    return 0


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes else "-"


def _reset(arguments: argparse.Namespace) -> int:
    with lab_errors():
        from perfkit.lab import reset

        reset(arguments.name, scale=arguments.scale, url=arguments.database_url, create=arguments.create)
    say(f"The shop {arguments.name} is as it was at first.")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    with lab_errors():
        from perfkit.lab import stop

        down = stop()
    say("The embedded server is down." if down else "The embedded server is still used by another process.")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    with lab_errors():
        from perfkit.lab import remove

        folder = remove()
    say(f"Deleted: the sample data in {folder}. To have them again: perfkit data build")
    return 0
