"""Which relation or column of a Django model a statement loads, read from the stack of Django's own code.

Django tells it nowhere. The descriptors that load on access are on the stack, with the instance that was
accessed; a related manager's queryset carries the instance as a hint for database routers. Where a version
of Django has neither, the relation is simply not named.
"""

import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from perfkit.capture._django_part import part_of_relation
from perfkit.capture.orm import NO_LOAD, UNNAMED, OrmLoad

_MODELS = os.path.join("django", "db", "models") + os.sep  # noqa: PTH118 - compared as text
_DJANGO = f"{os.sep}django{os.sep}"
_MAX_FRAMES = 60
# `values`, `count` and the like do without it.
_OBJECTS = "ModelIterable.__iter__"
_WRITERS = ("SQLInsertCompiler", "SQLUpdateCompiler", "SQLDeleteCompiler")


def django_load(frame: FrameType) -> OrmLoad:
    """What the ORM loads by the statement that this stack sends.

    Args:
        frame: the innermost frame of Django's.

    Returns:
        `Model.field` of a relation that is loaded on access or through a related manager, or of deferred or
        refreshed columns; of other statements the model whose objects they load or write, and nothing of
        `prefetch_related`.
    """
    frames = list(_django_frames(frame))
    for entry in frames:
        if entry.f_code.co_name == "execute_sql":  # asking a frame for its variables copies them all
            compiler: Any = entry.f_locals.get("self")
            if type(compiler).__name__ in _WRITERS:
                return OrmLoad(entity=_path_to(compiler.query.model), is_access=True)
    names = {entry.f_code.co_name for entry in frames}
    if "prefetch_related_objects" in names:
        return NO_LOAD
    for entry in frames:
        if entry.f_code.co_name == "__get__":
            return _accessed(entry.f_locals.get("self"), entry.f_locals.get("instance"))
    if "refresh_from_db" in names or "arefresh_from_db" in names:
        return _refreshed(frames)
    return _managed(frames)


def _django_frames(frame: FrameType) -> Iterator[FrameType]:
    """Frames of Django's models, up to the first that is not Django's."""
    entry: FrameType | None = frame
    for _ in range(_MAX_FRAMES):
        if entry is None or _DJANGO not in entry.f_code.co_filename:
            return
        if _MODELS in entry.f_code.co_filename:
            yield entry
        entry = entry.f_back


def _path_to(model: Any) -> str:
    """The model's name; of the one that Django makes for a many-to-many field the way to it."""
    owner = model._meta.auto_created
    for field in owner._meta.local_many_to_many if owner else ():
        if field.remote_field.through is model:
            return f"{owner.__name__}.{field.name}.through"
    return str(model.__name__)


def _accessed(descriptor: Any, instance: Any) -> OrmLoad:
    owner = type(instance).__name__
    if type(descriptor).__name__ == "DeferredAttribute":
        return OrmLoad(None, f"{owner}.{descriptor.field.attname}", "deferred", is_access=True)
    related = getattr(descriptor, "related", None)
    field = getattr(descriptor, "field", None)
    name = related.get_accessor_name() if related is not None else getattr(field, "name", None)
    target = getattr(related if related is not None else field, "related_model", None)
    if not name:
        return NO_LOAD
    entity = getattr(target, "__name__", None)
    return OrmLoad(
        f"{owner}.{name}", entity=entity, is_access=True, owner_bases=_bases(instance), to_many=False
    )


def _refreshed(frames: list[FrameType]) -> OrmLoad:
    for entry in frames:
        if entry.f_code.co_name == "refresh_from_db":
            return OrmLoad(None, type(entry.f_locals.get("self")).__name__, "refresh", is_access=True)
    return NO_LOAD


def _managed(frames: list[FrameType]) -> OrmLoad:
    """The relation whose manager made the queryset, or its model where it makes objects of that."""
    query_set = getattr(sys.modules.get("django.db.models"), "QuerySet", None)
    if query_set is None:
        return UNNAMED
    for entry in frames:
        candidate: Any = entry.f_locals.get("self")
        if issubclass(type(candidate), query_set):
            instance = (getattr(candidate, "_hints", None) or {}).get("instance")
            known = tuple(getattr(candidate, "_known_related_objects", None) or ())
            if instance is None:
                makes_objects = any(entry.f_code.co_qualname == _OBJECTS for entry in frames)
                return OrmLoad(entity=candidate.model.__name__ if makes_objects else None, is_access=True)
            return _relation(instance, known, candidate, frames)
    return UNNAMED


def _relation(instance: Any, known: tuple[Any, ...], queryset: Any, frames: list[FrameType]) -> OrmLoad:
    # Fields with known objects lead to the owner; they need not be of an app that is installed.
    found = [field.remote_field for field in known] or [
        relation
        for relation in type(instance)._meta.get_fields()
        if relation.is_relation
        and (relation.one_to_many or relation.many_to_many)
        and queryset.model in (relation.related_model, _links(relation))
    ]
    if len(found) != 1:
        return UNNAMED
    (relation,) = found
    name = relation.get_accessor_name() if relation.auto_created else relation.name
    return OrmLoad(
        f"{type(instance).__name__}.{name}",
        entity=relation.related_model.__name__,
        is_access=True,
        owner_bases=_bases(instance),
        to_many=True,
        part=part_of_relation(queryset, relation, frames),
    )


def _links(relation: Any) -> Any:
    """The model whose rows link two others, which Django made for a many-to-many field."""
    through = getattr(relation if relation.auto_created else relation.remote_field, "through", None)
    return through if through is not None and through._meta.auto_created else None


def _bases(instance: Any) -> tuple[str, ...]:
    options = getattr(instance, "_meta", None)
    return tuple(model.__name__ for model in options.get_parent_list()) if options else ()
