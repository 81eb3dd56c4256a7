"""`%%explain --against NAME`: the plan before and after, side by side."""

import pytest

FILL = "with engine.begin() as c:\n    c.exec_driver_sql('create table if not exists t (id, kind)')\n"
INDEX = "with engine.begin() as c:\n    c.exec_driver_sql('create index if not exists by_kind on t (kind)')\n"
DROP = "with engine.begin() as c:\n    c.exec_driver_sql('drop table if exists t')\n"
SQL = "SELECT * FROM t WHERE kind = 3"
PYTHON = "with engine.connect() as c:\n    c.exec_driver_sql('select * from t where kind = 3').all()\n"


def texts(ran):
    """What the cell shows, as text: the result, then the comparison."""
    assert ran.status == "ok", ran.error
    return [item["data"]["text/plain"] for item in ran.outputs if "data" in item]


@pytest.fixture
def table(notebook):
    notebook.run(DROP + FILL)
    yield notebook
    notebook.run(DROP)


@pytest.mark.parametrize("body", [SQL, PYTHON], ids=["SQL", "Python"])
def test_the_plans_of_the_cell_stand_beside_the_earlier_ones(table, body):
    table.run(f"%%explain before\n{body}")
    table.run(INDEX)
    ran = table.run(f"%%explain after --against before\n{body}")

    result, compared = texts(ran)
    assert "by_kind" in result
    assert compared.startswith("before → after\n")
    assert "SCAN t → SEARCH t USING INDEX by_kind (kind=?)" in compared
    assert table.value("after.plan.root.node_type != ''") is True


def test_a_result_may_take_the_name_of_the_one_before(table):
    table.run(f"%%explain kept\n{SQL}")
    table.run(INDEX)
    ran = table.run(f"%%explain kept --against kept\n{SQL}")

    assert "SCAN t → SEARCH t USING INDEX" in texts(ran)[1]
    assert table.value("'by_kind' in str(kept)") is True


def test_a_trace_and_a_plan_will_do_too(table):
    table.run(f"%%explain kept\n{SQL}")
    table.run("trace, plan = kept.trace, kept.plan")
    for name in ("trace", "plan"):
        ran = table.run(f"%%explain --against {name}\n{SQL}")
        assert texts(ran)[1].startswith(f"{name} → this cell\n")


def test_statements_of_python_are_compared_shape_by_shape(table):
    other = "    c.exec_driver_sql('select 1').all()\n"
    table.run(f"%%explain before\n{PYTHON}{other}")
    third = "    c.exec_driver_sql('select 2, 3')"
    ran = table.run(f"%%explain --against before\n{PYTHON}{other.replace('1', '7')}{third}")

    compared = texts(ran)[1]
    assert "new: select 2, 3" in compared
    assert "gone:" not in compared


@pytest.mark.parametrize("body", [SQL, "print('ran')"], ids=["SQL", "Python"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "The notebook has no variable 'nothing'"),
        ("number", "'number' holds no plan. Store one by %%explain number."),
        ("counted", "'counted' holds no plan. Store one by %%explain counted."),
    ],
)
def test_a_name_without_a_plan_is_refused_before_anything_runs(table, name, said, body):
    table.run("%%querycount counted\nnumber = 3")
    ran = table.run(f"%%explain --against {name}\n{body}")

    assert ran.status == "error"
    assert said in ran.error
    assert not ran.bundles
    assert "ran" not in ran.printed


def test_a_cell_without_statements_shows_no_comparison(table):
    table.run(f"%%explain kept\n{SQL}")
    ran = table.run("%%explain --against kept\npass")

    assert len(texts(ran)) == 1
