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
    entity_bases: tuple[str, ...] = ()
    eager_paths: tuple[tuple[str, ...], ...] = ()

    def span_fields(self) -> dict[str, Any]:
        """The same by the names of `QuerySpan`."""
        return {
            "relationship": self.relationship,
            "entity": self.entity,
            "entity_bases": self.entity_bases,
            "owner_bases": self.owner_bases,
            "to_many": self.to_many,
            "relationship_part": self.part,
            "eager_paths": self.eager_paths,
            "column_load": self.column,
            "column_load_kind": self.column_kind,
        }


NO_LOAD = OrmLoad()
# Reading an attribute may have sent it, and no more is known.
UNNAMED = OrmLoad(is_access=True)
# An execution option of statements that the ORM changes: all that it sends by itself, and some queries.
_LOAD_OPTIONS = "_sa_orm_load_options"
# The key of what reads the columns of a relationship that is loaded by a join.
_JOINED = "eager_row_processor"
_KEPT = ("CACHE_HIT", "CACHE_MISS")
_MAX_KNOWN = 1_000
# By the address of a path or a compiled statement's state, which is kept with it so that no other gets that.
KnownLoads = dict[int, tuple[Any, OrmLoad]]


def orm_load(context: Any, known: KnownLoads | None = None) -> OrmLoad:
    """What the ORM loads by this statement.

    Args:
        context: SQLAlchemy's execution context.
        known: the relationships named so far; a block's statements mostly load one that was named before.

    Returns:
        `Class.attribute` of a lazy (or immediate) load of a relationship, or of the columns that one object
        lacked; of eager loading by subquery or IN the way to what it loads; of every other statement the
        classes whose objects it asks for.
    """
    known = {} if known is None else known
    load = context.execution_options.get(_LOAD_OPTIONS)
    if load is None:
        return _query(context, known)
    compile_options = getattr(getattr(context, "invoked_statement", None), "_compile_options", None)
    path = getattr(compile_options, "_current_path", None)
    if getattr(load, "_lazy_loaded_from", None) is not None:
        return _relationship_load(path, known)
    state = getattr(load, "_refresh_state", None)
    if state is not None:
        return _column_load(state, load, compile_options)
    return OrmLoad(eager_paths=(_way(path),)) if path else _query(context, known)


def _query(context: Any, known: KnownLoads) -> OrmLoad:
    """A query of the program's own, by the classes that it asks for."""
    state = getattr(context.compiled, "compile_state", None)
    # Asking the state of a statement of Core for what it lacks takes ten times as long as asking its class.
    if not hasattr(type(state), "orm_setup_cursor_result"):
        return NO_LOAD
    found = known.get(id(state))
    if found is None:
        found = state, _asked(state, getattr(state, "_entities", ()))
        # The state of a statement that SQLAlchemy does not keep itself holds the program's own objects.
        if getattr(getattr(context, "cache_hit", None), "name", None) in _KEPT:
            _remember(known, found)
    return found[1]


def _asked(state: Any, entities: Any) -> OrmLoad:
    asked = [entity for entity in entities if getattr(entity, "supports_single_entity", False)]
    names = ", ".join(filter(None, map(_entity, asked)))
    if not names:
        return NO_LOAD
    joined = [key[1] for key in state.attributes if key[0] == _JOINED] if hasattr(state, "attributes") else ()
    return OrmLoad(
        entity=names,
        entity_bases=tuple(base for entity in asked for base in _bases(getattr(entity, "mapper", None))),
        eager_paths=tuple(_way(path) for path in joined),
    )


def _entity(entity: Any) -> str | None:
    name = _class_name(getattr(entity, "mapper", None))
    return f"aliased({name})" if name and getattr(entity, "is_aliased_class", False) else name


def _way(path: Any) -> tuple[str, ...]:
    """Of a path of classes and relationships in turn: the relationships, and the class at its end."""
    hops = [f"{path[n].class_.__name__}.{path[n + 1].key}" for n in range(0, len(path) - 1, 2)]
    return (*hops, _class_name(getattr(path[-1], "mapper", None)) or "")


def _relationship_load(path: Any, known: KnownLoads) -> OrmLoad:
    found = known.get(id(path))
    if found is None:
        found = path, _named(path[-2], path[-1]) if path and len(path) >= 2 else UNNAMED
        _remember(known, found)
    return found[1]


def _named(owner: Any, attribute: Any) -> OrmLoad:
    return OrmLoad(
        f"{owner.class_.__name__}.{attribute.key}",
        entity=_class_name(getattr(attribute, "mapper", None)),
        is_access=True,
        owner_bases=_bases(owner),
        entity_bases=_bases(getattr(attribute, "mapper", None)),
        to_many=getattr(attribute, "uselist", None),
    )


def _bases(mapped: Any) -> tuple[str, ...]:
    mapper = getattr(mapped, "mapper", mapped)
    lineage = mapper.iterate_to_root() if hasattr(mapper, "iterate_to_root") else ()
    return tuple(name for base in lineage if base is not mapper and (name := _class_name(base)))


def _remember(known: KnownLoads, found: tuple[Any, OrmLoad]) -> None:
    if len(known) < _MAX_KNOWN:
        known[id(found[0])] = found


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
    return OrmLoad(None, column, "deferred", is_access=True, owner_bases=_bases(state.mapper))
