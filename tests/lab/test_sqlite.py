import datetime

import pytest
from lab_helpers import WAIT_S
from sqlalchemy import MetaData, Table, inspect, select, text
from sqlalchemy.exc import IntegrityError

from perfkit.lab import LabError, open_shop, open_sqlite
from perfkit.lab.settings import load_settings
from perfkit.lab.sqlite import schema_for_sqlite, sqlite_file


@pytest.fixture
def engine():
    engine = open_sqlite("tiny")
    yield engine
    engine.dispose()


def test_both_databases_hold_the_same_rows(engine):
    with open_shop() as shop, shop.engine.connect() as theirs, engine.connect() as ours:
        for table in load_settings().rows:
            there = Table(table, MetaData(), autoload_with=shop.engine)
            columns = [
                column.name for column in there.columns if column.name not in ("created_at", "occurred_at")
            ]
            query = text(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id LIMIT 500")
            expected = theirs.execute(query).all()
            found = ours.execute(query).all()
            assert len(found) == len(expected) > 0
            for left, right in zip(found, expected, strict=True):
                assert left == pytest.approx(right, rel=1e-5) if table == "events" else left == right


def test_times_are_read_as_times(engine):
    with open_shop() as shop, shop.engine.connect() as theirs, engine.connect() as ours:
        here = Table("orders", MetaData(), autoload_with=engine)
        there = Table("orders", MetaData(), autoload_with=shop.engine)
        query = select(here.c.created_at).order_by(here.c.id)
        expected = theirs.execute(select(there.c.created_at).order_by(there.c.id)).scalars().all()
        found = ours.execute(query).scalars().all()
        assert [time.replace(tzinfo=datetime.UTC) for time in found] == expected


def test_keys_and_indexes_are_the_same(engine):
    with open_shop() as shop:
        here, there = inspect(engine), inspect(shop.engine)
        for table in load_settings().rows:
            assert here.get_pk_constraint(table)["constrained_columns"] == ["id"]
            pairs = [
                sorted(
                    (key["constrained_columns"], key["referred_table"])
                    for key in side.get_foreign_keys(table)
                )
                for side in (here, there)
            ]
            assert pairs[0] == pairs[1]
            names = [{index["name"] for index in side.get_indexes(table)} for side in (here, there)]
            assert names[0] == names[1]


def test_foreign_keys_are_enforced(engine):
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO posts VALUES (9999, 9999, 't', 'b', '2024-01-01')"))


def test_the_file_is_kept_and_equal_to_the_byte(scratch):
    first = sqlite_file("tiny")
    content, made = first.read_bytes(), first.stat().st_mtime_ns
    assert sqlite_file("tiny").stat().st_mtime_ns == made
    first.unlink()
    assert sqlite_file("tiny").read_bytes() == content


def test_a_half_built_file_and_one_of_other_settings_are_replaced(scratch):
    path = sqlite_file("tiny")
    path.unlink()
    (path.parent / f"{path.stem}.new").write_bytes(b"half")
    (path.parent / "shop-tiny-0000.sqlite").write_bytes(b"old")
    with open_sqlite("tiny").connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar() == 200
        connection.engine.dispose()
    assert sorted(found.name for found in path.parent.iterdir()) == ["build.lock", path.name]


def test_two_builds_at_once_both_succeed(scratch, start_python):
    code = "from perfkit.lab.sqlite import sqlite_file; print(sqlite_file('tiny').name)"
    outputs = [process.communicate(timeout=WAIT_S) for process in [start_python(code), start_python(code)]]
    assert outputs[0] == outputs[1]
    assert outputs[0][1] == ""


def test_a_scale_that_cannot_be_is_refused():
    with pytest.raises(LabError, match="No such scale"):
        open_sqlite("enormous")


def test_every_statement_of_the_schema_has_its_place():
    created, indexes = schema_for_sqlite(load_settings().schema)
    assert len(created) == 7
    assert len(indexes) == 5
    assert sum(statement.count("REFERENCES") for statement in created) == 7
