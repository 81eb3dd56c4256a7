"""The planner's assumptions, as plans of PostgreSQL 18 show them."""

import pytest

from perfkit.model.catalog import Column
from perfkit.model.plan_builders import example_table, node, plan
from perfkit.model.plan_selectivity import (
    group_expression,
    guessed_filter,
    guessed_groups,
    guessed_join,
    guessed_result,
    table_rows,
)

ROWS = 400_000.0
COLUMNS = (Column("city", "text"), Column("vc", "character varying(20)"), Column("n", "integer"))
USERS = example_table("u", rows=ROWS, columns=COLUMNS)


def guess(condition, planned, *, tables=(USERS,), kind="Seq Scan"):
    scan = node(kind, ms=50, rows=90_000, planned=planned, relation_name="u", Filter=condition)
    whole = plan(scan, tables=tables)
    return guessed_filter(whole, whole.root)


@pytest.mark.parametrize(
    ("condition", "planned"),
    [
        ("(lower(u.city) = 'ulm'::text)", 2_000),
        ("((u.n)::text = '1'::text)", 2_000),
        ("((u.j ->> 'k'::text) = '1'::text)", 2_000),
        ("(((u.j ->> 'k'::text))::integer > 0)", 133_333),
        ("(EXTRACT(year FROM u.at) = '2025'::numeric)", 2_000),
        ("((u.n + 1) = 2)", 2_000),
        ("(lower(u.city) <> 'ulm'::text)", 398_000),
        ("(u.n > (InitPlan 1).col1)", 133_333),
        ("((lower(u.city) = 'ulm'::text) AND ((u.n + 1) = 2))", 10),
        ("((lower(u.city) >= 'a'::text) AND (lower(u.city) < 'b'::text))", 2_000),
        # A column that leaves all rows.
        ("((lower(u.city) = 'ulm'::text) AND (u.n < 100))", 2_000),
    ],
)
def test_an_assumption_is_recognised(condition, planned):
    assert guess(condition, planned) is not None
    assert guess(condition, planned * 1.2 + 5) is None


@pytest.mark.parametrize(
    ("condition", "planned"),
    [
        ("(u.city = 'Ulm'::text)", 2_000),
        ("((u.vc)::text = 'v1'::text)", 2_000),
        ("(u.n > 3)", 133_333),
        ("(u.n = (InitPlan 1).col1)", 2_000),
        ("((lower(u.city) = 'ulm'::text) OR (u.n = 1))", 2_000),
        ("((lower(u.city) = 'ulm'::text) AND (u.city ~~ '%x%'::text))", 2_000),
        ("((((", 2_000),
    ],
)
def test_what_has_statistics_or_cannot_be_read_is_no_assumption(condition, planned):
    assert guess(condition, planned) is None


def test_an_index_that_narrows_the_rows_first_is_not_judged():
    assert guess("(lower(u.city) = 'ulm'::text)", 2_000, kind="Index Scan") is None


@pytest.mark.parametrize(("workers", "planned"), [(1, 1_176), (2, 833), (3, 645), (4, 500)])
def test_processes_share_the_rows_and_the_leader_takes_the_smaller_part(workers, planned):
    scan = node(
        "Seq Scan", ms=50, rows=30_000, planned=planned, loops=workers + 1, relation_name="u",
        Filter="(lower(u.city) = 'ulm'::text)", Parallel_Aware=True,
    )  # fmt: skip
    whole = plan(node("Gather", scan, ms=60, rows=90_000, Workers_Planned=workers), tables=(USERS,))
    assert guessed_filter(whole, whole.node(1)) is not None


def test_a_table_that_grew_counts_with_its_size_of_today():
    scan = node("Seq Scan", rows=10, relation_name="u", rows_removed_by_filter=90)
    grown = example_table("u", rows=1_000.0, size_bytes=30 * 8192)
    assert table_rows(plan(scan, tables=(grown,)), plan(scan).root) == 3_000
    # Without the catalogue: what the scan read.
    assert table_rows(plan(scan), plan(scan).root) == 100


def test_two_hundred_groups_of_one_key_are_an_assumption():
    assert guessed_groups(node("Aggregate", planned=200, Group_Key=["r.k"]))
    assert not guessed_groups(node("Aggregate", planned=201, Group_Key=["r.k"]))
    assert not guessed_groups(node("Aggregate", planned=200, Group_Key=["r.k", "r.l"]))
    assert not guessed_groups(node("Aggregate", planned=200))


@pytest.mark.parametrize(
    ("condition", "planned", "is_guessed"),
    [
        ("(r.k < 100)", 6_274, True),
        ("(r.k = 100)", 94, True),
        ("((r.k >= 1) AND (r.k < 100))", 94, True),
        ("(r.k < 100)", 900, False),
        ("(r.name ~~ 'x%'::text)", 94, False),
        (None, 18_822, False),
    ],
)
def test_a_condition_on_what_a_cte_returned_is_an_assumption(condition, planned, is_guessed):
    made = node("Aggregate", rows=18_822, parent_relationship="InitPlan", subplan_name="CTE sums")
    said = {"Filter": condition} if condition else {}
    read = node("CTE Scan", planned=planned, alias="r", parent_relationship="Outer", CTE_Name="sums", **said)
    whole = plan(node("Aggregate", made, read))
    assert (guessed_result(whole, whole.node(2)) is not None) is is_guessed


def test_a_condition_on_a_window_is_an_assumption():
    window = node("WindowAgg", rows=150_000, parent_relationship="Subquery")
    whole = plan(node("Subquery Scan", window, planned=750, rows=19_988, alias="x", Filter="(x.rn = 1)"))
    assert guessed_result(whole, whole.root) is not None


@pytest.mark.parametrize(
    ("key", "expression"),
    [
        ("(date_trunc('month'::text, u.at))", "date_trunc('month', at)"),
        ("((u.n % 10))", "(n % 10)"),
        ("((u.j ->> 'k'::text))", "(j ->> 'k')"),
        ("u.city", None),
        ("(lower(other.name))", None),
        ("(date_trunc(?::text, u.at))", None),
    ],
)
def test_groups_by_an_expression_are_counted_by_its_columns(key, expression):
    scan = node("Seq Scan", rows=150_000, relation_name="u")
    whole = plan(node("Aggregate", scan, rows=11, planned=150_000, Group_Key=[key]))
    found = group_expression(whole, whole.root)
    assert (found and found[1]) == expression


def test_an_expression_with_more_groups_than_expected_is_something_else():
    scan = node("Seq Scan", rows=150_000, relation_name="u")
    whole = plan(node("Aggregate", scan, rows=5_000, planned=11, Group_Key=["(lower(u.city))"]))
    assert group_expression(whole, whole.root) is None


@pytest.mark.parametrize(
    ("condition", "planned", "is_guessed"),
    [
        ("(a.id > (b.id + 1990))", 1_333_333, True),
        ("((a.id > b.id) AND (a.n < b.n))", 444_444, True),
        ("(a.id > b.id)", 900_000, False),
        ("((a.id > b.id) AND (a.n = b.n))", 444_444, False),
        ("((a.id > b.id) OR (a.n < b.n))", 444_444, False),
        (None, 1_333_333, False),
    ],
)
def test_a_third_of_all_pairs_is_an_assumption(condition, planned, is_guessed):
    sides = (node("Seq Scan", rows=2_000, relation_name=name) for name in "ab")
    said = {"Join_Filter": condition} if condition else {}
    assert guessed_join(node("Nested Loop", *sides, rows=45, planned=planned, **said)) is is_guessed
