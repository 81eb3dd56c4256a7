import json
import os
import shutil
import signal
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from lab_helpers import WAIT_S, cluster_of, gone, servers_of
from sqlalchemy import text

from perfkit.lab import LabError, open_shop, stop
from perfkit.lab.guard import FileLock, live_users, postmaster_pid
from perfkit.lab.server import embedded_server


def guard_of(home: Path) -> psutil.Process:
    return psutil.Process(int((cluster_of(home) / "guard.pid").read_text()))


def value(connection, query):
    return connection.execute(query).fetchone()[0]


def test_a_real_postgresql_18_answers_with_the_labs_settings():
    with embedded_server().connect() as connection:
        assert value(connection, "SHOW server_version_num").startswith("18")
        for name, expected in {
            "jit": "off",
            "track_io_timing": "on",
            "synchronous_commit": "off",
            "wal_level": "minimal",
            "listen_addresses": "",
            "fsync": "on",
            "TimeZone": "UTC",
        }.items():
            assert value(connection, f"SHOW {name}") == expected, name


def test_sorting_does_not_depend_on_the_users_locale():
    with embedded_server().connect() as connection:
        query = "SELECT datlocprovider, datlocale, datcollate FROM pg_database WHERE datname = 'template0'"
        assert connection.execute(query).fetchone() == ("b", "C.UTF-8", "C")
        assert (
            value(connection, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,A,a,B}'::text[]) x")
            == "ABab"
        )


def test_nothing_listens_on_a_port_and_the_files_are_private(session_home):
    embedded_server()
    assert [c for pid in servers_of(session_home) for c in psutil.Process(pid).net_connections("inet")] == []
    for name in ("data", "run"):
        assert (cluster_of(session_home) / name).stat().st_mode & 0o077 == 0
    assert (cluster_of(session_home) / "pgpass").stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused():
    host, port = embedded_server().address
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=host, port=port, user="perfkit", password="guessed", dbname="postgres")


def test_variables_meant_for_other_servers_do_no_harm(scratch, monkeypatch):
    for name, setting in {
        "PGPASSWORD": "x",
        "PGHOST": "nowhere",
        "PGOPTIONS": "-c jit=on",
        "PGPORT": "1",
    }.items():
        monkeypatch.setenv(name, setting)
    with open_shop() as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 200


def test_the_last_of_two_processes_stops_the_server(scratch, start_user):
    first, second = start_user("one"), start_user("two")
    assert len(live_users(cluster_of(scratch))) == 2
    first.communicate(timeout=WAIT_S)
    assert servers_of(scratch)
    second.communicate(timeout=WAIT_S)
    assert first.returncode == second.returncode == 0
    assert servers_of(scratch) == []
    assert not (cluster_of(scratch) / "data" / "postmaster.pid").exists()


def test_the_server_ends_by_itself_after_kill_9_of_its_only_user(scratch, start_user):
    user = start_user()
    servers = [psutil.Process(pid) for pid in servers_of(scratch)]
    user.send_signal(signal.SIGKILL)
    assert gone(servers)
    assert open_shop().sizes["users"] == 200
    assert len(live_users(cluster_of(scratch), prune=True)) == 1
    assert stop() is True


def test_a_server_without_guard_is_adopted_and_stopped_by_its_next_user(scratch, start_user):
    user = start_user()
    pid = postmaster_pid(cluster_of(scratch) / "data")
    guard_of(scratch).kill()
    user.send_signal(signal.SIGKILL)
    user.wait(WAIT_S)
    assert servers_of(scratch), "the test wants a server without guard and users"
    open_shop()
    assert postmaster_pid(cluster_of(scratch) / "data") == pid
    assert guard_of(scratch).is_running()
    assert stop() is True
    assert servers_of(scratch) == []


def test_a_user_without_guard_stops_the_server_itself(scratch):
    embedded_server()
    guard = guard_of(scratch)
    guard.kill()
    assert gone([guard])
    assert stop() is True
    assert servers_of(scratch) == []


def test_a_server_that_died_is_started_again_with_all_its_data(scratch):
    with open_shop() as shop:
        with shop.engine.begin() as connection:
            connection.execute(text("CREATE TABLE mine AS SELECT 1"))
            connection.execute(text("SET synchronous_commit = on"))
        os.kill(postmaster_pid(cluster_of(scratch) / "data"), signal.SIGKILL)
        shop.engine.dispose()
        with open_shop() as again, again.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 200


def test_a_number_file_whose_number_belongs_to_somebody_else_is_removed(scratch):
    embedded_server()
    data = cluster_of(scratch) / "data"
    lines = (data / "postmaster.pid").read_text().splitlines()
    assert stop() is True
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with embedded_server().connect() as connection:
        assert value(connection, "SELECT 1") == 1
    assert postmaster_pid(data) not in (None, os.getpid())


@pytest.mark.parametrize("name", ["with space", "100%", "comma,quote'", "dollar$(x)", "lång" * 30])
def test_a_home_with_an_awkward_name_works(scratch, monkeypatch, name):
    home = scratch / name
    home.mkdir(mode=0o755)
    monkeypatch.setenv("PERFKIT_HOME", str(home))
    with open_shop() as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 200
        with shop.network(0) as url, psycopg.connect(url.replace("+psycopg", "")) as slow:
            assert value(slow, "SELECT 1") == 1
    folder = Path(embedded_server().address[0])
    assert servers_of(home), "the server works somewhere else"
    assert stop() is True
    assert servers_of(home) == []
    if not folder.is_relative_to(home):
        folder.rmdir()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has this difficulty")
