"""Rules about time outside the nodes and about other databases, on hand-made look-alikes."""

from dataclasses import replace

import pytest

from perfkit.model.builders import query, trace
from perfkit.model.finding import Finding
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import AlternativePlan, Plan, PlanNode
from perfkit.model.plan_builders import node, plan, planned_trace
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.trace import Trace
from perfkit.rules import (
    cursor_plan,
    dead_branch,
    diagnose,
    forced_plan,
    generic_plan,
    jit_overhead,
    lock_wait,
    mariadb_full_scan,
    mariadb_join_buffer,
    parallel_unused,
    planning_dominates,
    result_transfer,
    sqlite_correlated_scan,
    sqlite_scan,
    sqlite_temp_b_tree,
    timing_overhead,
    worker_skew,
    workers_not_launched,
)

SCAN = node("Seq Scan", ms=60, rows=1_000, relation_name="orders")
LOOKUP = node("Index Scan", ms=2, rows=1_000, relation_name="orders", index_name="orders_status")


def the_finding(rule_module: object, block: Trace) -> Finding:
    (finding,) = rule_module.RULE.check(block)
    return finding


def one(item: Plan) -> Trace:
    return trace(plans=(item,), duration_ms=item.client_time_ms or item.duration_ms or 0.0)


def gather(planned: int, launched: int, *, loops: int) -> PlanNode:
    scan = node("Seq Scan", ms=90, rows=9, loops=loops, relation_name="orders")
    return node("Gather", scan, ms=91, rows=9, Workers_Planned=planned, Workers_Launched=launched)


def test_the_saving_of_missing_workers_is_an_even_share_for_each():
    finding = the_finding(workers_not_launched, planned_trace(gather(2, 0, loops=1)))

    assert finding.saving_ms == pytest.approx(60)


def test_the_setting_that_keeps_workers_away_is_named():
    item = plan(gather(2, 0, loops=1), settings={"max_parallel_workers": "0"})

    assert "max_parallel_workers is 0" in the_finding(workers_not_launched, one(item)).evidence[1]


def test_skew_is_measured_against_the_other_processes():
    told = [{"Actual Total Time": ms, "Actual Loops": 1} for ms in (100, 100, 320)]
    join = node("Nested Loop", ms=155, rows=9, loops=4, Workers=told)
    finding = the_finding(worker_skew, planned_trace(node("Gather", join, ms=322)))

    assert finding.severity == "info"
    assert "320 ms, the others 100 ms" in finding.message


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"settings": {"max_parallel_workers_per_gather": "0"}}, "SET max_parallel_workers_per_gather = 2;"),
        ({}, "proname IN ('is_late') AND proparallel <> 's'"),
    ],
)
def test_what_keeps_a_plan_from_being_parallel_is_named(said, expected):
    scan = node(
        "Seq Scan", ms=400, rows=90, relation_name="events", rows_removed_by_filter=299_910,
        shared_hit_blocks=5_000, Filter="((events.at > 3) AND shop.is_late(events.at))",
    )  # fmt: skip

    assert expected in the_finding(parallel_unused, one(plan(scan, **said))).advice


def test_without_a_function_the_settings_are_asked_for():
    scan = node(
        "Seq Scan", ms=400, rows=90, relation_name="events", rows_removed_by_filter=299_910,
        shared_hit_blocks=5_000, Filter="(events.at > 3)", Output=["events.at", "count(*)"],
    )  # fmt: skip

    assert "SHOW max_parallel_workers_per_gather;" in the_finding(parallel_unused, planned_trace(scan)).advice


def test_an_index_comes_before_more_processes():
    scan = node(
        "Seq Scan", ms=400, rows=90, relation_name="events", rows_removed_by_filter=299_910,
        shared_hit_blocks=5_000, Filter="(events.user_id = 3)",
    )  # fmt: skip
    found = [finding.rule for finding in diagnose(planned_trace(scan)).findings]

    assert "selective-seq-scan" in found
    assert "parallel-unused" not in found


def test_compiling_in_several_processes_is_divided_among_them():
    scan = node("Seq Scan", ms=90, rows=9, loops=3, relation_name="orders")
    item = plan(node("Gather", scan, ms=100), jit_time_ms=240.0)
    finding = the_finding(jit_overhead, one(item))

    assert finding.saving_ms == pytest.approx(80)
    assert "3 processes, 240 ms together" in finding.evidence[0]


