"""Handing over the result takes longer than computing it.

What it finds
    A statement with a large result that took the program at least twice as long as it took the server.

Why is this slow
    Every value is written as text or binary, sent through the network, read by the driver and made into a
    Python object. For many rows, or wide ones, that is more work than finding them. No index helps.

Example
    SELECT * FROM orders
    The server needs 92 ms for 300,000 rows, writing them out 152 ms, and the program waits 867 ms.

Use instead
    Ask for less: the columns that are used, the rows that are shown (LIMIT, WHERE), or the sum instead of
    what is summed up: SELECT status, sum(amount) FROM orders GROUP BY status. What must be read in full is
    read in chunks, so that the first rows can be used while the others are under way:
    connection.execution_options(yield_per=1000).execute(statement)

Thresholds
    min_share (0.5): share of the program's time that the server was not at work, from 0 to 1.
    min_transfer_ms (20): that time in milliseconds, for one execution.
    min_rows (1,000), min_bytes (1,000,000): the result has at least so many rows, or at least so many bytes;
        a smaller one explains no such time.
    max_ms_per_row (0.2), or 0.2 µs for each byte: slower than that is not the handing over, but a lock, a
        cold disk or a program that was not there. Our choice, for a row of ten values over a network.

Stays silent when
    The plan does not say how long the program waited, as where it was pasted. The result is small. The
    time is longer than handing it over can explain.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_client import outside_server_ms
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK265", "result-transfer"
_MAX_MS_PER_BYTE = 0.0002


def result_transfer(
    trace: Trace,
    *,
    min_share: float = 0.5,
    min_transfer_ms: float = 20.0,
    min_rows: float = 1_000,
    min_bytes: float = 1_000_000,
    max_ms_per_row: float = 0.2,
) -> Iterator[Finding]:
    """Find statements whose result takes longer to hand over than to compute.

    Args:
        trace: a block with plans.
        min_share: share of the program's time that the server was not at work, from 0 to 1.
        min_transfer_ms: that time in milliseconds, for one execution.
        min_rows: rows of the result, or
        min_bytes: bytes of the result.
        max_ms_per_row: more than this, in milliseconds, is not the handing over.
    """
    for number, item, _ in measured_plans(trace):
        transfer_ms, rows = outside_server_ms(item), item.root.total_rows or 0.0
        size = rows * (item.root.plan_width or 0)
        is_large = rows >= min_rows or size >= min_bytes
        can_be = transfer_ms <= max(max_ms_per_row * rows, _MAX_MS_PER_BYTE * size)
        is_long = transfer_ms >= max(min_transfer_ms, min_share * (item.client_time_ms or 0.0))
        if is_large and can_be and is_long:
            yield _finding(trace, number, item, transfer_ms)


def _finding(trace: Trace, number: int, item: Plan, transfer_ms: float) -> Finding:
    rows, width = item.root.total_rows or 0.0, item.root.plan_width or 0
    saving_ms = saving_in_block(transfer_ms, item, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"The program waited {item.client_time_ms or 0.0:,.0f} ms for {rows:,.0f} rows, "
            f"the server worked {item.duration_ms or 0.0:,.0f} ms."
        ),
        advice=(
            "Ask for less: name the columns that are used, let the server filter and add up. What must be "
            "read in full, read in chunks.\nconnection.execution_options(yield_per=1000).execute(statement)"
        ),
        refutation=(
            "Refuted if the statement takes as long with `SELECT count(*) FROM (…)` around it: then the "
            "program waited for something else, such as a cold disk. All of the time goes only with all of "
            "the rows."
        ),
        confidence=0.6,
        location=item.call_site,
        offenders=(item.root.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=tuple(_evidence(item, rows, width)),
    )


def _evidence(item: Plan, rows: float, width: int) -> Iterator[str]:
    if width:
        yield f"About {rows * width / 1e6:,.1f} MB: {rows:,.0f} rows of {width:,} bytes."
    if item.serialization_time_ms:
        yield f"Writing them out took the server {item.serialization_time_ms:,.0f} ms."


def _read(
    client_ms: float | None, ms: float = 92, *, rows: float = 300_000, width: int = 80, **said: Any
) -> Trace:
    root = node("Seq Scan", ms=ms, rows=rows, plan_width=width, relation_name="orders")
    item = plan(root, client_time_ms=client_ms, **said)
    return block(plans=(item,), duration_ms=client_ms or ms)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=result_transfer,
    yields_to=("wide-rows",),
    fires_on=(
        _read(867),
        _read(867, 244, serialization_time_ms=152.0),
        # Few rows, each of a megabyte.
        _read(300, 4, rows=20, width=1_000_000),
    ),
    silent_on=(
        # The server does most of the work.
        _read(130),
        # A plan that was pasted says nothing of the program.
        _read(None),
        # One row: it waited for something else.
        _read(900, 2, rows=1),
        # 800 ms for 1,200 short rows: a lock, or a cold disk.
        _read(800, 4, rows=1_200, width=40),
        # Soon handed over.
        _read(12, 2, rows=4_000),
        # With EXPLAIN it took longer than without.
        _read(60),
    ),
)
