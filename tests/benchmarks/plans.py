"""What a plan costs until it is seen: reading it, judging it, showing it, and its own times."""

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from time import process_time

from perfkit.model.builders import trace
from perfkit.model.plan import Plan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.plan_times import plan_shares
from perfkit.rules import diagnose
from perfkit.views import plan_tree
from tests.benchmarks.processes import ROOT
from tests.benchmarks.tables import Table, spread, verdict
from tests.plans.large import deep_plan, wide_plan
from tests.plans.recording import KINDS, load, names

TOTAL_TARGET_MS = 150
SIZE_TARGET_BYTES = 600e3
SELF_TIME_TARGET_MS = 10
_STEPS = ("read", "judged", "shown")


def run(*, quick: bool) -> list[Table]:
    """Measure; half a minute, a few seconds when quick."""
    return [_large(5 if quick else 30), _self_times(5 if quick else 20)]


def _large(repeats: int) -> Table:
    texts = {"1,000 nodes": wide_plan(1000), "10,000 nodes": wide_plan(10_000), "200 levels": deep_plan(200)}
    rows = [_row(name, text, repeats if name == "1,000 nodes" else 3) for name, text in texts.items()]
    how = (
        f"CPU milliseconds of this process, median (quarter marks) of {repeats} runs after one that is not "
        "counted, 3 for the others. The plans are made up of the nodes of a join over partitions, with "
        "everything that PostgreSQL 18 says of a node; every rule judges them."
    )
    columns = ("plan", *_STEPS, "together", "target", "", "HTML", "target", "")
    return Table("A large plan", columns, tuple(rows), (how,))


def _row(name: str, text: str, repeats: int) -> tuple[str, ...]:
    runs = [_once(text) for _ in range(repeats + 1)][1:]
    times = [spread([times[step] for times, _ in runs]) for step in range(len(_STEPS))]
    totals, size = [sum(times) for times, _ in runs], runs[0][1]
    cells = (name, *times, spread(totals))
    shown = f"{size / 1e3:,.0f} kB"
    if name != "1,000 nodes":
        return (*cells, "", "", shown, "", "")
    return (
        *(*cells, f"at most {TOTAL_TARGET_MS}", verdict(median(totals) <= TOTAL_TARGET_MS)),
        *(shown, f"at most {SIZE_TARGET_BYTES / 1e3:.0f} kB", verdict(size <= SIZE_TARGET_BYTES)),
    )


def _once(text: str) -> tuple[tuple[float, ...], int]:
    """CPU milliseconds of each step, and the bytes of HTML."""
    marks = [process_time()]
    read = read_postgresql_plan(text, "SELECT 1")
    marks.append(process_time())
    diagnosis = diagnose(trace(plans=(read,), duration_ms=read.duration_ms or 0.0))
    marks.append(process_time())
    shown = plan_tree.as_html(read, diagnosis.findings)
    marks.append(process_time())
    return tuple((end - start) * 1000 for start, end in pairwise(marks)), len(shown.markup.encode())


def _self_times(repeats: int) -> Table:
    plans = dict(_recorded())
    times = {name: median(_self_time_ms(plan) for _ in range(repeats)) for name, plan in plans.items()}
    slowest = max(times, key=lambda name: times[name])
    rows = (
        (f"{len(times)} plans together", f"{sum(times.values()):.2f} ms", "", ""),
        (
            f"the slowest: {slowest}",
            f"{times[slowest]:.2f} ms",
            f"at most {SELF_TIME_TARGET_MS} ms",
            verdict(times[slowest] <= SELF_TIME_TARGET_MS),
        ),
    )
    how = f"CPU, median of {repeats} runs a plan. These are the plans that the tests have recorded."
    return Table("Own times of the recorded plans", ("what", "measured", "target", ""), rows, (how,))


def _self_time_ms(plan: Plan) -> float:
    start = process_time()
    plan_shares(plan.root)
    return (process_time() - start) * 1000


def _recorded() -> Iterator[tuple[str, Plan]]:
    for name in names():
        for kind in KINDS:
            for number, plan in enumerate(load(name, kind).plans or ()):
                yield f"{name} {kind} {number + 1}", plan
    for file in sorted((ROOT / "tests" / "model" / "plans").glob("*.json")):
        yield file.stem, read_postgresql_plan(file.read_text(encoding="utf-8"))
