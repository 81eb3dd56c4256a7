"""`%perfkit`: what is loaded, what can be measured here, and which magics there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from perfkit.capture.cpu import profiler_holder
from perfkit.capture.rss import high_water_bytes
from perfkit.magics._namespace import database_of, engines
from perfkit.views._html import card, code, heading, section, table


@dataclass(frozen=True)
class Status:
    """What `%perfkit` shows: `parts`, `engines` and `magics` are pairs of a name and what to know of it."""

    version: str
    parts: tuple[tuple[str, str], ...]
    engines: tuple[tuple[str, str], ...]
    magics: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        groups = [("Measures", self.parts), ("Engines here", self.engines), ("Magics", self.magics)]
        lines = [f"perfkit {self.version}"]
        for title, pairs in groups:
            width = max((len(name) for name, _ in pairs), default=0)
            lines += ["", title, *(f"  {name.ljust(width)}  {text}" for name, text in pairs)]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self._html()}

    def _html(self) -> str:
        def named(pairs: tuple[tuple[str, str], ...], headers: tuple[str, str]) -> Any:
            return table(headers, [(code(name), text) for name, text in pairs])

        return card(
            heading(f"perfkit {self.version}"),
            table(("measures", ""), self.parts),
            section("Engines here"),
            named(self.engines, ("variable", "database")),
            section("Magics"),
            named(self.magics, ("magic", "does")),
        ).markup


def status(namespace: Mapping[str, Any], magics: Sequence[tuple[str, str]]) -> Status:
    """What is there now.

    Args:
        namespace: the notebook's variables, searched for engines.
        magics: usage and one line of help of each magic.
    """
    found = [(name, database_of(engine)) for name, engine in engines(namespace).items()]
    return Status(
        version=version("perfkit"),
        parts=(
            ("statements", "every one that SQLAlchemy, psycopg, sqlite3, asyncpg or Django sends"),
            ("plans", "of PostgreSQL, MariaDB, MySQL and SQLite"),
            ("function times", _profiler()),
            ("memory", _memory()),
        ),
        engines=tuple(found) or (("none", "engine = sqlalchemy.create_engine(url) makes one"),),
        magics=tuple(magics),
    )


def _profiler() -> str:
    holder = profiler_holder()
    return (
        f"not now: another profiler ({holder}) is running"
        if holder
        else "by cProfile, in the cell's own thread"
    )


def _memory() -> str:
    return "peak and growth; the peak as " + ("the kernel keeps it" if high_water_bytes() else "sampled")
