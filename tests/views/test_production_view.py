"""What is shown of a plan at another size."""

import pytest

from perfkit.model.catalog import Table
from perfkit.model.plan_builders import node, plan
from perfkit.model.production import GrownTable, ProductionPlan
from perfkit.views import production

TABLE = Table("public.orders", 5e7, 10**10, "r", False, (), (), schema="public", relation_name="orders")


def grown(kind="Seq Scan", *, cost_today=100.0, cost=1e6, rows=5e7, name="orders"):
    from dataclasses import replace

    root = replace(node(kind, relation_name="orders"), total_cost=cost)
    then = replace(plan(root), analyzed=False, tables=(TABLE,))
    return ProductionPlan(0, cost_today, then, (GrownTable(name, 1000.0, rows, 10**5, 10**10),), ("A note.",))


def both(item):
    return production.as_text(item), production.as_html(item).markup


@pytest.mark.parametrize(
    ("item", "falls_over"),
    [
        (grown(), True),
        (grown("Index Scan"), False),
        (grown(cost=900.0), False),
        (grown(rows=5_000.0), False),
        (grown(cost_today=0.0), False),
        (ProductionPlan(0, refusal="No."), False),
    ],
)
def test_a_large_table_read_whole_at_ten_times_the_cost_falls_over(item, falls_over):
    assert item.falls_over is falls_over
    for shown in both(item):
        assert ("falls over" in shown.lower()) is falls_over


def test_today_and_then_stand_beside_each_other():
    for shown in both(grown()):
        assert "10,000 ×" in shown
        assert "1,000 rows" in shown
        assert "50,000,000 rows" in shown
        assert "Reads all 50,000,000 rows of orders." in shown
        assert "A note." in shown


def test_a_refusal_is_shown_alone():
    for shown in both(ProductionPlan(0, refusal="Only PostgreSQL <18>.")):
        assert "Only PostgreSQL" in shown
        assert "Then" not in shown


def test_names_are_escaped():
    shown = production.as_html(grown(name="<script>")).markup

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
