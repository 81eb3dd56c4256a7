"""Every rule about plans on real plans of PostgreSQL 18."""

import pytest

from perfkit.model.plan import Plan
from perfkit.rules import all_rules, diagnose
from tests.plans.recording import KINDS, case, load, names

RULES = {rule.check.__module__.rpartition(".")[2]: rule for rule in all_rules()}
RECORDED = pytest.mark.parametrize("name", names())
BOTH = pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in names() for kind in KINDS])
# The database rounds every time to a microsecond a loop, and two clocks jitter.
TOLERANCE = 0.02


def test_every_rule_about_postgresql_plans_has_a_recorded_pair():
    wanted = {name for name, rule in RULES.items() if rule.code.startswith("PK2") and rule.code < "PK290"}

    assert wanted - set(names()) == set()


@RECORDED
def test_a_rule_fires_on_its_recorded_plan_and_no_other_rule_takes_its_word(name):
    wanted, trace = case(name), load(name, "fires")

    found = [item for item in diagnose(trace).findings if item.rule == RULES[name].name]

    assert found
    finding = found[0]
    assert trace.plans is not None
    assert finding.plan is not None
    if wanted.node:
        assert trace.plans[finding.plan].node(finding.offenders[0]).node_type == wanted.node
    assert wanted.mentions in finding.advice


@RECORDED
def test_a_rule_is_silent_on_the_twin(name):
    assert list(RULES[name].check(load(name, "silent"))) == []


@BOTH
def test_own_times_add_up_to_the_whole(name, kind):
    for plan in load(name, kind).plans or ():
        if plan.root.total_time_ms is None:
            continue
        own = sum(node.self_time_ms or 0.0 for node in plan.nodes())
        whole = plan.root.total_time_ms + plan.after_query_ms
        bound = TOLERANCE * whole + rounding(plan)

        assert abs(own - whole) <= bound
        assert min(node.self_time_ms or 0.0 for node in plan.nodes()) >= 0


def rounding(plan: Plan) -> float:
    return sum(node.rounding_ms for node in plan.nodes())
