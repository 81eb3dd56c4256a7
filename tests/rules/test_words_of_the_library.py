"""Advice in the words of the library that sends the statements, and of no other."""

import pytest

from perfkit.model.builders import loop, trace
from perfkit.rules import diagnose

FOREIGN = {
    "django": ("session", "sqlalchemy", "SQLAlchemy", "undefer", "select(", "yield_per", "Session("),
    "psycopg": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "asyncpg": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "sqlite3": ("session", "sqlalchemy", "SQLAlchemy", "objects", "select(", "yield_per", "Session("),
    "sqlalchemy": (".objects", "executemany", "Django", "bulk_create"),
}


def only_finding(rule, driver, spans, **parts):
    (finding,) = diagnose(trace(spans, **parts)).findings
    told = " ".join((finding.message, finding.advice, finding.refutation))
    assert finding.rule == rule
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
