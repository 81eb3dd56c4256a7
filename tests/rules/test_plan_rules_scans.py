"""The rules about scans on look-alikes beyond their own examples, and which of them gives way."""

from dataclasses import replace

import pytest

from perfkit.model.catalog import Column
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.trace import Trace
from perfkit.rules import all_rules, diagnose, find_rule

RULES = tuple(rule for rule in all_rules() if "PK204" <= rule.code <= "PK219")
STATUS = "(orders.status = 'refunded'::text)"


def found(name: str, trace: Trace) -> list[Finding]:
    rule = find_rule(name)
    assert rule is not None
    return list(rule.check(trace))


def names(trace: Trace) -> set[str]:
    return {finding.rule for finding in diagnose(trace).findings}


def scan(node_type: str = "Index Scan", **said: object) -> PlanNode:
    defaults: dict[str, object] = {"ms": 40, "rows": 10, "relation_name": "orders", "index_name": "by_tenant"}
    return node(node_type, **{**defaults, **said})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_plan_that_was_not_executed_gives_no_finding(rule):
    for trace in rule.fires_on:
        plans = tuple(unexecuted(plan) for plan in trace.plans)
        assert list(rule.check(replace(trace, plans=plans))) == []


def unexecuted(plan: Plan) -> Plan:
    return replace(plan, root=_without_times(plan.root), analyzed=False, execution_time_ms=None)


def _without_times(item: PlanNode) -> PlanNode:
    children = tuple(_without_times(child) for child in item.children)
    return replace(item, children=children, actual_rows=None, actual_loops=None, actual_total_time=None)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_finding_points_at_a_node_and_saves_no_more_than_the_block_took(rule):
    for trace in rule.fires_on:
        (finding,) = rule.check(trace)
        assert trace.plans[finding.plan].node(finding.offenders[0])
        assert 0 <= (finding.saving_ms or 0.0) <= trace.duration_ms


# What wide rows cost is spent outside of the execution.
@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.name != "wide-rows"], ids=lambda rule: rule.name
)
def test_a_thousandth_of_the_time_is_not_worth_a_line(rule):
    for trace in rule.fires_on:
        plan = trace.plans[0]
        slow = replace(plan, execution_time_ms=1000 * (plan.duration_ms or 0.0))
        assert list(rule.check(replace(trace, plans=(slow,)))) == []


def test_an_index_for_a_loop_is_led_by_what_ties_the_tables_together():
    inner = node(
        "Seq Scan", ms=5, rows=50_000, loops=20, relation_name="items", rows_removed_by_filter=0,
        Filter="(items.kind = 3)",
    )  # fmt: skip
    join = node(
        "Nested Loop", node("Seq Scan", ms=1, rows=20, relation_name="customers"), inner, ms=150, rows=20,
        Join_Filter="(customers.id = items.customer_id)", Rows_Removed_by_Join_Filter=999_980,
    )  # fmt: skip
    (finding,) = found("seq-scan-in-loop", planned_trace(join))
    assert finding.advice.endswith("CREATE INDEX ON items (customer_id, kind);")


def test_a_loop_whose_index_exists_has_another_cause():
    trace = find_rule("seq-scan-in-loop").fires_on[0]
    table = example_table("items", indexes=(example_index("one", "customer_id"),))
    known = replace(trace, plans=(replace(trace.plans[0], tables=(table,)),))
    assert found("seq-scan-in-loop", known) == []


def test_the_loop_speaks_for_the_scan_in_it():
    assert names(find_rule("seq-scan-in-loop").fires_on[0]) == {"seq-scan-in-loop"}


def test_the_partitioned_table_speaks_for_each_of_its_partitions():
    large = find_rule("partitions-not-pruned").fires_on[0]
    found_alone = found("selective-seq-scan", large)
    assert len(found_alone) == 4
    assert names(large) == {"partitions-not-pruned"}


def test_below_a_limit_the_longer_index_keeps_the_order_of_the_one_that_was_used():
    index = example_index("by_tenant", "tenant_id", "created_at")
    columns = (Column("tenant_id", "integer"), Column("created_at", "timestamp"), Column("status", "text"))
    limited = node(
        "Limit",
        scan(rows=8, rows_removed_by_filter=50_000, Index_Cond="(orders.tenant_id = 7)", Filter=STATUS),
        ms=40,
        rows=8,
    )
    table = example_table("orders", columns=columns, indexes=(index,))
    (finding,) = found("inefficient-index", planned_trace(limited, tables=(table,)))
    assert finding.advice.endswith("CREATE INDEX ON orders (tenant_id, status, created_at);")


