"""What the rules about conditions advise, pasted into a real PostgreSQL: it works and finds the same."""

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

import perfkit as pk
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan
from perfkit.rules import diagnose

MORE_TABLES = """
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TABLE documents (id int PRIMARY KEY, doc jsonb NOT NULL, tags text[] NOT NULL, number text NOT NULL);
INSERT INTO documents
    SELECT i, jsonb_build_object('kind', 'k' || i % 1000, 'at', i), ARRAY['t' || i % 1000], i::text
    FROM generate_series(1, 30000) i;
ANALYZE documents;
"""
DAY = datetime.datetime(2025, 2, 1)


@pytest.fixture
def shop(plan_engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is rolled back."""
    with plan_engine.connect() as connection:
        run(connection, MORE_TABLES)
        yield connection
        connection.rollback()


def run(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def rows(connection: Connection, sql: str, parameters: dict[str, Any]) -> list[Any]:
    return sorted(tuple(row) for row in connection.execute(text(sql), named(sql, parameters)))


def named(sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the statement names."""
    return {name: value for name, value in parameters.items() if re.search(rf":{name}\b", sql)}


def uses_index(plan: Plan) -> bool:
    return any(node.node_type in ("Bitmap Index Scan", "Index Scan") for node in plan.nodes())


def advised(connection: Connection, sql: str, parameters: dict[str, Any], rule: str) -> Finding:
    findings = diagnose(pk.explain(connection, sql, parameters or None).trace).findings
    (found,) = [finding for finding in findings if finding.rule == rule]
    return found


def statements(finding: Finding) -> str:
    """The lines of the advice that are statements to execute."""
    return "\n".join(
        line for line in finding.advice.splitlines() if line.startswith(("CREATE INDEX", "ANALYZE"))
    )


def rewritten(finding: Finding) -> str:
    return next(line for line in finding.advice.splitlines() if line.startswith("WHERE"))


@pytest.mark.parametrize(
    ("rule", "sql", "parameters"),
    [
        ("function-on-column", "SELECT * FROM orders WHERE lower(city) = :city", {"city": "city 7"}),
        ("function-on-column", "SELECT * FROM orders WHERE coalesce(zip, '') = :zip", {"zip": "zip 7"}),
        ("function-on-column", "SELECT * FROM orders WHERE substr(zip, 5, 3) = :part", {"part": "77"}),
        ("function-on-column", "SELECT * FROM orders WHERE amount * customer_id = 5", {}),
        ("like-prefix", "SELECT * FROM orders WHERE city LIKE 'city 49_'", {}),
        ("like-prefix", "SELECT * FROM orders WHERE city LIKE :start || '%'", {"start": "city 499"}),
        ("like-prefix", "SELECT * FROM orders WHERE lower(city) LIKE 'city 49%'", {}),
        ("like-prefix", "SELECT * FROM orders WHERE city ~ '^city 499'", {}),
        ("json-predicate", "SELECT * FROM documents WHERE doc ->> 'kind' = :kind", {"kind": "k7"}),
        ("json-predicate", "SELECT * FROM documents WHERE (doc ->> 'at')::int < 40", {}),
        ("json-predicate", "SELECT * FROM documents WHERE doc @> :part", {"part": '{"kind": "k7"}'}),
        ("json-predicate", "SELECT * FROM documents WHERE tags && ARRAY['t7']", {}),
        ("or-across-columns", "SELECT * FROM orders WHERE city = :city OR zip = :zip",
         {"city": "city 7", "zip": "zip 9"}),
        ("or-across-columns", "SELECT * FROM orders WHERE lower(city) = :city OR id = 5", {"city": "city 7"}),
        ("cast-on-column", "SELECT * FROM documents WHERE number::int < 40", {}),
    ],
)  # fmt: skip
def test_the_index_that_is_advised_is_used_and_nothing_is_left_to_say(shop, rule, sql, parameters):
    finding = advised(shop, sql, parameters, rule)
    run(shop, statements(finding))

    result = pk.explain(shop, sql, parameters or None)

    assert uses_index(result.plan)
    assert not [found for found in diagnose(result.trace).findings if found.rule == rule]


@pytest.mark.parametrize(
    ("rule", "condition", "parameters"),
    [
        ("function-on-column", "date_trunc('day', created_at) = :start", {"start": DAY}),
        ("function-on-column", "date_trunc('hour', created_at) = :start", {"start": DAY}),
        ("function-on-column", "extract(year FROM created_at) = :year", {"year": 2026}),
        ("function-on-column", "date_part('year', created_at) = :year", {"year": 2026}),
        ("function-on-column", "to_char(created_at, 'YYYY-MM-DD') = '2025-02-01'",
         {"start": DAY, "end": DAY + datetime.timedelta(days=1)}),
        ("cast-on-column", "created_at::date = :day", {"day": DAY.date()}),
        ("cast-on-column", "id::text = :value", {"value": "42"}),
        ("parameter-type-cast", "id = :value", {"value": 42.0}),
        ("parameter-type-cast", "id = ANY (:values)", {"values": [42.0, 43.0]}),
    ],
)  # fmt: skip
def test_the_condition_that_is_advised_finds_the_same_rows(shop, rule, condition, parameters):
    sql = f"SELECT * FROM orders WHERE {condition}"
    finding = advised(shop, sql, named(sql, parameters), rule)
    run(shop, statements(finding))
    faster = f"SELECT * FROM orders {rewritten(finding)}"

    assert rows(shop, faster, parameters) == rows(shop, sql, parameters)
    assert uses_index(pk.explain(shop, faster, named(faster, parameters)).plan)


def test_an_array_is_asked_what_it_contains(shop):
    sql = "SELECT * FROM documents WHERE 't7' = ANY (tags)"
    finding = advised(shop, sql, {}, "json-predicate")
    run(shop, statements(finding))
    faster = f"SELECT * FROM documents {rewritten(finding)}"

    assert rows(shop, faster, {"value": "t7"}) == rows(shop, sql, {}) != []


def test_not_exists_finds_the_same_rows_as_not_in(shop):
    run(shop, "SET LOCAL work_mem = '64kB'")
    sql = "SELECT * FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE id <= 5000)"
    finding = advised(shop, sql, {}, "not-in-subplan")
    faster = "SELECT * FROM customers " + rewritten(finding).replace(
        " = customers.id)", " = customers.id AND other.id <= 5000)"
    )

    assert rows(shop, faster, {}) == rows(shop, sql, {})


def test_the_first_of_each_group_are_found_by_lateral(shop):
    numbered = (
        "SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY created_at DESC) AS n FROM orders"
    )
    sql = f"SELECT id FROM ({numbered}) AS o WHERE n = 1"
    finding = advised(shop, sql, {}, "window-top1")
    run(shop, statements(finding))
    _, select, join, _ = finding.advice.splitlines()

    assert rows(shop, f"{select} {join}".replace("firsts.*", "firsts.id"), {}) == rows(shop, sql, {}) != []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(DISTINCT customer_id) FROM orders",
        "SELECT status, count(DISTINCT customer_id) FROM orders GROUP BY status",
    ],
)
def test_values_are_counted_in_a_sub_query(shop, sql):
    finding = advised(shop, sql, {}, "distinct-sort")

    assert rows(shop, finding.advice.splitlines()[-1], {}) == rows(shop, sql, {})


