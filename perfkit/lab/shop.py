"""A notebook's own copy of the sample shop."""

import html
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from perfkit.lab import external, templates
from perfkit.lab.cluster import SUPERUSER, password
from perfkit.lab.errors import LabError
from perfkit.lab.failures import clear_errors
from perfkit.lab.network import NetworkProxy
from perfkit.lab.server import Server, embedded_server
from perfkit.lab.settings import Scale, load_settings, parse_scale

_DRIVER = "postgresql+psycopg"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = ("postgres", "template", "perfkit_", "pg_")


def database_name(name: str, scale: Scale) -> str:
    """Return the name of the clone's database: one a scale, so that two kernels with two scales do not meet.

    Raises:
        LabError: not a name of small letters, digits and underscores, or a reserved one.
    """
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED):
        raise LabError(
            f"{name!r} cannot name a shop: use small letters, digits and _ (and not postgres or perfkit_)."
        )
    return name if scale.name == "full" else f"{name}_{scale.name}"


def embedded_url(server: Server, database: str) -> URL:
    """Return the address of a database of the embedded server; it points to the password's file."""
    host, port = server.address
    query = {"passfile": str(server.passfile)}
    # libpq prefers PGPASSWORD to the file; then the address has to carry the right password.
    secret = password(server.folder) if "PGPASSWORD" in os.environ else None
    if Path(host).is_absolute():
        query |= {"host": host, "port": str(port)}
        return URL.create(_DRIVER, SUPERUSER, secret, database=database, query=query)
    return _over_tcp(URL.create(_DRIVER, SUPERUSER, secret, database=database, query=query), (host, port))


def _over_tcp(url: URL, address: tuple[str, int]) -> URL:
    host, port = address
    kept = url.difference_update_query(["host", "port", "hostaddr"])
    return kept.set(host=host, port=port).update_query_dict({"sslmode": "disable", "gssencmode": "disable"})


def _as_text(url: URL) -> str:
    # SQLAlchemy writes a space in an option as +, which it reads back and libpq does not: both know %20.
    address, mark, options = url.render_as_string(hide_password=False).partition("?")
    return address + mark + options.replace("+", "%20")


