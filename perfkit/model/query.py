"""Statements that a block of code sent to a database."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from perfkit.model.location import CodeLocation


@dataclass(frozen=True, slots=True)
class QuerySpan:
    """One statement, without the values that were bound to it unless those were asked for.

    The names follow OpenTelemetry's `db.*` conventions.

    Attributes:
        query_text: the statement, with a `?` for each value.
        fingerprint: equal for all statements of one shape.
        operation_name: its first word, such as `SELECT`.
        system_name: the kind of database, such as `postgresql`.
        duration_ms: how long it took; `start_ms` counts from the start of the block.
        parameter_fingerprint: tells equal parameters from different ones without keeping them; `None` where
            they could not be compared. `offset_fingerprint` does so for the value of its OFFSET alone, where
            that is a parameter.
        returned_rows: rows that the database sent, `None` where that cannot be told; `consumed_rows` are
            those that the program read.
        returned_bytes: the size of those rows on the wire, estimated from a few of them.
        status: whether it failed, and with what `error_type`.
        call_site: the program's line that sent it.
        loop_id: equal for all statements that one activation of one loop sent; `loop_site` is its line.
        relationship: the attribute of the ORM whose access sent it, for example `User.posts`; `owner_bases`
            are the mapped classes that its owner inherits from. `to_many` is whether it leads to many
            objects, and `relationship_part` what Django was asked of it where that is not all: some of
            `filter`, `order`, `values`, `first`, `slice`, `count`, `exists`, `aggregate` and `links`.
        thread_id: who sent it, together with `task_id`.
        batch_size: the number of parameter sets of an `executemany`.
        context_id: equal for statements that read attributes within one call into a library, as
            `immediateload` does; 0 for all others.
        column_load: the columns that a single object was loaded again for; `column_load_kind` is why.
        driver: what sent it.
        connection_id: the number of its connection in the block.
        is_background: sent by a task or thread that was at work before the block began; such statements are
            in `Trace.background_queries` only.
        parameter_count: how many values were bound.
        parameters: the values as text, each cut at 100 characters, only where the person asked for them
            (`measure(parameters=True)`, `%%querycount --params`); never those of an `executemany`.
        entity: the classes of the ORM whose objects it loads, such as `User`, or `User, aliased(Post)`, or
            writes; `entity_bases` are those that they inherit from.
        eager_paths: the relationships that it loads along, each as the way there and the class at its end:
            `("User.posts", "Post.tags", "Tag")`.
    """

    query_text: str
    fingerprint: str
    operation_name: str
    system_name: str
    duration_ms: float
    start_ms: float = 0.0
    parameter_fingerprint: str | None = None
    returned_rows: int | None = None
    status: Literal["ok", "error"] = "ok"
    error_type: str | None = None
    call_site: CodeLocation | None = None
    loop_site: CodeLocation | None = None
    loop_id: int | None = None
    relationship: str | None = None
    thread_id: int = 0
    task_id: str | None = None
    batch_size: int = 1
    context_id: int = 0
    consumed_rows: int | None = None
    column_load: str | None = None
    column_load_kind: Literal["deferred", "expired", "refresh"] | None = None
    driver: str = "sqlalchemy"
    connection_id: int = 0
    is_background: bool = False
    parameter_count: int | None = None
    parameters: tuple[str, ...] | None = None
    returned_bytes: int | None = None
    entity: str | None = None
    entity_bases: tuple[str, ...] = ()
    owner_bases: tuple[str, ...] = ()
    to_many: bool | None = None
    relationship_part: tuple[str, ...] = ()
    eager_paths: tuple[tuple[str, ...], ...] = ()
    offset_fingerprint: str | None = None

    @property
    def end_ms(self) -> float:
        """When the statement ended, in milliseconds after the start of the block."""
        return self.start_ms + self.duration_ms


# A statement with its number in the trace.
Member = tuple[int, QuerySpan]


@dataclass(frozen=True, slots=True)
class QueryTotals:
    """Statements of one shape from one line that are no longer kept one by one.

    `returned_rows` is `None` as soon as one of them is unknown.
    """

    query_text: str
    fingerprint: str
    operation_name: str
    count: int
    total_ms: float
    returned_rows: int | None = None
    failed: int = 0
    call_site: CodeLocation | None = None
    loop_site: CodeLocation | None = None
    relationship: str | None = None


@dataclass(frozen=True, slots=True)
class QueryGroup:
    """All statements of one shape: those kept, as they were sent, and the rest as totals."""

    fingerprint: str
    spans: tuple[QuerySpan, ...]
    indexes: tuple[int, ...]
    totals: tuple[QueryTotals, ...] = ()

    @property
    def first(self) -> QuerySpan | QueryTotals:
        """The first of them."""
        return self.spans[0] if self.spans else self.totals[0]

    @property
    def query_text(self) -> str:
        """Their text, without values."""
        return self.first.query_text

    @property
    def count(self) -> int:
        """How many statements have this shape."""
        return len(self.spans) + sum(total.count for total in self.totals)

    @property
    def relationship(self) -> str | None:
        """The ORM attribute whose access sent them, if one did."""
        return self.first.relationship

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(span.status == "error" for span in self.spans) + sum(total.failed for total in self.totals)

    @property
    def total_ms(self) -> float:
        """Their time together, in milliseconds."""
        return sum(span.duration_ms for span in self.spans) + sum(total.total_ms for total in self.totals)

    @property
    def returned_rows(self) -> int | None:
        """Their rows together; `None` as soon as one of them is unknown."""
        rows = [span.returned_rows for span in self.spans] + [total.returned_rows for total in self.totals]
        return None if None in rows else sum(row for row in rows if row is not None)

    @property
    def returned_bytes(self) -> int | None:
        """The size of their rows together, from the width of those that is known; `None` where none is."""
        sized = [span for span in self.spans if span.returned_bytes is not None and span.returned_rows]
        rows = self.returned_rows
        if not sized or rows is None:
            return None
        width = sum(span.returned_bytes or 0 for span in sized) / sum(s.returned_rows or 0 for s in sized)
        return round(width * rows)


def group_queries(
    spans: tuple[QuerySpan, ...], totals: tuple[QueryTotals, ...] = ()
) -> tuple[QueryGroup, ...]:
    """Group statements by shape, the group with the most time first.

    Args:
        spans: the statements of one block.
        totals: those of the block that are not kept one by one.

    Returns:
        One group a fingerprint; ties keep the order of first appearance.
    """
    members: dict[str, list[int]] = {}
    for index, span in enumerate(spans):
        members.setdefault(span.fingerprint, []).append(index)
    rest: dict[str, list[QueryTotals]] = {}
    for total in totals:
        members.setdefault(total.fingerprint, [])
        rest.setdefault(total.fingerprint, []).append(total)
    groups = [
        QueryGroup(shape, tuple(spans[i] for i in indexes), tuple(indexes), tuple(rest.get(shape, ())))
        for shape, indexes in members.items()
    ]
    return tuple(sorted(groups, key=lambda group: -group.total_ms))


def busy_ms(spans: Iterable[QuerySpan]) -> float:
    """Time during which at least one statement was under way: the union of intervals, not their sum.

    Args:
        spans: statements of one block, from any number of threads and tasks.

    Returns:
        Milliseconds. Statements that overlap count once (the way Sentry's span time is computed).
    """
    return covered_ms((span.start_ms, span.end_ms) for span in spans)


def covered_ms(intervals: Iterable[tuple[float, float]]) -> float:
    """Time that at least one of these intervals covers, in milliseconds.

    Args:
        intervals: start and end of each, in milliseconds, in any order.
    """
    total = covered_until = 0.0
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, covered_until))
        covered_until = max(covered_until, end)
    return total
