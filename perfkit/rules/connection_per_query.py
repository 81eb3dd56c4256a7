"""Connections opened again and again, though one would do.

What it finds
    A line that opens new connections to the database, in a loop or about one for each statement, although
    those it opened before were free again.

Why is this slow
    A connection costs a TCP handshake, a login, often TLS, a process on PostgreSQL's side, and the questions
    that SQLAlchemy asks a server it meets for the first time: several round trips and milliseconds before
    the first statement.

Example
    for user_id in ids:
        engine = create_engine(url)
        with engine.connect() as connection:
            ...

Use instead
    engine = create_engine(url)          # once, at the top of the module
    for user_id in ids:
        with engine.connect() as connection:
            ...

Thresholds
    min_connects: 5 connections opened by one line (reference notes on detectors, section 3.9).
    min_share: half as many connections as statements, where no loop is proved.

Stays silent when
    The connections were out at the same time: that is a pool filling up, once. Open ones were lent again. The
    connection failed. It is a file that SQLite opens, unless that takes 5 % of the block and 5 ms.
    Without a pool (NullPool) it is "info": behind PgBouncer, in forked workers and in short scripts that is
    right.
"""

from collections.abc import Iterator

from perfkit.model.builders import line, loan, pool, query, refusal, trace, unmeasured
from perfkit.model.connection import ConnectionUse, PoolActivity
from perfkit.model.finding import Finding, Severity
from perfkit.model.location import CodeLocation
from perfkit.model.trace import Trace
from perfkit.rules._rule import MATERIAL_MS, MATERIAL_SHARE, Rule, severity_of

# The handshake and the login, at least; TLS and the first questions come on top.
_ROUND_TRIPS = 2


def connection_per_query(trace: Trace, *, min_connects: int = 5, min_share: float = 0.5) -> Iterator[Finding]:
    """Report lines that open connections though open ones were free.

    Args:
        trace: a block whose loans of connections were measured.
        min_connects: connections that one line opened, at least.
        min_share: connections in relation to statements, at least, where no loop is proved.
    """
    assert trace.pool is not None
    for uses in _by_line(trace.pool).values():
        opened = [use for use in uses if use.connect_ms is not None]
        needless = len(opened) - _most_at_once(opened, trace.duration_ms)
        if len(opened) < min_connects or needless < min_connects - 1 or _is_cheap_file(trace, opened):
            continue
        in_loop = 2 * sum(use.loop_id is not None for use in opened) >= len(opened)
        if in_loop or 0 < min_share * len(trace.queries or ()) <= len(opened):
            yield _finding(trace, trace.pool, opened, needless)


def _by_line(activity: PoolActivity) -> dict[CodeLocation | None, list[ConnectionUse]]:
    lines: dict[CodeLocation | None, list[ConnectionUse]] = {}
    for use in activity.uses:
        if use.acquired_ms is not None and not use.is_background:
            lines.setdefault(use.call_site, []).append(use)
    return lines


def _most_at_once(uses: list[ConnectionUse], block_ms: float) -> int:
    """How many of the connections were out at the same time."""
    changes = sorted(
        change
        for use in uses
        for change in (
            (use.acquired_ms or 0.0, 1),
            (block_ms if use.released_ms is None else use.released_ms, -1),
        )
    )
    out = most = 0
    for _, step in changes:
        out += step
        most = max(most, out)
    return most


def _is_cheap_file(trace: Trace, opened: list[ConnectionUse]) -> bool:
    """Whether SQLite opens files so quickly that it does not matter."""
    ids = {use.connection_id for use in opened}
    systems = {span.system_name for span in trace.queries or () if span.connection_id in ids}
    cost_ms = sum(use.connect_ms or 0.0 for use in opened)
    is_cheap = cost_ms < max(MATERIAL_MS, MATERIAL_SHARE * trace.duration_ms)
    return systems == {"sqlite"} and is_cheap


