"""Methods of SQLAlchemy's dialects replaced for a block: what every statement of every engine comes through.

Events would tell the same. But one listener on `Engine` makes SQLAlchemy prepare all its events for each
statement, which costs more than all that we do with it, and its flag stays set when the listener goes.
"""

import functools
from collections.abc import Iterator
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from perfkit.capture.patches import Function, Patches, Wrap


class DialectPatches:
    """Wrappers around methods of all dialects, those that are first used inside the block included.

    A dialect may call the method that it overrides: then a wrapper runs within itself.
    """

    def __init__(self) -> None:
        self._patches = Patches()
        self._wraps: dict[str, Wrap] = {}
        self._done: set[tuple[type, str]] = set()

    def install(self, wraps: dict[str, Wrap]) -> None:
        """Put wrappers around methods.

        Args:
            wraps: what makes the wrapper, by the method's name.
        """
        self._wraps = wraps
        for cls in _with_subclasses(DefaultDialect):
            self._watch(cls)
        self._patches.replace(Engine, "__init__", self._creating)

    def restore(self) -> None:
        """Take all wrappers away. Idempotent."""
        self._patches.restore()
        self._done.clear()

    def _watch(self, cls: type) -> None:
        for name, wrap in self._wraps.items():
            if (cls, name) not in self._done:
                self._done.add((cls, name))
                self._patches.replace(cls, name, wrap)

    def _creating(self, original: Function) -> Function:
        @functools.wraps(original)
        def create(engine: Any, pool: Any, dialect: Any, *args: Any, **options: Any) -> None:
            for cls in type(dialect).__mro__:
                if issubclass(cls, DefaultDialect):
                    self._watch(cls)
            original(engine, pool, dialect, *args, **options)

        return create


def _with_subclasses(cls: type[DefaultDialect]) -> Iterator[type[DefaultDialect]]:
    yield cls
    subclasses: list[type[DefaultDialect]] = cls.__subclasses__()
    for subclass in subclasses:
        yield from _with_subclasses(subclass)
