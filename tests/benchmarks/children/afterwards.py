"""Statements that nobody watches, in a process that has had a block with perfkit, or never loaded it.

Arguments: `never`, `perfkit`, then repeats. Answers with CPU microseconds a statement, by workload.
"""

import gc
import json
import sys

import sqlalchemy as sa

from tests.benchmarks.children import statements

WARM_UPS = 20


def main() -> None:
    mode, repeats = sys.argv[1], int(sys.argv[2])
    engine = sa.create_engine("sqlite://")
    statements.prepare(engine)
    if mode == "perfkit":
        from perfkit.session import measure

        with measure(), statements.core(engine) as work:
            work()
    gc.collect()
    gc.freeze()
    times = {name: [] for name in statements.WORKLOADS}
    for repeat in range(-WARM_UPS, repeats):
        for name, workload in statements.WORKLOADS.items():
            with workload(engine) as work:
                cpu_us, _ = statements.time_once(work)
            if repeat >= 0:
                times[name].append(cpu_us)
    print(json.dumps(times))


main()
