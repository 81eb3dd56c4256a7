"""Which ORM attribute a statement loads, read from SQLAlchemy's own execution context.

A Session listener would see the same, but merely registering one breaks `selectinload` with `yield_per` on
SQLAlchemy 2.0.20 to 2.0.49 (sqlalchemy#13301). The attributes read here are private; each was checked on
2.0.0, 2.0.20, 2.0.49, 2.0.58 and 2.1.9, and where they are missing the relationship is simply not named.
"""

from typing import Any, Literal, NamedTuple


class OrmLoad(NamedTuple):
    """Why the ORM sent a statement on its own: a relationship, or columns of one object."""

    relationship: str | None = None
    column: str | None = None
    column_kind: Literal["deferred", "expired", "refresh"] | None = None


NO_LOAD = OrmLoad()
# The execution option that each statement of the ORM carries.
LOAD_OPTIONS = "_sa_orm_load_options"


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
        lacked; nothing for every other statement, eager loading by join, subquery or IN included.
    """
    options = getattr(context, "execution_options", None)
    load = options.get(LOAD_OPTIONS) if options else None
    if load is None:
        return NO_LOAD
    compile_options = getattr(getattr(context, "invoked_statement", None), "_compile_options", None)
    if getattr(load, "_lazy_loaded_from", None) is not None:
        return _relationship_load(compile_options, {} if known is None else known)
    state = getattr(load, "_refresh_state", None)
    return NO_LOAD if state is None else _column_load(state, load, compile_options)


def _relationship_load(compile_options: Any, known: KnownLoads) -> OrmLoad:
    path: Any = getattr(compile_options, "_current_path", None)
    found = known.get(id(path))
    if found is None:
        name = f"{path[-2].class_.__name__}.{path[-1].key}" if path and len(path) >= 2 else None
        found = path, OrmLoad(name)
        if len(known) < _MAX_KNOWN:
            known[id(path)] = found
    return found[1]


def _column_load(state: Any, load: Any, compile_options: Any) -> OrmLoad:
    owner = state.class_.__name__
    names = sorted(getattr(compile_options, "_only_load_props", None) or ())
    if getattr(load, "_is_user_refresh", False):
        return OrmLoad(None, owner, "refresh")
    if state.expired:
        return OrmLoad(None, owner, "expired")
    return OrmLoad(None, f"{owner}.{', '.join(names)}" if names else owner, "deferred")
