"""Which ORM attribute a statement loads, read from SQLAlchemy's own execution context.

A Session listener would see the same, but merely registering one breaks `selectinload` with `yield_per` on
SQLAlchemy 2.0.20 to 2.0.49 (sqlalchemy#13301). The attributes read here are private; each was checked on
2.0.0, 2.0.20, 2.0.49, 2.0.58 and 2.1.9, and where they are missing the relationship is simply not named.
"""

from typing import Any


def relationship_of(context: Any) -> str | None:
    """The relationship whose access sent this statement, for example `User.posts`.

    Args:
        context: SQLAlchemy's execution context.

    Returns:
        `Class.attribute` of a lazy (or immediate) load; `None` for every other statement, eager loading
        by join, subquery or IN included.
    """
    options = getattr(context, "execution_options", None)
    if not options:
        return None
    load = options.get("_sa_orm_load_options")
    if getattr(load, "_lazy_loaded_from", None) is None:
        return None
    compile_options = getattr(getattr(context, "invoked_statement", None), "_compile_options", None)
    path: Any = getattr(compile_options, "_current_path", None) or ()
    if len(path) < 2:
        return None
    mapper, attribute = path[-2], path[-1]
    return f"{mapper.class_.__name__}.{attribute.key}"
