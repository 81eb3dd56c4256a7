"""Several statements are taken apart by the database's quoting; each has its plan, and none is executed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.capture.databases.sql_text import split_statements
from perfkit.capture.plans import ExplainError, explain_script, has_several_statements

PIECES = [
    "SELECT 1",
    "SELECT ';'",
    'SELECT 1 AS "a;b"',
    "SELECT $$;$$",
    "SELECT $a$ ; $$ ; $a$",
    "SELECT 'it''s;'",
    "SELECT E'\\';'",
    "/* ; */ SELECT 2",
    "SELECT 3 -- ;\n",
    "DO $$BEGIN; END$$",
    "CALL p(';')",
    "SET work_mem = '1;MB'",
    "UPDATE t SET a = '\n;'",
]


@given(st.lists(st.sampled_from(PIECES)), st.sampled_from([";", ";\n", " ; ", ";;", ";/* ; */"]))
def test_what_was_joined_is_taken_apart_again(pieces, separator):
    parts = split_statements(separator.join(pieces), "postgres")
    assert [part.replace("/* ; */", "").strip() for part in parts] == [
        piece.replace("/* ; */", "").strip() for piece in pieces
    ]


def parts_of(text):
    try:
        return split_statements(text, "postgres")
    except ExplainError:
        return ()


@given(st.text(alphabet="SELECT 1;'\"$a-*/\\\n\r()", max_size=40))
def test_any_text_is_taken_apart_or_refused_and_nothing_is_lost(text):
    parts = parts_of(text)
    assert all(part in text for part in parts)
    assert all(len(parts_of(part)) <= 1 for part in parts)


def test_mysql_quotes_by_its_own_rules():
    assert split_statements(r"SELECT 'a\'; b'; SELECT `x;y`", "mysql") == (r"SELECT 'a\'; b'", "SELECT `x;y`")


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1;", ";;SELECT ';'; -- end;\n", "-- nothing"])
def test_one_statement_is_not_several(plan_engine, text):
    assert not has_several_statements(plan_engine, text)


SCRIPT = """
SET enable_seqscan = off;
UPDATE watched SET value = 0;
CALL nothing();
SELECT count(*) FROM orders WHERE id < :id;
DO $$BEGIN DELETE FROM watched; END$$;
COMMIT;
SELECT status FROM orders WHERE city = :city LIMIT 1;
DROP TABLE watched;
SELECT * FROM missing
"""


def test_each_statement_has_its_plan_and_the_others_say_why_not(plan_engine):
    plans, notes = explain_script(plan_engine, SCRIPT, {"id": 4711, "city": "city 77"})
    assert [plan.query_text.split()[0] for plan in plans] == ["UPDATE", "SELECT", "SELECT"]
    assert [plan.analyzed for plan in plans] == [False, True, True]
    assert plans[1].root.total_rows == 1
    assert "enable_seqscan" not in plans[1].settings
    assert [note.split(":")[0] for note in notes] == [
        "No plan for SET enable_seqscan = off",
        "No plan for CALL nothing()",
        "No plan for DO $$BEGIN DELETE FROM watched; END$$",
        "No plan for COMMIT",
        "No plan for DROP TABLE watched",
        "No plan for SELECT * FROM missing",
    ]
    assert 'relation "missing" does not exist' in notes[-1]
    assert "4711" not in "".join(str(plan) for plan in plans)


def test_the_tables_of_every_statement_are_described(plan_engine):
    plans, _ = explain_script(
        plan_engine, "SELECT * FROM orders; SELECT * FROM customers JOIN orders USING (id)", {}
    )
    assert [[table.name for table in plan.tables] for plan in plans] == [
        ["public.orders"],
        ["public.customers", "public.orders"],
    ]


def test_an_open_quote_is_refused_as_a_whole(plan_engine):
    with pytest.raises(ExplainError, match="not closed"):
        explain_script(plan_engine, "SELECT 1; SELECT 'open", {})


def test_the_writes_of_a_script_are_each_rolled_back(plan_engine):
    plans, notes = explain_script(
        plan_engine, "DELETE FROM audit; SELECT count(*) FROM watched", {}, analyze_writes=True
    )
    assert [plan.analyzed for plan in plans] == [True, True]
    assert notes == ()
