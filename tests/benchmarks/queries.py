"""What counting statements costs, beside the peers; what is left after the block; very large blocks."""

import random
from statistics import median
from typing import Any

from tests.benchmarks import peers
from tests.benchmarks.processes import ask, fresh_lab
from tests.benchmarks.tables import Table, spread, tenth, verdict

# Targets of the project: added CPU a statement, in microseconds at the 10th percentile.
CORE_TARGET_US, LAZY_TARGET_US = 12, 27
TIMES_BELOW_SQLTAP = 20
BEATEN = ("queryspy", "pytest-queryguard")
REMAINDER_TARGET = 0.02
BULK_TARGETS_S = {100_000: 2.0, 1_000_000: 20.0}
BULK_TARGET_BYTES = 400e6
AFTER = "after a block with perfkit"
_SA_PEERS = ("queryspy", "pytest-queryguard", "pytest-querycount", "sqltap", "sqlalchemy-easy-profile")


def run(*, quick: bool) -> list[Table]:
    """Measure; a few minutes, half a minute when quick."""
    return [*_overhead(quick=quick), _afterwards(quick=quick), _bulk(quick=quick)]


def _overhead(*, quick: bool) -> list[Table]:
    found = peers.install()
    repeats = 15 if quick else 60
    with fresh_lab():
        from perfkit.lab import open_shop

        with open_shop("bench", scale="tiny") as shop:
            urls = ("SQLite=sqlite://", f"PostgreSQL={shop.url}")
            measured = ask("overhead", str(repeats), *urls, python=found.python)
    results = measured["results"]
    reasons = found.reasons | {name: f"does not run here: {why}" for name, why in measured["failed"].items()}
    how = (
        f"Added CPU a statement in microseconds (this thread), against no listener at all: 10th percentile, "
        f"and in brackets the median. {repeats} repeats of 100 statements, randomly interleaved in one "
        "process, 25 frames of padding, 3 warm-ups discarded. The first line is what a statement costs."
    )
    tables = [Table("Added CPU a statement", _columns(results), _rows(results, found, reasons), (how,))]
    return [*tables, _targets(results)]


def _columns(results: dict[str, Any]) -> tuple[str, ...]:
    names = [name.replace(" core", " Core").replace(" lazy", " lazy load") for name in _order(results)]
    return ("watcher", *names)


def _order(results: dict[str, Any]) -> list[str]:
    return sorted(results, key=lambda name: (not name.startswith("SQLite"), name))


def _rows(
    results: dict[str, Any], found: peers.Peers, reasons: dict[str, str]
) -> tuple[tuple[str, ...], ...]:
    workloads = _order(results)
    watchers = list(dict.fromkeys(w for w in _WATCHERS if w in results[workloads[0]]))
    rows = [("bare, a statement", *(_plain(_cpu(results[load]["bare"])) for load in workloads))]
    for watcher in watchers[1:]:
        name = f"{watcher} {found.versions.get(watcher, '')}".strip()
        seen = {run[2] for load in workloads for run in results[load][watcher]} - {None, 100}
        label = f"{name} (saw {min(seen)} of 100)" if seen else name
        rows.append((label, *(_added(results[load], watcher) for load in workloads)))
    missing = [
        (f"{peer}: {reasons[peer]}", *("–" for _ in workloads)) for peer in _SA_PEERS if peer in reasons
    ]
    return (*rows, *missing)


_WATCHERS = ("bare", "no-op listeners (the floor)", "perfkit", *_SA_PEERS, AFTER)


def _cpu(runs: list[Any]) -> list[float]:
    return [run[0] for run in runs]


def _plain(values: list[float]) -> str:
    return f"{tenth(values):.1f} ({median(values):.1f})"


def _added(by_watcher: dict[str, Any], watcher: str) -> str:
    mine, base = _cpu(by_watcher[watcher]), _cpu(by_watcher["bare"])
    return f"{tenth(mine) - tenth(base):+.1f} ({median(mine) - median(base):+.1f})"


def _p10_added(results: dict[str, Any], load: str, watcher: str) -> float:
    return tenth(_cpu(results[load][watcher])) - tenth(_cpu(results[load]["bare"]))


def _targets(results: dict[str, Any]) -> Table:
    rows = []
    for load, limit in (("SQLite core", CORE_TARGET_US), ("SQLite lazy", LAZY_TARGET_US)):
        added = _p10_added(results, load, "perfkit")
        rows.append((f"{load}, p10", f"{added:.1f} µs", f"at most {limit} µs", verdict(added <= limit)))
    for load in (name for name in _order(results) if name.endswith("lazy")):
        mine = _p10_added(results, load, "perfkit")
        for peer in (peer for peer in BEATEN if peer in results[load]):
            theirs = _p10_added(results, load, peer)
            rows.append(
                (
                    f"{load}, against {peer}",
                    f"{mine:.1f} µs",
                    f"below {theirs:.1f} µs",
                    verdict(mine < theirs),
                )
            )
    rows += _sqltap_rows(results)
    return Table("Targets of counting", ("what", "measured", "target", ""), tuple(rows))


