"""Recording the plans, and reading the records."""

import json
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from tests.pasted_plans.statements import FOREIGN, FOREIGN_SETUP, IN_ALL_FORMATS, SETUP, STATEMENTS, Statement

FOLDER = Path(__file__).parent / "recorded"
FORMATS = ("text", "json", "yaml", "xml")
_HEAD = "#### "


def load(version: int) -> dict[str, dict[str, str]]:
    """What a version said, by statement and by format."""
    found: dict[str, dict[str, str]] = {}
    text = (FOLDER / f"postgresql_{version}.txt").read_text(encoding="utf-8")
    for part in text.split(_HEAD)[1:]:
        head, _, plan = part.partition("\n")
        name, _, form = head.partition(" ")
        found.setdefault(name, {})[form] = plan
    return found


def record(url: str) -> Path:
    """Record every statement on a server, and write the plans down."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        version = int(_execute(connection, "SHOW server_version_num")) // 10_000
        _execute(connection, "DROP SCHEMA IF EXISTS pasted CASCADE; CREATE SCHEMA pasted")
        try:
            _execute(connection, f"SET search_path TO pasted; {SETUP}")
            _execute(connection, "VACUUM ANALYZE")
            wanted = STATEMENTS | (FOREIGN if _set_up_foreign(connection) else {})
            parts = [
                f"{_HEAD}{name} {form}\n{_explained_and_rolled_back(connection, statement, form)}\n"
                for name, statement in wanted.items()
                if statement.since <= version
                for form in (FORMATS if name in IN_ALL_FORMATS else FORMATS[:2])
            ]
        finally:
            _execute(connection, "DROP SCHEMA pasted CASCADE")
            _execute(connection, "DROP SERVER IF EXISTS far CASCADE")
    engine.dispose()
    path = FOLDER / f"postgresql_{version}.txt"
    FOLDER.mkdir(exist_ok=True)
    path.write_text("".join(parts), encoding="utf-8")
    return path


def _set_up_foreign(connection: Connection) -> bool:
    has_it = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    if _execute(connection, has_it) == 0:
        return False
    where = connection.connection.driver_connection.info
    setup = FOREIGN_SETUP.format(host=where.host, database=where.dbname, port=where.port)
    _execute(connection, setup)
    return True


def _explained_and_rolled_back(connection: Connection, statement: Statement, form: str) -> str:
    _execute(connection, "BEGIN")
    _execute(connection, statement.before)
    plan = explained(connection, statement, form)
    _execute(connection, "ROLLBACK")
    # Only brackets and blanks: it is a third of the size.
    return json.dumps(json.loads(plan), separators=(",", ":")) if form == "json" else plan


def explained(connection: Connection, statement: Statement, form: str) -> str:
    """What EXPLAIN answers in a format; the statement is executed where its options say so."""
    sql = f"EXPLAIN ({statement.options}, FORMAT {form}) {statement.sql}"
    cursor = connection.connection.driver_connection.cursor()
    cursor.execute(sql)
    # The bytes as they came: psycopg would decode JSON.
    answer = cursor.pgresult
    return "\n".join(answer.get_value(row, 0).decode() for row in range(answer.ntuples))


def _execute(connection: Connection, sql: str) -> object:
    if not sql:
        return None
    result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    return result.scalar() if result.returns_rows else None
