"""What perfkit costs before it measures anything: imports, the pytest plugin, an empty cell."""

import random
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.processes import ask, cost_of
from tests.benchmarks.tables import Table, spread, tenth, verdict

IMPORT_TARGET_MS = 150
PLUGIN_TARGET_MS = 20
CELL_TARGET_MS = 5
IMPORTS = {
    "import perfkit": "import perfkit",
    "first use: from perfkit.session import measure": "from perfkit.session import measure",
    "%load_ext perfkit: from perfkit.magics import …": "from perfkit.magics import load_ipython_extension",
}


def run(*, quick: bool) -> list[Table]:
    """Measure; a minute, a third of it when quick."""
    return [_imports(7 if quick else 25), _plugin(7 if quick else 25), _cell(30 if quick else 100)]


def _imports(repeats: int) -> Table:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for repeat in range(-1, repeats):
        for name in random.sample(list(IMPORTS), len(IMPORTS)):
            measured = ask("imports", IMPORTS[name])
            if repeat >= 0:
                times[name].append(measured)
    rows = []
    for name, runs in times.items():
        walls, cpus = zip(*runs, strict=True)
        is_target = name == "import perfkit"
        target = (
            (f"under {IMPORT_TARGET_MS} ms", verdict(median(walls) < IMPORT_TARGET_MS))
            if is_target
            else ("", "")
        )
        rows.append((name, spread(walls), spread(cpus), *target))
    how = (
        f"Milliseconds beyond `import sqlalchemy`: median (quarter marks) of {repeats} fresh processes each, "
        "interleaved, after one that is not counted. `import perfkit` loads its parts at first use, so the "
        "first use is listed too; for the magics it includes IPython."
    )
    return Table("Import", ("what", "on the clock", "CPU", "target", ""), tuple(rows), (how,))


def _plugin(repeats: int) -> Table:
    costs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_empty.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_empty.py"]
        for repeat in range(-1, repeats):
            for is_loaded in random.sample((True, False), 2):
                cost = cost_of(command if is_loaded else [*command, "-p", "no:perfkit"], folder)
                if repeat >= 0:
                    costs[is_loaded].append((cost.wall_s * 1000, cost.cpu_s * 1000))
    (walls, cpus), (base_walls, base_cpus) = (zip(*costs[key], strict=True) for key in (True, False))
    added, added_cpu = (
        [more - less for more, less in zip(mine, base, strict=True)]
        for mine, base in ((walls, base_walls), (cpus, base_cpus))
    )
    undisturbed = tenth(cpus) - tenth(base_cpus)
    rows = (
        ("pytest without the plugin", spread(base_walls), spread(base_cpus), "", ""),
        ("pytest with the plugin, not used", spread(walls), spread(cpus), "", ""),
        ("added, pair by pair", spread(added), spread(added_cpu), "", ""),
        (
            "added, undisturbed",
            f"{tenth(walls) - tenth(base_walls):.1f}",
            f"{undisturbed:.1f}",
            f"under {PLUGIN_TARGET_MS} ms",
            verdict(undisturbed < PLUGIN_TARGET_MS),
        ),
    )
    how = (
        f"Milliseconds, median (quarter marks) of {repeats} runs each of one empty test, interleaved; "
        "undisturbed: the difference of the 10th percentiles. The target is judged by CPU: the plugin waits "
        "for nothing, and other programs disturb the clock more."
    )
    return Table("The pytest plugin", ("run", "on the clock", "CPU", "target", ""), rows, (how,))


def _cell(repeats: int) -> Table:
    times = ask("cells", str(repeats))
    plain = [list(column) for column in zip(*times["pass"], strict=True)]
    rows = []
    for name, runs in times.items():
        columns = [list(column) for column in zip(*runs, strict=True)]
        cells = [
            f"{spread(column, 2)} {median(column) - median(base):+.2f}"
            for column, base in zip(columns, plain, strict=True)
        ]
        undisturbed = tenth(columns[1]) - tenth(plain[1])
        is_ours = name == "%%querycount"
        target = (
            (f"under {CELL_TARGET_MS} ms", verdict(undisturbed < CELL_TARGET_MS)) if is_ours else ("", "")
        )
        rows.append((name, *cells, f"{undisturbed:+.2f}", *target))
    how = (
        f"Milliseconds, median (quarter marks) of {repeats} cells each in one kernel, interleaved, and what "
        "is added to `pass`; the report is shown each time. Undisturbed: the difference of the 10th "
        "percentiles on the client's clock, by which the target is judged."
    )
    columns_ = ("cell", "kernel busy", "until the client has it", "undisturbed", "target", "")
    return Table("An empty cell", columns_, tuple(rows), (how,))
