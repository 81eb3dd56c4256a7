"""Triggers and foreign keys of statements that write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.catalog import ForeignKey
from perfkit.model.plan import TriggerTime
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_writes import bare_name, key_of, rows_written, searches_without_index, writer_of
from perfkit.model.sql_names import quoted

KEY = ForeignKey("orders_user", 'shop."Orders"', ("user_id",), "shop.users", is_indexed=False)


def trigger(name="RI_ConstraintTrigger_a_1", *, ms=100.0, calls=10, constraint="orders_user", table="users"):
    return TriggerTime(name, ms, calls, table, constraint)


def delete(*keys):
    scan = node("Seq Scan", rows=40, relation_name="users")
    return plan(node("ModifyTable", scan, ms=1, rows=0, relation_name="users"), foreign_keys=keys)


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("orders", "orders"),
        ("shop.orders", "orders"),
        ('shop."My Orders"', "My Orders"),
        ('"Shop"."a.""b"', 'a."b'),
        ('"My.Orders"', "My.Orders"),
    ],
)
def test_a_table_is_known_without_its_schema_and_quotes(written, bare):
    assert bare_name(written) == bare


@given(schema=st.text(min_size=1, max_size=9), name=st.text(min_size=1, max_size=9))
def test_any_name_is_found_again_in_how_sql_writes_it(schema, name):
    assert bare_name(f"{quoted(schema)}.{quoted(name)}") == name


def test_the_rows_to_write_are_those_of_the_node_below():
    assert rows_written(delete().root) == 40


def test_a_cascade_is_charged_to_the_node_that_began_to_write():
    cte = node("ModifyTable", relation_name="log", parent_relationship="InitPlan", subplan_name="CTE w")
    both = plan(node("ModifyTable", cte, node("Seq Scan"), relation_name="users"))
    found = [writer_of(both, name) for name in ("log", "users", "orders")]
    assert [writer.relation_name for writer in found if writer] == ["log", "users", "users"]
    assert writer_of(plan(node("Seq Scan")), "users") is None


def test_a_key_is_found_by_its_name_and_its_tables():
    other = ForeignKey("orders_user", "archive", ("user_id",), "people", is_indexed=True)
    whole = delete(other, KEY)
    assert key_of(whole, trigger()) is KEY
    assert key_of(whole, trigger(table="Orders")) is KEY
    assert key_of(whole, trigger(table="somewhere")) is None
    assert key_of(whole, trigger("watch", constraint=None)) is None


def test_the_catalogue_tells_whether_a_search_has_an_index():
    indexed = ForeignKey("orders_user", "orders", ("user_id",), "users", is_indexed=True)
    assert searches_without_index(delete(KEY), trigger(ms=0.1))
    assert not searches_without_index(delete(indexed), trigger(ms=900))


def test_without_the_catalogue_the_time_of_one_search_tells():
    assert searches_without_index(delete(), trigger(ms=10))
    assert not searches_without_index(delete(), trigger(ms=9.9))


def test_a_check_of_a_new_row_has_the_index_of_the_key_that_it_refers_to():
    assert not searches_without_index(delete(KEY), trigger("RI_ConstraintTrigger_c_1"))
    assert not searches_without_index(delete(KEY), trigger("watch"))