def test_hundreds_of_partitions_are_named_before_joins():
    partitions = [node("Index Scan", relation_name=f"p{i}") for i in range(30)]
    few = plan(node("Nested Loop", *partitions[:2], ms=1), planning_time_ms=20.0)
    many = plan(node("Append", *partitions, ms=1), planning_time_ms=20.0)

    assert "Join fewer tables" in the_finding(planning_dominates, one(few)).advice
    assert "partition key" in the_finding(planning_dominates, one(many)).advice


def test_the_result_of_a_plan_that_writes_it_out_is_counted_once():
    root = node("Seq Scan", ms=92, rows=300_000, plan_width=80, relation_name="orders")
    item = plan(root, client_time_ms=867.0, execution_time_ms=244.0, serialization_time_ms=152.0)
    finding = the_finding(result_transfer, one(item))

    assert finding.saving_ms == pytest.approx(867 - 92 - 0.1)
    assert "24.0 MB" in finding.evidence[0]


def test_a_plan_that_was_not_executed_can_still_be_a_forced_one():
    item = Plan(
        "postgresql", "", PlanNode(0, "Seq Scan"), analyzed=False, settings={"enable_hashjoin": "off"}
    )

    assert "RESET enable_hashjoin;" in the_finding(forced_plan, one(item)).advice
    assert list(forced_plan.RULE.check(one(replace(item, system_name="sqlite")))) == []


def test_a_wait_in_the_plan_and_one_in_the_program_are_told_apart_by_their_length():
    scan = node("Index Scan", ms=0.05, relation_name="accounts", shared_hit_blocks=3)
    root = node("ModifyTable", scan, ms=400, rows=0, shared_hit_blocks=6)

    assert "399 ms" in the_finding(lock_wait, one(plan(root))).message
    assert "1,3" in the_finding(lock_wait, one(plan(root, client_time_ms=1_900.0))).message


def test_a_large_value_that_is_written_in_many_blocks_is_work():
    scan = node("Result", ms=0.05)
    root = node("ModifyTable", scan, ms=400, rows=0, shared_hit_blocks=64_000)

    assert list(lock_wait.RULE.check(one(plan(root)))) == []


def test_the_busiest_node_is_the_one_whose_time_is_least_true():
    inner = node("Index Scan", ms=0.001, loops=300_000, relation_name="items")
    root = node("Nested Loop", node("Seq Scan", ms=20, rows=300_000), inner, ms=700, rows=10)
    finding = the_finding(timing_overhead, one(plan(root, client_time_ms=200.0)))

    assert finding.offenders == (2,)
    assert finding.severity == "info"
    assert finding.saving_ms == 0


def test_only_the_top_of_what_never_ran_is_told():
    below = node("Seq Scan", loops=0, rows=0, relation_name="orders", total_cost=8_000.0)
    unused = node("Sort", below, loops=0, rows=0, total_cost=9_000.0)
    empty = node("Hash", node("Seq Scan", ms=2, rows=0, relation_name="users"), ms=2, rows=0, total_cost=40.0)
    root = node("Hash Join", unused, empty, ms=2.5, rows=0, total_cost=9_100.0)

    assert the_finding(dead_branch, planned_trace(root)).offenders == (1,)


@pytest.mark.parametrize("rule_module", [generic_plan, cursor_plan])
def test_a_faster_other_plan_is_no_finding(rule_module):
    kind = "generic" if rule_module is generic_plan else "cursor"
    item = plan(SCAN, alternatives=(AlternativePlan(kind, plan(LOOKUP)),))

    assert list(rule_module.RULE.check(one(item))) == []


def test_what_only_workers_make_fast_is_not_cured_by_a_setting():
    scan = node("Seq Scan", ms=30, rows=300, loops=3, relation_name="orders")
    item = plan(node("Gather", scan, ms=35), alternatives=(AlternativePlan("cursor", plan(SCAN)),))
    item = replace(
        item, alternatives=(AlternativePlan("cursor", plan(replace(SCAN, actual_total_time=95.0))),)
    )

    advice = the_finding(cursor_plan, trace(plans=(item,), duration_ms=100)).advice

    assert "never uses parallel" in advice
    assert "cursor_tuple_fraction" not in advice


def test_the_generic_plan_counts_for_as_often_as_it_was_used():
    item = plan(LOOKUP, alternatives=(AlternativePlan("generic", plan(SCAN), executions=7),))
    finding = the_finding(generic_plan, trace(plans=(item,), duration_ms=10_000))

    assert finding.saving_ms == pytest.approx(7 * (60 - 2 - 0.1))


