"""Joins that multiply rows with each other.

What it finds
    A statement that joins two or more collections of the same object side by side, or tables that no
    condition ties together, and that returned many rows.

Why is this slow
    For an author with 20 books and 30 reviews the database sends 600 rows to say what 50 would: each book
    with each review. The rows grow with the product of the collections, and the ORM throws most of them away.

Example
    session.scalars(select(Author).options(joinedload(Author.books), joinedload(Author.reviews))).unique()

Use instead
    session.scalars(select(Author).options(joinedload(Author.books), selectinload(Author.reviews))).unique()

Thresholds
    min_rows: 500 rows returned (reference notes on detectors, section 3.8); a small product does no harm.
    min_collections: 2 outer joins on the same key of the same table (EF Core's rule for a query that should
    be split).

Stays silent when
    The joins form a chain (books, and the chapters of each book): that is no product. They lead to one row
    each: the joined table's own key, a join narrowed by a value, a grouped sub-query, a lateral one. Only one
    is a collection. Rows are grouped or made distinct. It says CROSS JOIN, which is written on purpose, or
    joins a generated series. Few or an unknown number of rows came back. It cannot be read as SQL.
"""

from collections.abc import Iterator

from perfkit.model.builders import query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member
from perfkit.model.sql_joins import read_joins
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._groups import by_shape_and_line, indexes_of, spans_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import is_catalogue, is_read


def cartesian_product(trace: Trace, *, min_rows: int = 500, min_collections: int = 2) -> Iterator[Finding]:
    """Report statements whose joins multiply rows.

    Args:
        trace: a block whose queries were measured.
        min_rows: rows that one execution returned, at least.
        min_collections: collections of one object that are joined side by side, at least.
    """
    for members in by_shape_and_line(trace, lambda span: (span.returned_rows or 0) >= min_rows):
        span = members[0][1]
        if not is_read(span) or is_catalogue(span):
            continue
        joins = read_joins(span.query_text, span.system_name)
        if len(joins.collections) >= min_collections:
            yield _finding(trace, members, joins.collections, _collection_advice(joins.collections))
        elif joins.unrelated:
            yield _finding(trace, members, joins.unrelated, _unrelated_advice(joins.unrelated))


def _finding(trace: Trace, members: list[Member], tables: tuple[str, ...], advice: str) -> Finding:
    spans = spans_of(members)
    rows, executions = max(span.returned_rows or 0 for span in spans), all_sent(trace, members).count
    return Finding(
        code="PK113",
        rule="cartesian-product",
        severity=severity_of(sum(span.duration_ms for span in spans), trace, grows_with_data=True),
        message=f"{rows:,} rows returned: the joins multiply {' by '.join(tables)}",
        advice=advice,
        refutation=(
            "The joins were read from the statement's text. It would be a false alarm if, for each row, all "
            "but one of these tables hold at most one match."
        ),
        confidence=0.5,
        location=spans[0].call_site,
        offenders=indexes_of(members),
        saving_ms=None,
        evidence=(f"{rows:,} rows returned by one execution, {counted(executions, 'execution')}",),
    )


def _collection_advice(collections: tuple[str, ...]) -> str:
    first, *others = collections
    options = [f"joinedload(Model.{first})", *(f"selectinload(Model.{name})" for name in others)]
    return (
        "Join one collection at most, and load the others by statements of their own.\n"
        "from sqlalchemy.orm import joinedload, selectinload\n"
        f"select(Model).options({', '.join(options)})"
    )


def _unrelated_advice(tables: tuple[str, ...]) -> str:
    return (
        f"Say how {' and '.join(tables)} belong together, or take out what the result does not need.\n"
        f"select(...).join({tables[-1]}, {tables[-1]}.c.key == {tables[0]}.c.key)"
    )


_TWO = (
    "SELECT a.id FROM authors AS a LEFT OUTER JOIN books AS b ON a.id = b.author_id "
    "LEFT OUTER JOIN reviews AS r ON a.id = r.author_id"
)


def _many(text: str, name: str, rows: int | None = 12_800) -> Trace:
    return trace(query(text, returned_rows=rows, duration_ms=60.0), name=name)


RULE = Rule(
    code="PK113",
    name="cartesian-product",
    requires="queries",
    check=cartesian_product,
    fires_on=(
        _many(_TWO, "two collections of one object"),
        _many(
            "SELECT a.id FROM authors AS a LEFT OUTER JOIN books AS b ON a.id = b.author_id LEFT OUTER JOIN "
            "(author_tags AS x JOIN tags AS t ON t.id = x.tag_id) ON a.id = x.author_id WHERE a.id IN (…)",
            "a collection and a many-to-many one",
        ),
        _many(
            "SELECT anon_1.authors_id FROM (SELECT authors.id AS authors_id FROM authors LIMIT ?) AS anon_1 "
            "LEFT OUTER JOIN books AS b ON anon_1.authors_id = b.author_id "
            "LEFT OUTER JOIN reviews AS r ON anon_1.authors_id = r.author_id",
            "two collections behind a limit",
        ),
        _many(
            "SELECT users.id FROM users, posts WHERE posts.status = ?",
            "two tables that nothing ties together",
        ),
    ),
    silent_on=(
        _many(_TWO, "a small product", rows=120),
        _many(_TWO, "not known how many rows", rows=None),
        _many(
            "SELECT a.id FROM authors AS a LEFT OUTER JOIN books AS b ON a.id = b.author_id "
            "LEFT OUTER JOIN chapters AS c ON b.id = c.book_id",
            "a chain: the chapters of each book",
        ),
        _many(
            "SELECT o.id FROM orders AS o LEFT OUTER JOIN customers AS c ON c.id = o.customer_id "
            "LEFT OUTER JOIN people AS p ON p.id = o.customer_id LEFT JOIN shops AS s ON s.id = o.shop_id",
            "objects that each order has one of",
        ),
        _many(
            "SELECT o.id FROM orders AS o LEFT JOIN vips AS v ON v.person_id = o.person_id "
            "LEFT JOIN debtors AS d ON d.person_id = o.person_id",
            "lookups by a foreign key",
        ),
        _many(
            "SELECT i.id FROM items AS i LEFT JOIN attributes AS a ON a.item_id = i.id AND a.name = ? "
            "LEFT JOIN attributes AS b ON b.item_id = i.id AND b.name = ?",
            "one attribute of many, picked by name",
        ),
        _many(
            "SELECT a.id FROM authors AS a LEFT JOIN (SELECT author_id, count(*) AS n FROM books GROUP BY "
            "author_id) AS b ON b.author_id = a.id LEFT JOIN reviews AS r ON r.author_id = a.id",
            "a grouped sub-query and one collection",
        ),
        _many(f"{_TWO} GROUP BY a.id", "grouped rows"),
        _many(
            "SELECT d.day, p.id FROM days AS d CROSS JOIN products AS p", "a cross join written on purpose"
        ),
        _many(
            "SELECT u.id FROM users AS u, posts AS p WHERE p.user_id = u.id", "a join written with a comma"
        ),
        _many(
            "SELECT u.id, s.rate FROM users AS u LEFT JOIN settings AS s ON true", "joined on purpose to all"
        ),
        _many("SELECT u.id FROM users AS u, generate_series(?, ?) AS g", "a generated series"),
        _many("SELECT u.id FROM users AS u, settings AS s WHERE s.id = ?", "one row of settings beside each"),
        _many("SELECT u.id FROM users AS u, posts AS p WHERE user_id = ?", "columns without their table"),
        _many("SELECT ... JOIN what is this", "not readable as SQL"),
        unmeasured(),
    ),
)
