"""Which statements of a block change data: what running the block again would do a second time."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from perfkit.model.connection import TransactionEvent
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace

# They read, move a cursor, or change nothing but the session.
_READS = frozenset(
    {
        "SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "PRAGMA", "SET", "RESET",
        "USE", "DECLARE", "FETCH", "MOVE", "CLOSE", "PREPARE", "DEALLOCATE", "LISTEN", "UNLISTEN", "",
    }
)  # fmt: skip
_FRAMES = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
# Within a statement that begins with SELECT or WITH; a shape has one space between two words. FOR UPDATE,
# which locks rows and changes none, has no bracket in front. INTO makes a table in PostgreSQL; before a
# variable, in MySQL, it does not.
_WRITING = re.compile(
    r"(?<![.\w\"`])(?:(INSERT) INTO|(DELETE) FROM|(MERGE) INTO|INTO (?![@:?]))|[()] ?(UPDATE) ", re.IGNORECASE
)
_COPY_OUT = re.compile(r"\) TO |^COPY [^()]+(?:\([^()]*\) )?TO ", re.IGNORECASE)


class _Statement(Protocol):
    @property
    def operation_name(self) -> str: ...

    @property
    def query_text(self) -> str: ...


def write_verb(statement: _Statement) -> str:
    """What a statement changes data by, such as `INSERT`; empty where it only reads.

    What is not known to read counts as a write, `CALL` for example. What functions do that a SELECT calls is
    not seen. `SELECT … FOR UPDATE` reads.

    Args:
        statement: one statement, or the totals of many of one shape.
    """
    verb, shape = statement.operation_name, statement.query_text
    if verb in ("SELECT", "WITH"):
        found = _WRITING.search(shape)
        return "" if found is None else next(filter(None, found.groups()), "SELECT INTO").upper()
    if verb in _READS | _FRAMES or (verb == "COPY" and _COPY_OUT.search(shape)):
        return ""
    return verb


def count_writes(statements: Iterable[_Statement]) -> Counter[str]:
    """How many statements change data, by their verb."""
    return Counter(filter(None, map(write_verb, statements)))


def writes_of(trace: Trace) -> Counter[str]:
    """How many of a block's own statements change data, by their verb."""
    written = count_writes(trace.queries or ())
    for totals in trace.more_queries:
        if verb := write_verb(totals):
            written[verb] += totals.count
    return written


def are_rolled_back(trace: Trace) -> bool:
    """Whether a rollback followed each write, and no commit came between.

    Of a connection in autocommit mode, and of tables without transactions, a rollback undoes nothing: so
    this is what the block tried, not what became of it.
    """
    writes = [span for span in trace.queries or () if write_verb(span)]
    ends = {_end(span, trace.transactions or ()) for span in writes}
    return not trace.more_queries and ends <= {"rollback"}


def _end(span: QuerySpan, events: Iterable[TransactionEvent]) -> str:
    """What ended the transaction of a statement; empty where nothing did."""
    for event in events:
        is_later = event.connection_id == span.connection_id and event.time_ms >= span.start_ms
        if is_later and event.kind != "begin":
            return event.kind
    return ""
