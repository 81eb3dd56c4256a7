"""A PostgreSQL of its own for proofs, with 200,000 orders, and all that a proof must leave as it was."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import plan_server
import pytest
from sqlalchemy import Engine, create_engine
from what_if_sql import ask, send

MORE = """
CREATE TABLE notes (id int PRIMARY KEY, city text NOT NULL, zip text NOT NULL, text text);
INSERT INTO notes SELECT i, 'city ' || i % 500, 'zip ' || i % 500, 'note' FROM generate_series(1, 2500) i;
CREATE TABLE tags (id int, name text);
INSERT INTO tags SELECT i, 'tag ' || i FROM generate_series(1, 500) i;
CREATE TABLE "odd ""table%s" (id int, "<b>:x" text, "{name}" int);
INSERT INTO "odd ""table%s" SELECT i, 'v' || i, i % 7 FROM generate_series(1, 50000) i;
CREATE TABLE days (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO days SELECT i, date '2025-01-01' + i % 300 FROM generate_series(1, 50000) i;
CREATE TABLE hot (id int, value int, filler text) WITH (fillfactor = 50);
INSERT INTO hot SELECT i, i % 5000, 'x' FROM generate_series(1, 50000) i;
CREATE TABLE papers (id int PRIMARY KEY, facts jsonb, tags text[], words tsvector, body text, code text);
INSERT INTO papers
    SELECT i,
           jsonb_build_object('k', mod(i, 5000), CASE WHEN mod(i, 7000) = 0 THEN 'rare' ELSE 'usual' END, 1),
           ARRAY['tag ' || mod(i, 4000), 'all'], to_tsvector('english', 'word' || mod(i, 4000)), 'body ' || i,
           'code ' || i
    FROM generate_series(1, 30000) i;
CREATE UNIQUE INDEX papers_code ON papers (code);
CREATE ROLE reader LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
_CATALOGUES = (
    "pg_class", "pg_index", "pg_attribute", "pg_statistic", "pg_statistic_ext", "pg_statistic_ext_data",
    "pg_depend", "pg_description", "pg_db_role_setting", "pg_sequence", "pg_proc", "pg_type",
)  # fmt: skip
_TABLES = (
    "orders",
    "customers",
    "audit",
    "watched",
    "notes",
    "tags",
    '"odd ""table%s"',
    "days",
    "hot",
    "papers",
)
_OTHERS = """
SELECT (SELECT string_agg(c::text, ',') FROM (SELECT last_value, is_called FROM tickets) c),
       (SELECT string_agg(c::text, ',') FROM (SELECT last_value, is_called FROM audit_id_seq) c),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'),
       (SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND oid >= 16384)
"""


@pytest.fixture(scope="session")
def proof_server() -> Iterator[str]:
    """The address of the server, filled once. Only the tests themselves vacuum and analyse."""
    # Not in pytest's own folder: as root the server runs as another user, and every pytest that starts on
    # the machine closes that folder to others.
    with TemporaryDirectory(prefix="perfkit-proofs-") as folder:
        for url in plan_server.server_url(str(Path(folder) / "server")):
            _fill(url, plan_server.SETUP)
            yield url


def _fill(url: str, setup: str) -> None:
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        send(connection, "ALTER SYSTEM SET autovacuum = off")
        send(connection, "SELECT pg_reload_conf()")
        send(connection, setup + MORE)
        send(connection, "VACUUM ANALYZE")
    engine.dispose()


@pytest.fixture
def proof_engine(proof_server: str) -> Iterator[Engine]:
    """An engine on a database and a session that must be afterwards what they were before."""
    watcher = create_engine(proof_server)
    engine = create_engine(proof_server, pool_size=1)
    before, settings = state(watcher), session_settings(engine)
    yield engine
    after, settings_after = state(watcher), session_settings(engine)
    engine.dispose()
    watcher.dispose()
    assert after == before
    assert settings_after == settings


@pytest.fixture
def scratch_engine(proof_server: str) -> Iterator[Engine]:
    """An empty database of its own, for tests that change data themselves."""
    server = create_engine(proof_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        send(connection, "CREATE DATABASE scratch")
    engine = create_engine(server.url.set(database="scratch"))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        send(connection, "DROP DATABASE scratch WITH (FORCE)")
    server.dispose()


def state(engine: Engine) -> list[object]:
    """A fingerprint of the whole catalogue, of all rows, of sequences, locks and sizes."""
    found: list[object] = []
    with engine.connect() as connection:
        for name in (*_CATALOGUES, *_TABLES):
            # That a table may have an index is a hint that PostgreSQL sets for good, until the next VACUUM.
            row = "(to_jsonb(t) - 'relhasindex')::text" if name == "pg_class" else "t::text"
            sql = f"SELECT md5(string_agg({row}, '|' ORDER BY {row})) FROM {name} t"
            found.append((name, ask(connection, sql)[0]))
        found.extend(ask(connection, _OTHERS))
    return found


def session_settings(engine: Engine) -> list[tuple[str, str]]:
    """The settings of the session that the engine's only connection holds."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, setting FROM pg_settings ORDER BY name")
        return [(name, setting) for name, setting in rows]
