"""Counts that EXPLAIN's averages stand behind are never shown as exact ones."""

import pytest

from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, plan, planned_trace
from perfkit.rules import diagnose
from perfkit.views import plan_tree

SAID = {"relation_name": "orders", "Filter": "(orders.user_id = 42)"}


@pytest.mark.parametrize(
    ("rows", "loops", "words"),
    [
        (999_999, 1, "999,999 rows"),
        (1, 1, "1 row"),
        (333_333, 3, "about 1,000,000 rows"),
        (5, 3, "about 15 rows"),
        (0, 3, "at most 1 row"),
        (0, 300, "at most 150 rows"),
        (0, 1, "0 rows"),
        (0.5, 3, "about 2 rows"),
    ],
)
def test_a_product_is_about_and_a_count_of_one_loop_is_exact(rows, loops, words):
    assert about(node("Seq Scan", rows=rows, loops=loops), noun="row") == words


def test_a_scan_that_processes_share_is_said_to_have_read_about_so_many_rows():
    shared = node("Seq Scan", ms=30, rows=5, loops=3, rows_removed_by_filter=333_328, **SAID)
    found = diagnose(planned_trace(node("Gather", shared, ms=33, rows=14))).findings
    assert "orders: about 1,000,000 rows are read to keep about 15." in [finding.message for finding in found]


def test_a_scan_of_one_process_is_said_to_have_read_so_many():
    scan = node("Seq Scan", ms=30, rows=15, rows_removed_by_filter=999_984, **SAID)
    found = diagnose(planned_trace(scan)).findings
    assert "orders: 999,999 rows are read to keep 15." in [finding.message for finding in found]


def test_the_rows_that_a_condition_threw_away_are_about_so_many():
    shared = node("Seq Scan", ms=30, rows=5, loops=3, rows_removed_by_filter=333_328, **SAID)
    shown = str(plan_tree.as_html(plan(node("Gather", shared, ms=33, rows=14))))
    assert "threw away about 1,000,000 rows" in shown
