import pytest

from perfkit.model.catalog import Column
from perfkit.model.plan_builders import example_index, example_table, node, plan
from perfkit.model.plan_conditions import SortColumn
from perfkit.model.plan_scans import (
    has_index_led_by,
    index_arms,
    index_of,
    index_order,
    index_scans,
    is_filter_indexable,
    is_whole_index,
    limit_above,
    over_processes,
    recheck_removed,
    removed_share,
    repeats,
    rows_read,
)


def scan_in(root, **said):
    """The plan of a root, and its scan of orders."""
    made = plan(root, **said)
    return made, next(item for item in made.nodes() if item.relation_name == "orders")


def index_scan(condition=None, **said):
    conditions = {} if condition is None else {"Index_Cond": condition}
    return node("Index Scan", relation_name="orders", index_name="by_tenant", **conditions, **said)


def bitmap(*children):
    return node("Bitmap Heap Scan", *children, relation_name="orders")


def part(name="by_tenant", condition="(orders.tenant_id = 7)"):
    return node("Bitmap Index Scan", index_name=name, Index_Cond=condition)


def test_rows_read_are_those_that_were_kept_and_thrown_away_over_all_loops():
    scan = index_scan(rows=2, rows_removed_by_filter=5, Rows_Removed_by_Index_Recheck=3, loops=10)
    assert rows_read(scan) == 100
    assert recheck_removed(scan) == 30
    assert removed_share(scan) == 0.5


def test_a_scan_that_never_ran_removed_nothing():
    assert removed_share(index_scan(loops=0)) == 0


def test_processes_that_share_a_run_do_not_repeat_it():
    _, scan = scan_in(node("Gather", index_scan(loops=3)))
    assert repeats(scan) == 1
    _, scan = scan_in(node("Nested Loop", node("Seq Scan", rows=5), index_scan(loops=5)))
    assert repeats(scan) == 5


def test_what_stands_with_each_worker_is_added_to_the_leaders():
    workers = [{"Lossy Heap Blocks": 5}, {"Lossy Heap Blocks": 2}, {"Worker Number": 1}, "?"]
    assert (
        over_processes(node("Bitmap Heap Scan", Lossy_Heap_Blocks=3, Workers=workers), "Lossy Heap Blocks")
        == 10
    )
    assert over_processes(node("Bitmap Heap Scan", Lossy_Heap_Blocks=3), "Lossy Heap Blocks") == 3


def test_a_bitmap_scan_reads_the_indexes_below_it_and_a_table_scan_none():
    both = bitmap(node("BitmapAnd", part("a"), part("b")))
    assert [item.index_name for item in index_scans(both)] == ["a", "b"]
    assert index_scans(index_scan())[0].index_name == "by_tenant"
    assert index_scans(node("Seq Scan", relation_name="orders")) == ()


def test_the_conditions_of_intersected_indexes_all_hold():
    arms = index_arms(bitmap(node("BitmapAnd", part(), part("b", "(orders.amount > 3)"))))
    assert [(arm.kind, arm.column) for arm in arms] == [("equality", "tenant_id"), ("range", "amount")]


def test_of_the_conditions_of_united_indexes_none_holds_for_all_rows():
    assert index_arms(bitmap(node("BitmapOr", part(), part("b", "(orders.amount > 3)")))) == ()


@pytest.mark.parametrize(
    ("condition", "whole"),
    [
        (None, True),
        ("(orders.at IS NOT NULL)", True),
        ("(orders.at > 3)", False),
        ("((orders.at > 3) AND (orders.at IS NOT NULL))", False),
    ],
)
def test_an_index_is_read_whole_where_no_condition_narrows_it(condition, whole):
    assert is_whole_index(index_scan(condition)) is whole


def test_a_scan_of_the_table_reads_no_index_whole():
    assert not is_whole_index(node("Seq Scan", relation_name="orders"))


def test_the_order_of_an_index_ends_with_its_first_expression():
    index = example_index(
        "by_tenant", "tenant_id", '"At"', "lower(name)", "id", descending=(False, True, False, False)
    )
    columns = tuple(Column(name, "integer") for name in ("tenant_id", "At", "name", "id"))
    made, scan = scan_in(index_scan(), tables=(example_table("orders", columns=columns, indexes=(index,)),))
    assert index_of(made, scan) == index
    assert index_order(made, scan) == (SortColumn("tenant_id"), SortColumn('"At"', descending=True))


def test_an_index_without_order_or_unknown_to_the_catalogue_has_none():
    hashed = example_table("orders", indexes=(example_index("by_tenant", "tenant_id", method="hash"),))
    assert index_order(*scan_in(index_scan(), tables=(hashed,))) == ()
    assert index_order(*scan_in(index_scan())) == ()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, True),
        ({"is_valid": False}, False),
        ({"predicate": "(status = 'open')"}, False),
        ({"method": "hash"}, False),
    ],
)
def test_only_a_complete_and_valid_btree_counts_as_one_that_exists(said, found):
    table = example_table("orders", indexes=(example_index("one", "tenant_id", "amount", "id", **said),))
    assert has_index_led_by(table, ("tenant_id", "amount DESC")) is found


def test_the_columns_must_come_first_and_in_this_order():
    table = example_table("orders", indexes=(example_index("one", "tenant_id", "amount"),))
    assert not has_index_led_by(table, ("amount",))
    assert not has_index_led_by(table, ("amount", "tenant_id"))
    assert not has_index_led_by(None, ("amount",))


LIKE = "(orders.note ~~ '%late%'::text)"


@pytest.mark.parametrize(
    ("condition", "distinct", "indexable"),
    [
        ("(orders.tenant_id = 7)", None, True),
        ("(orders.amount > 7)", None, True),
        (LIKE, 5_000.0, False),
        (f"((orders.tenant_id = 7) AND {LIKE})", None, False),
        (f"((orders.tenant_id = 7) AND {LIKE})", 3.0, False),
        (f"((orders.tenant_id = 7) AND {LIKE})", 5_000.0, True),
        (f"((orders.tenant_id = 7) AND {LIKE})", -0.5, True),
        (f"((orders.tenant_id > 7) AND {LIKE})", 5_000.0, False),
        (None, 5_000.0, False),
    ],
)
def test_a_filter_is_indexable_where_a_plain_column_is_known_to_do_the_work(condition, distinct, indexable):
    column = Column("tenant_id", "integer", distinct=distinct)
    tables = (example_table("orders", columns=(column,)),)
    said = {} if condition is None else {"Filter": condition}
    assert is_filter_indexable(*scan_in(index_scan(**said), tables=tables)) is indexable


def test_a_limit_is_seen_through_nodes_that_hand_on_rows_in_order():
    joined = node("Nested Loop", index_scan(), node("Index Scan", loops=1))
    made, scan = scan_in(node("Limit", node("LockRows", joined)))
    above = limit_above(made, scan)
    assert above is not None
    assert above.node_type == "Limit"


@pytest.mark.parametrize("between", ["Sort", "Aggregate", "Hash Join"])
def test_a_limit_is_not_seen_through_nodes_that_collect_rows(between):
    assert limit_above(*scan_in(node("Limit", node(between, index_scan())))) is None


def test_the_inner_side_of_a_loop_runs_again_and_again_below_a_limit():
    looped = node("Nested Loop", node("Seq Scan", rows=5), index_scan(loops=5))
    assert limit_above(*scan_in(node("Limit", looped))) is None
