"""ORM objects, compared by what is loaded already: reading what is not would send a statement."""

from typing import TYPE_CHECKING, Any

from perfkit.proof._multisets import multisets
from perfkit.proof._places import DifferenceError, Path

if TYPE_CHECKING:
    from perfkit.proof._comparison import Comparison


def orm_objects(comparison: "Comparison", a: Any, b: Any, path: Path) -> None:
    """Compare two SQLAlchemy ORM objects by columns and relationships that both have loaded.

    Only the instance's dictionary is read, as `sqlalchemy.inspect(instance).dict` would give it.
    """
    comparison.same_type(a, b, path)
    state_a, state_b = (instance.__dict__["_sa_instance_state"] for instance in (a, b))
    if a is b:
        comparison.remarks["both returned the very same ORM objects, because they share a session"] = None
    if state_a.key and state_b.key and state_a.key[1] != state_b.key[1]:
        raise DifferenceError(path, f"differs ({type(a).__name__}, another primary key)")
    mapper = state_a.mapper
    columns = [attribute.key for attribute in mapper.column_attrs]
    loaded = [name for name in columns if name in a.__dict__ and name in b.__dict__]
    if not loaded:
        comparison.doubt(path, f"is of type {type(a).__name__}, with no column loaded on both sides")
    for name in loaded:
        comparison.compare(a.__dict__[name], b.__dict__[name], path.at(f".{name}"))
    for relationship in mapper.relationships:
        _relationship(comparison, relationship, a, b, path)
    relationships = [relationship.key for relationship in mapper.relationships]
    _remark_unshared(comparison, [*columns, *relationships], a, b)


def _relationship(comparison: "Comparison", relationship: Any, a: Any, b: Any, path: Path) -> None:
    name = relationship.key
    if name not in a.__dict__ or name not in b.__dict__:
        return
    items_a, items_b = a.__dict__[name], b.__dict__[name]
    # Without an ORDER BY the database may return the same collection in any order.
    if isinstance(items_a, list) and isinstance(items_b, list) and not relationship.order_by:
        multisets(comparison, items_a, items_b, path.at(f".{name}"))
    else:
        comparison.compare(items_a, items_b, path.at(f".{name}"))


def _remark_unshared(comparison: "Comparison", names: list[str], a: Any, b: Any) -> None:
    unshared = [name for name in names if (name in a.__dict__) != (name in b.__dict__)]
    if unshared:
        listed = ", ".join(unshared)
        comparison.remarks[f"{type(a).__name__}: not loaded on both sides, not compared: {listed}"] = None
