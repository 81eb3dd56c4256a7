"""How the work of a plan was spread over processes."""

from dataclasses import replace

import pytest

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_processes import gathered, process_blocks, process_count, process_times_ms, workers

WORKERS = [{"Actual Total Time": 30.0, "Actual Loops": 1}, {"Actual Total Time": 10.0, "Actual Loops": 2}]


def test_the_leader_has_what_the_workers_leave():
    scan = node("Seq Scan", ms=25, rows=9, loops=4, Workers=WORKERS)
    whole = plan(node("Gather", scan, ms=55, Workers_Planned=2, Workers_Launched=2))

    assert process_times_ms(whole.node(1)) == pytest.approx((50, 30, 20))
    assert process_count(whole) == 4
    assert workers(whole.root) == (2, 2)


@pytest.mark.parametrize("said", [None, [], "two", [{"Worker Number": 0}]])
def test_a_plan_that_does_not_tell_the_workers_apart_gives_no_times_of_theirs(said):
    whole = plan(node("Gather", node("Seq Scan", ms=25, loops=3, Workers=said), ms=30))

    assert process_times_ms(whole.node(1)) in ((), (75.0, 0.0))


def test_workers_do_not_run_what_the_leader_needs_first():
    first = node("Aggregate", ms=1, parent_relationship="InitPlan", subplan_name="InitPlan 1")
    scan = node("Seq Scan", ms=25, loops=3, parent_relationship="Outer")

    assert gathered(node("Gather", first, scan, ms=30)).node_type == "Seq Scan"
    assert gathered(node("Gather", ms=30)) is None


def test_without_workers_there_is_one_process():
    assert process_count(plan(node("Seq Scan", ms=3))) == 1
    assert workers(node("Gather", Workers_Planned="many")) == (0, 0)


def _worker(number, **said):
    return {"Worker Number": number, "Actual Loops": 1, "Actual Total Time": 1.0, **said}


def _hit(number, blocks):
    return _worker(number, **{"Shared Hit Blocks": blocks})


def _shared_scan(*workers, **said):
    known = {"relation_name": "t", "shared_hit_blocks": 100, "Parallel_Aware": True, "Workers": list(workers)}
    return node("Seq Scan", loops=len(workers) + 1, **{**known, **said})


def test_the_blocks_of_a_shared_scan_are_told_for_the_leader_and_each_worker():
    scan = _shared_scan(_worker(0, **{"Shared Hit Blocks": 20, "Shared Read Blocks": 10}), _hit(1, 5))

    assert process_blocks(scan) == (65.0, 30.0, 5.0)


def test_a_worker_that_never_came_to_a_scan_is_told_apart_by_its_number():
    first, second = _shared_scan(_hit(1, 40)), _shared_scan(_hit(0, 10), _hit(1, 20))
    join = node("Hash Join", first, second, Workers=[_worker(0), _worker(1)])

    assert process_blocks(join) == (60.0 + 70.0, 10.0, 60.0)


def test_what_each_process_reads_for_itself_is_no_part_of_the_shared_scan():
    inner = node("Index Scan", relation_name="u", shared_hit_blocks=900)
    join = node("Nested Loop", _shared_scan(_hit(0, 40)), inner, Workers=[_worker(0)])

    assert process_blocks(join) == (60.0, 40.0)


def test_blocks_of_a_subplan_for_each_row_are_not_taken_for_pages_of_the_table():
    scan = _shared_scan(_hit(0, 90))
    with_subplan = replace(scan, children=(node("Index Scan", parent_relationship="SubPlan"),))

    assert process_blocks(with_subplan) == ()


@pytest.mark.parametrize("said", [{"shared_hit_blocks": 0}, {"Workers": "two"}, {"Workers": None}])
def test_nothing_is_said_of_blocks_that_the_plan_does_not_tell(said):
    assert process_blocks(_shared_scan(_worker(0), **said)) == ()
