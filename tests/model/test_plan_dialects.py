"""Conditions of SQLite and MariaDB: which columns an index could answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_dialects import (
    condition_arms,
    index_columns,
    is_summed_up,
    name_in,
    order_columns,
    select_of,
    statement_arms,
)
from perfkit.model.sqlite_builders import line, sqlite_trace

ORDERS = PlanNode(0, "full table scan", relation_name="orders", alias="o")


def for_mariadb(condition: str) -> tuple[str, ...]:
    return index_columns(condition_arms(ORDERS, condition, "mysql"), "mysql")


def scanned(statement: str, alias: str = "orders") -> tuple[Plan, PlanNode]:
    """The plan of a statement that scans the table `orders` under this alias."""
    (plan,) = sqlite_trace(statement, line(f"SCAN {alias}", relation="orders")).plans or ()
    return plan, plan.root.children[0]


def for_sqlite(
    statement: str, alias: str = "orders", unread: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    plan, scan = scanned(statement, alias)
    return index_columns(statement_arms(plan, scan, "sqlite", unread), "sqlite")


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("o.`status` = 'refunded'", ("`status`",)),
        ("o.amount > 10 and o.`status` = 'paid'", ("`status`", "`amount`")),
        ("o.amount between 5 and 9", ("`amount`",)),
        ("o.amount in (1,2,3)", ("`amount`",)),
        ("o.customer_id = c.`id`", ("`customer_id`",)),
        ("o.`key` = 3 and o.note like '%late%'", ("`key`",)),
        ("o.deleted_at is null", ("`deleted_at`",)),
        ("o.note like '%late%'", ()),
        ("lower(o.`status`) = 'x'", ()),
        ("o.amount + 1 = 5", ()),
        ("o.a = 1 or o.b = 2", ()),
        ("c.city = 3", ()),
        ("c.city < (subquery#2)", ()),
        ("((", ()),
        ("", ()),
    ],
)
def test_what_mariadb_writes_into_its_plan(condition, columns):
    assert for_mariadb(condition) == columns


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("SELECT * FROM orders WHERE status = ?", ("status",)),
        ("SELECT * FROM orders WHERE status = :status AND amount >= :low", ("status", "amount")),
        ("SELECT * FROM orders WHERE amount IN (1, ?, 3)", ("amount",)),
        ("SELECT * FROM orders WHERE amount = ? OR user_id = ?", ()),
        ("SELECT * FROM orders WHERE amount = (SELECT max(amount) FROM tags)", ()),
        ("SELECT * FROM orders", ()),
        ("UPDATE orders SET amount = 1 WHERE status = 'x'", ()),
        ("SELECT", ()),
    ],
)
def test_what_stands_in_sqlites_statement(statement, columns):
    assert for_sqlite(statement) == columns


def test_a_condition_without_a_table_belongs_to_the_table_that_has_the_column():
    joined = "SELECT * FROM orders o JOIN users u ON u.id = o.user_id WHERE status = ? AND city = ?"

    assert for_sqlite(joined, "o") == ("status", "user_id")


def test_what_is_read_later_answers_nothing_now():
    joined = "SELECT * FROM orders o JOIN users u ON u.id = o.user_id WHERE status = ? AND o.amount > city"

    assert for_sqlite(joined, "o", frozenset({"u"})) == ("status",)


def test_two_sub_queries_with_the_same_alias_tell_nothing():
    twice = (
        "SELECT * FROM orders o WHERE o.status = 'x' AND id IN (SELECT o.id FROM orders o WHERE o.amount = 3)"
    )

    assert for_sqlite(twice, "o") == ()


@pytest.mark.parametrize(
    ("order", "columns"),
    [
        ("created_at", ("created_at",)),
        ("created_at DESC, id DESC", ("created_at", "id")),
        ("orders.amount, id DESC", ("amount", "id DESC")),
        ("lower(note)", ()),
        ("1", ()),
    ],
)
def test_the_order_that_is_wanted(order, columns):
    plan, scan = scanned(f"SELECT * FROM orders ORDER BY {order}")

    assert order_columns(plan, scan, "sqlite") == columns


@pytest.mark.parametrize(
    ("statement", "is_so"),
    [
        ("SELECT * FROM orders", False),
        ("SELECT abs(amount) FROM orders", False),
        ("SELECT count(*) FROM orders", True),
        ("SELECT 1 + max(amount) FROM orders", True),
        ("SELECT DISTINCT status FROM orders", True),
        ("SELECT status FROM orders GROUP BY status", True),
        ("SELECT * FROM orders LIMIT 3", True),
    ],
)
def test_the_number_of_rows_tells_nothing_where_they_are_summed_up(statement, is_so):
    plan, scan = scanned(statement)

    assert is_summed_up(select_of(plan, scan, "sqlite")) is is_so


@pytest.mark.parametrize(
    ("name", "dialect", "written"),
    [
        ("status", "sqlite", "status"),
        ("index", "sqlite", '"index"'),
        ("order", "sqlite", '"order"'),
        ("My Column", "sqlite", '"My Column"'),
        ("status", "mysql", "`status`"),
        ("a`b", "mysql", "`a``b`"),
    ],
)
def test_names_are_quoted_as_each_database_wants_it(name, dialect, written):
    assert name_in(name, dialect) == written


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="abo.`'\"=<>()?:, 123%andorinselctfwh#\n", max_size=60))
def test_any_text_is_read_or_left_alone(text):
    assert isinstance(for_mariadb(text), tuple)
    assert isinstance(for_sqlite(f"SELECT * FROM orders WHERE {text}"), tuple)
