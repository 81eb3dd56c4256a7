"""The other tools: what their documentation claims, and what they say of a program."""

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.corpus.databases import SERVER
from tests.corpus.program import Program

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "corpus-peers"
# The same versions as perfkit's own, so that all tools see the same SQLAlchemy.
_SHARED = ("sqlalchemy", "psycopg", "psycopg-binary", "greenlet", "aiosqlite", "jinja2", "pandas", "pytest")


@dataclass(frozen=True)
class Peer:
    """One tool. `claims` are the kinds of mistakes that its documentation says it finds."""

    name: str
    claims: tuple[str, ...]
    how: str

    def supports(self, program: Program) -> bool:
        """Whether its documentation says that it sees such a program, and finds such a mistake.

        All three watch SQLAlchemy alone, so a look-alike counts for each of them if it uses SQLAlchemy.
        """
        is_sqlalchemy = program.on in ("sqlite", "postgresql") and not (
            {"pg", "apg", "asyncpg", "lite", "path"} & set(program.arguments)
        )
        is_claimed = not program.verdict or program.kind in self.claims
        return is_sqlalchemy and is_claimed and self.name not in program.unseen_by


PEERS = (
    Peer(
        "queryspy",
        ("lazy load", "column load", "repeated select"),
        "its recorder's findings() are not empty; its README claims lazy loads, column loads and repeated "
        "statements, and says that recording is scoped to a context variable, so threads do not count",
    ),
    Peer(
        "pytest-queryguard",
        ("lazy load", "column load", "repeated select", "write"),
        "assert_no_nplusone raises, with the thresholds it comes with and its opt-in for row-by-row writes "
        "(5); its README claims relationship loads, repeated SELECTs, column loads and write loops",
    ),
    Peer(
        "pytest-querycount",
        ("lazy load", "column load", "repeated select"),
        "duplicates() is not empty, as for its marker no_n_plus_one with the defaults; its README claims "
        "repeated shapes of SELECT",
    ),
)


@dataclass(frozen=True)
class Answers:
    """By peer: its version, or why it is not there; by peer and program, whether it reported something."""

    versions: dict[str, str]
    reasons: dict[str, str]
    reported: dict[str, dict[str, bool | None]]


def ask_all(programs: tuple[Program, ...], server: str) -> Answers:
    """Run the programs under each peer.

    Args:
        programs: those that any of them supports.
        server: address of a PostgreSQL that is filled.
    """
    reasons = _install()
    versions = _versions()
    reported = {}
    for peer in PEERS:
        if peer.name in versions:
            wanted = [program.name for program in programs if peer.supports(program)]
            reported[peer.name] = _ask(peer, wanted, server)
    return Answers(versions, reasons, reported)


def _ask(peer: Peer, names: list[str], server: str) -> dict[str, bool | None]:
    done = subprocess.run(
        [str(_python()), "-m", "tests.corpus.peer_child", peer.name, *names],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), SERVER: server},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer.name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    answer: dict[str, bool | None] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _python() -> Path:
    return HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _install() -> dict[str, str]:
    """Make the environment unless it is there and still right; by peer, why it could not be installed."""
    shared = [f"{name}=={version(name)}" for name in _SHARED]
    state_file, state = HOME / "state.json", {"shared": shared, "python": sys.version}
    if state_file.exists():
        known: dict[str, Any] = json.loads(state_file.read_text(encoding="utf-8"))
        if {key: known[key] for key in state} == state:
            reasons: dict[str, str] = known["reasons"]
            return reasons
    print(f"Installing the other tools into {HOME} (once) ...", file=sys.stderr, flush=True)
    venv.create(HOME, with_pip=True, clear=True)
    _pip(*shared).check_returncode()
    reasons = {}
    for peer in PEERS:
        done = _pip(peer.name)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
            reasons[peer.name] = (lines or ["pip could not install it"])[-1]
    state_file.write_text(json.dumps({**state, "reasons": reasons}), encoding="utf-8")
    return reasons


def _pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _versions() -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json; print(json.dumps("
        "{d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    done = subprocess.run([str(_python()), "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {peer.name: found[peer.name] for peer in PEERS if peer.name in found}