class Shop:
    """The sample shop in a database of its own; see `open_shop`.

    Attributes:
        name: of the database.
        sizes: rows by table.
    """

    def __init__(self, url: URL, sizes: dict[str, int], server: Server | None, scale: Scale) -> None:
        self.name = url.database or ""
        self.sizes = dict(sizes)
        self._url = self._direct = url
        self._server = server
        self._scale = scale
        self._engine: Engine | None = None
        self._async_engine: AsyncEngine | None = None
        self._proxies: list[NetworkProxy] = []
        self._async_connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._untouched = False

    @property
    def url(self) -> str:
        """The address for SQLAlchemy, with the driver psycopg; of your own server it may hold a password."""
        self._untouched = False
        return _as_text(self._url)

    @property
    def engine(self) -> Engine:
        """A SQLAlchemy engine, made at first use."""
        self._untouched = False
        if self._engine is None:
            self._engine = create_engine(self._url)
        return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """A SQLAlchemy engine for `await`, made at first use."""
        self._untouched = False
        if self._async_engine is None:
            self._async_engine = create_async_engine(self._url)
            event.listen(self._async_engine.sync_engine, "connect", self._remember)
        return self._async_engine

    def _remember(self, connection: Any, record: object) -> None:
        self._async_connections.add(connection.driver_connection)

    @contextmanager
    def network(self, round_trip_ms: float) -> Iterator[str]:
        """Offer the shop at the end of a slower network, within the block.

        Args:
            round_trip_ms: what each round trip takes longer, in milliseconds.

        Yields:
            The address for SQLAlchemy.
        """
        self._untouched = False
        proxy = self._open_proxy(round_trip_ms)
        try:
            yield _as_text(_over_tcp(self._direct, proxy.address))
        finally:
            self._proxies.remove(proxy)
            proxy.close()

    def slow_down(self, round_trip_ms: float) -> None:
        """Put the slower network in front of `url`, `engine` and `async_engine` until the shop is closed."""
        proxy = self._open_proxy(round_trip_ms)
        self._url = _over_tcp(self._direct, proxy.address)

    def _open_proxy(self, round_trip_ms: float) -> NetworkProxy:
        proxy = NetworkProxy(_target(self._direct), round_trip_ms)
        proxy.start()
        self._proxies.append(proxy)
        return proxy

    @property
    def round_trips(self) -> int:
        """Round trips counted by the slower networks of this shop that are open."""
        return sum(proxy.round_trips for proxy in self._proxies)

    def reset(self) -> None:
        """Bring the shop back to its first state; every connection to it is closed.

        Raises:
            LabError: it is on your own server, which is not changed without asking.
        """
        if self._server is None:
            raise LabError(
                f"{external.label(self._direct)} is your own server and is not reset without asking: "
                "perfkit data reset --yes"
            )
        if self._untouched:
            return
        self._disconnect()
        with clear_errors():
            self._server.start()
            templates.clone(self._server, self._scale, self.name, fresh=True)
        self._untouched = True

    def _disconnect(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._async_engine is not None:
            # Without the loop that opened them, the sockets are all that can be closed.
            for connection in list(self._async_connections):
                connection.pgconn.finish()
            self._async_engine.sync_engine.dispose(close=False)

    def close(self) -> None:
        """Close connections and networks; the database stays as it is for the next time."""
        self._disconnect()
        while self._proxies:
            self._proxies.pop().close()
        self._url = self._direct

    def __enter__(self) -> "Shop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        slower = f", {self._proxies[-1].round_trip_ms:g} ms a round trip" if self._proxies else ""
        where = (
            external.label(self._direct) if self._server is None else f"{self.name} on embedded PostgreSQL"
        )
        return f"<Shop {where}: {sum(self.sizes.values()):,} rows in {len(self.sizes)} tables{slower}>"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{html.escape(table)}</td><td style='text-align:right'>{rows:,}</td></tr>"
            for table, rows in self.sizes.items()
        )
        return f"<p>{html.escape(repr(self)[1:-1])}</p><table>{cells}</table>"


def _target(url: URL) -> str | tuple[str, int]:
    host = str(url.query.get("host") or url.host or "/var/run/postgresql")
    port = int(str(url.query.get("port") or url.port or 5432))
    return f"{host}/.s.PGSQL.{port}" if Path(host).is_absolute() else (host, port)


def open_shop(
    name: str = "shop",
    *,
    scale: str | float | None = None,
    round_trip_ms: float | None = None,
    url: str | None = None,
) -> Shop:
    """Open a copy of the sample shop: made the first time, within a second or two, then left as you leave it.

    Args:
        name: of the copy; each notebook has its own.
        scale: `tiny`, `small`, `full`, or a factor (1.0 is `full`, 4.5 million rows); without it the variable
            `PERFKIT_SCALE` says so, else `full`.
        round_trip_ms: what each round trip shall take longer, in milliseconds, as on a network.
        url: of your own database that holds the shop; without it the variable `PERFKIT_DATABASE_URL`, else
            the embedded server. The name is then not used and nothing is created.

    Returns:
        The shop; use it as a context manager or call `close`.

    Raises:
        LabError: with what is wrong and what to do.
    """
    size = parse_scale(scale)
    own = external.external_url(url)
    if own is not None:
        shop = Shop(own, external.require_shop(own), None, size)
    else:
        database = database_name(name, size)
        with clear_errors():
            server = embedded_server()
            made = templates.clone(server, size, database, fresh=False)
        shop = Shop(embedded_url(server, database), load_settings().sizes(size.factor), server, size)
        shop._untouched = made
    if round_trip_ms:
        shop.slow_down(round_trip_ms)
    return shop
