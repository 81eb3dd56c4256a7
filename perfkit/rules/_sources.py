"""Which statements gave a loop the rows that it walks over."""

import functools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from perfkit.model.large_blocks import kept_part
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._groups import by_shape_and_line
from perfkit.rules._orm_classes import entities, loads_owner_of, owner_of, way_to_owner
from perfkit.rules._statements import is_read

# Loops in loops; nobody writes more.
_MOST_LOOPS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """A statement whose rows a loop walks over: one, or `count` of its kind that together returned `rows`.

    `is_around` tells that another loop sends them, and that the loop in question is inside it. `way` are the
    relationships by which it loads what the loop walks over behind the objects that it asks for.
    """

    span: QuerySpan
    count: int
    rows: int | None
    is_around: bool = False
    way: tuple[str, ...] = ()
    way_by_join: bool = True


_Find = Callable[[list[Member], list[Member], int], Source | None]


class Sources:
    """Looks for the sources of the loops of one block."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @functools.cached_property
    def _kinds(self) -> list[list[Member]]:
        return list(by_shape_and_line(self._trace, is_read))

    @functools.cached_property
    def _tells_entities(self) -> bool:
        return any(kind[0][1].entity for kind in self._kinds)

    def of(self, members: list[Member], rows: int, own: Iterable[Member] = ()) -> tuple[Source, ...]:
        """The 1 of N+1. A source that loads a relationship has a source itself, which comes before it.

        Args:
            members: the statements of a loop, of one shape and line.
            rows: how many rows the loop walks over, at least; more than members where not all are kept.
            own: all statements of that loop, where there are others, which are no sources.

        Returns:
            Outermost first; none where no statement of the block can be it.
        """
        found: list[Source] = []
        kinds = {_kind(span) for _, span in (*members[:1], *own)}
        while len(found) < _MOST_LOOPS:
            source = self._source_of(members, rows, kinds)
            if source is None:
                break
            found.insert(0, source)
            if not source.span.relationship:
                break
            kinds.add(_kind(source.span))
            members = next(kind for kind in self._kinds if _kind(kind[0][1]) == _kind(source.span))
            rows = len(members)
        return tuple(found)

    def _source_of(
        self, members: list[Member], rows: int, own: set[tuple[str, CodeLocation | None]]
    ) -> Source | None:
        inner, first = members[0][1], members[0][0]
        earlier = [k for k in self._kinds if k[0][0] < first and _kind(k[0][1]) not in own]
        earlier.sort(key=lambda kind: kind[_number_before(kind, first) - 1][0], reverse=True)
        if not owner_of(inner):
            elsewhere = [kind for kind in earlier if kind[0][1].loop_site != inner.loop_site]
            return _first(_around, elsewhere, members, rows) or _first(_alone, earlier, members, rows)
        owners = [kind for kind in earlier if loads_owner_of(inner, kind[0][1])]
        source = _any(owners, members, rows)
        if source is None:
            source = self._along_others(
                _any([k for k in earlier if way_to_owner(inner, k[0][1])], members, rows), inner
            )
        if source is None and not self._tells_entities:  # a trace that an older perfkit has saved
            return _first(_alone, earlier, members, rows)
        return source

    def _along_others(self, source: Source | None, inner: QuerySpan) -> Source | None:
        """Of eager loading by a second statement the place is that of the first, which the program sends."""
        way = way_to_owner(inner, source.span) if source else ()
        if source is None or not way:
            return source
        if source.span.entity:
            return replace(source, way=way)
        place, root = source.span.call_site, way[0].partition(".")[0]
        firsts = (kind[0][1] for kind in self._kinds if kind[0][1].call_site == place)
        first = next((span for span in firsts if root in (*entities(span), *span.entity_bases)), source.span)
        return replace(source, span=first, way=way, way_by_join=False)


def cause_of(sources: tuple[Source, ...]) -> CodeLocation | None:
    """Where the fix belongs: a line that reads an attribute takes no option."""
    return None if not sources or sources[0].span.relationship else sources[0].span.call_site


def around_loop(sources: tuple[Source, ...]) -> CodeLocation | None:
    """The loop around another one that sends statements of its own for what that walks over."""
    return sources[-1].span.loop_site if sources and sources[-1].is_around else None


def fed_by(sources: tuple[Source, ...], trace: Trace) -> str:
    """What gave a loop its rows, in words."""
    if not sources:
        return "no earlier statement of this block feeds the loop"
    source = sources[-1]
    rows = "an unknown number of rows" if source.rows is None else counted(source.rows, "row")
    feeding = "the statement before the loop"
    if source.is_around:
        feeding = f"the {source.count:,} statements of the loop around it"
    elif source.count > 1:
        feeding = f"the {source.count:,} statements of an earlier loop"
    return f"{feeding} returned {rows}{kept_part(trace) if source.count > 1 else ''}"


def calls_itself(span: QuerySpan) -> bool:
    """Whether the loop that sent it is a function that calls itself, by the line on which it does."""
    if span.loop_site is None:
        return False
    name = re.escape(span.loop_site.function_name)
    call = rf"(?<!def )(?<![\w.]){name}\(|\b(?:self|cls)\.{name}\("
    return re.search(call, span.loop_site.source_text) is not None


def _kind(span: QuerySpan) -> tuple[str, CodeLocation | None]:
    return span.fingerprint, span.call_site


def _any(kinds: list[list[Member]], members: list[Member], rows: int) -> Source | None:
    finds = (_around, _alone, _in_an_earlier_loop)
    return next((source for find in finds if (source := _first(find, kinds, members, rows))), None)


def _first(find: _Find, kinds: list[list[Member]], members: list[Member], rows: int) -> Source | None:
    return next((source for kind in kinds if (source := find(kind, members, rows))), None)


def _alone(kind: list[Member], members: list[Member], rows: int) -> Source | None:
    """The last statement before the loop that returned so many rows, or may have."""
    for _, span in reversed(kind[: _number_before(kind, members[0][0])]):
        if span.returned_rows is None or span.returned_rows >= rows:
            return Source(span, 1, span.returned_rows)
    return None


def _around(kind: list[Member], members: list[Member], _: int) -> Source | None:
    """Statements between those of the loop: it begins anew after each of them."""
    last = members[-1][0]
    until = _number_before(kind, last)
    if until == _number_before(kind, members[0][0]):
        return None
    is_elsewhere = kind[0][1].loop_site != members[0][1].loop_site
    is_around = is_elsewhere and _activations(kind) <= _activations(members)
    return _together(kind[:until], len(members), is_around=is_around)


def _in_an_earlier_loop(kind: list[Member], members: list[Member], _: int) -> Source | None:
    return _together(kind[: _number_before(kind, members[0][0])], len(members))


def _together(kind: list[Member], rows: int, *, is_around: bool = False) -> Source | None:
    spans = [span for _, span in kind if span.status == "ok"]
    if all(span.loop_id is None for span in spans):
        return None
    known = [span.returned_rows for span in spans if span.returned_rows is not None]
    total = sum(known) if len(known) == len(spans) else None
    return Source(spans[0], len(spans), total, is_around) if total is None or total >= rows else None


def _activations(kind: list[Member]) -> int:
    """How often its loop began: one inside another begins as often as that goes round."""
    return len({span.loop_id for _, span in kind} - {None})


def _number_before(kind: list[Member], index: int) -> int:
    return bisect_left(kind, index, key=lambda member: member[0])
