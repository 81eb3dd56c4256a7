"""The rules on a plan of a thousand nodes: none may look at every pair of nodes."""

import sys

import pytest

from perfkit.model.builders import trace
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.rules import all_rules
from tests.plans.large import deep_plan, wide_plan

# Python functions that one rule may call for each node. Most call under ten; a rule that looks at every pair
# of nodes calls a thousand, and takes longer than reading and showing the plan. A rule may look at all that
# stands above a node, so more in a deep plan.
CALLS_A_NODE = {"wide": 100, "deep": 400}
RULES = [rule for rule in all_rules() if rule.requires == "plans"]
PLANS = {"wide": read_postgresql_plan(wide_plan(1000)), "deep": read_postgresql_plan(deep_plan(200))}


def calls_of(check, block):
    """How many Python functions run while a rule judges a block; generators count each time they go on."""
    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event == "call"

    list(check(block))  # what is read once and kept, such as a grammar, is no part of it
    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        list(check(block))
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("shape", PLANS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_looks_at_each_node_a_few_times(rule, shape):
    plan = PLANS[shape]
    block = trace(plans=(plan,), duration_ms=plan.duration_ms)

    assert calls_of(rule.check, block) <= CALLS_A_NODE[shape] * len(list(plan.nodes()))
