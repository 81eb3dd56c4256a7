import pytest

from perfkit.magics._mistyped_sql import mistyped_sql
from perfkit.magics.explain_sql import is_python, is_sql

SQL = [
    "SELECT 1",
    "select * from users where id = :id",
    "\n\n  SELECT\n  *\nFROM t;",
    "-- the slow one\nSELECT 1",
    "/* two\nlines */ -- and one\n select count(*) from t",
    "(SELECT 1) UNION (SELECT 2)",
    "WITH recent AS (SELECT 1) SELECT * FROM recent",
    "with recursive t(n) as (select 1 union select n + 1 from t) select * from t",
    'WITH "My View" AS MATERIALIZED (SELECT 1) SELECT 1',
    "INSERT INTO t (a) VALUES (1)",
    "UPDATE users SET name = 'x' WHERE id = 1",
    "update users u set name = 'x'",
    "DELETE FROM users WHERE id = 1",
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
    "TABLE users;",
    "VALUES (1) ORDER BY 1",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT frm users",
    "select 'with x as y' where a = 1",
    "SELECT 1 -- %time",
    "SELECT :number",
    "SELECT :one, :two",
    "SELECT .5 x",
    "SELECT (SELECT 1) x",
    "SET work_mem = '1MB'; SELECT 1",
    "CREATE INDEX ON t (a)",
    "call refresh(1);",
    "DO $$BEGIN END$$",
    "begin; select 1; commit",
]
PYTHON = [
    "x = 1",
    "select = 1",
    "select(User).where(User.id == 1)",
    "select(User).where(User.id == 1",
    "with engine.connect() as c:\n    c.execute(q)",
    "with engine.connect() as c:\n    c.execute(q",
    "with session as (a):\n    pass",
    "values = [1, 2\n",
    "values: list = [",
    "table = users +",
    "update = 3 3",
    "insert(User)",
    "delete(User).where(x) y",
    "table(users)",
    "merge = into +",
    "await session.execute(select(User))",
    "for user in users:\n    user.posts",
    '"""SELECT 1"""',
    "sql = 'SELECT 1'",
    "# SELECT 1\nask(1)",
    "replace.into = 1",
    "values (1)",
    "select: Select = 3",
    "select.x y",
    "select, x = 1 2",
    "set(x).add(1 2",
    "copy = 1 2",
    "copy in seen +",
    "drop.x y",
    "begin = 1;",
    "",
]


MISTYPED = {
    "selct 1": "SELECT",
    "slect * from users": "SELECT",
    "SELET id, name FROM users": "SELECT",
    "-- all of them\nselectt * from users": "SELECT",
    "selct\n  id\nfrom users": "SELECT",
    "elect count(*) from users": "SELECT",
    "slect distinct kind from t": "SELECT",
    "udpate users set name = 1": "UPDATE",
    "updat users set name = 1": "UPDATE",
    "delte from users": "DELETE",
    "dlete from users where id = 3": "DELETE",
    "inser into t values (1)": "INSERT",
    "insrt into t (a) select 1": "INSERT",
    "wiht recent as (select 1) select * from recent": "WITH",
    "update users": "SELECT, INSERT INTO",
    "show * from users": "SELECT, INSERT INTO",
}
BROKEN_PYTHON = [
    *(text for text in PYTHON if text),
    "selected 3",
    "selected = [1, 2",
    "width 3",
    "print x",
    "from x imprt y",
    "raise Error from error error",
    "yield from x y",
    "updates in seen +",
    "delete in seen +",
    "for user in users\n    print(user)",
    "selct is not None None",
    f"show {', '.join(f'a({n})' for n in range(5000))}",
    "def slect(x:\n    pass",
    "x = slect * from users",
    "if select x:\n    pass",
    "total * 3 3",
    "tables 3",
    "slect",
    "slect (1) 2",
]


@pytest.mark.parametrize("body", MISTYPED)
def test_sql_with_a_slip_in_its_first_word_is_told_how_to_begin(body):
    assert not is_python("", body)
    lines = mistyped_sql(body.removeprefix("-- all of them\n")).splitlines()
    assert lines[0].endswith("and Python cannot read it.")
    assert lines[1].startswith(f"If it is SQL, begin it with {MISTYPED[body]}")


@pytest.mark.parametrize("body", BROKEN_PYTHON)
def test_a_slip_in_python_stays_one_of_python(body):
    assert is_python("", body)


@pytest.mark.parametrize("body", SQL)
def test_sql_is_told_from_python(body):
    assert is_sql(body)


@pytest.mark.parametrize("body", PYTHON)
def test_python_is_told_from_sql(body):
    assert not is_sql(body)