def _finding(trace: Trace, activity: PoolActivity, opened: list[ConnectionUse], needless: int) -> Finding:
    cost_ms = sum(use.connect_ms or 0.0 for use in opened)
    saving_ms = cost_ms * needless / len(opened)
    pools = {use.pool_id for use in opened}
    kinds = {size.kind for size in activity.pools if size.pool_id in pools}
    is_unpooled = kinds == {"NullPool"} and len(pools) == 1
    saved = needless * _ROUND_TRIPS
    severity: Severity = "info" if is_unpooled else severity_of(saving_ms, trace, round_trips=saved)
    loops = [use.loop_site for use in opened if use.loop_site]
    return Finding(
        code="PK502",
        rule="connection-per-query",
        severity=severity,
        message=f"{len(opened)} connections opened by one line, {needless} of them while one was free",
        advice=_advice(len(pools), is_unpooled),
        refutation=(
            "Each of these connections was new, and fewer were out at the same time. It would be a false "
            "alarm if a pool stands outside the program (PgBouncer), or if a forked worker must not share "
            "connections."
        ),
        confidence=0.8,
        location=opened[0].call_site,
        loop=loops[0] if loops else None,
        saving_ms=saving_ms,
        round_trips=saved,
        evidence=(f"opening them took {cost_ms:,.1f} ms", f"pools: {', '.join(sorted(kinds)) or 'unknown'}"),
    )


def _advice(pools: int, is_unpooled: bool) -> str:
    if pools > 1:
        return (
            "Make the engine once, where the module is loaded, and use it everywhere: it keeps connections.\n"
            "engine = create_engine(url)          # outside the function and the loop"
        )
    if is_unpooled:
        return (
            "Let the engine keep connections, unless a pool outside the program already does: leave out "
            "poolclass=NullPool.\n"
            "engine = create_engine(url)"
        )
    return (
        "Keep the connections open: no engine.dispose() between uses, and a pool as large as the number of "
        "connections in use at once, since those beyond pool_size are closed when they come back.\n"
        "engine = create_engine(url, pool_size=10, max_overflow=0)"
    )


def _one_by_one(count: int, *, in_loop: bool = True, **fields: object) -> list[ConnectionUse]:
    """Loans one after the other, each of a new connection."""
    place = {"loop_site": line(2), "loop_id": 1} if in_loop else {}
    defaults = {"connect_ms": 4.0, **place, **fields}
    return [
        loan(20.0 * n + 5, 20.0 * n + 15, wait_ms=5.0, connection_id=n + 1, **defaults) for n in range(count)
    ]


_ENGINES = [
    loan(20.0 * n, 20.0 * n + 9, wait_ms=5.0, connect_ms=4.0, pool_id=n, loop_site=line(2), loop_id=1)
    for n in range(9)
]
_AT_ONCE = [
    loan(5.0 + n / 10, 90.0, wait_ms=5.0, connect_ms=4.0, connection_id=n, thread_id=n) for n in range(9)
]
_FILES = [query(system_name="sqlite", connection_id=n + 1, parameters=n) for n in range(9)]

RULE = Rule(
    code="PK502",
    name="connection-per-query",
    requires="pool",
    check=connection_per_query,
    fires_on=(
        trace(name="an engine for each row", pool=pool(*_ENGINES), duration_ms=200.0),
        trace(name="a pool that keeps nothing", pool=pool(*_one_by_one(9)), duration_ms=200.0),
        trace(
            [query(parameters=n) for n in range(9)],
            name="one for each statement, without a loop",
            pool=pool(*_one_by_one(9, in_loop=False), kind="NullPool", size=None, max_overflow=None),
            duration_ms=200.0,
        ),
    ),
    silent_on=(
        trace(name="a pool that fills up", pool=pool(*_AT_ONCE), duration_ms=100.0),
        trace(name="lent again", pool=pool(*_one_by_one(9, connect_ms=None)), duration_ms=200.0),
        trace(name="four connections", pool=pool(*_one_by_one(4)), duration_ms=100.0),
        trace(
            [query(parameters=n) for n in range(100)],
            name="many statements on each, without a loop",
            pool=pool(*_one_by_one(9, in_loop=False)),
        ),
        trace(
            name="one connection from each of several lines",
            pool=pool(*(loan(20.0 * n, connect_ms=4.0, call_site=line(n)) for n in range(9))),
            duration_ms=200.0,
        ),
        trace(_FILES, name="files of SQLite", pool=pool(*_one_by_one(9, connect_ms=0.1)), duration_ms=200.0),
        trace(
            name="attempts that failed",
            pool=pool(*(refusal(20.0 * n, "OperationalError", connect_ms=4.0) for n in range(9))),
            duration_ms=200.0,
        ),
        unmeasured(),
    ),
)
