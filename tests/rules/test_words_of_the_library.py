"""Advice in the words of the library that sends the statements, and of no other."""

from dataclasses import replace

import pytest

from perfkit.model.builders import EXAMPLE_TIME, commits, loan, loop, pool, query, trace
from perfkit.model.trace import Trace
from perfkit.rules import diagnose

FOREIGN = {
    "django": ("session", "sqlalchemy", "SQLAlchemy", "undefer", "select(", "yield_per", "Session("),
    "psycopg": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "asyncpg": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "sqlite3": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "sqlalchemy": (".objects", "executemany", "Django", "bulk_create"),
}


def only_finding(rule, driver, spans):
    (finding,) = diagnose(trace(spans)).findings
    assert finding.rule == rule
    return only_words_of(driver, finding)


def only_words_of(driver, finding):
    told = " ".join((finding.message, finding.advice, finding.refutation))
    assert [word for word in FOREIGN[driver] if word in told] == []
    return finding


INSERT = 'INSERT INTO "shop_order" ("total") VALUES (?)'
SAVE = 'UPDATE "shop_order" SET "total" = ?, "paid" = ? WHERE "shop_order"."id" = ?'
UPDATE = 'UPDATE "shop_order" SET "total" = ? WHERE "shop_order"."id" = ?'
DELETE = 'DELETE FROM "shop_order" WHERE "shop_order"."id" = ?'
DELETE_OF = 'DELETE FROM "shop_order" WHERE "shop_order"."customer_id" = ?'
WRITES = [
    ("django", "Order", INSERT, "Order.objects.bulk_create(objects)"),
    ("django", "Order.tags.through", INSERT, "Order.tags.through.objects.bulk_create(objects)"),
    ("django", "Order", SAVE, 'Order.objects.bulk_update(objects, ["field"])'),
    ("django", "Order", UPDATE, 'Order.objects.bulk_update(objects, ["total"])'),
    ("django", "Order", DELETE, "Order.objects.filter(pk__in=keys).delete()"),
    ("django", "Order", DELETE_OF, "Order.objects.filter(customer_id__in=keys).delete()"),
    ("django", None, INSERT, "Model.objects.bulk_create(objects)\ncursor.executemany(sql, rows)"),
    ("psycopg", None, INSERT, "COPY.\ncursor.executemany(sql, rows)"),
    ("psycopg", None, UPDATE, "cursor.executemany(sql, rows)"),
    ("psycopg", None, DELETE, '"shop_order"."id" = ANY(%s)'),
    ("asyncpg", None, INSERT, "copy_records_to_table.\nawait connection.executemany(sql, rows)"),
    ("asyncpg", None, DELETE, '"shop_order"."id" = ANY($1)'),
    ("sqlite3", None, INSERT, "by one call.\nconnection.executemany(sql, rows)"),
    ("sqlite3", None, DELETE, '"shop_order"."id" IN (?, ?, ...)'),
    ("sqlalchemy", None, INSERT, "session.execute(insert(Model), rows)"),
    ("sqlalchemy", None, UPDATE, "session.execute(update(Model), "),
    ("sqlalchemy", None, DELETE, ".where(Model.id.in_(keys))"),
]


@pytest.mark.parametrize(("driver", "entity", "statement", "code"), WRITES)
def test_rows_written_one_by_one_are_written_together(driver, entity, statement, code):
    spans = loop(9, statement, driver=driver, entity=entity)

    assert code in only_finding("write-loop", driver, spans).advice


BIO = "SELECT bio FROM authors WHERE id = ?"
LOADS = [
    ("django", "deferred", "Author.bio", 'Author.objects.only(..., "bio")        # or without .defer("bio")'),
    ("django", "refresh", "Author", "Remove refresh_from_db"),
    ("sqlalchemy", "deferred", "Author.bio", "select(Author).options(undefer(Author.bio))"),
    ("sqlalchemy", "refresh", "Author", "Remove session.refresh"),
]


@pytest.mark.parametrize(("driver", "kind", "column", "code"), LOADS)
def test_columns_loaded_again_are_asked_for_at_once(driver, kind, column, code):
    spans = loop(9, BIO, driver=driver, column_load=column, column_load_kind=kind)

    assert code in only_finding("column-load", driver, spans).advice


COMMITS = [
    ("django", "with transaction.atomic():        # around the loop"),
    ("psycopg", "cursor.execute(sql, row)\nconnection.commit()"),
    ("sqlite3", "connection.execute(sql, row)\nconnection.commit()"),
    ("asyncpg", "async with connection.transaction():\n    for row in rows:"),
    ("sqlalchemy", "with Session(engine) as session, session.begin():"),
]