@pytest.mark.parametrize(
    ("type_name", "stop_gap"),
    [
        ("timestamp without time zone", "ORDER BY created_at + interval '0'"),
        ("bigint", "ORDER BY created_at + 0"),
        ("text", ""),
    ],
)
def test_the_stop_gap_is_named_where_an_index_serves_the_filter_and_the_type_allows_it(type_name, stop_gap):
    indexes = (example_index("by_tenant", "created_at"), example_index("by_status", "status"))
    columns = (Column("created_at", type_name), Column("status", "text"))
    table = example_table("orders", columns=columns, indexes=indexes)
    limited = node("Limit", scan(rows_removed_by_filter=250_000, Filter=STATUS), ms=40, rows=10)
    (finding,) = found("wrong-index-order-by", planned_trace(limited, tables=(table,)))
    assert finding.advice.endswith("CREATE INDEX ON orders (status, created_at);")
    assert ("Until then" in finding.advice) is bool(stop_gap)
    assert stop_gap in finding.advice


def test_distinct_is_stepped_through_and_null_is_mentioned_where_it_may_occur():
    distinct = find_rule("full-index-scan").fires_on[1]
    (finding,) = found("full-index-scan", distinct)
    assert (
        "SELECT t.region FROM orders t WHERE t.region > step.region ORDER BY t.region LIMIT 1"
        in finding.advice
    )
    assert "NULL" in finding.advice.splitlines()[0]

    table = example_table("orders", columns=(Column("region", "integer", is_nullable=False),))
    known = replace(distinct, plans=(replace(distinct.plans[0], tables=(table,)),))
    (finding,) = found("full-index-scan", known)
    assert "NULL" not in finding.advice.splitlines()[0]


def test_an_index_in_place_of_a_whole_one_goes_on_to_answer_alone():
    whole = scan(
        "Index Only Scan", rows=3_000, rows_removed_by_filter=147_000, Filter="(orders.region = 5)",
        Output=["orders.user_id"],
    )  # fmt: skip
    (finding,) = found("full-index-scan", planned_trace(whole))
    assert finding.advice.endswith("CREATE INDEX ON orders (region) INCLUDE (user_id);")


def test_a_prefix_that_was_skipped_is_the_cause_of_an_inefficient_index():
    skipped = scan(
        rows=10, rows_removed_by_filter=20_000, Index_Cond="(orders.day = 5)", Filter=STATUS,
        Index_Searches=2_000,
    )  # fmt: skip
    assert found("inefficient-index", planned_trace(skipped))
    assert names(planned_trace(skipped)) == {"index-prefix-skipped"}


def test_the_memory_for_a_bitmap_is_what_its_pages_take():
    lossy = scan(
        "Bitmap Heap Scan", rows=9_000, Lossy_Heap_Blocks=150_000, Exact_Heap_Blocks=50_000,
        Rows_Removed_by_Index_Recheck=300_000,
    )  # fmt: skip
    (finding,) = found("lossy-bitmap", planned_trace(lossy))
    # 200,000 pages of 64 bytes.
    assert finding.advice.endswith("SET LOCAL work_mem = '13MB';")


def test_a_vague_index_on_shapes_gets_no_btree():
    (finding,) = found("recheck-removed", find_rule("recheck-removed").fires_on[2])
    assert "CREATE INDEX" not in finding.advice


def test_a_covering_index_keeps_keys_directions_includes_and_predicate():
    index = example_index(
        "by_tenant", "tenant_id", "id", descending=(False, True), include=("note",), predicate="(amount > 0)"
    )
    columns = tuple(Column(name, "integer", 4) for name in ("id", "tenant_id", "amount", "note", "Weird"))
    table = example_table("orders", columns=columns, indexes=(index,))
    fetched = scan(rows=9_000, shared_hit_blocks=8_000, Output=['orders."Weird"', "orders.id", "orders.note"])
    (finding,) = found("covering-chance", planned_trace(fetched, tables=(table,)))
    statement = 'CREATE INDEX ON orders (tenant_id, id DESC) INCLUDE (note, "Weird") WHERE (amount > 0);'
    assert statement in finding.advice


