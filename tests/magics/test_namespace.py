import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncEngine

from perfkit.magics._ipython import MagicError
from perfkit.magics._namespace import engines, the_engine, variable

ENGINE, OTHER = create_engine("sqlite://"), create_engine("sqlite://")
SHOP = type("Shop", (), {"__module__": "perfkit.lab.shop", "engine": property(lambda self: ENGINE)})


class Proxy:
    """What breaks when it is touched, as lazy and unbound proxies do."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


def test_the_only_engine_is_found_under_any_name():
    assert the_engine({"x": 1, "db": ENGINE}, None) is ENGINE


def test_one_engine_with_two_names_is_one():
    assert the_engine({"a": ENGINE, "b": ENGINE}, None) is ENGINE


def test_a_shop_of_the_lab_counts_by_its_engine():
    assert engines({"shop": SHOP(), "db": ENGINE}) == {"shop": ENGINE}


def test_an_async_engine_counts():
    engine = AsyncEngine.__new__(AsyncEngine)
    assert engines({"engine": engine}) == {"engine": engine}


def test_other_objects_are_not_touched():
    mine = type("Mine", (), {"engine": ENGINE})()
    names = {"a": Proxy(), "b": 3, "c": None, "d": "sqlite://", "e": mine, "f": create_engine}
    assert engines(names) == {}


def test_hidden_names_such_as_ipythons_outputs_do_not_count():
    assert engines({"_": ENGINE, "_3": ENGINE}) == {}


def test_of_two_engines_one_must_be_named():
    with pytest.raises(MagicError) as asked:
        the_engine({"a": ENGINE, "b": OTHER, "again": ENGINE}, None)
    assert str(asked.value).splitlines() == [
        "Several engines are here, and the SQL could be meant for any: "
        "a (sqlite: in memory), b (sqlite: in memory).",
        "Say which: %%explain -e a",
    ]
    assert the_engine({"a": ENGINE, "b": OTHER}, "b") is OTHER


def test_engines_to_choose_from_are_told_apart_by_their_databases_without_passwords():
    engine = create_engine("postgresql+psycopg://me:s3cret@db.example/shop?password=s3cret")
    with pytest.raises(MagicError) as asked:
        the_engine({"pg": engine, "file": create_engine("sqlite:///books.db")}, None)
    assert "pg (postgresql: shop on db.example), file (sqlite: books.db)." in str(asked.value)
    assert "s3cret" not in str(asked.value)


def test_of_many_engines_some_are_named():
    with pytest.raises(MagicError) as asked:
        the_engine({f"shard_{number}": create_engine("sqlite://") for number in range(9)}, None)
    first, second = str(asked.value).splitlines()
    assert first.endswith("shard_4 (sqlite: in memory), and 4 more.")
    assert second == "Say which: %%explain -e shard_0"


def test_a_name_may_have_dots():
    assert variable({"shop": SHOP()}, "shop.engine") is ENGINE
    with pytest.raises(MagicError, match="'shop' has nothing of the name 'motor'"):
        variable({"shop": SHOP()}, "shop.motor")
