"""Own times of hand-made and of recorded plans."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perfkit.model import plan_times
from perfkit.model.plan import OutsideTime, TriggerTime
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.plan_shape import cut_short

FILES = sorted((Path(__file__).parent / "plans").glob("*.json"))


def own_times(root):
    return [round(item.self_time_ms, 3) for item in plan(root).nodes()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_own_times_of_a_recorded_plan_add_up(file):
    recorded = read_postgresql_plan(json.loads(file.read_text(encoding="utf-8")))
    whole = recorded.root.total_time_ms + recorded.after_query_ms
    parts = sum(item.self_time_ms for item in recorded.nodes())
    rounding = sum(item.rounding_ms for item in recorded.nodes())
    assert parts == pytest.approx(whole, rel=0.02, abs=0.1 + rounding)


def test_loops_count():
    inner = node("Index Scan", ms=0.1, loops=300)
    assert own_times(node("Nested Loop", node("Seq Scan", ms=5), inner, ms=40)) == [5, 5, 30]


def test_processes_that_took_part_share_the_time():
    scan = node("Seq Scan", ms=30, loops=3)
    root = plan(node("Gather", scan, ms=32, Workers_Launched=2))
    assert [item.total_time_ms for item in root.nodes()] == [32, 30]
    assert root.node(1).busy_time_ms == 90
    assert root.node(1).share.participants == 3


def test_a_leader_that_takes_no_part_and_a_worker_that_never_came_are_not_counted():
    assert own_times(node("Gather", node("Seq Scan", ms=30, loops=2), ms=32, Workers_Launched=2)) == [2, 30]


def test_one_process_builds_the_bitmap_for_all():
    bitmap = node("Bitmap Index Scan", ms=8, loops=1)
    heap = node("Bitmap Heap Scan", bitmap, ms=20, loops=3, Parallel_Aware=True)
    assert own_times(node("Gather", heap, ms=21)) == [1, 12, 8]


def test_an_init_plan_is_charged_once_to_the_node_that_evaluated_it():
    init = node("Aggregate", ms=50, parent_relationship="InitPlan", subplan_name="InitPlan 1")
    first = node("Seq Scan", ms=58, Filter="(a > (InitPlan 1).col1)")
    second = node("Seq Scan", ms=3, Filter="(b > (InitPlan 1).col1)")
    assert own_times(node("Append", init, first, second, ms=62)) == [1, 50, 8, 3]


@pytest.mark.parametrize(("name", "condition"), [("InitPlan 1", "$0"), ("InitPlan 11", "$1")])
def test_an_old_name_of_an_init_plan_is_not_taken_for_a_longer_one(name, condition):
    init = node(
        "Aggregate", ms=50, parent_relationship="InitPlan", subplan_name=f"{name} (returns {condition})"
    )
    other = node("Seq Scan", ms=55, Filter=f"(a > {condition}7)")
    user = node("Seq Scan", ms=51, Filter=f"(b > {condition})")
    assert own_times(node("Append", init, other, user, ms=107)) == [1, 50, 55, 1]


def test_the_gather_evaluates_an_init_plan_for_its_workers():
    init = node("Aggregate", ms=50, parent_relationship="InitPlan", subplan_name="InitPlan 1")
    scan = node("Seq Scan", ms=10, loops=3, Filter="(a > (InitPlan 1).col1)")
    assert own_times(node("Aggregate", init, node("Gather", scan, ms=62), ms=63)) == [1, 50, 2, 10]


def init_plan(number, *children, ms=5.0):
    return node(
        "Aggregate", *children, ms=ms, parent_relationship="InitPlan", subplan_name=f"InitPlan {number}"
    )


def test_an_init_plan_that_nothing_names_goes_to_the_longest_node_around_it():
    root = node("Append", init_plan(1), init_plan(2), node("Sort", ms=30), node("Sort", ms=28), ms=58)
    assert own_times(root) == [0, 5, 5, 25, 23]


def test_of_equal_nodes_the_first_holds_the_init_plan():
    root = node("Append", init_plan(1), node("Sort", ms=30), node("Sort", ms=30), ms=60)
    assert own_times(root) == [0, 5, 25, 30]


def test_an_init_plan_is_used_by_another_but_not_within_itself():
    inner = node("Sort", ms=4, Filter="((InitPlan 1).col1)")
    user = node("Sort", ms=9, Filter="((InitPlan 1).col1)")
    root = node("Append", init_plan(1, inner), init_plan(2, user, ms=10), node("Sort", ms=12), ms=12)
    assert own_times(root) == [0, 1, 4, 1, 4, 2]


def test_a_node_outside_of_what_an_init_plan_hangs_on_does_not_hold_it():
    inner = node("Append", init_plan(1), node("Sort", ms=6, Filter="((InitPlan 1).col1)"), ms=6)
    other = node("Sort", ms=90, Filter="((InitPlan 1).col1)")
    assert own_times(node("Append", inner, other, ms=96)) == [0, 0, 5, 1, 90]


@pytest.mark.parametrize("is_named", [True, False])
def test_the_texts_of_a_plan_are_read_once_however_many_init_plans_it_has(monkeypatch, is_named):
    read = []
    texts = plan_times._texts
    monkeypatch.setattr(plan_times, "_texts", lambda values: read.append(1) or texts(values))
    condition = "(a > (InitPlan {}).col1)" if is_named else "(a > 3)"
    scans = [node("Seq Scan", ms=9, Filter=condition.format(number)) for number in range(100)]
    inits = [init_plan(number, ms=5) for number in range(100)]
    assert sum(own_times(node("Append", *inits, *scans, ms=900))) == pytest.approx(900)
    assert len(read) == 201


def test_a_cte_is_taken_from_the_scans_that_pulled_it():
    cte = node("Seq Scan", ms=40, parent_relationship="InitPlan", subplan_name="CTE big")
    scans = [node("CTE Scan", ms=43, CTE_Name="big"), node("CTE Scan", ms=4, CTE_Name="big")]
    assert own_times(node("Hash Join", cte, *scans, ms=50)) == [3, 40, 3, 4]


def test_a_sub_plan_is_part_of_its_node():
    sub = node("Index Scan", ms=0.02, loops=1000, parent_relationship="SubPlan", subplan_name="SubPlan 1")
    assert own_times(node("Seq Scan", sub, ms=25)) == [5, 20]


def test_what_a_cte_did_after_the_query_stands_outside():
    cte = node("ModifyTable", ms=30, parent_relationship="InitPlan", subplan_name="CTE moved")
    whole = plan(
        node("Seq Scan", cte, ms=2),
        execution_time_ms=50.0,
        triggers=(TriggerTime("watch", 12.0),),
        serialization_time_ms=1.0,
    )
    assert whole.after_query_ms == 30
    assert whole.outside_times == (
        OutsideTime("planning", 0.1),
        OutsideTime("after the main query", 30.0),
        OutsideTime("triggers", 12.0),
        OutsideTime("serialization of the result", 1.0),
        OutsideTime("executor start, end and result", 5.0),
    )


def test_a_before_trigger_runs_inside_a_node_and_is_not_counted_twice():
    whole = plan(node("ModifyTable", ms=30), execution_time_ms=31.0, triggers=(TriggerTime("before", 20.0),))
    assert [(item.name, item.time_ms) for item in whole.outside_times] == [
        ("planning", 0.1),
        ("triggers", 1.0),
    ]


def test_rounding_grows_with_the_loops():
    root = plan(node("Nested Loop", node("Index Scan", ms=0.006, loops=500_000), ms=3100))
    assert root.node(1).rounding_ms == 250


def test_a_plan_within_another_plan_keeps_its_own_numbers():
    scan = node("Seq Scan", ms=30, loops=3)
    alone = plan(scan)
    below = plan(node("Gather", scan, ms=32))
    assert alone.root.total_time_ms == 90
    assert below.node(1).total_time_ms == 30
    assert scan.total_time_ms is None
    assert replace(below, executions=5).node(1).total_time_ms == 30


@pytest.mark.parametrize(
    ("item", "factor"),
    [
        (node("Seq Scan", rows=93, planned=1), 93),
        (node("Seq Scan", rows=0, planned=50), 50),
        (node("Seq Scan", rows=0.2, planned=1), 1),
        (node("Seq Scan", rows=0, planned=50, loops=0), None),
        (node("BitmapAnd", rows=0, planned=50), None),
    ],
)
def test_the_factor_of_an_estimate(item, factor):
    assert item.row_estimate_factor == factor


def test_totals_apply_the_loops():
    scan = node("Seq Scan", rows=2.5, loops=4, rows_removed_by_filter=100)
    assert (scan.total_rows, scan.total_rows_removed) == (10, 400)


def test_what_a_limit_cuts_ends_at_a_node_that_takes_all_rows_first():
    scan, other = node("Seq Scan"), node("Seq Scan")
    tree = plan(node("Limit", node("Hash Join", scan, node("Hash", other))))
    assert cut_short(tree) == {1, 2}
    assert cut_short(plan(node("Limit", node("Sort", scan)))) == {1}
    assert cut_short(plan(node("Merge Join", scan, other))) == {1, 2}
    assert cut_short(plan(node("Hash Join", scan, node("Hash", other)))) == frozenset()
