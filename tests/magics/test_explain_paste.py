"""`%%explain --plan` shows a plan that is pasted into the cell; without the option, the magic says so."""

import json
import re

import pytest

from perfkit.magics.explain_sql import is_python
from tests.pasted_plans.recording import FOLDER, load

PLANS = load(18)["hash_join"]
PRETTY = json.dumps(json.loads(PLANS["json"]), indent=2)
XML = load(18)["insert"]["xml"]
TABLE = (FOLDER / "psql" / "aligned.text.txt").read_text(encoding="utf-8")
LOG = (FOLDER / "logs" / "stderr_text.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("plan", [PLANS["text"], PRETTY, XML, TABLE, LOG], ids=range(5))
def test_a_pasted_plan_is_shown_and_kept(notebook, plan):
    ran = notebook.run(f"%%explain --plan kept\n{plan}")
    assert ran.status == "ok", ran.error
    assert len(ran.bundles) == 1
    assert re.match(r"kept: \d plans?\b", ran.bundles[0]["text/plain"])
    assert notebook.value("kept.plan.system_name") == "postgresql"
    assert ran.traces[0]["plans"]


def test_it_needs_no_engine(notebook):
    notebook.run("%reset -f")
    ran = notebook.run(f"%%explain --plan\n{TABLE}")
    assert ran.status == "ok", ran.error
    notebook.run("import sqlalchemy as sa\nengine = sa.create_engine('sqlite://')")


@pytest.mark.parametrize("plan", [PLANS["text"], PRETTY, XML, TABLE, LOG], ids=range(5))
def test_a_plan_without_the_option_is_recognised(notebook, plan):
    ran = notebook.run(f"%%explain\n{plan}")
    assert ran.error == "UsageError: %%explain: this is a plan already. Show it with %%explain --plan"
    assert ran.bundles == []


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%explain --plan -e engine\nx", "%%explain: -e asks a database, and --plan shows what is pasted"),
        ("%%explain --plan --prove\nx", "--prove asks a database"),
        ("%%explain --plan --no-analyze\nx", "--no-analyze asks a database"),
        ("%%explain --plan 3rd\nx", "'3rd' cannot name a variable"),
        ("%%explain --plan\n", "%%explain: the cell is empty."),
        ("%%explain --plan\nprint('ran')", "Line 2: this is no plan of PostgreSQL: print('ran')."),
        ("%%explain --plan\nSELECT 1", "Line 2: this is SQL, not its plan"),
        ("%%explain --plan\n\n|--SCAN t", "Line 3: this is a plan of SQLite"),
        (
            "%%explain --plan\nLimit  (cost=0.00..1 rows=1 width=4)\n  ->  Seq Scan on t  (cost=x",
            "Line 3: the numbers of a node cannot be read: (cost=x.",
        ),
    ],
)
def test_mistakes_are_said_in_a_line_or_two_with_the_line_of_the_cell(notebook, cell, message):
    ran = notebook.run(cell)
    assert ran.status == "error"
    assert ran.error.startswith("UsageError: ")
    assert message in ran.error
    assert len(ran.error.splitlines()) <= 2
    assert ran.printed == ""
    assert ran.bundles == []


def test_another_magic_above_it_measures_that_nothing_is_sent(notebook):
    ran = notebook.run(f"%%querycount counted\n%%explain --plan\n{PLANS['text']}")
    assert ran.status == "ok", ran.error
    assert notebook.value("len(counted.trace.queries)") == 0


@pytest.mark.parametrize(
    "body",
    [
        "x = 1",
        "for i in range(3):\n    ask(i)",
        "plan = '''\n QUERY PLAN\n----\n Result  (cost=0.00..1.00 rows=1 width=4)\n'''",
        "[1, 2]",
        '{"Plan": 1}',
        "x = '''Limit  (cost=0.00..1.00 rows=1 width=4)'''",
        "await session.execute(select(User))",
        "broken = (",
    ],
)
def test_python_that_only_mentions_plans_stays_python(body):
    assert is_python("", body)
    assert not is_python("--plan", body)
    assert not is_python("kept --plan", body)


@pytest.mark.parametrize("body", [PLANS["text"], PLANS["json"], PRETTY, XML, TABLE, LOG], ids=range(6))
def test_plans_are_told_from_python(body):
    assert not is_python("", body)
