"""What the text of a statement tells about the rows that its joins multiply."""

import pytest

from perfkit.model.sql_joins import Joins, read_joins

TWO = "LEFT JOIN books b ON b.author_id = a.id LEFT JOIN prizes p ON p.author_id = a.id"


@pytest.mark.parametrize(
    ("statement", "collections"),
    [
        (f"SELECT * FROM authors a {TWO}", ("books", "prizes")),
        (f"SELECT * FROM authors a {TWO} LEFT JOIN notes n ON n.author_id = a.id LIMIT ?",
         ("books", "prizes", "notes")),
        (f"SELECT * FROM authors a {TWO} WHERE a.id IN (…) AND a.tags = […]", ("books", "prizes")),
        (f"WITH x AS (SELECT ?) SELECT * FROM authors a {TWO}", ("books", "prizes")),
        (f"SELECT * FROM authors a {TWO.replace('b.author_id = a.id', 'a.id = b.author_id')}",
         ("books", "prizes")),
        ('SELECT * FROM "authors" AS a LEFT JOIN "books" AS b ON a."id" = b."author_id" '
         'LEFT JOIN "books" AS c ON a."id" = c."editor_id"', ("books", "books")),
        ("SELECT * FROM authors a LEFT JOIN books b ON b.author_id = a.id", ("books",)),
    ],
)  # fmt: skip
def test_collections_of_one_object_side_by_side_are_named(statement, collections):
    assert read_joins(statement) == Joins(collections=collections)


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT DISTINCT a.id FROM authors a {TWO}",
        f"SELECT count(*) FROM authors a {TWO} GROUP BY a.id",
        "SELECT * FROM authors a LEFT JOIN LATERAL (SELECT ? LIMIT ?) b ON true",
        "SELECT * FROM orders o LEFT JOIN people p ON p.id = o.person_id",
        "SELECT * FROM a NATURAL JOIN b",
        "SELECT * FROM a JOIN b USING (id)",
        "SELECT * FROM a, b WHERE a.x = b.x",
        "SELECT * FROM a, b, c WHERE a.x = b.x AND (c.y = b.y OR c.z = a.z)",
        "WITH one AS (SELECT max(x) FROM b) SELECT * FROM a, one",
        "SELECT * FROM a, (SELECT max(x) AS m FROM b) AS one",
        "UPDATE a SET x = ?",
        "not SQL at all (",
        "",
        "SELECT " + "(" * 5000,
        "SELECT ?, " * 10_000,
    ],
)
def test_a_statement_that_multiplies_nothing_or_cannot_be_read_names_no_tables(statement):
    assert read_joins(statement) == Joins()


@pytest.mark.parametrize("system_name", ["postgresql", "sqlite", "mysql"])
def test_tables_that_nothing_ties_together_are_named(system_name):
    text = "SELECT * FROM a, b, c WHERE a.x = b.x AND c.kind = ?"

    assert read_joins(text, system_name) == Joins(unrelated=("a", "c"))
