import pytest
from sqlalchemy import text

from perfkit.lab import LabError, build, info, open_shop, reset
from perfkit.lab.cluster import password
from perfkit.lab.server import embedded_server


@pytest.fixture
def own_url():
    """A database on a server that counts as the user's own, with the password in its address."""
    server = embedded_server()
    with server.connect() as connection:
        connection.execute("CREATE DATABASE own_server")
        yield f"postgresql://perfkit:{password(server.folder)}@/own_server?host={server.address[0]}"
        connection.execute("DROP DATABASE own_server WITH (FORCE)")


def tables(url):
    from perfkit.lab.external import connect, external_url

    with connect(external_url(url)) as connection:
        query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        return {name for (name,) in connection.execute(query).fetchall()}


def test_nothing_is_created_without_asking(own_url, monkeypatch):
    monkeypatch.setenv("PERFKIT_DATABASE_URL", own_url)
    with pytest.raises(LabError, match=r"There is no sample shop in own_server .*perfkit data build --yes"):
        open_shop()
    with pytest.raises(LabError, match=r"would create the tables users, .*create=True"):
        build()
    with pytest.raises(LabError, match="would create"):
        reset()
    assert info().databases == ()
    assert tables(own_url) == set()


def test_with_consent_the_shop_is_built_and_used_there(own_url, monkeypatch):
    monkeypatch.setenv("PERFKIT_DATABASE_URL", own_url)
    assert build("tiny", create=True)["users"] == 200
    with open_shop() as shop:
        assert sum(shop.sizes.values()) == 9_020
        with shop.engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar() == "own_server"
            assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 4_000
        with shop.network(1.0) as url, open_shop(url=url) as slow, slow.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 4_000
        with pytest.raises(LabError, match="not reset without asking"):
            shop.reset()
    assert [(item.name, item.kind, item.rows) for item in info().databases] == [("own_server", "own", 9_020)]


def test_a_reset_with_consent_brings_it_back(own_url):
    build("tiny", url=own_url, create=True)
    with open_shop(url=own_url) as shop, shop.engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    build("tiny", url=own_url, create=True)
    with open_shop(url=own_url) as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 0
    reset(scale="tiny", url=own_url, create=True)
    with open_shop(url=own_url) as shop, shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 4_000


def test_a_table_of_the_same_name_is_never_touched(own_url):
    from perfkit.lab.external import connect, external_url

    with connect(external_url(own_url)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS precious")
    for act in (build, reset):
        with pytest.raises(LabError, match="has a table orders that perfkit did not make"):
            act(scale="tiny", url=own_url, create=True)
    assert tables(own_url) == {"orders"}


def test_the_password_is_in_no_text(own_url):
    secret = password(embedded_server().folder)
    build("tiny", url=own_url, create=True)
    with open_shop(url=own_url) as shop:
        for shown in (repr(shop), shop._repr_html_(), repr(shop.engine), repr(info(url=own_url))):
            assert secret not in shown


def test_a_wrong_password_is_told_without_it(own_url):
    wrong = own_url.replace(password(embedded_server().folder), "s3cret")
    with pytest.raises(
        LabError, match=r"Cannot connect to own_server on .*password authentication failed"
    ) as caught:
        open_shop(url=wrong)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_told_in_one_line():
    with pytest.raises(LabError, match=r"Cannot connect to shop on 127\.0\.0\.1") as caught:
        open_shop(url="postgresql://me:s3cret@127.0.0.1:1/shop")
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense s3cret", "is not a URL"),
        ("mysql://me:s3cret@host/db", "needs PostgreSQL"),
        ("postgresql://me:s3cret@host", "names no database"),
        ("postgresql://me:s3cret@host:port/db", "is not a URL"),
    ],
)
def test_an_address_that_cannot_be_is_told_without_repeating_it(url, message):
    with pytest.raises(LabError, match=message) as caught:
        open_shop(url=url)
    assert "s3cret" not in str(caught.value)


def test_an_empty_variable_means_the_embedded_server(monkeypatch):
    monkeypatch.setenv("PERFKIT_DATABASE_URL", " ")
    with open_shop() as shop:
        assert "embedded" in repr(shop)
