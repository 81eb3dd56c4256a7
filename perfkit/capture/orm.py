"""Which class or attribute of the ORM a statement loads, read from SQLAlchemy's own execution context.

A Session listener would see the same, but merely registering one breaks `selectinload` with `yield_per` on
SQLAlchemy 2.0.20 to 2.0.49 (sqlalchemy#13301). The attributes read here are private; each was checked on
2.0.0, 2.0.20, 2.0.49, 2.0.58 and 2.1.9, and where they are missing the relationship is simply not named.
"""

from typing import Any, Literal, NamedTuple


class OrmLoad(NamedTuple):
    """What a statement loads, and why the ORM sent it by itself: a relationship, columns of one object.

    `is_access` tells that reading an attribute may have sent it, as any library does that walks over objects.
    `to_many` and `part` are told of a relationship as in `QuerySpan`.
    """

    relationship: str | None = None
    column: str | None = None
    column_kind: Literal["deferred", "expired", "refresh"] | None = None
    entity: str | None = None
    is_access: bool = False
    owner_bases: tuple[str, ...] = ()
    to_many: bool | None = None
    part: tuple[str, ...] = ()


NO_LOAD = OrmLoad()
# Reading an attribute may have sent it, and no more is known.
UNNAMED = OrmLoad(is_access=True)
# An execution option of statements that the ORM changes: all that it sends by itself, and some queries.
_LOAD_OPTIONS = "_sa_orm_load_options"


_MAX_KNOWN = 1_000
# By the path's address, which is kept with it so that no other path gets that address.
KnownLoads = dict[int, tuple[Any, OrmLoad]]


def orm_load(context: Any, known: KnownLoads | None = None) -> OrmLoad:
    """What the ORM loads by this statement.

    Args:
        context: SQLAlchemy's execution context.
        known: the relationships named so far; a block's statements mostly load one that was named before.

    Returns:
        `Class.attribute` of a lazy (or immediate) load of a relationship, or of the columns that one object
        lacked; of every other statement the classes whose objects it asks for, and nothing of eager loading
        by subquery or IN.
    """
    known = {} if known is None else known
    load = context.execution_options.get(_LOAD_OPTIONS)
    if load is None:
        return _query(context)
    compile_options = getattr(getattr(context, "invoked_statement", None), "_compile_options", None)
    path = getattr(compile_options, "_current_path", None)
    if getattr(load, "_lazy_loaded_from", None) is not None:
        return _relationship_load(path, known)
    state = getattr(load, "_refresh_state", None)
    if state is not None:
        return _column_load(state, load, compile_options)
    return NO_LOAD if path else _query(context)


def _query(context: Any) -> OrmLoad:
    """A query of the program's own, by the classes that it asks for."""
    entities = getattr(getattr(context.compiled, "compile_state", None), "_entities", None)
    if not entities:
        return NO_LOAD
    names = [_entity(entity) for entity in entities if getattr(entity, "supports_single_entity", False)]
    return OrmLoad(entity=", ".join(filter(None, names)) or None) if names else NO_LOAD


def _entity(entity: Any) -> str | None:
    name = _class_name(getattr(entity, "mapper", None))
    return f"aliased({name})" if name and getattr(entity, "is_aliased_class", False) else name


def _relationship_load(path: Any, known: KnownLoads) -> OrmLoad:
    found = known.get(id(path))
    if found is None:
        found = path, _named(path[-2], path[-1]) if path and len(path) >= 2 else UNNAMED
        if len(known) < _MAX_KNOWN:
            known[id(path)] = found
    return found[1]


def _named(owner: Any, attribute: Any) -> OrmLoad:
    mapper = getattr(owner, "mapper", owner)
    lineage = mapper.iterate_to_root() if hasattr(mapper, "iterate_to_root") else ()
    bases = (_class_name(base) for base in lineage if base is not mapper)
    return OrmLoad(
        f"{owner.class_.__name__}.{attribute.key}",
        entity=_class_name(getattr(attribute, "mapper", None)),
        is_access=True,
        owner_bases=tuple(filter(None, bases)),
        to_many=getattr(attribute, "uselist", None),
    )


def _class_name(mapper: Any) -> str | None:
    return getattr(getattr(mapper, "class_", None), "__name__", None)


def _column_load(state: Any, load: Any, compile_options: Any) -> OrmLoad:
    owner = state.class_.__name__
    names = sorted(getattr(compile_options, "_only_load_props", None) or ())
    if getattr(load, "_is_user_refresh", False):
        return OrmLoad(None, owner, "refresh", is_access=True)
    if state.expired:
        return OrmLoad(None, owner, "expired", is_access=True)
    column = f"{owner}.{', '.join(names)}" if names else owner
    return OrmLoad(None, column, "deferred", is_access=True)
