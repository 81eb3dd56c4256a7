"""Rows that were fetched and never looked at.

What it finds
    A SELECT without LIMIT whose rows the program mostly left unread: the database sent them all, the
    driver held them all.

Why is this slow
    Every row is read, sent, and held in memory. The result grows with the table, the page does not.

Example
    newest = session.execute(select(Post).order_by(Post.created_at.desc())).fetchmany(20)
    newest = session.scalars(select(Post).order_by(Post.created_at.desc())).first()      # all are loaded

Use instead
    newest = session.execute(select(Post).order_by(Post.created_at.desc()).limit(20)).all()

Thresholds
    min_rows: 1,000 rows sent (JetBrains Rider's limit for a large result).
    max_read_share: at most half of them read.

Stays silent when
    Every row is used, as an export or an aggregate does. It is not known how many rows were read: a
    server-side cursor sends rows only as they are read. The statement has a LIMIT.
"""

import re
from collections.abc import Iterator

from perfkit.model.builders import query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

_LIMITED = re.compile(r"\b(LIMIT|FETCH\s+(FIRST|NEXT))\b", re.IGNORECASE)

# How rows come in pieces where the program reads on for as long as it wants to.
_PIECES = {
    "psycopg": 'read in pieces through a server-side cursor, connection.cursor(name="rows")',
    "asyncpg": "read in pieces by connection.cursor(sql) inside a transaction",
}


def unbounded_result(trace: Trace, *, min_rows: int = 1000, max_read_share: float = 0.5) -> Iterator[Finding]:
    """Report results of which most rows were never read.

    Args:
        trace: a block whose queries were measured.
        min_rows: rows that the database sent, at least.
        max_read_share: share of them that the program read, at most, from 0 to 1.
    """
    for index, span in enumerate(trace.queries or ()):
        sent, read = span.returned_rows, span.consumed_rows
        if sent is None or read is None or sent < min_rows or _LIMITED.search(span.query_text):
            continue
        if read <= max_read_share * sent:
            yield _finding(trace, index, span, sent, read)


def _finding(trace: Trace, index: int, span: QuerySpan, sent: int, read: int) -> Finding:
    saving_ms = span.duration_ms * (sent - read) / sent
    return Finding(
        code="PK111",
        rule="unbounded-result",
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{sent:,} rows were sent and {read:,} read: the result has no limit",
        advice=_advice(span, read),
        refutation=(
            "The driver reported the rows it got and perfkit counted those that were read. It would be a "
            "false alarm if the rest is read after the block."
        ),
        confidence=0.8,
        location=span.call_site,
        offenders=(index,),
        saving_ms=saving_ms,
        evidence=_evidence(span, sent, read),
    )


def _advice(span: QuerySpan, read: int) -> str:
    is_sqlalchemy = span.driver == "sqlalchemy"
    if read == 1 and is_sqlalchemy:
        return "Ask for the one row alone: first() does not add a limit, so add .limit(1) to the statement."
    if is_sqlalchemy:
        return "Ask only for what is shown: add .limit(...), or read in pieces with yield_per."
    if read == 1:
        return (
            "Ask for the one row alone: fetching one does not add a limit, so add LIMIT 1 to the statement."
        )
    pieces = _PIECES.get(span.driver)
    return "Ask only for what is shown: add LIMIT to the statement" + (f", or {pieces}." if pieces else ".")


def _evidence(span: QuerySpan, sent: int, read: int) -> tuple[str, ...]:
    if span.returned_bytes is None:
        return ()
    unread = span.returned_bytes * (sent - read) / sent
    return (
        f"about {span.returned_bytes / 1e6:,.1f} MB came over the wire, {unread / 1e6:,.1f} MB of it unread",
    )


_POSTS = "SELECT * FROM posts ORDER BY created_at"

RULE = Rule(
    code="PK111",
    name="unbounded-result",
    requires="queries",
    check=unbounded_result,
    fires_on=(
        trace(query(_POSTS, returned_rows=50_000, consumed_rows=20), name="twenty of fifty thousand"),
        trace(
            query(_POSTS, returned_rows=50_000, consumed_rows=1, returned_bytes=9_000_000),
            name="the first of nine million bytes",
        ),
        trace(
            query(_POSTS, returned_rows=50_000, consumed_rows=20, driver="psycopg"),
            name="twenty of fifty thousand, without an ORM",
        ),
    ),
    silent_on=(
        trace(query(_POSTS, returned_rows=50_000, consumed_rows=50_000), name="an export reads every row"),
        trace(query(_POSTS, returned_rows=None, consumed_rows=None), name="a server-side cursor"),
        trace(query(f"{_POSTS} LIMIT ?", returned_rows=2000, consumed_rows=20), name="a limit is there"),
        trace(query(_POSTS, returned_rows=200, consumed_rows=0), name="a small result"),
        trace(query(_POSTS, returned_rows=200, consumed_rows=1), name="the first of a small result"),
        unmeasured(),
    ),
)
