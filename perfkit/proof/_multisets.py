"""Rows in any order: each needs a partner on the other side, as often as it occurs."""

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from perfkit.proof._kinds import Kind
from perfkit.proof._places import DifferenceError, Path

if TYPE_CHECKING:
    from perfkit.proof._comparison import Comparison

MOST_TRIALS = 200
"""Items alike but for their floats, among which each one's partner is searched: 40,000 comparisons."""
DEEPEST_KEY = 4
"""Levels of an item that its key tells apart; what lies deeper is left to the comparison."""

Keyed = tuple[tuple[float, ...], int, Any]


def multisets(comparison: "Comparison", a: Sequence[Any], b: Sequence[Any], path: Path) -> None:
    """Compare two sequences without regard to order; raises `DifferenceError`.

    Items are first told apart by all that must be equal exactly. Within one such group, those whose floats
    are equal are paired, then the rest in sorted order where that fits, and at last by trying.
    """
    comparison.same_length(a, b, path)
    groups_a, groups_b = _grouped(comparison, a), _grouped(comparison, b)
    missing = sum(max(0, len(group) - len(groups_b.get(key, ()))) for key, group in groups_a.items())
    if missing:
        raise DifferenceError(path, f"differs ({missing} of {len(a)} items have no equal after)")
    for key, group in groups_a.items():
        if len(group) == 1:
            _, index, item = group[0]
            comparison.compare(item, groups_b[key][0][2], path.at(f"[{index}]"))
        else:
            _match(comparison, group, groups_b[key], path)


def _grouped(comparison: "Comparison", items: Sequence[Any]) -> dict[Hashable, list[Keyed]]:
    groups: dict[Hashable, list[Keyed]] = {}
    for index, item in enumerate(items):
        floats: list[float] = []
        key = _key(comparison, item, floats, 0)
        groups.setdefault(key, []).append((tuple(floats), index, item))
    return groups


def _match(comparison: "Comparison", group_a: list[Keyed], group_b: list[Keyed], path: Path) -> None:
    left_a, left_b = _without_exact_pairs(comparison, group_a, group_b, path)
    if all(_equal(comparison, keyed, other, path) for keyed, other in zip(left_a, left_b, strict=True)):
        return
    if len(left_a) > MOST_TRIALS:
        comparison.doubt(path, f"has {len(left_a)} items alike but for details, too many to pair up")
        return
    for keyed in left_a:
        partner = next((i for i, other in enumerate(left_b) if _equal(comparison, keyed, other, path)), None)
        if partner is None:
            raise DifferenceError(path.at(f"[{keyed[1]}]"), "has no equal after")
        del left_b[partner]


def _without_exact_pairs(
    comparison: "Comparison", group_a: list[Keyed], group_b: list[Keyed], path: Path
) -> tuple[list[Keyed], list[Keyed]]:
    waiting: dict[tuple[float, ...], list[Keyed]] = {}
    for keyed in group_b:
        waiting.setdefault(keyed[0], []).append(keyed)
    left_a = []
    for keyed in group_a:
        partners = waiting.get(keyed[0])
        if partners and _equal(comparison, keyed, partners[-1], path):
            partners.pop()
        else:
            left_a.append(keyed)
    left_b = [keyed for partners in waiting.values() for keyed in partners]
    return sorted(left_a, key=_floats), sorted(left_b, key=_floats)


def _floats(keyed: Keyed) -> tuple[float, ...]:
    return keyed[0]


def _equal(comparison: "Comparison", a: Keyed, b: Keyed, path: Path) -> bool:
    try:
        with comparison.trial():
            comparison.compare(a[2], b[2], path.at(f"[{a[1]}]"))
    except DifferenceError:
        return False
    return True


def _key(comparison: "Comparison", value: Any, floats: list[float], depth: int) -> Hashable:
    """What must be equal exactly, as something to look up; floats are collected beside it."""
    family, kind = comparison.kind(value)
    if kind is Kind.EXACT:
        return (family, value if value == value else "nan") if family != "bytes" else (family, bytes(value))
    if kind is Kind.FLOAT:
        floats.append(_sortable(value))
        return family
    if kind is Kind.ORM:
        return type(value), _identity(value)
    return (family, *_parts(comparison, value, floats, depth + 1)) if depth < DEEPEST_KEY else family


def _parts(comparison: "Comparison", value: Any, floats: list[float], depth: int) -> list[Hashable]:
    kind = comparison.kind(value)[1]
    if kind is Kind.TUPLE:
        return [_key(comparison, item, floats, depth) for item in value]
    if kind is Kind.MAPPING:
        names = sorted(key for key in value if isinstance(key, str))
        return [frozenset(value), *(_key(comparison, value[name], floats, depth) for name in names)]
    if kind is Kind.DATACLASS:
        names = [field.name for field in dataclasses.fields(value) if field.compare]
        return [tuple(names), *(_key(comparison, getattr(value, name), floats, depth) for name in names)]
    return [str(len(value)) if kind in (Kind.LIST, Kind.SET) else type(value).__qualname__]


def _identity(instance: Any) -> Hashable:
    """The primary key of an ORM object; a new one has none yet."""
    key = instance.__dict__["_sa_instance_state"].key
    return key[1] if key else None


def _sortable(value: Any) -> float:
    number = abs(value) if isinstance(value, complex) else float(value)
    return -math.inf if math.isnan(number) else number
