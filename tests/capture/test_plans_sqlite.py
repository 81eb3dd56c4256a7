"""SQLite's plans name tables and indexes, and what is known of the tables without reading them."""

import pytest
from sqlalchemy import create_engine

from perfkit.capture.plans import ExplainError, explain, explain_samples
from perfkit.capture.samples import StatementSample
from perfkit.model import codec
from perfkit.model.builders import trace

SETUP = """
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INT NOT NULL, title TEXT);
CREATE INDEX by_author ON posts (author DESC, lower(title)) WHERE author > 3;
CREATE UNIQUE INDEX by_title ON posts (title COLLATE NOCASE);
CREATE TABLE words (word TEXT PRIMARY KEY, number) WITHOUT ROWID;
CREATE TABLE "odd ""<b> USING INDEX x" (id INTEGER PRIMARY KEY, "a b" INT);
CREATE INDEX "my index (a)" ON "odd ""<b> USING INDEX x" ("a b");
CREATE VIEW titles AS SELECT title FROM posts;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO posts SELECT i, i, i FROM n;
DELETE FROM posts WHERE id BETWEEN 100 AND 199;
"""
ODD = 'odd "<b> USING INDEX x'


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in SETUP.split(";\n"):
            connection.exec_driver_sql(statement)
        connection.commit()
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "SELECT id\nFORM posts\nWHERE id = 3",
            ['near "posts": syntax error', "  FORM posts", "       ^"],
        ),
        ("SELECT title FROM posts WHER id = 3", ['near "id": syntax error', "  {}", " " * 31 + "^"]),
        ("SELECT 1 WHERE )", ['near ")": syntax error', "  SELECT 1 WHERE )", "                 ^"]),
        ("SELECT 1 @ 2", ['unrecognized token: "@"', "  SELECT 1 @ 2", "           ^"]),
        # The word stands there twice: nobody knows which one is meant.
        ("SELECT id posts\nid FROM posts", ['near "id": syntax error', "  SELECT id posts id FROM posts"]),
        ("SELECT a, b, FROM t, a FROM", ['near "FROM": syntax error', "  {}"]),
    ],
)
def test_a_syntax_error_is_shown_in_its_line(engine, statement, said):
    with pytest.raises(ExplainError) as error:
        explain(engine, statement)
    assert str(error.value).splitlines() == [line.format(statement) for line in said]


def test_the_word_is_looked_for_in_the_statement_with_its_parameters(engine):
    with pytest.raises(ExplainError) as error:
        explain(engine, "SELECT title FROM posts WHERE id = :number again", {"number": 3})
    assert str(error.value).splitlines() == [
        'near "again": syntax error',
        "  SELECT title FROM posts WHERE id = ? again",
        " " * 39 + "^",
    ]


def analyze(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def table_of(engine, statement):
    (table,) = explain(engine, statement).tables
    return table


def test_without_analyze_the_rows_are_estimated_by_the_largest_row_number(engine):
    posts = table_of(engine, "SELECT * FROM posts")
    assert (posts.rows, posts.live_rows, posts.is_analyzed) == (-1, 2000, False)


def test_after_analyze_its_count_is_known_too(engine):
    analyze(engine)
    posts = table_of(engine, "SELECT * FROM posts")
    assert (posts.rows, posts.live_rows, posts.is_analyzed) == (1900, 2000, True)


def test_an_empty_table_and_one_without_row_numbers(engine):
    assert table_of(engine, "SELECT * FROM words").live_rows is None
    assert table_of(engine, f'SELECT * FROM "{ODD.replace(chr(34), chr(34) * 2)}"').live_rows == 0


def test_indexes_are_described(engine):
    indexes = {index.name: index for index in table_of(engine, "SELECT * FROM posts").indexes}
    partial, unique = indexes["by_author"], indexes["by_title"]
    assert (partial.keys, partial.descending, partial.predicate) == (
        ("author", "(expression)"),
        (True, False),
        "author > 3",
    )
    assert (unique.keys, unique.opclasses, unique.is_unique) == (("title",), ("NOCASE",), True)
    assert unique.predicate is None


def test_columns_are_described(engine):
    columns = table_of(engine, "SELECT * FROM posts").columns
    assert [(column.name, column.type_name, column.is_nullable) for column in columns] == [
        ("id", "integer", True),
        ("author", "int", False),
        ("title", "text", True),
    ]


def test_the_table_behind_an_alias_is_named(engine):
    plan = explain(engine, "SELECT * FROM posts AS p JOIN words w ON w.word = p.title ORDER BY p.author")
    scan, search = plan.root.children[:2]
    assert (scan.node_type, scan.relation_name, scan.alias) == ("SCAN", "posts", "p")
    assert (search.node_type, search.relation_name, search.alias) == ("SEARCH", "words", "w")
    assert {table.name for table in plan.tables} == {"posts", "words"}


def test_names_with_spaces_quotes_and_keywords_are_read_whole(engine):
    plan = explain(engine, 'SELECT "a b" FROM "odd ""<b> USING INDEX x" WHERE "a b" = :n', {"n": 3})
    node = plan.root.children[0]
    assert (node.relation_name, node.index_name) == (ODD, "my index (a)")
    assert plan.tables[0].indexes[0].keys == ('"a b"',)
    block = trace(plans=(plan,))
    assert codec.loads(codec.dumps(block)) == block


def test_what_is_no_table_is_not_described(engine):
    assert explain(engine, "SELECT 1").tables == ()
    plan = explain(
        engine, "SELECT * FROM (SELECT author, count(*) c FROM posts GROUP BY author LIMIT 9) AS few"
    )
    assert [table.name for table in plan.tables] == ["posts"]
    assert [table.name for table in explain(engine, "SELECT * FROM titles").tables] == ["posts"]


def test_nothing_is_written_and_a_transaction_stays_open(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM posts")
        explain(connection, "SELECT * FROM posts")
        assert connection.exec_driver_sql("SELECT count(*) FROM posts").scalar() == 0
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM posts").scalar() == 1900
        assert (
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name LIKE '%stat1'").scalar()
            == 0
        )


def test_samples_are_described_too(engine):
    sample = StatementSample("one", "SELECT * FROM posts WHERE author = ?", (3,), engine)
    (plan,), _ = explain_samples([sample])
    assert plan.tables[0].live_rows == 2000