def _sqltap_rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for load in (load for load in _order(results) if "sqltap" in results[load]):
        times = _p10_added(results, load, "sqltap") / _p10_added(results, load, "perfkit")
        is_met = times >= TIMES_BELOW_SQLTAP
        rows.append(
            (f"{load}, below sqltap", f"{times:.0f} times", f"{TIMES_BELOW_SQLTAP} times", verdict(is_met))
        )
    return rows


def _afterwards(*, quick: bool) -> Table:
    processes, repeats = (4, 30) if quick else (12, 100)
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(processes):
        for mode in random.sample(("never", "perfkit"), 2):
            for name, values in ask("afterwards", mode, str(repeats)).items():
                times.setdefault(name, {}).setdefault(mode, []).append(tenth(values))
    rows = []
    for name, by_mode in times.items():
        ratio = median(by_mode["perfkit"]) / median(by_mode["never"]) - 1
        cells = (spread(by_mode["never"]), spread(by_mode["perfkit"]), f"{ratio:+.1%}")
        rows.append(
            (f"SQLite {name}", *cells, f"at most {REMAINDER_TARGET:.0%}", verdict(ratio <= REMAINDER_TARGET))
        )
    columns = ("CPU µs a statement, unwatched", "perfkit never loaded", "after a block", "more", "target", "")
    how = (
        f"Medians (quarter marks) over {processes} fresh processes a side, interleaved; of each the 10th "
        f"percentile of {repeats} repeats of 100 statements."
    )
    return Table("What is left after the block", columns, tuple(rows), (how,))


def _bulk(*, quick: bool) -> Table:
    counts = [100_000] if quick else [100_000, 1_000_000]
    rows = [row for count in counts for row in _bulk_rows(count, repeats=3 if count == 100_000 else 1)]
    how = (
        "Report: from the end of the block until text and the notebook's bundle (HTML and trace) are there. "
        "Memory: peak resident memory of the process beyond the same without perfkit, in MB = 10^6 bytes; "
        "first of the block alone, then with the report. SQLite Core, fresh processes, medians of 3 at "
        "100,000 statements, one run at 1,000,000. The count beside it is that of "
        "SQLite's own trace, for the same statements after the block."
    )
    columns = ("one block", "measured", "target", "")
    return Table("Very many statements in one block", columns, tuple(rows), (how,))


def _bulk_rows(count: int, repeats: int) -> list[tuple[str, ...]]:
    bare, mine = [], []
    for _ in range(repeats):
        bare.append(ask("bulk", "bare", str(count)))
        mine.append(ask("bulk", "perfkit", str(count)))
    base = median(run["grown_bytes"] for run in bare)
    peak = median(run["grown_bytes"] for run in mine) - base
    recording = median(run["recorded_bytes"] for run in mine) - base
    text_s, report_s = (median(run[key] for run in mine) for key in ("text_s", "bundle_s"))
    block_s, bare_s = (median(run["block_s"] for run in runs) for runs in (mine, bare))
    counts, limit_s = {(run["counted"], run["executed"]) for run in mine}, BULK_TARGETS_S[count]
    seen = ", ".join(f"{counted:,} (SQLite itself: {executed:,})" for counted, executed in sorted(counts))
    parts = (f"{part} {mine[0][f'{part}_bytes'] / 1e6:,.1f} MB" for part in ("text", "html", "trace"))
    name = f"{count:,} statements"
    rows = [
        (f"{name}: counted", seen, "exact", verdict(counts == {(count, count)})),
        (f"{name}: time of the block", f"{block_s:.1f} s (bare {bare_s:.1f} s)", "", ""),
        (f"{name}: text ready", f"{text_s:.2f} s", "", ""),
        (
            f"{name}: report ready",
            f"{report_s:.2f} s",
            f"at most {limit_s:g} s",
            verdict(report_s <= limit_s),
        ),
        (f"{name}: size of the report", ", ".join(parts), "", ""),
    ]
    memory = f"{recording / 1e6:,.0f} MB, {peak / 1e6:,.0f} MB with the report"
    is_large = count == max(BULK_TARGETS_S)
    target = (
        (f"at most {BULK_TARGET_BYTES / 1e6:.0f} MB", verdict(peak <= BULK_TARGET_BYTES))
        if is_large
        else ("", "")
    )
    return [*rows, (f"{name}: more memory", memory, *target)]
