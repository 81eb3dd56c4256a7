import socket
import threading
import time

import psycopg
import pytest
from lab_helpers import WAIT_S
from sqlalchemy import create_engine, text

from perfkit.lab import LabError, open_shop
from perfkit.lab.network import NetworkProxy


def proxies():
    return [thread for thread in threading.enumerate() if thread.name == "perfkit-network"]


@pytest.fixture
def echo():
    """A server that answers what it hears, until its client has said all."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def answer(connection):
        with connection:
            while data := connection.recv(65_536):
                connection.sendall(data)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    threads.append(threading.Thread(target=serve))
    threads[0].start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join()


def connect(proxy):
    return socket.create_connection(proxy.address, timeout=WAIT_S)


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(65_536)
        assert part
        data += part
    return data


def test_each_round_trip_is_counted_once(echo):
    with NetworkProxy(echo, 0) as proxy, connect(proxy) as client:
        for number in range(10):
            message = b"%d" % number * 1_000
            client.sendall(message)
            assert read_exactly(client, 1_000) == message
        assert (proxy.round_trips, proxy.connections) == (10, 1)


def test_large_data_arrives_unchanged_and_in_order(echo):
    data = bytes(range(256)) * 40_000
    with NetworkProxy(echo, 1) as proxy, connect(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert read_exactly(client, len(data)) == data
        sender.join()


def test_the_time_grows_with_the_round_trips_not_with_the_rows():
    many = [text("SELECT 1")] * 30
    one = [text("SELECT repeat('x', 1000) FROM generate_series(1, 3000)")]

    def spent(url, statements):
        engine = create_engine(url)
        with engine.connect() as connection:
            began = time.perf_counter()
            for statement in statements:
                connection.execute(statement).all()
            seconds = time.perf_counter() - began
        engine.dispose()
        return seconds

    with open_shop() as shop, shop.network(20.0) as url:
        before = shop.round_trips
        slow = spent(url, many)
        counted = shop.round_trips - before
        assert counted >= 30
        assert slow > 5 * spent(url, one)


def test_the_delay_is_paid_at_least_once_a_round_trip(echo):
    with NetworkProxy(echo, 10) as proxy, connect(proxy) as client:
        began = time.perf_counter()
        for _ in range(5):
            client.sendall(b"x")
            client.recv(1)
        assert time.perf_counter() - began >= proxy.round_trips * 0.010


def test_an_n_plus_one_pays_a_hundred_times():
    with (
        open_shop() as shop,
        shop.network(0) as url,
        psycopg.connect(url.replace("+psycopg", "")) as connection,
    ):
        before = shop.round_trips
        ids = connection.execute("SELECT id FROM users ORDER BY created_at DESC LIMIT 100").fetchall()
        for (user,) in ids:
            connection.execute("SELECT * FROM posts WHERE author_id = %s", [user]).fetchall()
        many = shop.round_trips - before
        connection.execute(
            "SELECT * FROM users JOIN posts ON posts.author_id = users.id LIMIT 300"
        ).fetchall()
        assert many >= 101
        assert shop.round_trips - before - many == 1


def test_a_lasting_network_serves_url_and_both_engines_until_the_shop_is_closed():
    shop = open_shop(round_trip_ms=1.0)
    assert "127.0.0.1" in shop.url
    with shop.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert shop.round_trips > 1
    assert "1 ms a round trip" in repr(shop)
    shop.close()
    assert proxies() == []
    assert "127.0.0.1" not in shop.url


def use_and_fail(shop, opened):
    with shop.network(1.0) as url:
        opened.append(url)
        opened.append(psycopg.connect(url.replace("+psycopg", "")))
        raise KeyError


def test_nothing_is_left_when_the_block_fails():
    before, opened = threading.active_count(), []
    with open_shop() as shop, pytest.raises(KeyError):
        use_and_fail(shop, opened)
    url, connection = opened
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    assert proxies() == []
    assert threading.active_count() == before
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.replace("+psycopg", ""))
    connection.close()


def test_connections_at_once_do_not_wait_for_each_other(echo):
    def spent(clients):
        began = time.perf_counter()
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            assert client.recv(1) == b"x"
        return time.perf_counter() - began

    with NetworkProxy(echo, 100) as proxy:
        clients = [connect(proxy) for _ in range(10)]
        assert spent(clients) < 5 * spent(clients[:1])
        for client in clients:
            client.close()


def test_the_end_of_the_server_reaches_the_client(echo):
    with NetworkProxy(echo, 1) as proxy, connect(proxy) as client:
        client.sendall(b"x")
        client.recv(1)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_a_server_that_is_not_there_refuses(tmp_path):
    with NetworkProxy(str(tmp_path / "none"), 1) as proxy, connect(proxy) as client:
        assert client.recv(1) == b""
        assert proxy.connections == 0


def test_closing_without_starting_and_twice_is_fine():
    proxy = NetworkProxy(("127.0.0.1", 1), 1)
    proxy.close()
    proxy.close()
    started = NetworkProxy(("127.0.0.1", 1), 1)
    started.start()
    started.close()
    started.close()
    assert proxies() == []


@pytest.mark.parametrize("round_trip_ms", [-1, 1_001, float("nan")])
def test_a_round_trip_time_that_cannot_be_is_refused(round_trip_ms):
    with pytest.raises(LabError, match="milliseconds from 0 to 1000"):
        NetworkProxy(("127.0.0.1", 1), round_trip_ms)
