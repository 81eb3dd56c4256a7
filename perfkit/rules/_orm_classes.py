"""Classes of an ORM, as statements name them: whose attribute is read, and who loads objects of that."""

from perfkit.model.query import QuerySpan

_ALIAS = "aliased("


def owner_of(load: QuerySpan) -> str:
    """The class whose attribute a lazy load reads; empty for any other statement."""
    return attribute_of_load(load).partition(".")[0]


def attribute_of_load(load: QuerySpan) -> str:
    """The relationship or column that a lazy load reads: of several columns the first."""
    return load.relationship or (load.column_load or "").partition(",")[0]


def entities(source: QuerySpan) -> list[str]:
    """The classes whose objects a statement asks for, those behind an alias included."""
    return [name.removeprefix(_ALIAS).rstrip(")") for name in (source.entity or "").split(", ") if name]


def has_alias(source: QuerySpan) -> bool:
    """Whether it asks for objects by an alias of their class."""
    return _ALIAS in (source.entity or "")


def loads_owner_of(load: QuerySpan, source: QuerySpan) -> bool:
    """Whether a statement asks for objects of the class whose attribute is read, of a base or an heir."""
    owner = owner_of(load)
    if not owner:
        return False
    return owner in source.entity_bases or not {owner, *load.owner_bases}.isdisjoint(entities(source))


def way_to_owner(load: QuerySpan, source: QuerySpan) -> tuple[str, ...]:
    """The relationships by which a statement loads the owners of a lazy load behind other objects."""
    owners = {owner_of(load), *load.owner_bases}
    ways = (path[:-1] for path in source.eager_paths if path[-1] in owners and len(path) > 1)
    return next(ways, ())
