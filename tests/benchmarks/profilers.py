"""How much slower code runs under the profilers, perfkit's and the peers'."""

import random
from statistics import median

from tests.benchmarks import peers
from tests.benchmarks.processes import ChildError, ask
from tests.benchmarks.tables import Table, verdict

WORKLOADS = ("calls", "orm", "allocation")
BARE = "bare"
# By profiler: its package where it is a peer.
PROFILERS = {
    BARE: None,
    "cProfile": None,
    "perfkit CpuCollector": None,
    "perfkit SamplingCollector": None,
    "pyinstrument": "pyinstrument",
    "perfkit MemoryCollector, peak": None,
    "perfkit MemoryCollector, peak and curve": None,
    "tracemalloc, 1 frame": None,
    "perfkit MemoryCollector, growth by line": None,
    "memray": "memray",
    "memory-profiler, by line": "memory-profiler",
}
# Targets: at most so many times the other's time.
TARGETS = (
    ("perfkit CpuCollector", "cProfile", 1.05),
    ("perfkit SamplingCollector", BARE, 1.25),
    ("perfkit MemoryCollector, peak", BARE, 1.02),
    ("perfkit MemoryCollector, peak and curve", BARE, 1.05),
    ("perfkit MemoryCollector, growth by line", "tracemalloc, 1 frame", 1.0),
)
NOISE = 0.02
Times = dict[str, dict[str, list[list[float]]]]


def run(*, quick: bool) -> list[Table]:
    """Measure; four minutes, one when quick."""
    found, repeats = peers.install(), 3 if quick else 7
    reasons = {
        name: found.reasons[package] for name, package in PROFILERS.items() if package in found.reasons
    }
    times = _measure(found, repeats, reasons)
    return [_ratios(times, found, repeats, reasons), _targets(times)]


def _measure(found: peers.Peers, repeats: int, reasons: dict[str, str]) -> Times:
    times: Times = {workload: {} for workload in WORKLOADS}
    for _ in range(repeats):
        jobs = [(name, workload) for name in PROFILERS if name not in reasons for workload in WORKLOADS]
        for name, workload in random.sample(jobs, len(jobs)):
            if name in reasons:
                continue
            try:
                measured = ask("workloads", name, workload, python=found.python)
            except ChildError as error:
                reasons[name] = f"does not run here: {error}"
            else:
                times[workload].setdefault(name, []).append(measured)
    return times


def _ratios(times: Times, found: peers.Peers, repeats: int, reasons: dict[str, str]) -> Table:
    rows = [
        ("no profiler, ms", *(f"{_median_s(times, BARE, load, 1) * 1000:,.0f}" for load in WORKLOADS), "")
    ]
    for name, package in list(PROFILERS.items())[1:]:
        if name in reasons:
            rows.append((f"{name}: {reasons[name]}", *("–" for _ in WORKLOADS), ""))
            continue
        label = f"{name} {found.versions[package]}" if package else name
        cells = (
            f"{_ratio(times, name, load, 1):.2f} ({_ratio(times, name, load, 0):.2f})" for load in WORKLOADS
        )
        fixed = median(run[2] for load in WORKLOADS for run in times[load][name]) * 1000
        rows.append((label, *cells, f"{fixed:,.0f}"))
    how = (
        "Ratio of the medians of CPU time, and in brackets of time on the clock, to the same without a "
        f"profiler; {repeats} fresh processes each, interleaved. The workload runs once before, then garbage "
        "is collected. Apart from it: how long starting and stopping take, with all tidying up."
    )
    columns = ("profiler", *WORKLOADS, "start and stop, ms")
    return Table("Profilers, times the unprofiled run", columns, tuple(rows), (how,))


def _median_s(times: Times, name: str, workload: str, kind: int) -> float:
    return median(run[kind] for run in times[workload][name])


def _ratio(times: Times, name: str, workload: str, kind: int, base: str = BARE) -> float:
    return _median_s(times, name, workload, kind) / _median_s(times, base, workload, kind)


def _targets(times: Times) -> Table:
    rows = []
    for name, base, limit in TARGETS:
        for workload in (load for load in WORKLOADS if name in times[load] and base in times[load]):
            ratio = _ratio(times, name, workload, 1, base)
            word = verdict(ratio <= limit)
            if limit < ratio <= limit + NOISE:
                word = "missed by less than the noise"
            rows.append((f"{name} / {base}, {workload}", f"{ratio:.3f}", f"at most {limit:.2f}", word))
    how = f"Ratios of medians of CPU time; differences of less than {NOISE:.0%} are noise here."
    return Table("Targets of the profilers", ("what", "measured", "target", ""), tuple(rows), (how,))
