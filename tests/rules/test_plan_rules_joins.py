"""Rules about joins, estimates, memory and writes: which of them a person reads, and what it advises."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.builders import trace
from perfkit.model.catalog import Column, ForeignKey
from perfkit.model.plan import TriggerTime
from perfkit.model.plan_builders import example_index, example_table, node, plan, planned_trace
from perfkit.rules import diagnose, find_rule

TWO_COLUMNS = "((orders.city = 3) AND (orders.zip = 4))"
RANGES = "((orders.created > 3) AND (orders.paid > 4))"


def scan(condition=TWO_COLUMNS, **said):
    defaults = {"ms": 20, "rows": 15_000, "planned": 75, "relation_name": "orders", "Filter": condition}
    return node("Seq Scan", **{**defaults, **said})


def looped(outer, inner_ms=0.02):
    rows = int(outer.actual_rows)
    probe = node("Index Scan", ms=inner_ms, rows=1, loops=rows, relation_name="users")
    return node("Nested Loop", outer, probe, ms=25 + rows * inner_ms, rows=rows, planned=75)


def rules(*roots, **said):
    return [finding.rule for finding in diagnose(planned_trace(*roots, **said)).findings]


def advice(name, *roots, **said):
    rule = find_rule(name)
    assert rule is not None
    (finding,) = rule.check(planned_trace(*roots, **said))
    return finding.advice


def table(**said):
    known = {"rows": 300_000.0, "is_analyzed": True, "modified_rows": 0.0, **said}
    return example_table("orders", **known)


@pytest.mark.parametrize(
    ("condition", "tables", "spoken"),
    [
        (TWO_COLUMNS, (), "correlated-columns"),
        (TWO_COLUMNS, (table(is_analyzed=False),), "stale-statistics"),
        ("((orders.n + 1) = 2)", (table(rows=15_000.0, is_analyzed=False),), "default-selectivity"),
        (RANGES, (), "nested-loop-misestimate"),
    ],
)
def test_of_all_that_could_be_said_about_an_estimate_the_cause_is_said(condition, tables, spoken):
    assert rules(looped(scan(condition)), tables=tables) == [spoken]


def test_without_a_cause_and_without_harm_the_estimate_itself_is_said():
    assert rules(node("Sort", scan(RANGES), ms=45, rows=15_000)) == ["row-misestimate"]


def test_finer_statistics_are_for_one_column():
    one = advice("row-misestimate", scan("(orders.kind = 3)"))
    assert one.endswith("ALTER TABLE orders ALTER COLUMN kind SET STATISTICS 1000;\nANALYZE orders;")
    assert "SET STATISTICS" not in advice("row-misestimate", scan(RANGES))


def test_statistics_that_multiply_to_the_wrong_number_are_a_sure_sign():
    rule = find_rule("correlated-columns")

    def confidence(cities=100.0, **said):
        columns = (Column("city", "integer", distinct=cities), Column("zip", "integer", distinct=-0.0001))
        known = table(columns=columns, **said)
        (finding,) = rule.check(planned_trace(scan(), tables=(known,)))
        return finding.confidence

    # 300,000 rows, 100 cities and 30 zip codes: 100 rows, and 75 were expected.
    assert confidence() == 0.9
    assert confidence(cities=2.0) == 0.5
    assert confidence(has_extended_statistics=True) == 0.5


def test_names_that_sql_quotes_stay_quoted_in_the_advice():
    condition = '(("Order"."City" = 3) AND ("Order".zip = 4))'
    said = advice("correlated-columns", scan(condition, relation_name="Order", schema="Shop"))
    assert 'CREATE STATISTICS "Order_City_zip" (dependencies) ON "City", zip FROM "Shop"."Order";' in said


def test_a_temporary_table_is_analysed_by_the_program():
    temporary = example_table("orders", schema="pg_temp_3", is_analyzed=False)
    said = advice("stale-statistics", scan(schema="pg_temp"), tables=(temporary,))
    assert "Autovacuum never analyses a temporary table" in said
    assert said.endswith("ANALYZE orders;")


def hash_join(*, original=4, batches=4, peak=4_000, settings=None, rows=150_000):
    said = {"Hash_Batches": batches, "Original_Hash_Batches": original, "Peak_Memory_Usage": peak}
    hashed = node("Hash", node("Seq Scan", ms=25, rows=rows, relation_name="users"), ms=70, rows=rows, **said)
    return node("Hash Join", node("Seq Scan", ms=60, rows=270_000), hashed, ms=300, rows=270_000)


def test_statistics_come_before_memory_where_the_batches_grew():
    lines = advice("hash-batches", hash_join(original=1, batches=8)).splitlines()
    assert lines[1:] == ["ANALYZE users;", "SET LOCAL work_mem = '32MB';"]
    assert "1 batch was planned" in lines[0]


def test_a_hash_that_needs_too_much_memory_is_not_told_to_take_it():
    assert "SET LOCAL" not in advice("hash-batches", hash_join(batches=512))


def test_the_copies_of_parallel_workers_are_one_hash_each():
    hashed = node("Hash", node("Seq Scan", ms=1, loops=3), ms=9, rows=1_000, loops=3, Hash_Batches=2)
    join = node("Hash Join", node("Seq Scan", ms=1, loops=3), hashed, ms=60, loops=3)
    (finding,) = find_rule("hash-batches").check(planned_trace(node("Gather", join, ms=62)))
    assert "A hash of 1,000 rows" in finding.message


def cte_scan(**said):
    spilled = {"Storage": "Disk", "Maximum_Storage": 16_000, "CTE_Name": "recent"}
    return node("CTE Scan", ms=90, rows=9, parent_relationship="Outer", **{**spilled, **said})


def test_a_cte_that_is_read_twice_is_not_simply_taken_apart():
    once = advice("store-spill", node("Aggregate", cte_scan(), ms=95))
    other = cte_scan(Storage="Memory")
    twice = advice("store-spill", node("Append", cte_scan(), other, ms=190))
    assert "The CTE is read once" in once
    assert "The CTE is read 2 times" in twice


@pytest.mark.parametrize("kind", ["Materialize", "WindowAgg", "Function Scan", "Table Function Scan"])
def test_each_store_has_its_own_remedy(kind):
    said = advice("store-spill", node(kind, ms=90, rows=9, Storage="Disk", Maximum_Storage=16_000))
    assert len(said.split()) > 10


def test_a_cache_whose_key_is_no_column_gets_no_statistics_of_one():
    memoize = find_rule("memoize-thrash")
    (known, _, unknown) = [next(memoize.check(example)).advice for example in memoize.fires_on]
    assert "ALTER TABLE visits ALTER COLUMN user_id" in known
    assert "ALTER TABLE" not in unknown


def test_the_tables_of_a_product_are_called_as_in_the_statement():
    users = node("Seq Scan", ms=1, rows=500, relation_name="User", alias="u")
    orders = node("Seq Scan", ms=0.02, rows=400, loops=500, relation_name="orders", alias="o")
    said = advice("cartesian-join", node("Nested Loop", users, orders, ms=90, rows=200_000))
    assert said.endswith('… FROM "User" u JOIN orders o ON o.key = u.key')


def test_either_side_of_an_inner_join_may_get_the_index_and_only_the_inner_one_of_another():
    condition = "(products.code = ANY (carts.codes))"
    carts = node(
        "Materialize", node("Seq Scan", ms=1, rows=300, relation_name="carts"), ms=0.01, rows=300, loops=5_000
    )
    products = node("Seq Scan", ms=1, rows=5_000, relation_name="products")
    said = {"Join_Filter": condition, "Rows_Removed_by_Join_Filter": 1_499_400}
    join = node("Nested Loop", products, carts, ms=200, rows=600, **said)
    assert advice("join-filter-waste", join).endswith("CREATE INDEX ON products (code);")
    left = replace(join, attributes={**join.attributes, "Join Type": "Left"})
    assert list(find_rule("join-filter-waste").check(planned_trace(left))) == []


def written(*triggers, operation="Update", keys=(), name="orders"):
    source = node("Seq Scan", ms=2, rows=20_000, relation_name="arrivals")
    root = node("ModifyTable", source, ms=30, rows=0, relation_name=name, Operation=operation)
    whole_ms = 30 + sum(one.time_ms for one in triggers)
    one = plan(root, triggers=triggers, foreign_keys=keys, execution_time_ms=whole_ms)
    return trace(plans=(one,), duration_ms=whole_ms)


def said_about(name, block):
    (finding,) = find_rule(name).check(block)
    return finding


@pytest.mark.parametrize(
    ("operation", "rows"), [("Insert", "NEW TABLE"), ("Update", "NEW TABLE"), ("Delete", "OLD TABLE")]
)
def test_a_trigger_for_all_rows_sees_the_rows_that_there_are(operation, rows):
    watch = TriggerTime("Watch it", 90.0, 20_000, "orders")
    said = said_about("trigger-time", written(watch, operation=operation)).advice
    assert f'CREATE TRIGGER "Watch it" AFTER {operation.upper()} ON orders\n    REFERENCING {rows}' in said


def test_a_trigger_for_all_rows_already_is_looked_into():
    said = said_about("trigger-time", written(TriggerTime("it's", 90.0, 1, "orders")))
    assert said.advice.endswith("WHERE tgname = 'it''s';")
    assert (said.saving_ms, said.severity) == (None, "info")


def test_a_key_is_put_back_as_it_was():
    key = ForeignKey("orders_user", "orders", ("user_id", "Shop"), "users", is_indexed=True)
    check = TriggerTime("RI_ConstraintTrigger_c_1", 90.0, 20_000, "orders", "orders_user")
    said = said_about("trigger-time", written(check, operation="Insert", keys=(key,))).advice
    assert said.endswith('ADD CONSTRAINT orders_user FOREIGN KEY (user_id, "Shop") REFERENCES users;')


def test_a_missing_index_is_not_also_called_a_slow_trigger():
    key = ForeignKey("items_order", "items", ("Order",), "orders", is_indexed=False)
    search = TriggerTime("RI_ConstraintTrigger_a_1", 900.0, 20_000, "orders", "items_order")
    block = written(search, operation="Delete", keys=(key,))
    # A check by an index takes a twentieth of a millisecond, so one of 0.045 ms has nothing to win.
    assert [finding.rule for finding in diagnose(block).findings] == []
    slow = written(replace(search, calls=40), operation="Delete", keys=(key,))
    assert [finding.rule for finding in diagnose(slow).findings] == ["fk-index-missing"]
    assert said_about("fk-index-missing", slow).advice.endswith('CREATE INDEX ON items ("Order");')


def test_a_deferred_check_without_an_index_needs_the_index_too():
    key = ForeignKey("items_order", "items", ("order_id",), "orders", is_indexed=False, is_deferred=True)
    said = said_about("deferred-constraints", written(operation="Delete", keys=(key,)))
    assert said.severity == "worth it"
    assert "CREATE INDEX ON items (order_id);" in said.advice


def test_an_index_that_guards_or_is_read_is_not_to_be_dropped():
    indexes = (
        example_index("orders_pkey", "id", is_unique=True, scans=0),
        example_index("orders_read", "day", scans=3),
        *(example_index(f"Old {place}", "day", scans=0) for place in range(7)),
    )
    source = node("Seq Scan", ms=2, rows=5_000, relation_name="arrivals")
    said = {"Operation": "Insert", "WAL_Bytes": 7_000_000, "WAL_FPI": 0}
    root = node("ModifyTable", source, ms=100, rows=0, relation_name="orders", **said)
    known = example_table("orders", schema="Shop", indexes=indexes)
    lines = advice("write-amplification", root, tables=(known,)).splitlines()
    assert lines[1] == 'DROP INDEX "Shop"."Old 0";'
    assert lines[-1] == "-- and 2 more"
    assert len(lines) == 7


def test_an_index_that_is_read_from_the_disk_is_called_by_its_name():
    bitmap = node("Bitmap Index Scan", ms=40, index_name="orders_day", **{"Shared_I/O_Read_Time": 30.0})
    (finding,) = find_rule("io-bound").check(planned_trace(bitmap))
    assert finding.message.startswith("orders_day: waited 30.0 ms")


OURS = (
    "row-misestimate", "sort-on-disk", "hash-batches", "hashagg-spill", "store-spill",
    "nested-loop-misestimate", "join-filter-waste", "cartesian-join", "hash-wrong-side", "memoize-thrash",
    "correlated-columns", "stale-statistics", "default-selectivity", "duplicated-parallel-build",
    "write-amplification", "fk-index-missing", "trigger-time", "deferred-constraints", "io-bound",
)  # fmt: skip
KINDS = (
    "Aggregate", "Append", "Bitmap Index Scan", "CTE Scan", "Function Scan", "Gather", "Hash", "Hash Join",
    "Materialize", "Memoize", "ModifyTable", "Nested Loop", "Seq Scan", "Sort", "Subquery Scan", "WindowAgg",
)  # fmt: skip
SAID = (
    "CTE Name", "Cache Evictions", "Cache Hits", "Cache Key", "Cache Misses", "Disk Usage", "Filter",
    "Group Key", "Hash Batches", "HashAgg Batches", "Index Cond", "Join Filter", "Join Type",
    "Maximum Storage", "Operation", "Original Hash Batches", "Parallel Aware", "Peak Memory Usage",
    "Rows Removed by Join Filter", "Shared I/O Read Time", "Sort Space Type", "Sort Space Used", "Storage",
    "Temp I/O Read Time", "WAL Bytes", "Workers", "Workers Planned",
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**7),
    st.floats(0, 1e9),
    st.sampled_from(
        ["Disk", "Inner", "Insert", "(a.x = b.y)", "((t.x > 1) AND (t.y = 2))", "((((", "recent"]
    ),
    st.text(max_size=12),
    st.lists(st.one_of(st.text(max_size=5), st.dictionaries(st.sampled_from(SAID), st.integers(0, 99)))),
)
NUMBERS = st.sampled_from([0.0, 0.5, 3.0, 15_000.0, 9e6])


@st.composite
def nodes(draw, depth=3):
    below = draw(st.lists(nodes(depth=depth - 1), max_size=2)) if depth else []
    return node(
        draw(st.sampled_from(KINDS)),
        *below,
        ms=draw(NUMBERS),
        rows=draw(NUMBERS),
        planned=draw(NUMBERS),
        loops=draw(st.sampled_from([0, 1, 3, 20_000])),
        **draw(st.dictionaries(st.sampled_from(SAID), VALUES, max_size=6)),
        **draw(
            st.sampled_from([{}, {"relation_name": "t"}, {"relation_name": "users", "schema": "pg_temp"}])
        ),
    )


@given(nodes())
def test_whatever_a_plan_says_the_rules_read_it_without_an_error(root):
    keys = (ForeignKey("k", "t", ("x",), "users", is_indexed=False, is_deferred=True),)
    tables = (example_table("t", rows=-1.0), example_table("users", rows=0.0, size_bytes=0))
    triggers = (TriggerTime("RI_ConstraintTrigger_a_1", 99.0, 0, "users", "k"), TriggerTime("watch", 9.0, 0))
    one = plan(root, tables=tables, foreign_keys=keys, triggers=triggers, execution_time_ms=100.0)
    for name in OURS:
        for finding in find_rule(name).check(trace(plans=(one,), duration_ms=100.0)):
            assert finding.message
            assert finding.saving_ms is None or finding.saving_ms >= 0
