"""What a change of a plan would save in a block is never more than its statements took there."""

import pytest

from perfkit.model.builders import query, trace
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_savings import saving_in_block


@pytest.mark.parametrize(
    ("executions", "saving_ms", "expected_ms"),
    [
        (3, 4.0, 12.0),
        (3, 40.0, 30.0),  # the plan is that of a slow run
        (12, 40.0, 100.0),  # nor is it more than the block took
    ],
)
def test_the_saving_is_bounded_by_what_ran(executions, saving_ms, expected_ms):
    asked = "SELECT * FROM orders WHERE id = ?"
    block = trace(query(asked, duration_ms=10.0), duration_ms=100.0)
    measured = plan(node("Seq Scan", ms=50), executions=executions, client_time_ms=10.0)

    assert saving_in_block(saving_ms, measured, block) == expected_ms
