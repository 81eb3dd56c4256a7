"""Very many statements in one block: count, peak memory, and the time until the report is there.

Arguments: `bare` or `perfkit`, then how many statements.
"""

import json
import resource
import sys
import time
from typing import Any

import sqlalchemy as sa

from perfkit.session import MIME_TRACE, measure  # in both modes: loading it is no part of the cost
from tests.benchmarks.children import statements


def main() -> None:
    mode, count = sys.argv[1], int(sys.argv[2])
    engine = sa.create_engine("sqlite://")
    statements.prepare(engine)
    with engine.connect() as connection:
        send(connection, 1000)
        found: dict[str, Any] = {}
        before_bytes = peak_bytes()
        start = time.perf_counter()
        if mode == "bare":
            send(connection, count)
            found["block_s"] = time.perf_counter() - start
            found["grown_bytes"] = peak_bytes() - before_bytes
        else:
            found = measured(measure("bulk"), connection, count, before_bytes)
            found["executed"] = executed(engine, count)
    print(json.dumps(found))


def send(connection: sa.Connection, count: int) -> None:
    for i in range(count):
        connection.execute(statements.ONE_PARENT, {"wanted": i}).all()


def measured(measurement: Any, connection: sa.Connection, count: int, before_bytes: int) -> dict[str, Any]:
    start = time.perf_counter()
    with measurement:
        send(connection, count)
        block_s = time.perf_counter() - start
        recorded_bytes = peak_bytes()
        end = time.perf_counter()
    trace_s = time.perf_counter() - end
    text = str(measurement)
    text_s = time.perf_counter() - end
    bundle = measurement._repr_mimebundle_()
    bundle_s = time.perf_counter() - end
    grown_bytes = peak_bytes() - before_bytes  # before the next line, which is no part of the report
    trace_bytes = len(json.dumps(bundle[MIME_TRACE]))
    return {
        "block_s": block_s,
        "trace_s": trace_s,
        "text_s": text_s,
        "bundle_s": bundle_s,
        "recorded_bytes": recorded_bytes - before_bytes,
        "counted": measurement.trace.statement_count,
        "text_bytes": len(text),
        "html_bytes": len(bundle["text/html"]),
        "trace_bytes": trace_bytes,
        "grown_bytes": grown_bytes,
    }


def executed(engine: sa.Engine, count: int) -> int:
    """How many statements SQLite itself runs for the same, counted by its trace, which perfkit does not use.

    On a connection of its own and after the block: a trace callback would be part of its cost.
    """
    texts = 0

    def seen(text: str) -> None:
        nonlocal texts
        texts += not text.startswith(("BEGIN", "COMMIT", "ROLLBACK"))

    with engine.connect() as connection:
        driver_connection = connection.connection.dbapi_connection
        driver_connection.set_trace_callback(seen)  # type: ignore[union-attr]
        send(connection, count)
        driver_connection.set_trace_callback(None)  # type: ignore[union-attr]
    return texts


def peak_bytes() -> int:
    """The highest resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


main()
