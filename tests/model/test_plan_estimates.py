"""Which estimates are wrong, and what they led to."""

import pytest

from perfkit.model.plan_builders import example_table, node, plan
from perfkit.model.plan_estimates import (
    estimate_saving_ms,
    estimate_severity,
    harmed_loop,
    loop_saving_ms,
    wrong_estimates,
)


def scan(name="orders", **said):
    return node("Seq Scan", **{"ms": 20, "rows": 15_000, "planned": 75, "relation_name": name, **said})


def loop(outer, *, inner_ms=0.004, inner="users", kind="Index Scan"):
    rows = int(outer.actual_rows)
    probe = node(kind, ms=inner_ms, rows=1, loops=rows, relation_name=inner)
    return node("Nested Loop", outer, probe, ms=20 + rows * inner_ms + 5, rows=rows, planned=outer.plan_rows)


def wrong(root, **thresholds):
    return [item.node_type for item in wrong_estimates(plan(root), **thresholds)]


def test_only_the_deepest_node_is_a_cause():
    assert wrong(node("Sort", loop(scan()), ms=95, rows=15_000, planned=75)) == ["Seq Scan"]


def test_a_bitmap_of_an_index_is_reported_by_its_table():
    bitmap = node("Bitmap Index Scan", ms=2, rows=15_000, planned=75, index_name="orders_day")
    heap = node("Bitmap Heap Scan", bitmap, ms=20, rows=15_000, planned=75, relation_name="orders")
    assert wrong(heap) == ["Bitmap Heap Scan"]


def test_of_the_partitions_of_one_table_only_the_worst_is_reported():
    parts = [scan(f"events_{place}", rows=1_000 * place) for place in (2, 3, 4)]
    other = scan("users")
    root = plan(node("Append", *parts, other, ms=90, rows=24_000, planned=24_000))
    assert [item.alias for item in wrong_estimates(root)] == ["events_4", "users"]


def test_tables_that_are_no_partitions_are_reported_each():
    join = node("Hash Join", scan("events_1"), node("Hash", scan("events_2"), ms=30, rows=15_000), ms=90)
    assert [item.alias for item in wrong_estimates(plan(join))] == ["events_1", "events_2"]


def test_a_node_that_never_ran_or_was_stopped_is_not_judged():
    assert wrong(node("Limit", scan(), ms=20, rows=10)) == []
    assert wrong(node("Append", scan(loops=0, rows=0, planned=90_000), ms=20)) == []


def test_a_join_whose_rows_are_the_result_decided_nothing():
    join = node("Hash Join", scan(planned=15_000), node("Hash", ms=1), ms=60, rows=15_000, planned=20)
    assert wrong(join) == []
    assert wrong(node("Gather", join, ms=61, rows=15_000, planned=20)) == []
    assert wrong(node("Sort", join, ms=70, rows=15_000, planned=20)) == ["Hash Join"]
    assert wrong(node("Append", scan(), ms=21, rows=15_000, planned=75)) == ["Seq Scan"]


def test_a_loop_is_harmed_where_it_ran_a_thousand_times_for_a_third_of_the_time():
    harmed = plan(loop(scan()))
    few = plan(loop(scan(rows=900, planned=2)))
    small = plan(node("Sort", loop(scan()), ms=5_000))
    assert harmed_loop(harmed, harmed.node(1)) is harmed.root
    assert harmed_loop(few, few.node(1)) is None
    assert harmed_loop(small, small.node(2)) is None


def test_what_a_hash_join_would_save_is_known_where_the_size_of_the_inner_table_is():
    root = loop(scan())
    known = plan(root, tables=(example_table("users", rows=20_000.0),))
    # 60 ms of look-ups and 5 of the loop, for 35,000 rows to hash and to search.
    assert loop_saving_ms(known, known.root) == pytest.approx(65 - 35_000 * 0.0003)
    assert loop_saving_ms(plan(root), plan(root).root) is None
    assert estimate_severity(known, known.node(1)) == "worth it"


def test_a_right_estimate_saves_nothing_where_hashing_takes_as_long():
    huge = plan(loop(scan()), tables=(example_table("users", rows=90_000_000.0),))
    assert estimate_saving_ms(huge, huge.node(1)) == 0
    assert estimate_severity(huge, huge.node(1)) == "info"


def test_an_inner_side_of_two_tables_is_not_guessed_at():
    inner = node("Nested Loop", node("Index Scan", relation_name="a"), node("Index Scan", relation_name="b"))
    root = plan(node("Nested Loop", scan(), inner, ms=90), tables=(example_table("a"), example_table("b")))
    assert loop_saving_ms(root, root.root) is None
