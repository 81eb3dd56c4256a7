"""Which indexes are worth trying for a scan, and in which order their columns stand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.catalog import Column, Index, Table
from perfkit.model.plan_builders import node, plan
from perfkit.proof._what_if_candidates import index_designs

WIDTHS = {"id": 4, "tenant": 4, "status": 6, "amount": 4, "created_at": 8, "note": 200, "code": 12}
EQUAL, LATE = "(o.tenant = 7)", "(o.created_at >= '2025-01-01'::timestamp)"


def table(*indexes, rows=1e6, kind="r", is_partition=False):
    columns = tuple(Column(n, "int", width, 3.0 if n == "status" else None) for n, width in WIDTHS.items())
    return Table("orders", rows, 10**8, kind, is_partition, columns, indexes)


def index(name, *keys, **fields):
    defaults = {
        "method": "btree", "is_valid": True, "predicate": None, "include": (),
        "opclasses": ("",) * len(keys), "descending": (False,) * len(keys),
    }  # fmt: skip
    return Index(name=name, keys=keys, **{**defaults, **fields})


def scan(condition, *, kind="Seq Scan", rows=15, ms=90, **said):
    filtered = {"Filter": condition} if condition else {}
    return node(kind, ms=ms, rows=rows, relation_name="orders", alias="o", **filtered, **said)


def limited(below, *keys):
    return node("Limit", node("Sort", below, ms=92, rows=10, Sort_Key=list(keys)), ms=92, rows=10)


def tried(root, sql="SELECT * FROM orders o", **fields):
    return [item.what for item in designs(root, sql, **fields) if item.rejection is None]


def designs(root, sql="SELECT * FROM orders o", indexes=(), **fields):
    return index_designs(plan(root, query_text=sql), lambda item: table(*indexes, **fields))


@pytest.mark.parametrize(
    ("root", "sql", "expected"),
    [
        (scan(EQUAL), "", ["orders (tenant)"]),
        (scan(f"({EQUAL} AND {LATE})"), "", ["orders (tenant, created_at)"]),
        (
            scan(f"({LATE} AND (o.amount > 3) AND {EQUAL})"),
            "",
            ["orders (tenant, created_at)", "orders (tenant, amount)"],
        ),
        (
            limited(scan(f"({EQUAL} AND {LATE})"), "o.amount DESC"),
            "",
            ["orders (tenant, amount, created_at)", "orders (tenant, created_at)", "orders (tenant, amount)"],
        ),
        (limited(scan(None), "o.amount"), "", ["orders (amount)"]),
        (
            limited(scan(EQUAL), "o.amount", "o.created_at DESC"),
            "",
            ["orders (tenant, amount, created_at DESC)", "orders (tenant)"],
        ),
        (
            limited(scan(EQUAL), "o.amount DESC", "o.id DESC"),
            "",
            ["orders (tenant, amount, id)", "orders (tenant)"],
        ),
        (scan("(o.code ~~ 'ab%'::text)"), "", ["orders (code text_pattern_ops)"]),
        (scan("(o.code ~~ ?)"), "", ["orders (code text_pattern_ops)"]),
        (scan("(lower(o.code) = 'x'::text)"), "", ["orders ((lower(code)))"]),
        (scan("((lower(o.code) = 'x'::text) AND (NOT (SubPlan 1)))"), "", ["orders ((lower(code)))"]),
        (scan("((o.note ->> 'k'::text) = 'v'::text)"), "", ["orders ((note ->> CAST('k' AS TEXT)))"]),
        (
            scan("(o.status = 'late'::text)"),
            "SELECT id FROM orders o WHERE status = 'late'",
            ["orders (status)", "orders (status) WHERE status = 'late'"],
        ),
        (scan("(o.status = 'late'::text)"), "SELECT * FROM orders o WHERE status = :s", ["orders (status)"]),
        (
            scan(EQUAL, rows=500),
            "SELECT sum(amount) FROM orders o WHERE tenant = 7",
            ["orders (tenant)", "orders (tenant) INCLUDE (amount)"],
        ),
        (scan(EQUAL, rows=500), "SELECT note FROM orders WHERE tenant = 7", ["orders (tenant)"]),
        (
            node("Hash Join", scan(None, rows=1e6), ms=95, Hash_Cond="(o.tenant = t.id)"),
            "",
            ["orders (tenant)"],
        ),
        (
            node("Limit", scan(EQUAL, kind="Index Scan", index_name="by_amount"), ms=90, rows=10),
            "SELECT * FROM orders o WHERE tenant = 7 ORDER BY amount LIMIT 10",
            ["orders (tenant, amount)", "orders (tenant)"],
        ),
    ],
)  # fmt: skip
def test_equality_comes_first_then_the_order_then_one_range(root, sql, expected):
    assert tried(root, sql or "SELECT * FROM orders o") == expected


@pytest.mark.parametrize(
    "root",
    [
        scan(EQUAL, ms=0.4),
        scan(None, rows=1e6),
        scan("(o.status <> 'paid'::text)"),
        scan("(lower(o.code) = (SubPlan 1))"),
        scan("((o.tenant = 7) OR (o.amount = 3))"),
        scan("(o.id = (SubPlan 1))"),
        node("Append", scan(EQUAL, loops=0), ms=20),
        node("Function Scan", ms=90, rows=15, Filter="(o.tenant = 7)"),
    ],
)
def test_nothing_is_tried_where_no_index_could_help(root):
    assert tried(root) == []


@pytest.mark.parametrize(
    ("indexes", "reason"),
    [
        (
            [index("by_tenant", "tenant", "id")],
            "by_tenant exists but is not used because the planner",
        ),
    ],
)
def test_an_index_that_exists_is_not_tried_again(indexes, reason):
    (design,) = designs(scan(EQUAL), indexes=indexes)

    assert reason in design.rejection


def test_an_index_that_is_not_valid_is_built_again():
    (design,) = designs(scan(EQUAL), indexes=[index("broken", "tenant", is_valid=False)])

    assert design.rejection is None
    assert design.paste == "REINDEX INDEX CONCURRENTLY broken;"
    assert "not valid" in design.note


def test_one_row_that_a_unique_index_finds_needs_no_more_columns():
    (design,) = designs(
        scan(f"((o.id = 3) AND {EQUAL})"), indexes=[index("orders_pkey", "id", is_unique=True)]
    )

    assert "orders_pkey is unique on id" in design.rejection


def test_the_beginning_of_a_text_is_not_found_in_the_order_of_a_language():
    found = designs(scan("(o.code ~~ 'ab%'::text)"), indexes=[index("by_code", "code")])

    assert [item.what for item in found if not item.rejection] == ["orders (code text_pattern_ops)"]
    assert "by_code exists but is not used because it is in the order" in found[-1].rejection


def designs_within(condition, kind, *indexes):
    looked_up = replace(table(*indexes), columns=(Column("note", kind, 200),))
    root = plan(scan(condition), query_text="SELECT * FROM orders o")
    return index_designs(root, lambda item: looked_up, trigrams="public")


@pytest.mark.parametrize(
    ("condition", "kind", "expected"),
    [
        ("(o.note @> '{\"k\": 5}'::jsonb)", "jsonb", "note jsonb_path_ops"),
        ("(o.note @> ?::jsonb)", "jsonb", "note jsonb_path_ops"),
        ("(o.note @? '$.\"k\"'::jsonpath)", "jsonb", "note jsonb_path_ops"),
        ("(o.note @@ '($.\"k\" == 5)'::jsonpath)", "jsonb", "note jsonb_path_ops"),
        ("(o.note ? 'k'::text)", "jsonb", "note"),
        ("(o.note ? ?::text)", "jsonb", "note"),
        ("(o.note ?| '{k}'::text[])", "jsonb", "note"),
        ("((o.note -> 'a'::text) @> ?::jsonb)", "jsonb", "(note -> CAST('a' AS TEXT)) jsonb_path_ops"),
        ("(o.note && '{a}'::text[])", "text[]", "note"),
        ("(o.note @@ '''a'''::tsquery)", "tsvector", "note"),
        ("(o.note ~~ '%x%'::text)", "text", "note public.gin_trgm_ops"),
        ("(o.note ~~* 'x%'::text)", "text", "note public.gin_trgm_ops"),
        ("(o.note ~ 'x$'::text)", "text", "note public.gin_trgm_ops"),
        ("(lower(o.note) ~~ '%x%'::text)", "text", "(lower(note)) public.gin_trgm_ops"),
    ],
)
def test_a_condition_on_the_inside_of_a_value_gets_gin(condition, kind, expected):
    tried = [item.what for item in designs_within(condition, kind) if not item.rejection]

    assert tried == [f"orders USING gin ({expected})"]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("(o.note @> p.note)", "int4range"),
        ("(o.note ~~ 'x%'::text)", "text"),
        ("(o.note @> '{}'::jsonb)", "hstore"),
        ("(p.note @> '{}'::jsonb)", "jsonb"),
        ("((o.note ->> 'k'::text) = 'v'::text)", "jsonb"),
    ],
)
def test_other_conditions_get_no_gin(condition, kind):
    assert not any("gin" in item.what for item in designs_within(condition, kind))


def test_without_the_extension_a_pattern_gets_its_name():
    (design,) = designs(scan("(o.note ~~ '%x%'::text)"))

    assert "pg_trgm" in design.rejection


@pytest.mark.parametrize(
    ("opclass", "is_tried"), [("jsonb_path_ops", False), ("", False), ("other_ops", True)]
)
def test_a_gin_index_that_answers_already_is_not_tried_again(opclass, is_tried):
    there = index("by_note", "note", method="gin", opclasses=(opclass,))
    found = designs_within("(o.note @> '{}'::jsonb)", "jsonb", there)

    assert any(item.rejection is None for item in found) is is_tried


@pytest.mark.parametrize(
    "other",
    [
        index("other_column", "amount", "tenant"),
        index("only_some", "tenant", predicate="(status = 'late'::text)"),
        index("not_ordered", "tenant", method="hash"),
        index("other_operators", "tenant", opclasses=("int4_other_ops",)),
    ],
    ids=lambda item: item.name,
)
def test_an_index_that_offers_less_does_not_stand_in_the_way(other):
    assert tried(scan(EQUAL), indexes=[other]) == ["orders (tenant)"]


def test_columns_compared_for_equality_may_stand_in_any_order():
    condition = "((o.tenant = 7) AND (o.amount = 3))"

    assert tried(scan(condition), indexes=[index("turned", "amount", "tenant")]) == []


def test_an_index_is_read_backwards_too():
    root = limited(scan(EQUAL), "o.amount", "o.created_at DESC")
    turned = index("turned", "tenant", "amount", "created_at", descending=(False, True, False))

    assert tried(root, indexes=[turned]) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rows": 300}, "The table has 300 rows"),
        ({"is_partition": True}, "is a partition"),
        ({"kind": "f"}, "is a foreign table"),
    ],
)
def test_tables_that_are_not_fit_say_why(fields, reason):
    (design,) = designs(scan(EQUAL), **fields)

    assert reason in design.rejection


def test_at_most_six_are_tried():
    conditions = " AND ".join(f"(o.{name} > 1)" for name in WIDTHS)

    assert len(tried(scan(f"({conditions})"))) == 6


@given(st.text(), st.text())
def test_any_condition_and_any_text_is_read_or_left_aside(condition, sql):
    for design in designs(scan(condition), sql):
        assert design.what


OPERATORS = st.sampled_from(
    ["=", ">=", "@>", "?", "?|", "&&", "@@", "~~", "~~*", "~", "<>", "->>", "IS NULL"]
)
VALUES = st.sampled_from(["'x'::text", "?", "$1", "(InitPlan 1).col1", "ANY (o.note)", "'{}'::jsonb", "7"])


@given(
    st.lists(st.tuples(st.sampled_from(["o.note", "lower(o.code)", "o.id"]), OPERATORS, VALUES), max_size=3)
)
def test_any_conditions_together_are_read(parts):
    condition = " AND ".join(f"({left} {operator} {value})" for left, operator, value in parts)

    for design in designs_within(f"({condition})", "jsonb"):
        assert design.what.startswith("orders ")
