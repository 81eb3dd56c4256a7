"""Scans that read many rows to keep few, and the indexes that are there."""

import pytest

from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_waste import WastefulScan, has_pattern_index, index_led_by, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace

CONDITION = "(lower(customers.email) = ?::text)"


def found(trace: Trace) -> list[WastefulScan]:
    return list(wasteful_scans(trace, min_removed_share=0.9, min_removed_rows=10_000))


def one(trace: Trace) -> WastefulScan:
    (scan,) = found(trace)
    return scan


def test_a_wasteful_scan_knows_what_it_read_and_what_that_cost():
    scan = one(planned_trace(filtering(CONDITION, rows=1, removed=99_999, loops=3, ms=10)))

    assert (scan.rows_read, scan.rows_removed, scan.rows_kept) == (300_000, 299_997, 3)
    assert scan.saving_ms == pytest.approx(30, rel=0.01)
    assert scan.table is None


def test_a_scan_that_read_nearly_all_before_a_limit_had_its_rows_counts():
    scan = one(planned_trace(node("Limit", filtering(CONDITION, rows=10), ms=40, rows=10)))
    assert scan.rows_read == 300_009


@pytest.mark.parametrize("node_type", ["Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"])
def test_every_scan_of_a_table_counts(node_type):
    assert one(planned_trace(filtering(CONDITION, node_type=node_type))).node.node_type == node_type


@pytest.mark.parametrize(
    "root",
    [
        filtering(CONDITION, node_type="CTE Scan"),
        filtering(CONDITION, removed=9_999),
        filtering(CONDITION, rows=40_000, removed=300_000),
        filtering(CONDITION, ms=0.9),
        node("Sort", filtering(CONDITION), ms=500),
        node("Limit", filtering(CONDITION, rows=10, removed=9_999), ms=40, rows=10),
        node("Append", node("Seq Scan", loops=0, Filter=CONDITION), ms=40),
    ],
)
def test_what_is_small_or_stopped_or_wanted_does_not(root):
    assert found(planned_trace(root)) == []


@pytest.mark.parametrize(
    ("expression", "opclasses", "is_found"),
    [
        ("lower(email)", (), True),
        ("(lower(email))", (), True),
        ("email", (), False),
        ("lower(email)", ("text_pattern_ops",), True),
        ("lower(email)", ("gin_trgm_ops",), False),
        ("id", (), True),
        # Not the first of its keys.
        ("name", (), False),
    ],
)
def test_an_index_is_found_by_its_first_key(expression, opclasses, is_found):
    table = known_table(
        {}, known_index("(lower(email))", opclass="text_pattern_ops"), known_index("id", "name")
    )

    assert (index_led_by(table, expression, *opclasses) is not None) is is_found


def test_no_index_is_found_where_nobody_asked_the_catalogue():
    assert index_led_by(None, "id") is None


@pytest.mark.parametrize(
    ("column_type", "key", "is_served"),
    [("character varying(20)", "code", True), ("text", "code", True), ("integer", "((code)::text)", False)],
)
def test_a_cast_to_text_is_the_column_only_where_that_holds_text(column_type, key, is_served):
    table = known_table({"code": column_type}, known_index("code", opclass="text_pattern_ops"))
    scan = one(plan_trace(filtering("((customers.code)::text ~~ 'a%'::text)"), table))
    (predicate,) = scan.predicates

    assert scan.key_of(predicate) == key
    assert has_pattern_index(scan, predicate) is is_served
