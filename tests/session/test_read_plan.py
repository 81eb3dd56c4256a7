"""`read_plan`: a pasted plan is judged and shown as one that was asked for here."""

import json

import pytest
from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.plan_reader import PlanFormatError
from tests.pasted_plans.recording import explained
from tests.pasted_plans.statements import Statement

STATEMENTS = [
    "SELECT * FROM orders WHERE customer_id = 7 ORDER BY created_at LIMIT 10",
    "SELECT name, count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id GROUP BY 1 ORDER BY 2",
    "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.id = c.id AND amount > 4990)",
    "WITH big AS MATERIALIZED (SELECT * FROM orders WHERE amount > 4000) SELECT * FROM big a, big b LIMIT 5",
    "SELECT city, (SELECT max(amount) FROM orders i WHERE i.city = o.city) FROM orders o WHERE id < 5",
    "SELECT DISTINCT status FROM orders UNION SELECT name FROM customers",
    "SELECT rank() OVER (PARTITION BY city ORDER BY amount) FROM orders",
    "SELECT city, zip, count(*) FROM orders GROUP BY ROLLUP (city, zip)",
    "UPDATE watched SET value = 0 WHERE id IN (SELECT id FROM customers)",
    "INSERT INTO audit (entry) SELECT name FROM customers ON CONFLICT DO NOTHING",
]
SLOW = "SELECT * FROM orders WHERE city = 'city 7' AND zip = 'zip 7'"


def ask(connection: Connection, sql: str, options: str, form: str) -> str:
    return explained(connection, Statement(sql, options), form)


def comparable(result: pk.Result, *, is_text: bool) -> list[tuple]:
    return [
        (
            node.node_type, node.parent_relationship, node.subplan_name, node.relation_name, node.alias,
            node.index_name, node.schema, node.startup_cost, node.total_cost, node.plan_rows, node.plan_width,
            {
                key: value
                for key, value in node.attributes.items()
                # Text keeps silent about what is not, and about this one always.
                if not is_text or (key != "Inner Unique" and value not in (False, 0, None))
            },
        )
        for node in result.plan.nodes()
    ]  # fmt: skip


@pytest.mark.parametrize("sql", STATEMENTS, ids=range(len(STATEMENTS)))
@pytest.mark.parametrize("options", ["VERBOSE, SETTINGS", "COSTS OFF", "SETTINGS"])
def test_the_four_formats_of_one_statement_are_one_plan(plan_engine, sql, options):
    with plan_engine.connect() as connection:
        results = {
            form: pk.read_plan(ask(connection, sql, options, form))
            for form in ("json", "text", "yaml", "xml")
        }
    for form in ("yaml", "xml"):
        assert results[form].plan == results["json"].plan
    assert comparable(results["text"], is_text=True) == comparable(results["json"], is_text=True)
    assert results["text"].plan.settings == results["json"].plan.settings


@pytest.mark.parametrize("form", ["text", "yaml", "xml", "json"])
def test_a_pasted_plan_gets_the_findings_of_one_that_was_asked_for(plan_engine, form):
    with plan_engine.connect() as connection:
        # How two runs share their rows between workers is chance, and a rule judges it.
        connection.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")
        expected = pk.explain(connection, SLOW)
        result = pk.read_plan(ask(connection, SLOW, "ANALYZE, BUFFERS, VERBOSE", form))
    assert [finding.rule for finding in result.findings] == [finding.rule for finding in expected.findings]
    assert result.findings[0].rule == "selective-seq-scan"
    assert result.trace.duration_ms == result.plan.execution_time_ms
    assert "orders" in str(result)
    assert "<script" not in result._repr_mimebundle_()["text/html"]


def test_a_pasted_plan_is_saved_and_read_again(tmp_path):
    result = pk.read_plan("Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)")
    assert pk.load(result.save(tmp_path / "plan.json")) == result.trace


def test_what_a_driver_has_decoded_is_read_too():
    value = [{"Plan": {"Node Type": "Result", "Plan Rows": 1}}]
    assert pk.read_plan(value).plan == pk.read_plan(json.dumps(value)).plan
    with pytest.raises(PlanFormatError):
        pk.read_plan(None)


def test_several_plans_are_all_shown_and_counted_together():
    line = "Seq Scan on {}  (cost=0.00..1.00 rows=1 width=4) (actual time=0.100..0.200 rows=1 loops=1)\n"
    line += "Execution Time: {} ms\n"
    result = pk.read_plan(line.format("first", 1.5) + line.format("second", 2.5))
    assert result.plan.root.relation_name == "first"
    assert len(result.trace.plans) == 2
    assert result.trace.duration_ms == 4.0
    assert "first" in str(result)
    assert "second" in str(result)
    assert list(result.plan_frame(1)["relation_name"]) == ["second"]


def test_a_plans_frame_has_one_row_a_node():
    text = "Limit  (cost=0.00..1.00 rows=1 width=4)\n  ->  Seq Scan on t  (cost=0.00..9.00 rows=9 width=4)"
    frame = pk.read_plan(text).plan_frame()
    assert list(frame.index) == [0, 1]
    assert list(frame["relation_name"].fillna("")) == ["", "t"]
    assert list(frame["expected_rows"]) == [1, 9]


def test_a_frame_of_no_plan_is_refused():
    with pytest.raises(LookupError, match="query plan"):
        pk.Result(
            pk.read_plan([{"Plan": {"Node Type": "Result"}}]).trace.__class__("x", "", 0.0)
        ).plan_frame()


def test_hostile_names_are_shown_and_not_run():
    name = '"<script>alert(1)</script>"'
    html = pk.read_plan(f"Seq Scan on {name}  (cost=0.00..1.00 rows=1 width=4)")._repr_mimebundle_()[
        "text/html"
    ]
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
