"""What the catalogue says of partitions."""

import perfkit as pk

PARTITIONED = """
CREATE TEMP TABLE "Visits" (id int, "At" date) PARTITION BY RANGE ("At", id);
CREATE TEMP TABLE visits_1 PARTITION OF "Visits" FOR VALUES FROM ('2025-01-01', 0) TO ('2025-02-01', 0);
CREATE TEMP TABLE visits_2 PARTITION OF "Visits" FOR VALUES FROM ('2025-02-01', 0) TO ('2025-03-01', 0);
"""


def test_a_partition_knows_its_parent_and_how_that_is_divided(plan_engine):
    with plan_engine.connect() as connection:
        connection.exec_driver_sql(PARTITIONED, execution_options={"no_parameters": True})
        plan = pk.explain(connection, 'SELECT * FROM "Visits" JOIN customers USING (id)').plan
        connection.rollback()

    tables = {table.relation_name: table for table in plan.tables}
    assert {name for name, table in tables.items() if table.parent} == {"visits_1", "visits_2"}
    assert tables["visits_1"].parent.endswith('."Visits"')
    assert tables["visits_1"].partition_key == 'RANGE ("At", id)'
    assert tables["visits_1"].partition_count == 2
    assert tables["customers"].partition_key is tables["customers"].partition_count is None
