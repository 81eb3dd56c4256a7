"""How long the tour takes, at full scale: with the sample data, and again."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.processes import ROOT, fresh_lab
from tests.benchmarks.tables import Table, verdict

TARGETS_S = {"first run, sample data included": 120, "second run": 60}
TITLE = "The tour"


def run(*, quick: bool) -> list[Table]:
    """Measure both runs; three minutes at most."""
    reason = _reason_to_skip(quick=quick)
    if reason:
        return [Table(TITLE, ("what", "measured"), (("skipped", reason),), is_skipped=True)]
    rows = []
    output = Path(tempfile.mkdtemp(prefix="pktour"))
    try:
        with fresh_lab():
            for name, limit_s in TARGETS_S.items():
                seconds, status = _tour(output)
                word = verdict(seconds < limit_s) if status == 0 else f"ended with {status}"
                rows.append((name, f"{seconds:.0f} s", f"under {limit_s} s", word))
    finally:
        shutil.rmtree(output, ignore_errors=True)
    names = ", ".join(path.stem for path in _notebooks())
    how = f"`perfkit tour` once each, scale full, in a new folder for the data; notebooks: {names}."
    return [Table(TITLE, ("run", "on the clock", "target", ""), tuple(rows), (how,))]


def _reason_to_skip(*, quick: bool) -> str | None:
    if quick:
        return "a full tour is not part of a quick run"
    if not _notebooks():
        return "there are no guided notebooks yet"
    return None if _command().exists() else "the command perfkit is not installed beside this Python"


def _notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def _command() -> Path:
    return Path(sys.executable).with_name("perfkit.exe" if sys.platform == "win32" else "perfkit")


def _tour(output: Path) -> tuple[float, int]:
    start = time.perf_counter()
    done = subprocess.run(
        [str(_command()), "tour", "-o", str(output)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    return time.perf_counter() - start, done.returncode
