"""What SQLite's plans say of loops and tables."""

from dataclasses import replace

from perfkit.model.catalog import Index
from perfkit.model.plan import Plan
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.sqlite_plan import (
    correlated_around,
    index_statement,
    is_full_scan,
    leads_an_index,
    loops,
    returned_rows,
    rows_before,
    sqlite_plans,
    table_rows,
)


def the_plan(*lines, **said) -> Plan:
    (plan,) = sqlite_trace("SELECT 1", *lines, **said).plans or ()
    return plan


def test_a_table_is_gone_through_for_each_row_of_the_scans_before_it():
    plan = the_plan(
        line("SCAN users"), line("SCAN tags"), line("SCAN orders"), line("USE TEMP B-TREE FOR ORDER BY")
    )
    users, tags, orders, _ = plan.root.children

    assert [rows_before(plan, item) for item in (users, tags, orders)] == [1, 5_000, 200_000]
    assert loops(plan, tags) == [users, tags, orders]


def test_a_search_before_it_counts_as_one_row():
    plan = the_plan(line("SEARCH users USING INTEGER PRIMARY KEY (rowid=?)"), line("SCAN orders"))

    assert rows_before(plan, plan.root.children[1]) == 1


def test_only_a_scan_by_no_index_is_a_full_one():
    lines = (
        "SCAN orders",
        "SCAN orders LEFT-JOIN",
        "SCAN orders USING INDEX a",
        "SCAN x VIRTUAL TABLE INDEX 1:",
    )

    assert [is_full_scan(line(detail)) for detail in lines] == [True, True, False, False]


def test_a_sub_query_that_depends_on_the_outside_is_found_from_any_depth():
    deep = line("CORRELATED SCALAR SUBQUERY 1", line("MATERIALIZE x", line("SCAN orders")))
    plan = the_plan(line("SCAN users"), deep, line("SCALAR SUBQUERY 2", line("SCAN tags")))
    scans = {node.relation_name: node for node in plan.nodes()}

    assert correlated_around(plan, scans["orders"]).node_type == "CORRELATED SCALAR SUBQUERY"
    assert correlated_around(plan, scans["tags"]) is None


def test_rows_are_unknown_without_a_catalogue():
    plan = the_plan(line("SCAN orders"), known=False)

    assert table_rows(plan, plan.root.children[0]) == 0


def test_only_slow_statements_of_sqlite_are_judged():
    assert len(list(sqlite_plans(sqlite_trace("SELECT 1", ms=12), 10))) == 1
    assert list(sqlite_plans(sqlite_trace("SELECT 1", ms=8), 10)) == []
    assert list(sqlite_plans(sqlite_trace("SELECT 1", ms=None), 10)) == []


def test_returned_rows_are_those_of_the_same_statement():
    block = sqlite_trace("SELECT 1", returned=30)
    (plan,) = block.plans or ()

    assert returned_rows(block, plan) == 30
    assert returned_rows(sqlite_trace("SELECT 2", returned=30), plan) is None
    assert returned_rows(sqlite_trace("SELECT 1", returned=None), plan) is None


def test_an_index_that_begins_with_the_column_is_there_already():
    plan = the_plan(line("SCAN orders"))
    (orders, *others) = plan.tables
    index = Index("a", "btree", True, None, ("Status", "amount"), (), ("", ""), (False, False))
    indexed = replace(plan, tables=(replace(orders, indexes=(index,)), *others))
    scan = indexed.root.children[0]

    assert leads_an_index(indexed, scan, "status")
    assert not leads_an_index(indexed, scan, "amount")
    assert not leads_an_index(plan, scan, "status")


def test_the_index_has_the_name_that_sqlite_wants():
    assert index_statement(line("SCAN orders"), ("status", "amount DESC")) == (
        "CREATE INDEX orders_status_amount ON orders (status, amount DESC);"
    )
    assert index_statement(line("SCAN o", relation="My Orders"), ('"order"',)) == (
        'CREATE INDEX "My Orders_order" ON "My Orders" ("order");'
    )