def from_mariadb(table: dict, statement: str = "") -> Trace:
    said = {"access_type": "ALL", "r_loops": 1, "r_rows": 200_000, "rows": 200_000, "r_filtered": 0.1,
            "r_table_time_ms": 30, "r_other_time_ms": 5} | table  # fmt: skip
    data = {"query_block": {"r_loops": 1, "r_total_time_ms": 35, "nested_loop": [{"table": said}]}}
    return one(read_mariadb_plan(data, statement))


def test_mariadbs_alias_does_not_enter_the_index():
    block = from_mariadb(
        {"table_name": "o", "attached_condition": "o.`status` = 'x' and o.amount > 3"},
        "SELECT * FROM `my orders` o WHERE o.status = 'x' AND o.amount > 3",
    )

    assert the_finding(mariadb_full_scan, block).advice.endswith(
        "ALTER TABLE `my orders` ADD INDEX (`status`, `amount`);"
    )


def test_a_derived_table_gets_no_index():
    block = from_mariadb({"table_name": "<derived2>", "attached_condition": "d.s > 100"})

    assert list(mariadb_full_scan.RULE.check(block)) == []


def test_the_inner_table_of_a_join_buffer_gets_the_index():
    finding = the_finding(mariadb_join_buffer, mariadb_join_buffer.RULE.fires_on[1])

    assert finding.advice.endswith("ALTER TABLE `customers` ADD INDEX (`city`);")


def test_sqlite_is_careful_where_nobody_saw_how_many_rows_passed():
    counted = sqlite_trace("SELECT count(*) FROM orders WHERE status = ?", line("SCAN orders"), returned=1)
    unseen = sqlite_trace("SELECT * FROM orders WHERE status = ?", line("SCAN orders"), returned=None)
    seen = sqlite_trace("SELECT * FROM orders WHERE status = ?", line("SCAN orders"))

    assert the_finding(sqlite_scan, counted).severity == "worth it"
    assert the_finding(sqlite_scan, unseen).severity == "worth it"
    assert the_finding(sqlite_scan, seen).severity == "fix now"
    # Beside much else, what nobody saw is no more than a remark.
    assert the_finding(sqlite_scan, replace(counted, duration_ms=10_000.0)).severity == "info"


def test_sqlite_plans_without_a_time_in_the_program_are_not_judged():
    timed = sqlite_trace("SELECT * FROM orders WHERE status = ?", line("SCAN orders"))
    untimed = replace(timed, plans=tuple(replace(plan, client_time_ms=None) for plan in timed.plans))

    assert sqlite_scan.RULE.can_judge(timed)
    assert not sqlite_scan.RULE.can_judge(untimed)


def test_the_order_enters_the_index_and_only_one_rule_speaks_of_the_scan():
    block = sqlite_trace(
        "SELECT * FROM orders WHERE status = ? ORDER BY created_at LIMIT 5",
        line("SCAN orders"),
        line("USE TEMP B-TREE FOR ORDER BY"),
    )
    findings = [finding for finding in diagnose(block).findings if finding.code.startswith("PK29")]

    assert [finding.rule for finding in findings] == ["sqlite-temp-b-tree"]
    assert findings[0].advice.endswith("ON orders (status, created_at);")


def test_a_scan_within_a_correlated_sub_query_is_told_once():
    block = sqlite_correlated_scan.RULE.fires_on[0]
    found = [finding.rule for finding in diagnose(block).findings if finding.code.startswith("PK29")]

    assert found == ["sqlite-correlated-scan"]


def test_a_statement_that_many_rows_come_from_is_judged_by_their_average():
    block = sqlite_trace("SELECT * FROM orders WHERE status = ?", line("SCAN orders"), returned=90_000)
    rare = query("SELECT * FROM orders WHERE status = ?", returned_rows=10)
    (plan_of_it,) = block.plans or ()
    mixed = replace(
        block, queries=(*(block.queries or ()), *[replace(rare, fingerprint=plan_of_it.fingerprint)] * 20)
    )

    assert list(sqlite_scan.RULE.check(block)) == []
    assert the_finding(sqlite_scan, mixed).rule == "sqlite-scan"


def test_sorting_a_group_of_rows_is_not_sorting_the_table():
    block = sqlite_trace(
        "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status LIMIT 3",
        line("SCAN orders"),
        line("USE TEMP B-TREE FOR ORDER BY"),
    )

    assert list(sqlite_temp_b_tree.RULE.check(block)) == []