def test_the_next_page_is_found_by_the_last_row(shop):
    sql = "SELECT * FROM orders ORDER BY created_at DESC LIMIT 10 OFFSET 150000"
    finding = advised(shop, sql, {}, "large-offset")
    run(shop, statements(finding))
    last = shop.execute(
        text("SELECT created_at, id FROM orders ORDER BY created_at DESC LIMIT 1 OFFSET 149999")
    )
    created_at, number = last.one()
    values = {"last_created_at": created_at, "last_id": number}

    assert rows(shop, f"SELECT * FROM orders {rewritten(finding)}", values) == rows(shop, sql, {})


def test_a_sample_holds_as_many_rows_as_are_wanted(shop):
    finding = advised(shop, "SELECT * FROM orders ORDER BY random() LIMIT 5", {}, "order-by-random")

    assert len(rows(shop, f"SELECT * {finding.advice.splitlines()[-1]}", {})) == 5


def test_a_sub_query_for_each_row_becomes_one_join(shop):
    run(shop, "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
    sql = """
    SELECT c.id, (SELECT sum(o.amount) FROM orders o WHERE o.customer_id = c.id) FROM customers c
    WHERE c.id <= 100
    """
    finding = advised(shop, sql, {}, "correlated-subplan")
    join = finding.advice.splitlines()[1].replace("...", "sum(amount) AS amount")

    assert rows(shop, f"SELECT c.id, grouped.amount FROM customers c {join} WHERE c.id <= 100", {}) == rows(
        shop, sql, {}
    )
