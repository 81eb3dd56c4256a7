"""Guards and advice of the rules about conditions, on hand-made plans."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.catalog import Column, Table
from perfkit.model.finding import Finding
from perfkit.model.plan import PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace
from perfkit.rules import (
    cast_on_column,
    correlated_subplan,
    diagnose,
    distinct_sort,
    function_on_column,
    json_predicate,
    like_infix,
    like_prefix,
    not_in_subplan,
    order_by_random,
    parameter_type_cast,
    selective_seq_scan,
    window_top1,
)


def one(rule_module: object, trace: Trace) -> Finding:
    (finding,) = rule_module.RULE.check(trace)
    return finding


def advice(rule_module: object, condition: str, *tables: Table, **said: object) -> str:
    return one(rule_module, plan_trace(filtering(condition), *tables, **said)).advice


LOWER = "(lower(customers.email) = ?::text)"


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        # Of a varchar the cast changes nothing, of a number it does.
        ("(((customers.code)::text = 'a'::text) AND (lower(customers.email) = 'x'::text))", False),
        ("(((customers.id)::text = 'a'::text) AND (lower(customers.email) = 'x'::text))", True),
        ("((customers.city = 'Bern'::text) AND (lower(customers.email) = 'x'::text))", True),
        ("((customers.id > 5) AND (lower(customers.email) = 'x'::text))", True),
        ("((customers.is_new) AND (lower(customers.email) = 'x'::text))", True),
    ],
)
def test_an_index_on_a_plain_column_of_many_values_comes_first(condition, fires):
    types = {"id": "integer", "code": "character varying(9)", "city": "text", "is_new": "boolean"}
    table = known_table({**types, "email": "text"}, distinct={"city": 5, "is_new": 2})

    found = list(function_on_column.RULE.check(plan_trace(filtering(condition), table)))

    assert bool(found) is fires


@pytest.mark.parametrize(
    "other", ["(NOT customers.deleted)", "customers.is_new", "(customers.deleted_at IS NULL)"]
)
def test_what_leaves_most_rows_is_no_remedy(other):
    assert one(function_on_column, planned_trace(filtering(f"({other} AND {LOWER})")))


def test_the_rows_of_all_processes_count():
    shared = filtering(LOWER, removed=4_000, loops=3, ms=20, Parallel_Aware=True)

    finding = one(function_on_column, planned_trace(node("Gather", shared, ms=25)))

    assert "about 12,000 rows" in finding.message


def test_the_saving_is_that_of_all_executions():
    trace = plan_trace(filtering(LOWER), executions=3)
    trace = replace(trace, duration_ms=1_000.0)

    assert one(function_on_column, trace).saving_ms == pytest.approx(120, rel=0.01)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (LOWER, "CREATE INDEX ON customers (lower(email));\nANALYZE customers;"),
        ("(shorten(customers.email) = 'x'::text)", "Only if shorten() is IMMUTABLE"),
        ("(to_char(customers.joined, 'HH24'::text) = '07'::text)", "No index can be made of to_char()"),
        ("(date_trunc('day'::text, customers.joined) = ?::timestamp)",
         "WHERE joined >= :start AND joined < :start + interval '1 day'"),
        ("(age(customers.joined) < '3 days'::interval)", "Move the calculation to the other side"),
        ("((customers.amount * 2) = 10)", "Move the calculation to the other side"),
        ("((customers.amount * customers.count) = 10)", "CREATE INDEX ON customers ((amount * count));"),
        ("(substr(customers.email, ?, 3) = 'abc'::text)", "write the constant into the text"),
        ('(lower(customers."E-Mail") = ?::text)', 'CREATE INDEX ON customers (lower("E-Mail"));'),
        # A list of days is not one period.
        ("(date_trunc('day'::text, customers.at) = ANY (?::timestamp[]))",
         "CREATE INDEX ON customers (date_trunc('day', at));"),
        # A month of any year is no period either.
        ("(EXTRACT(month FROM customers.at) = '5'::numeric)",
         "CREATE INDEX ON customers (EXTRACT(month FROM at));"),
    ],
)  # fmt: skip
def test_the_advice_for_a_function_depends_on_the_function(condition, wanted):
    assert wanted in advice(function_on_column, condition)


def test_no_index_is_advised_on_what_depends_on_the_time_zone():
    condition = "(EXTRACT(hour FROM customers.at) = '5'::numeric)"
    zoned, plain = (known_table({"at": f"timestamp {zone} time zone"}) for zone in ("with", "without"))

    assert "No index can be made of extract()" in advice(function_on_column, condition, zoned)
    assert "CREATE INDEX" in advice(function_on_column, condition, plain)


def test_an_index_that_is_there_is_named():
    table = known_table({"joined": "timestamp with time zone"}, known_index("joined"))

    text = advice(function_on_column, "(date_trunc('day'::text, customers.joined) = ?::timestamp)", table)

    assert "-- The index by_joined can serve this." in text
    assert "CREATE INDEX" not in text


@pytest.mark.parametrize("index", [{"is_valid": False}, {"predicate": "(id > 5)"}])
def test_an_index_that_is_broken_or_partial_does_not_silence(index):
    table = known_table({"email": "text"}, known_index("lower(email)", **index))

    assert list(function_on_column.RULE.check(plan_trace(filtering(LOWER), table)))


def test_the_type_of_the_value_is_named_before_the_cast():
    trace = plan_trace(
        filtering("((customers.id)::double precision = ?::double precision)"),
        known_table({"id": "bigint"}, known_index("id")),
        parameter_types=("str", "float"),
    )

    assert [item.rule for item in cast_on_column.RULE.check(trace)] == ["cast-on-column"]
    assert [item.rule for item in diagnose(trace).findings] == ["parameter-type-cast"]
    assert "Python float" in one(parameter_type_cast, trace).message
    assert "WHERE id = CAST(:value AS bigint)" in one(parameter_type_cast, trace).advice


def test_a_decimal_column_that_is_compared_with_a_float_wants_a_decimal():
    text = advice(
        parameter_type_cast,
        "((customers.price)::double precision > ?::double precision)",
        known_table({"price": "numeric"}),
        parameter_types=("float",),
    )

    assert "Decimal(str(value))" in text
    assert "CREATE INDEX ON customers (price);" in text


def test_text_that_is_read_as_a_date_cannot_be_indexed():
    text = advice(cast_on_column, "((customers.day)::date > ?::date)", known_table({"day": "text"}))

    assert "ALTER TABLE customers ALTER COLUMN day TYPE date USING day::date;" in text
    assert "CREATE INDEX" not in text


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (Column("email", "text"), "(email text_pattern_ops);"),
        (Column("email", "character(9)"), "(email bpchar_pattern_ops);"),
        (Column("email", "text", collation="C"), "(email);"),
        (Column("email", "integer"), "(((email)::text) text_pattern_ops);\nANALYZE"),
    ],
)
def test_the_order_by_letters_is_that_of_the_columns_type(column, wanted):
    table = replace(known_table({}), columns=(column,))

    assert wanted in advice(like_prefix, "((customers.email)::text ~~ 'ann%'::text)", table)


def test_where_the_pattern_is_hidden_the_advice_says_what_it_depends_on():
    finding = one(like_prefix, planned_trace(filtering("(customers.email ~~ ?::text)")))

    assert "It depends on the pattern" in finding.advice
    assert "gin_trgm_ops" in finding.advice
    assert "text_pattern_ops" in finding.advice
    assert finding.confidence <= 0.5


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("'lamp'", "WHERE lower(name) = lower(:value)\nCREATE INDEX ON customers (lower(name));"),
        ("'lamp%'", "LIKE lower(:value)\nCREATE INDEX ON customers (lower(name) text_pattern_ops);"),
    ],
)
def test_case_alone_needs_no_trigrams(pattern, wanted):
    assert wanted in advice(like_infix, f"(customers.name ~~* {pattern}::text)")


def test_a_date_out_of_a_document_cannot_be_indexed():
    text = advice(json_predicate, "(((customers.doc ->> 'at'::text))::timestamp with time zone > now())")

    assert "No index can be made" in text


def test_a_key_that_is_bound_gets_an_index_of_all_keys():
    text = advice(json_predicate, "((customers.doc ->> ?::text) = ?::text)")

    assert "WHERE doc @> jsonb_build_object(:key, :value)" in text


def correlated(scan: PlanNode, *, top: str = "Aggregate", used: str = "", **said: object) -> Trace:
    called = node(
        top, scan, ms=1.4, loops=200, parent_relationship="SubPlan", subplan_name="SubPlan 1", **said
    )
    return planned_trace(
        node("Seq Scan", called, ms=285, rows=200, relation_name="customers", alias="c", Filter=used)
    )


ORDERS = node(
    "Seq Scan", ms=1.3, loops=200, relation_name="orders", alias="o", Filter="(o.customer_id = c.id)"
)


def test_the_last_row_of_each_is_found_by_an_index_in_its_order():
    sort = node("Sort", ORDERS, ms=1.35, loops=200, Sort_Key=["o.created_at DESC"])

    finding = one(correlated_subplan, correlated(sort, top="Limit"))

    assert finding.advice.endswith("CREATE INDEX ON orders (customer_id, created_at);")
    assert "GROUP BY" not in finding.advice


def test_existence_is_asked_with_in():
    finding = one(correlated_subplan, correlated(ORDERS, used="((c.id = 3) OR EXISTS(SubPlan 1))"))

    assert "WHERE c.id IN (SELECT customer_id FROM orders)" in finding.advice


def test_the_finding_points_at_the_node_that_takes_the_time():
    trace = correlated(ORDERS)
    finding = one(correlated_subplan, trace)

    assert trace.plans is not None
    assert trace.plans[0].node(finding.offenders[0]).node_type == "Seq Scan"


def test_a_comparison_within_the_sub_query_ties_it_to_nothing():
    inside = replace(ORDERS, attributes={"Filter": "(o.customer_id = o.id)"})

    assert list(correlated_subplan.RULE.check(correlated(inside))) == []


def test_not_in_of_an_older_server_needs_the_statement():
    values = node("Materialize", ms=0.07, rows=1_000, loops=2_000, parent_relationship="SubPlan",
                  subplan_name="SubPlan 1")  # fmt: skip
    scan = node("Seq Scan", values, ms=300, rows=4, relation_name="customers", Filter="(NOT (SubPlan 1))")

    assert list(not_in_subplan.RULE.check(plan_trace(scan, query_text=""))) == []
    assert one(not_in_subplan, plan_trace(scan, query_text="... id not  in (SELECT ...)"))


def test_a_sample_is_large_enough_for_the_pages_of_the_table():
    scan = node("Seq Scan", ms=30, rows=100_000, relation_name="products")
    sort = node("Sort", scan, ms=60, rows=5, Sort_Key=["(random())"])
    table = replace(known_table({}, relation_name="products"), pages=1_000)

    finding = one(order_by_random, plan_trace(node("Limit", sort, ms=60, rows=5), table))

    # Twenty pages of a thousand.
    assert "TABLESAMPLE SYSTEM (2) " in finding.advice


def numbered(**said: object) -> PlanNode:
    scan = node("Seq Scan", ms=20, rows=300_000, relation_name="orders")
    sort = node("Sort", scan, ms=180, rows=300_000, Sort_Key=["orders.shop_id", "orders.at DESC"])
    return node("WindowAgg", sort, ms=200, rows=500, **said)


def test_before_postgresql_18_the_statement_tells_the_groups():
    window = numbered(Run_Condition="(row_number() OVER (?) <= 1)")
    numbers = "row_number() OVER (PARTITION BY o.shop_id ORDER BY at DESC)"
    text = f"SELECT * FROM (SELECT *, {numbers} n FROM orders o) WHERE n = 1"

    finding = one(window_top1, plan_trace(window, query_text=text))

    assert "SELECT DISTINCT shop_id FROM orders" in finding.advice
    assert "ORDER BY at DESC LIMIT 1" in finding.advice


@pytest.mark.parametrize("condition", ["(row_number() OVER w1 <= 10)", "(rank() OVER w1 <= 1)"])
def test_more_than_the_first_row_is_left_to_the_person(condition):
    window = numbered(
        Run_Condition=condition, Window="w1 AS (PARTITION BY orders.shop_id ORDER BY orders.at)"
    )

    assert "LIMIT ..." in one(window_top1, planned_trace(window)).advice


def test_values_are_made_distinct_within_their_groups():
    scan = node("Seq Scan", ms=20, rows=300_000, relation_name="orders")
    sort = node(
        "Sort", scan, ms=120, rows=300_000, Sort_Key=["orders.shop_id", "orders.customer_id"],
        Sort_Space_Type="Disk", Sort_Space_Used=5_300,
    )  # fmt: skip
    counted = node(
        "Aggregate", sort, ms=130, rows=20, Group_Key=["orders.shop_id"],
        Output=["shop_id", "count(DISTINCT customer_id)"],
    )  # fmt: skip

    assert one(distinct_sort, planned_trace(counted)).advice.endswith(
        "SELECT shop_id, count(customer_id) FROM (SELECT DISTINCT shop_id, customer_id FROM orders) AS d "
        "GROUP BY shop_id"
    )


def test_names_that_need_quotes_keep_them():
    scan = filtering('(lower("Customer List"."E-Mail") = ?::text)', relation_name="Customer List")
    table = known_table({"E-Mail": "text"}, known_index('lower("E-Mail")'), relation_name="Customer List")

    assert (
        'CREATE INDEX ON "Customer List" (lower("E-Mail"));'
        in one(function_on_column, planned_trace(scan)).advice
    )
    assert list(function_on_column.RULE.check(plan_trace(scan, table))) == []


@pytest.mark.parametrize(
    "condition",
    [
        LOWER,
        "((customers.number)::integer = 42)",
        "(customers.email ~~ 'ann%'::text)",
        "(customers.email ~~ '%ann%'::text)",
        "((customers.doc ->> 'kind'::text) = ?::text)",
        "((customers.email = ?::text) OR (customers.phone = ?::text))",
        f"((customers.email ~~ '%ann%'::text) AND {LOWER})",
        "((customers.email ~~ '%ann%'::text) AND ((customers.doc ->> 'k'::text) = ?::text))",
    ],
)
def test_one_condition_gives_one_finding(condition):
    (finding,) = diagnose(planned_trace(filtering(condition, planned=1))).findings

    assert finding.rule != selective_seq_scan.RULE.name


@given(
    st.lists(
        st.sampled_from(
            ["customers.", "a", '"B c"', "(", ")", " = ", " ~~ ", " @> ", " OR ", " AND ", "?", "'%x'",
             "::text", "::date", "lower(", "NOT ", "SubPlan 1", "ANY (", "[", " IS NULL", "42"]
        ),
        max_size=25,
    )
)  # fmt: skip
def test_no_condition_makes_a_rule_fail(parts):
    text = "".join(parts)
    scan = filtering(text, planned=1)
    join = node("Nested Loop", scan, ms=90, Join_Filter=text, Rows_Removed_by_Join_Filter=10**6)
    trace = plan_trace(join, known_table({"a": "integer"}, known_index("a")), parameter_types=("float",))

    for finding in diagnose(trace).findings:
        assert finding.advice
