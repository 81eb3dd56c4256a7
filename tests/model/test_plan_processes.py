"""How the work of a plan was spread over processes."""

import pytest

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_processes import gathered, process_count, process_times_ms, workers

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
