"""Statements that belong together: by shape and line, by loop, by connection and transaction."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from perfkit.model.connection import ConnectionUse, PoolActivity, TransactionEvent
from perfkit.model.connection_times import ConnectionTimes
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._reloads import are_reloads
from perfkit.rules._settings import Settings
from perfkit.rules._statements import (
    holds_connection_on_purpose,
    is_row_lookup_in_loop,
    is_write,
    takes_lock,
)
from perfkit.rules._walks import is_walk

# A pattern of 2 to 8 statements that comes at least three times (Sentry's M+N+1 detector).
MIN_ROUNDS = 3
MIN_SHAPES = 2
MAX_SHAPES = 8
# Half a second, and half of the transaction, in pauses longer than ordinary Python between statements.
MIN_PAUSE_MS = 100.0
MIN_IDLE_MS = 500.0
MIN_IDLE_SHARE = 0.5
# Turning rows into objects is use of the connection's answer: an ORM takes some 10 to 50 µs for each.
_READ_MS_PER_ROW = 0.05
# A request that takes less was not kept waiting: it is the pool's own work.
_MIN_WAIT_MS = 1.0


def by_shape_and_line(trace: Trace, is_candidate: Callable[[QuerySpan], bool]) -> Iterator[list[Member]]:
    """The candidates of one shape that one line sent, with their numbers in the trace."""
    groups: dict[tuple[str, CodeLocation | None], list[Member]] = {}
    # Hashing a line costs more than all else here, and most statements share the object.
    known: dict[tuple[str, int], list[Member]] = {}
    for index, span in enumerate(trace.queries or ()):
        if is_candidate(span):
            place = (span.fingerprint, id(span.call_site))
            members = known.get(place)
            if members is None:
                members = known[place] = groups.setdefault((span.fingerprint, span.call_site), [])
            members.append((index, span))
    yield from groups.values()


def lookups(trace: Trace, is_candidate: Callable[[QuerySpan], bool]) -> Iterator[list[Member]]:
    """The candidates as `by_shape_and_line` groups them, where one statement could ask for several of them.

    That leaves out walks over pages and ranges, what is asked once for each tenant, role or path, and what a
    commit or a refresh makes necessary again.
    """
    settings = Settings(trace)
    for members in by_shape_and_line(trace, is_candidate):
        together = settings.together(members)
        if together and not (is_walk(together) or are_reloads(together, trace)):
            yield together


def lazy_loads_by_hand(trace: Trace) -> Iterator[list[Member]]:
    """Loads of a relationship by one line that read attribute after attribute, without a loop or tasks."""
    for members in by_shape_and_line(trace, _is_lazy_load):
        senders = {(span.loop_id, span.thread_id, span.task_id) for _, span in members}
        if len(senders) == 1 and members[0][1].loop_id is None:
            yield members


def _is_lazy_load(span: QuerySpan) -> bool:
    return span.relationship is not None and span.context_id == 0 and span.status == "ok"


def sender_of(span: QuerySpan) -> tuple[int, str | None]:
    """The thread and the task that sent it."""
    return span.thread_id, span.task_id


def spans_of(members: list[Member]) -> tuple[QuerySpan, ...]:
    """The statements without their numbers."""
    return tuple(span for _, span in members)


def indexes_of(members: list[Member]) -> tuple[int, ...]:
    """The numbers of the statements in the trace."""
    return tuple(index for index, _ in members)


def have_different_parameters(members: list[Member]) -> bool:
    """Unknown parameters count as different: an equal set would have been recognised."""
    names = {span.parameter_fingerprint for _, span in members}
    return len(names) > 1 or None in names


def busiest_loop(spans: tuple[QuerySpan, ...]) -> CodeLocation | None:
    """The loop that sent most of them."""
    sites = [span.loop_site for span in spans]
    return max(set(sites), key=lambda site: (sites.count(site), -sites.index(site)))


def loops_of_several_shapes(
    trace: Trace,
    *,
    min_rounds: int = MIN_ROUNDS,
    min_shapes: int = MIN_SHAPES,
    max_shapes: int = MAX_SHAPES,
) -> Iterator[list[Member]]:
    """Loops that send several shapes once a row each: A, B, A, B.

    A loop is known by its line, since each of its shapes has a `loop_id` of its own. A shape may be missing
    for some rows, as when the session already holds an object, but at least half of the rounds must hold
    two shapes. The thresholds are those of PK105.

    Returns:
        For each such loop its statements of these shapes, in the order in which they were sent.
    """
    for members, shapes in _by_loop_line(trace):
        rounds, shared, counts = _rounds(shapes)
        if shared < min_rounds or 2 * shared < rounds:
            continue
        regular = {shape for shape, count in counts.items() if count >= min_rounds}
        if min_shapes <= len(regular) <= max_shapes:
            yield [member for member, shape in zip(members, shapes, strict=True) if shape in regular]


def _by_loop_line(trace: Trace) -> Iterator[tuple[list[Member], list[int]]]:
    """Lookups with different parameters by the loop, thread and task that sent them, with their shapes.

    Shapes and lines are numbered, since comparing source lines a million times takes long.
    """
    sites: dict[CodeLocation, int] = {}
    site_of_loop: dict[int, int] = {}
    loops: dict[tuple[int, int, str | None], list[tuple[int, QuerySpan, int]]] = {}
    for shape, members in enumerate(lookups(trace, is_row_lookup_in_loop)):
        if not have_different_parameters(members):
            continue
        for index, span in members:
            if span.loop_id is None or span.loop_site is None:
                continue
            if span.loop_id not in site_of_loop:
                site_of_loop[span.loop_id] = sites.setdefault(span.loop_site, len(sites))
            place = (site_of_loop[span.loop_id], span.thread_id, span.task_id)
            loops.setdefault(place, []).append((index, span, shape))
    for found in loops.values():
        found.sort(key=lambda item: item[0])
        yield [(index, span) for index, span, _ in found], [shape for _, _, shape in found]


def _rounds(shapes: list[int]) -> tuple[int, int, Counter[int]]:
    """Rows of the loop, those with two shapes or more, and in how many of these each shape is.

    A new row begins where a shape comes again.
    """
    rounds = shared = 0
    counts: Counter[int] = Counter()
    seen: set[int] = set()
    for shape in (*shapes, None):
        if shape is None or shape in seen:
            rounds += 1
            if len(seen) >= MIN_SHAPES:
                shared += 1
                counts.update(seen)
            seen.clear()
        if shape is not None:
            seen.add(shape)
    return rounds, shared, counts


@dataclass(frozen=True, slots=True)
class Pause:
    """Time during which nothing ran on a connection, after one statement and before the next, if any."""

    before: QuerySpan
    after: QuerySpan | None
    start_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Transaction:
    """From the first statement of a transaction to the message that ended it; `end` is `None` while open."""

    members: tuple[Member, ...]
    end: TransactionEvent | None
    end_ms: float

    @property
    def start_ms(self) -> float:
        """When its first statement began: a driver sends BEGIN together with that."""
        return self.members[0][1].start_ms

    def holds_locks_at(self, time_ms: float) -> bool:
        """Whether it wrote, or locked rows, before this time: others must wait for it."""
        return any(is_write(s) or takes_lock(s) for _, s in self.members if s.start_ms < time_ms)


def transactions_of(trace: Trace) -> Iterator[Transaction]:
    """The transactions of a block that sent statements, by connection."""
    times = ConnectionTimes(trace)
    by_connection: dict[int, list[TransactionEvent]] = {}
    for event in trace.transactions or ():
        by_connection.setdefault(event.connection_id, []).append(event)
    for connection_id, events in by_connection.items():
        for start_ms, end, end_ms in _stretches(events, trace.duration_ms):
            members = times.between(connection_id, start_ms, end_ms)
            if members:
                yield Transaction(tuple(members), end, end_ms)


def _stretches(
    events: list[TransactionEvent], block_ms: float
) -> Iterator[tuple[float, TransactionEvent | None, float]]:
    """Start, end message and end time of each transaction; one may have begun before the block."""
    start_ms: float | None = None if events[0].kind == "begin" else 0.0
    for event in sorted(events, key=lambda event: event.time_ms):
        if event.kind == "begin":
            start_ms = event.time_ms
        elif start_ms is not None:
            yield start_ms, event, event.time_ms
            start_ms = None
    if start_ms is not None:
        yield start_ms, None, block_ms


def pauses(members: Iterable[Member], end_ms: float, min_ms: float) -> list[Pause]:
    """The pauses after each of these statements of one connection, up to a time.

    Time after a statement whose rows may still be on their way is no pause, nor is time for which the
    connection is held on purpose.
    """
    found = []
    spans = [span for _, span in members]
    busy_until = 0.0
    for span, following in itertools.pairwise([*spans, None]):
        assert span is not None
        if holds_connection_on_purpose(span):
            busy_until = max(busy_until, following.start_ms if following else end_ms)
        start_ms = busy_until = max(busy_until, span.end_ms + (span.returned_rows or 0) * _READ_MS_PER_ROW)
        duration_ms = (following.start_ms if following else end_ms) - start_ms
        if duration_ms >= min_ms:
            found.append(Pause(span, following, start_ms, duration_ms))
    return found


def idle_transactions(
    trace: Trace,
    *,
    min_pause_ms: float = MIN_PAUSE_MS,
    min_idle_ms: float = MIN_IDLE_MS,
    min_share: float = MIN_IDLE_SHARE,
) -> Iterator[tuple[Transaction, list[Pause]]]:
    """Transactions that mostly wait for the program, with their pauses; thresholds as in PK505."""
    for transaction in transactions_of(trace):
        found = pauses(transaction.members, transaction.end_ms, min_pause_ms)
        idle_ms = sum(pause.duration_ms for pause in found)
        if idle_ms >= max(min_idle_ms, min_share * (transaction.end_ms - transaction.start_ms)):
            yield transaction, found


def loan_end_ms(use: ConnectionUse, trace: Trace) -> float:
    """When a loan ended: with the block, where the connection was still out."""
    return trace.duration_ms if use.released_ms is None else use.released_ms


def idle_ms_of_loan(use: ConnectionUse, times: ConnectionTimes, end_ms: float) -> float | None:
    """Time of a loan during which nothing ran on its connection; `None` where no statement of it was seen."""
    start_ms = use.acquired_ms or 0.0
    members = times.between(use.connection_id, start_ms, end_ms)
    if not members:
        return None
    before_first = members[0][1].start_ms - start_ms
    pauses_ms = sum(pause.duration_ms for pause in pauses(members, end_ms, 0.0))
    return max(0.0, before_first + pauses_ms - times.framing_ms(use.connection_id, start_ms, end_ms))


def waits_of(activity: PoolActivity, pool_id: int) -> list[tuple[float, float]]:
    """When requests to a pool waited for a connection to come back; opening a new one is no such wait."""
    found = []
    for use in activity.uses:
        if use.pool_id == pool_id and use.wait_ms is not None:
            wait_ms = use.wait_ms - (use.connect_ms or 0.0)
            if wait_ms >= _MIN_WAIT_MS:
                found.append((use.requested_ms, use.requested_ms + wait_ms))
    return found
