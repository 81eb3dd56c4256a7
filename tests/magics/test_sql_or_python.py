import pytest

from perfkit.magics.explain_sql import is_sql

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


@pytest.mark.parametrize("body", SQL)
def test_sql_is_told_from_python(body):
    assert is_sql(body)


@pytest.mark.parametrize("body", PYTHON)
def test_python_is_told_from_sql(body):
    assert not is_sql(body)
