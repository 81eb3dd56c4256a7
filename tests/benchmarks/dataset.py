"""How fast the sample shop is built, cloned and brought back."""

from statistics import median

from tests.benchmarks.processes import ask, fresh_lab
from tests.benchmarks.tables import Table, spread, verdict

ROWS_TARGET = 300_000
CLONE_TARGET_S = 2
REPEATS = 3


def run(*, quick: bool) -> list[Table]:
    """Measure; one to two minutes, a quarter of it when quick."""
    return [_table(scale) for scale in (("tiny", "small") if quick else ("full",))]


def _table(scale: str) -> Table:
    runs = []
    for _ in range(REPEATS):
        with fresh_lab():
            runs.append(ask("sample_data", scale))
    rows = runs[0]["rows"]
    rates = [run["rows"] / run["build_s"] for run in runs]
    clones = [value for run in runs for value in run["clone_s"]]
    resets = [value for run in runs for value in run["reset_s"]]
    is_full = scale == "full"
    rate_target = (
        (f"at least {ROWS_TARGET:,}", verdict(median(rates) >= ROWS_TARGET)) if is_full else ("", "")
    )
    clone_target = (
        (f"under {CLONE_TARGET_S} s", verdict(median(clones) < CLONE_TARGET_S)) if is_full else ("", "")
    )
    cells = (
        ("first start of the server, s", spread([run["server_s"] for run in runs], 2), "", ""),
        ("build, s", spread([run["build_s"] for run in runs], 2), "", ""),
        ("rows a second, keys and vacuum included", spread(rates, 0), *rate_target),
        ("clone, s", spread(clones, 2), *clone_target),
        ("reset, s", spread(resets, 2), "", ""),
    )
    how = (
        f"Median (range or quarter marks) of {REPEATS} builds of {rows:,} rows, each in an empty folder with "
        f"a server of its own, and of {len(clones)} clones and resets."
    )
    return Table(f"Sample data, scale {scale}", ("what", "measured", "target", ""), cells, (how,))