def test_a_closed_folder_is_not_opened_for_the_servers_account(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("PERFKIT_HOME", str(closed / "home"))
    server = embedded_server()
    assert not server.folder.is_relative_to(tmp_path)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert stop() is True
    shutil.rmtree(server.folder.parent)


def test_a_folder_of_an_older_version_is_built_again(scratch, capsys):
    with open_shop() as shop, shop.engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine ()"))
    stop()
    (cluster_of(scratch) / "perfkit.json").write_text('{"made_by": "perfkit", "format": 0, "postgresql": 16}')
    with open_shop() as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('mine')")).scalar() is None
    assert "built again" in capsys.readouterr().err


def test_an_interrupted_creation_is_started_over(scratch):
    embedded_server()
    stop()
    stamp = cluster_of(scratch) / "perfkit.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"complete": False}))
    (cluster_of(scratch) / "data" / "global" / "pg_control").unlink()
    with embedded_server().connect() as connection:
        assert value(connection, "SELECT 1") == 1


def test_a_folder_of_a_newer_version_is_left_alone(scratch):
    cluster_of(scratch).mkdir()
    (cluster_of(scratch) / "perfkit.json").write_text(
        '{"made_by": "perfkit", "format": 99, "postgresql": 18}'
    )
    with pytest.raises(LabError, match="newer perfkit"):
        embedded_server()


def test_a_home_that_was_deleted_under_a_running_server_is_made_again(scratch):
    open_shop().close()
    servers = [psutil.Process(pid) for pid in servers_of(scratch)]
    shutil.rmtree(cluster_of(scratch))
    with open_shop() as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 200
    assert gone(servers)


def test_stopping_before_starting_makes_nothing(scratch):
    assert stop() is True
    assert list(scratch.iterdir()) == []


def test_somebody_elses_postgresql_folder_is_left_alone(scratch):
    data = cluster_of(scratch) / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(LabError, match="did not make"):
        embedded_server()
    assert (data / "PG_VERSION").read_text() == "14\n"
    assert live_users(cluster_of(scratch)) == []


def test_what_keeps_the_server_from_starting_is_said_in_one_line(scratch):
    embedded_server()
    stop()
    conf = cluster_of(scratch) / "data" / "postgresql.conf"
    conf.write_text(conf.read_text() + "\nno_such_setting = 1\n")
    with pytest.raises(LabError, match="no_such_setting") as caught:
        embedded_server()
    assert "\n" not in str(caught.value)
    assert servers_of(scratch) == []


@pytest.mark.parametrize("where", ["/sys/perfkit", "/proc/perfkit", "file/home"])
@pytest.mark.skipif(sys.platform != "linux", reason="read-only even for root")
def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERFKIT_HOME", where if where.startswith("/") else str(tmp_path / where))
    with pytest.raises(LabError, match="PERFKIT_HOME"):
        embedded_server()


def test_waiting_for_another_process_is_told(scratch, start_python):
    cluster_of(scratch).mkdir()
    with FileLock(cluster_of(scratch) / "main.lock"):
        process = start_python("from perfkit.lab.server import embedded_server; embedded_server()")
        assert "waiting for it" in process.stderr.readline()
    assert process.communicate(timeout=WAIT_S)[1] == ""
    assert process.returncode == 0
    assert servers_of(scratch) == []


def test_a_forked_child_does_not_stop_its_parents_server(scratch, start_python):
    code = """
import os, sys
from perfkit.lab.server import embedded_server
server = embedded_server()
if os.fork() == 0:
    sys.exit(0)
os.wait()
server.connect().close()
print("still there")
"""
    out, err = start_python(code).communicate(timeout=WAIT_S)
    assert (out, err) == ("still there\n", "")
    assert servers_of(scratch) == []


def test_using_the_server_twice_is_one_user(session_home):
    embedded_server()
    embedded_server()
    assert len(live_users(cluster_of(session_home))) == 1


def test_a_server_whose_connections_are_all_taken_is_not_restarted(scratch):
    server = embedded_server()
    pid = postmaster_pid(server.folder / "data")
    taken = [server.connect() for _ in range(100)]
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        server.connect()
    assert embedded_server() is server
    assert postmaster_pid(server.folder / "data") == pid
    for connection in taken:
        connection.close()


def test_the_socket_folder_of_somebody_else_is_not_used(scratch, monkeypatch):
    home = scratch / "with space"
    home.mkdir(mode=0o755)
    monkeypatch.setenv("PERFKIT_HOME", str(home))
    embedded_server()
    folder = Path(embedded_server().address[0])
    stop()
    folder.rmdir()
    folder.symlink_to("/usr")
    try:
        with pytest.raises(LabError, match="belongs to somebody else"):
            embedded_server()
    finally:
        folder.unlink()


def test_a_lock_is_exclusive_and_leaves_no_file_open(tmp_path):
    lock = FileLock(tmp_path / "a.lock")
    with lock:
        assert FileLock(tmp_path / "a.lock").is_held()
        assert not FileLock(tmp_path / "a.lock").try_acquire()
    assert not lock.is_held()
    before = psutil.Process().num_fds()
    for _ in range(10):
        assert lock.try_acquire()
        lock.release()
    assert psutil.Process().num_fds() == before