def test_a_covering_index_speaks_for_rows_out_of_order():
    columns = (Column("tenant_id", "integer", 4), Column("amount", "integer", 4))
    table = example_table("orders", columns=columns, indexes=(example_index("by_tenant", "tenant_id"),))
    fetched = scan(rows=20_000, shared_hit_blocks=20_000, Output=["orders.amount"])
    trace = planned_trace(fetched, tables=(table,))
    assert found("random-heap-order", trace)
    assert names(trace) == {"covering-chance"}


def test_space_that_dead_rows_take_goes_with_a_plain_vacuum_first():
    table = example_table(
        "orders",
        columns=(Column("payload", "text", 150),),
        pages=6_000,
        is_analyzed=True,
        dead_rows=290_000.0,
    )
    sparse = scan("Seq Scan", ms=6, rows=7_500, shared_hit_blocks=6_000)
    (finding,) = found("bloat", planned_trace(sparse, tables=(table,)))
    assert finding.advice.startswith("It holds 290,000 dead rows")


@pytest.mark.parametrize(
    ("key", "silent"),
    [("RANGE (user_id)", True), ("HASH (user_id)", True), ('LIST ("Region")', False), ("RANGE (at)", False)],
)
def test_a_condition_on_the_partition_key_itself_leaves_nothing_to_say(key, silent):
    partitions = [
        scan(
            "Seq Scan",
            ms=9,
            relation_name=f"part_{i}",
            rows_removed_by_filter=60_000,
            Filter=f"(part_{i}.user_id = 7)",
        )
        for i in range(4)
    ]
    tables = tuple(
        example_table(
            f"part_{i}", is_partition=True, parent="shop.orders", partition_key=key, partition_count=4
        )
        for i in range(4)
    )
    findings = found(
        "partitions-not-pruned", planned_trace(node("Append", *partitions, ms=37), tables=tables)
    )
    assert (findings == []) is silent
    if findings:
        assert findings[0].advice.endswith("CREATE INDEX ON shop.orders (user_id);")


def test_a_sort_in_parallel_processes_saves_what_brings_them_together_too():
    rows = node("Seq Scan", ms=10, rows=100_000, loops=3, relation_name="orders")
    sort = node("Sort", rows, ms=20, rows=10, loops=3, Sort_Key=["orders.amount"])
    limited = node("Limit", node("Gather Merge", sort, ms=30, rows=10), ms=30, rows=10)
    (finding,) = found("avoidable-sort", planned_trace(limited))
    assert finding.saving_ms == pytest.approx(30)
    assert "300,000 rows are sorted to keep 10 in each process" in finding.message


def test_mixed_directions_are_written_into_the_index_for_a_sort():
    rows = node("Seq Scan", ms=10, rows=100_000, relation_name="orders", Filter="(orders.tenant_id = 7)")
    sort = node("Sort", rows, ms=30, rows=10, Sort_Key=["orders.amount DESC", "orders.id"])
    (finding,) = found("avoidable-sort", planned_trace(node("Limit", sort, ms=30, rows=10)))
    assert finding.advice.endswith("CREATE INDEX ON orders (tenant_id, amount DESC, id);")


def test_wide_rows_cost_what_the_program_waited_for_beyond_the_execution():
    (unknown,) = found("wide-rows", find_rule("wide-rows").fires_on[0])
    (waited,) = found("wide-rows", find_rule("wide-rows").fires_on[1])
    assert unknown.saving_ms is None
    # 111 ms beyond the execution, of which the text is 2,000 of 2,064 bytes; the block took 9 ms by itself.
    assert waited.saving_ms == pytest.approx(9)
    assert "SELECT id, title FROM articles" in waited.advice


def test_the_loop_names_the_join_or_the_sub_query_that_repeats_the_scan():
    in_sub_query, joined = find_rule("seq-scan-in-loop").fires_on
    (finding,) = found("seq-scan-in-loop", in_sub_query)
    assert finding.offenders == (2, 1)
    (finding,) = found("seq-scan-in-loop", joined)
    assert finding.offenders == (2, 0)
