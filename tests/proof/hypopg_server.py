"""Debian's PostgreSQL 15 with the extension hypopg, in a temporary folder; skipped where it is missing."""

from collections.abc import Iterator
from pathlib import Path

import own_server
import plan_server
import pytest
from sqlalchemy import Engine, create_engine
from what_if_sql import send

BIN = Path("/usr/lib/postgresql/15/bin")
EXTENSION = Path("/usr/share/postgresql/15/extension/hypopg.control")


@pytest.fixture(scope="session")
def hypopg_server() -> Iterator[str]:
    """The address of the server, filled once."""
    if not ((BIN / "postgres").exists() and EXTENSION.exists()):
        pytest.skip("needs Debian's packages postgresql-15 and postgresql-15-hypopg")
    for url in own_server.running(BIN):
        _fill(url)
        yield url


def _fill(url: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        send(connection, "CREATE SCHEMA extensions; CREATE EXTENSION hypopg SCHEMA extensions")
        send(connection, "CREATE EXTENSION pg_trgm SCHEMA extensions")
        send(connection, plan_server.SETUP)
        send(
            connection,
            "CREATE TABLE papers AS SELECT ARRAY[i] AS tags, i::text::xid AS mark "
            "FROM generate_series(1, 90000) i",
        )
        send(
            connection,
            "CREATE TABLE names AS SELECT 'customer ' || i AS name FROM generate_series(1, 60000) i",
        )
        send(connection, "VACUUM ANALYZE")
    engine.dispose()


@pytest.fixture
def hypopg_engine(hypopg_server: str) -> Iterator[Engine]:
    """An engine whose only connection holds no hypothetical index afterwards."""
    engine = create_engine(hypopg_server, pool_size=1, max_overflow=0)
    yield engine
    with engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM extensions.hypopg()").scalar()
    engine.dispose()
    assert left == 0
