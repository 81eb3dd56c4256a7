"""The rules about plans on hand-made look-alikes; their own examples are judged as well."""

from dataclasses import replace

import pytest

from perfkit.model import codec
from perfkit.model.builders import line, unmeasured
from perfkit.model.finding import Finding, Verdict
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, plan, planned_trace
from perfkit.model.trace import Trace
from perfkit.rules import correlated_columns, diagnose, row_misestimate, selective_seq_scan, sort_on_disk

RULES = (selective_seq_scan.RULE, row_misestimate.RULE, sort_on_disk.RULE)
FIRING = [
    pytest.param(rule, trace, id=f"{rule.code}-{i}")
    for rule in RULES
    for i, trace in enumerate(rule.fires_on)
]
SILENT = [
    pytest.param(rule, trace, id=f"{rule.code}-{i}")
    for rule in RULES
    for i, trace in enumerate(rule.silent_on)
]


def seq_scan(condition: str, **said: object) -> PlanNode:
    defaults: dict[str, object] = {
        "ms": 50, "rows": 15, "relation_name": "orders", "rows_removed_by_filter": 199_985,
        "Filter": condition,
    }  # fmt: skip
    return node("Seq Scan", **{**defaults, **said})


def found(rule_module: object, trace: Trace) -> list[Finding]:
    return list(rule_module.RULE.check(trace))


def index_for(*roots: PlanNode) -> str:
    (finding,) = found(selective_seq_scan, planned_trace(*roots))
    return finding.advice.splitlines()[-1]


@pytest.mark.parametrize(("rule", "trace"), FIRING)
def test_each_firing_example_gives_one_finding_that_survives_json(rule, trace):
    (finding,) = rule.check(codec.loads(codec.dumps(trace)))
    assert (finding.code, finding.rule) == (rule.code, rule.name)
    assert finding.plan == 0
    assert finding.offenders
    assert finding.advice
    assert finding.refutation


@pytest.mark.parametrize(("rule", "trace"), SILENT)
def test_each_look_alike_stays_silent(rule, trace):
    assert list(rule.check(trace)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_there_are_as_many_silent_examples_as_firing_ones(rule):
    assert len(rule.silent_on) >= len(rule.fires_on)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_block_without_plans_is_not_measured_rather_than_passed(rule):
    (result,) = diagnose(unmeasured(), [rule]).results
    assert result.verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_plan_that_was_not_executed_gives_no_finding(rule):
    planned = PlanNode(0, "Seq Scan", plan_rows=5, relation_name="orders", attributes={"Filter": "(id = 3)"})
    trace = planned_trace()
    assert list(rule.check(replace(trace, plans=(Plan("postgresql", "x", planned, analyzed=False),)))) == []


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("((orders.user_id = 3) AND (orders.status = 'paid'::text))", "user_id, status"),
        ("((orders.amount > 3) AND (orders.status = 'paid'::text))", "status, amount"),
        ("((orders.amount > 3) AND (orders.created_at < now()))", "amount"),
        ("(orders.user_id = ANY ('{1,2}'::integer[]))", "user_id"),
        ("((orders.user_id = ?::smallint) AND (orders.status ~~ 'p%'::text))", "user_id"),
        ("(orders.deleted_at IS NULL)", "deleted_at"),
        ("((orders.status)::text = 'paid'::text)", "status"),
        ("(orders.user_id = (InitPlan 1).col1)", "user_id"),
        ('(orders."Weird ""Name""" = 3)', '"Weird ""Name"""'),
        ("((orders.amount >= 1) AND (orders.amount <= 2))", "amount"),
        ("(3 < orders.amount)", "amount"),
    ],
)
def test_an_index_has_the_columns_of_equality_first_and_then_one_range(condition, columns):
    assert index_for(seq_scan(condition)) == f"CREATE INDEX ON orders ({columns});"


@pytest.mark.parametrize(
    "condition",
    [
        "(orders.status <> 'paid'::text)",
        "(orders.note ~~ '%late%'::text)",
        "(lower(orders.city) = 'x'::text)",
        "((orders.user_id = 3) OR (orders.status = 'paid'::text))",
        "((orders.user_id)::numeric = 3.5)",
        "((orders.data ->> 'k'::text) = 'v'::text)",
        "(orders.data ? 'k'::text)",
        "(NOT (ANY (orders.user_id = (hashed SubPlan 1).col1)))",
        "(orders.amount = orders.limit_amount)",
        "(orders.amount > (SubPlan 1))",
        "(orders.note IS NOT NULL)",
        "<unparsable query>",
        "((((",
    ],
)
def test_a_filter_that_no_plain_index_answers_gets_no_index(condition):
    assert found(selective_seq_scan, planned_trace(seq_scan(condition))) == []


def test_sort_keys_stand_between_equality_and_range_when_there_is_a_limit():
    scan = seq_scan("((orders.created_at > now()) AND (orders.status = 'paid'::text))")
    sort = node("Sort", scan, ms=50.2, rows=10, Sort_Key=["orders.amount DESC"])
    assert index_for(node("Limit", sort, ms=50.3, rows=10)).endswith("(status, amount, created_at);")


