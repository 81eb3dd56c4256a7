"""Added time a statement, by watcher and workload, randomly interleaved in this one process.

Arguments: repeats, then a URL by name (`PostgreSQL=postgresql+psycopg://...`) for each database.
"""

import gc
import json
import random
import sys
import warnings

import sqlalchemy as sa

from tests.benchmarks.children import statements
from tests.benchmarks.children.watchers import WATCHERS, as_never_watched

WARM_UPS = 3


def run_once(watcher: str, workload: str, engine: sa.Engine) -> tuple[float, float, int | None]:
    """One block of statements under one watcher; time is CPU and wall in microseconds a statement."""
    with as_never_watched(), WATCHERS[watcher]() as seen, statements.WORKLOADS[workload](engine) as work:
        before = seen()
        cpu_us, wall_us = statements.time_once(work)
        after = seen()
    return cpu_us, wall_us, None if after is None else after - (before or 0)


def main() -> None:
    repeats = int(sys.argv[1])
    urls = dict(argument.split("=", 1) for argument in sys.argv[2:])
    warnings.simplefilter("ignore")  # sqltap's old signatures
    engines = {name: sa.create_engine(url) for name, url in urls.items()}
    for engine in engines.values():
        statements.prepare(engine)
    failed = _broken(next(iter(engines.values())))
    jobs = [
        (w, name, load) for w in WATCHERS if w not in failed for name in engines for load in ("core", "lazy")
    ]
    order, results = random.Random(7), {}
    gc.collect()
    gc.freeze()
    for repeat in range(-WARM_UPS, repeats):
        for watcher, name, load in order.sample(jobs, len(jobs)):
            measured = run_once(watcher, load, engines[name])
            if repeat >= 0:
                results.setdefault(f"{name} {load}", {}).setdefault(watcher, []).append(measured)
    print(json.dumps({"failed": failed, "results": results}))


def _broken(engine: sa.Engine) -> dict[str, str]:
    """Watchers that do not work here, with the reason."""
    failed = {}
    for watcher in WATCHERS:
        try:
            run_once(watcher, "lazy", engine)
        except Exception as error:
            failed[watcher] = f"{type(error).__name__}: {error}"
    return failed


main()