@pytest.mark.parametrize(("driver", "code"), COMMITS)
def test_commits_for_each_row_become_one(driver, code):
    spans = [query(SAVE, start_ms=10.0 * n + 1, connection_id=1, driver=driver) for n in range(20)]
    block = Trace("block", EXAMPLE_TIME, 200.0, queries=tuple(spans), transactions=commits(20))

    (finding,) = diagnose(block).findings

    assert code in only_words_of(driver, finding).advice
    assert finding.rule == "commit-per-row"


UNREAD = [
    ("psycopg", 20, "add LIMIT to the statement, or read in pieces through a server-side cursor"),
    ("asyncpg", 20, "connection.cursor(sql) inside a transaction"),
    ("sqlite3", 20, "add LIMIT to the statement."),
    ("sqlite3", 1, "add LIMIT 1 to the statement."),
    ("sqlalchemy", 20, "add .limit(...), or read in pieces with yield_per."),
    ("sqlalchemy", 1, "add .limit(1) to the statement."),
]


@pytest.mark.parametrize(("driver", "read", "words"), UNREAD)
def test_rows_that_nobody_reads_are_not_asked_for(driver, read, words):
    span = query("SELECT * FROM t", returned_rows=50_000, consumed_rows=read, driver=driver)

    assert words in only_finding("unbounded-result", driver, [span]).advice


PAGES = [
    ("django", 'Event.objects.filter(later).order_by("created_at", "pk")[:100]'),
    ("psycopg", "WHERE (created_at, id) > (%s, %s) ORDER BY created_at, id LIMIT 100"),
    ("asyncpg", "WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT 100"),
    ("sqlite3", "WHERE (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT 100"),
    ("sqlalchemy", "select(Event).where(tuple_(Event.created_at, Event.id) > (last.created_at, last.id))"),
]


@pytest.mark.parametrize(("driver", "code"), PAGES)
def test_a_walk_over_pages_goes_on_from_the_last_row(driver, code):
    page = "SELECT * FROM events ORDER BY created_at LIMIT ? OFFSET ?"
    walk = loop(20, page, driver=driver, entity="Event")
    spans = [replace(span, duration_ms=float(number)) for number, span in enumerate(walk, 1)]

    assert code in only_finding("deep-offset", driver, spans).advice


KEYS = [
    ("django", ".filter(id__in=keys)"),
    ("psycopg", "id = ANY(%s)"),
    ("asyncpg", "id = ANY($1)"),
    ("sqlite3", "id IN (?, ?, ...)"),
    ("sqlalchemy", ".where(Model.id.in_(keys))"),
]


@pytest.mark.parametrize(("driver", "code"), KEYS)
def test_a_few_keys_at_a_time_become_all_keys(driver, code):
    spans = loop(9, "SELECT * FROM t WHERE id IN (…)", parameter_count=3, driver=driver)

    assert code in only_finding("select-in-loop", driver, spans).advice


SHORT = [
    ("django", "with transaction.atomic():\n    result.save()"),
    ("psycopg", "with connection.transaction():"),
    ("asyncpg", "async with connection.transaction():"),
    ("sqlite3", "with connection:"),
    ("sqlalchemy", "with session.begin():"),
]


@pytest.mark.parametrize(("driver", "code"), SHORT)
def test_the_result_of_slow_work_is_written_in_a_transaction_of_its_own(driver, code):
    begin, commit = commits(1)
    spans = [query(SAVE, start_ms=ms, connection_id=1, driver=driver) for ms in (1.0, 901.0)]
    events = (begin, replace(commit, time_ms=903.0))
    block = Trace("block", EXAMPLE_TIME, 904.0, queries=tuple(spans), transactions=events)

    (finding,) = diagnose(block).findings

    assert code in only_words_of(driver, finding).advice
    assert finding.rule == "idle-in-transaction"


LOANS = [
    ("psycopg", "with pool.connection() as connection:"),
    ("asyncpg", "async with pool.acquire() as connection:"),
    ("sqlalchemy", "with Session(engine) as session:"),
]


@pytest.mark.parametrize(("driver", "code"), LOANS)
def test_a_connection_is_given_back_and_taken_again_as_its_pool_does_it(driver, code):
    spans = [query("SELECT * FROM t WHERE id = ?", connection_id=1, driver=driver)]
    block = trace(spans, duration_ms=1900.0, pool=pool(loan(0.0, None)))

    (finding,) = diagnose(block).findings

    assert code in only_words_of(driver, finding).advice
    assert finding.rule == "connection-held-idle"
