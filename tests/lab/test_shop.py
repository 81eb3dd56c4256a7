import asyncio
import gc
import html

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from perfkit.lab import LabError, open_shop
from perfkit.lab.cluster import password
from perfkit.lab.server import embedded_server
from perfkit.lab.settings import load_settings, parse_scale
from perfkit.session import explain


async def count_users(shop):
    async with shop.async_engine.connect() as connection:
        return (await connection.execute(text("SELECT count(*) FROM users"))).scalar()


def backend(connection):
    return connection.execute(text("SELECT pg_backend_pid()")).scalar()


def test_a_shop_knows_its_address_and_sizes():
    with open_shop() as shop:
        url = make_url(shop.url)
        assert (url.drivername, url.database) == ("postgresql+psycopg", "shop_tiny")
        assert shop.sizes == load_settings().sizes(0.002)


def test_the_address_works_for_psycopg_too():
    with open_shop() as shop, psycopg.connect(shop.url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM posts").fetchone() == (400,)


def test_a_shop_can_be_explained_on():
    with open_shop() as shop:
        plan = explain(shop, "SELECT * FROM posts WHERE id = :id", {"id": 3}).plan
    assert plan.analyzed
    assert plan.root.relation_name == "posts"


def test_no_secret_is_in_the_address_or_the_texts():
    secret = password(embedded_server().folder)
    with open_shop() as shop:
        for shown in (shop.url, repr(shop), shop._repr_html_(), repr(shop.engine), repr(shop.async_engine)):
            assert secret not in shown


def test_the_texts_are_short_and_escaped():
    with open_shop() as shop:
        assert repr(shop) == "<Shop shop_tiny on embedded PostgreSQL: 9,020 rows in 7 tables>"
        assert html.escape(repr(shop)[1:-1]) in shop._repr_html_()
        assert "<td>order_items</td>" in shop._repr_html_()


def test_the_engine_is_made_once():
    with open_shop() as shop:
        assert shop.engine is shop.engine
        assert shop.async_engine is shop.async_engine


def test_the_page_of_a_hundred_users_sends_101_statements():
    with open_shop() as shop, shop.engine.connect() as connection:
        newest = (
            connection.execute(text("SELECT id FROM users ORDER BY created_at DESC LIMIT 100"))
            .scalars()
            .all()
        )
        posts = [
            connection.execute(text("SELECT * FROM posts WHERE author_id = :id"), {"id": user}).all()
            for user in newest
        ]
        assert len(posts) == 100
        assert all(posts)


def test_await_works_and_closing_leaves_no_connection(recwarn):
    with open_shop("awaited") as shop:
        assert asyncio.run(count_users(shop)) == 200
        with open_shop("watching") as other, other.engine.connect() as connection:
            query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = 'awaited_tiny'")
            assert connection.execute(query).scalar() == 1
        shop.close()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_await_works_again_after_a_reset():
    with open_shop("awaited") as shop:
        assert asyncio.run(count_users(shop)) == 200
        shop.reset()
        assert asyncio.run(count_users(shop)) == 200


def test_a_reset_of_an_untouched_new_clone_does_nothing():
    def oid():
        with embedded_server().connect() as connection:
            return connection.execute(
                "SELECT oid FROM pg_database WHERE datname = 'brand_new_tiny'"
            ).fetchone()

    with open_shop("brand_new") as shop:
        made = oid()
        shop.reset()
        assert oid() == made
        shop.engine.connect().close()
        shop.reset()
        assert oid() != made


def test_a_reset_after_only_looking_at_the_address_is_done():
    with open_shop("looked") as shop:
        with psycopg.connect(shop.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP TABLE events")
        shop.reset()
        with shop.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 4_000


def test_two_scales_of_one_name_do_not_meet():
    with open_shop(scale="tiny") as tiny, open_shop(scale=0.001) as tinier:
        assert tiny.name == "shop_tiny"
        assert tinier.name == "shop_0_001"
        with tinier.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 100


@pytest.mark.parametrize(
    "name", ["", "Shop", "a-b", "a b", "1a", "postgres", "perfkit_x", "template1", "a" * 41, "é"]
)
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(LabError, match="cannot name a shop"):
        open_shop(name)


@pytest.mark.parametrize("scale", ["huge", "", "0", -1, 0, 11, float("nan"), "tiny "])
def test_a_scale_that_cannot_be_is_refused(scale, monkeypatch):
    monkeypatch.setenv("PERFKIT_SCALE", "nonsense")
    with pytest.raises(LabError, match=r"No such scale: .* Choose tiny"):
        parse_scale(scale)


def test_the_scale_comes_from_the_variable_else_it_is_full(monkeypatch):
    monkeypatch.setenv("PERFKIT_SCALE", "small")
    assert parse_scale(None).factor == 0.2
    monkeypatch.delenv("PERFKIT_SCALE")
    assert parse_scale(None).name == "full"
    assert parse_scale(1).name == "full"
    assert parse_scale("0.05").name == "0_05"


def test_closing_twice_is_fine_and_using_again_connects_again():
    shop = open_shop()
    shop.close()
    shop.close()
    with shop.engine.connect() as connection:
        first = backend(connection)
    shop.close()
    with shop.engine.connect() as connection:
        assert backend(connection) != first
    shop.close()
