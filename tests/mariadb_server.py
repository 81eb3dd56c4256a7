"""A MariaDB of its own for the tests of plans, where one is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

WAIT_S = 60
SETUP = (
    "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40) NOT NULL)",
    "INSERT INTO customers SELECT seq, concat('customer ', seq) FROM seq_1_to_500",
    """CREATE TABLE orders (
        id int PRIMARY KEY, customer_id int NOT NULL, status varchar(10) NOT NULL, note varchar(40),
        KEY by_customer (customer_id, status), KEY `odd ``<b>` (note)
    )""",
    "INSERT INTO orders SELECT seq, 1 + seq % 500, if(seq % 100, 'paid', 'open'), seq FROM seq_1_to_20000",
    "CREATE TABLE `odd ``<b>` (`a b` int)",
    "CREATE SEQUENCE tickets",
    "CREATE FUNCTION note_it() RETURNS int BEGIN INSERT INTO `odd ``<b>` VALUES (1); RETURN 1; END",
    "ANALYZE TABLE customers, orders",
)
# Everything that a plan must leave as it was.
STATE = """
SELECT (SELECT md5(group_concat(id, customer_id, status ORDER BY id)) FROM orders WHERE mod(id, 50) = 0),
       (SELECT count(*) FROM orders), (SELECT count(*) FROM customers), (SELECT count(*) FROM `odd ``<b>`),
       (SELECT next_not_cached_value FROM tickets), (SELECT count(*) FROM information_schema.tables)
"""


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """The address of the server, filled once."""
    program, installer = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if program is None or installer is None:
        pytest.skip("MariaDB is not installed here.")
    pytest.importorskip(
        "pymysql", reason="pymysql, with which these tests talk to MariaDB, is not installed."
    )
    with (
        tempfile.TemporaryDirectory(prefix="perfkit-mariadb-", ignore_cleanup_errors=True) as name,
        _running(program, installer, Path(name)) as url,
    ):
        _fill(url)
        yield url


@contextmanager
def _running(program: str, installer: str, folder: Path) -> Iterator[str]:
    data, socket_path = folder / "data", folder / "s"
    user = ["--user=root"] if os.geteuid() == 0 else []
    options = [
        f"--datadir={data}", f"--socket={socket_path}", f"--port={_free_port()}", "--bind-address=127.0.0.1",
        f"--pid-file={folder / 'pid'}", f"--log-error={folder / 'log'}", "--innodb-buffer-pool-size=32M",
        "--log-bin-trust-function-creators=1", *user,
    ]  # fmt: skip
    subprocess.run(
        [
            installer,
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *user,
        ],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen([program, "--no-defaults", *options], stderr=subprocess.DEVNULL)
    try:
        subprocess.run(
            [
                "mariadb-admin",
                "--no-defaults",
                f"--socket={socket_path}",
                "--user=root",
                f"--wait={WAIT_S}",
                "ping",
            ],
            check=True,
            capture_output=True,
        )
        yield f"mysql+pymysql://root@localhost/shop?unix_socket={socket_path}"
    finally:
        server.terminate()
        server.wait(WAIT_S)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _fill(url: str) -> None:
    whole = create_engine(make_url(url).set(database=""))
    with whole.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE shop")
    whole.dispose()
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in SETUP:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    engine.dispose()


@pytest.fixture
def mariadb_engine(mariadb_server: str) -> Iterator[Engine]:
    """An engine that is closed again, on a database that was not changed."""
    engine = create_engine(mariadb_server)
    before = state(engine)
    yield engine
    assert state(engine) == before
    engine.dispose()


def state(engine: Engine) -> tuple[object, ...]:
    """What the database holds."""
    with engine.connect() as connection:
        return tuple(connection.exec_driver_sql(STATE).one())
