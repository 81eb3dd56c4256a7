from dataclasses import replace

from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Recorder
from tests.plans.servers import debian_postgresql

# The embedded server has no postgres_fdw; this one is its own other server.
_SETUP = """
CREATE TABLE orders (id int PRIMARY KEY, city text NOT NULL);
INSERT INTO orders SELECT i, 'city ' || i % 2500 FROM generate_series(1, 100000) i;
CREATE EXTENSION postgres_fdw;
DO $$BEGIN EXECUTE format(
    'CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, dbname ''postgres'')',
    current_setting('unix_socket_directories')
); END$$;
CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (user 'postgres');
CREATE FOREIGN TABLE remote_orders (id int, city text) SERVER other OPTIONS (table_name 'orders');
CREATE FUNCTION plain(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN lower(name); END$$;
"""


def _recorder(sql: str) -> Recorder:
    def record(_: Connection) -> Trace:
        with debian_postgresql(_SETUP) as connection:
            result = pk.explain(connection, sql)
        return replace(result.trace, duration_ms=result.plan.duration_ms or result.trace.duration_ms)

    return record


CASE = PlanCase(
    setup="",
    # The other server does not know this function.
    fires=_recorder("SELECT * FROM remote_orders WHERE plain(city) = 'city 7'"),
    silent=_recorder("SELECT * FROM remote_orders WHERE city = 'city 7'"),
    node="Foreign Scan",
    mentions="ALTER SERVER",
)