def test_mixed_directions_are_written_out():
    scan = seq_scan("(orders.status = 'paid'::text)")
    sort = node("Sort", scan, ms=50.2, rows=10, Sort_Key=["orders.amount DESC", "orders.id"])
    assert index_for(node("Limit", sort, ms=50.3, rows=10)).endswith("(status, amount DESC, id);")


def test_a_cheap_sort_without_a_limit_gets_no_column():
    scan = seq_scan("(orders.status = 'paid'::text)")
    assert index_for(node("Sort", scan, ms=50.2, rows=15, Sort_Key=["orders.amount"])).endswith("(status);")


def test_the_sort_keys_of_another_table_get_no_column():
    scan = seq_scan("(orders.status = 'paid'::text)")
    join = node("Hash Join", scan, node("Hash", ms=1), ms=55, rows=10)
    sort = node("Sort", join, ms=56, rows=10, Sort_Key=["users.name"])
    assert index_for(node("Limit", sort, ms=56, rows=10)).endswith("(status);")


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ({"relation_name": "order"}, '"order"'),
        ({"relation_name": "My Table"}, '"My Table"'),
        ({"relation_name": "orders", "schema": "shop"}, "shop.orders"),
        ({"relation_name": "orders", "schema": "public"}, "orders"),
    ],
)
def test_tables_are_quoted_where_sql_wants_it(said, target):
    assert index_for(seq_scan("(user_id = 3)", **said)) == f"CREATE INDEX ON {target} (user_id);"


def test_the_saving_counts_every_execution_and_never_more_than_the_block():
    root = seq_scan("(user_id = 3)")
    many = plan(root, executions=100, call_site=line(7, "find_orders(user)"))
    block = planned_trace(root)
    (finding,) = selective_seq_scan.RULE.check(replace(block, plans=(many,), duration_ms=6000.0))
    assert finding.saving_ms == pytest.approx(5000, rel=0.01)
    assert finding.location == line(7, "find_orders(user)")
    (capped,) = selective_seq_scan.RULE.check(replace(block, plans=(many,), duration_ms=80.0))
    assert capped.saving_ms == 80.0


def test_the_advice_says_that_it_was_not_proved():
    (finding,) = found(selective_seq_scan, planned_trace(seq_scan("(user_id = 3)")))
    assert "not proved" in finding.advice


def test_only_the_deepest_misestimate_is_reported():
    wrong = node("Seq Scan", ms=40, rows=20_000, planned=10, relation_name="a")
    above = node("Hash Join", wrong, node("Hash", ms=2), ms=60, rows=20_000, planned=10)
    (finding,) = found(row_misestimate, planned_trace(node("Aggregate", above, ms=61)))
    assert finding.offenders == (2,)


@pytest.mark.parametrize("join", ["Semi", "Anti"])
def test_the_inner_side_of_a_join_that_wants_one_match_is_not_judged(join):
    inner = node("Index Scan", ms=0.01, rows=1, planned=5000, loops=5000, relation_name="b")
    outer = node("Seq Scan", ms=2, rows=5000, relation_name="a")
    assert (
        found(row_misestimate, planned_trace(node("Nested Loop", outer, inner, ms=90, Join_Type=join))) == []
    )


def test_a_node_below_a_sort_is_judged_though_a_limit_stands_above():
    wrong = node("Seq Scan", ms=40, rows=20_000, planned=10, relation_name="a")
    sort = node("Sort", wrong, ms=60, rows=10, planned=10)
    (finding,) = found(row_misestimate, planned_trace(node("Limit", sort, ms=60, rows=10)))
    assert finding.offenders == (2,)


def test_columns_that_depend_on_each_other_get_extended_statistics():
    (finding,) = found(correlated_columns, row_misestimate.RULE.fires_on[0])
    assert (
        "CREATE STATISTICS addresses_city_zip (dependencies) ON city, zip FROM addresses;" in finding.advice
    )
    assert finding.severity == "worth it"


def test_an_estimate_that_harms_nothing_is_no_more_than_information():
    (finding,) = found(row_misestimate, row_misestimate.RULE.fires_on[2])
    assert finding.severity == "info"
    assert "STATISTICS" not in finding.advice


def test_a_sort_that_needs_too_much_memory_is_not_told_to_take_it():
    scan = node("Seq Scan", ms=8, rows=10**7, relation_name="orders")
    said = {"Sort_Space_Type": "Disk", "Sort_Space_Used": 900_000}
    (finding,) = found(
        sort_on_disk, planned_trace(node("Sort", scan, ms=9000, rows=10**7, Sort_Key=["lower(x)"], **said))
    )
    assert "work_mem" not in finding.advice
    assert "4,096 MB" in finding.advice


def test_an_incremental_sort_on_disk_is_seen():
    groups = {"Group Count": 3, "Sort Space Disk": {"Peak Sort Space Used": 2048}}
    scan = node("Index Scan", ms=8, rows=10**5, relation_name="orders")
    root = node("Incremental Sort", scan, ms=90, rows=10**5, **{"Pre-sorted_Groups": groups})
    (finding,) = found(sort_on_disk, planned_trace(root))
    assert "2.1 MB" in finding.message
