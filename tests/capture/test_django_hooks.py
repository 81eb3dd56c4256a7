"""Django's statements, counted against Django's own log of queries, on SQLite and PostgreSQL."""

import asyncio
import threading

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext
from django_shelf import Author, Book, Tag, empty, fill
from sqlalchemy.engine import make_url

from perfkit.capture.queries import QueryCollector


@pytest.fixture(autouse=True)
def _django_is_as_it_was():
    before = [list(connection.execute_wrappers) for connection in connections.all(initialized_only=True)]
    receivers = len(connection_created.receivers)
    yield
    now = connections.all(initialized_only=True)
    assert [list(connection.execute_wrappers) for connection in now][: len(before)] == before
    assert not any(connection.execute_wrappers for connection in now)
    assert len(connection_created.receivers) == receivers


@pytest.fixture(params=["default", "postgresql"])
def alias(request):
    if request.param == "postgresql":
        url = make_url(request.getfixturevalue("plan_server"))
        settings = connections.settings["postgresql"]
        settings |= {"HOST": url.query.get("host", url.host or ""), "USER": url.username or ""}
    else:  # a file, since Django never closes a database in memory
        folder = request.getfixturevalue("tmp_path")
        connections.settings["default"] |= {"NAME": str(folder / "shelf.db")}
    connection = connections[request.param]
    fill(connection)
    yield request.param
    empty(connection)
    connection.close()


@pytest.fixture
def oracle(alias):
    """What Django itself says it sent."""
    with CaptureQueriesContext(connections[alias]) as captured:
        yield captured


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def sent_by(oracle):
    return [query["sql"].split()[0] for query in oracle.captured_queries]


def test_every_statement_is_counted_as_django_counts_it(alias, oracle):
    def work():
        for book in Book.objects.using(alias).all():
            assert book.author.name
        Author.objects.using(alias).bulk_create([Author(name=str(n)) for n in range(3)])
        with transaction.atomic(using=alias):
            Tag.objects.using(alias).create()
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT %s", [1])
            cursor.executemany("DELETE FROM shelf_tag WHERE id = %s", [[901], [902]])

    log = recorded(work)
    framing = [verb for verb in sent_by(oracle) if verb in ("BEGIN", "COMMIT")]

    assert len(log.spans) == len(oracle.captured_queries) - len(framing)
    assert {span.driver for span in log.spans} == {"django"}
    assert {span.system_name for span in log.spans} == {connections[alias].vendor}
    assert log.spans[-1].batch_size == 2
    assert [event.kind for event in log.transactions] == ["begin", "commit"] * (len(framing) // 2)
    assert len({span.connection_id for span in log.spans}) == 1


def test_a_foreign_key_that_is_read_in_a_loop_is_named_with_its_loop(alias):
    def title(book):
        return book.author.name

    def work():
        for book in Book.objects.using(alias).all():
            title(book)

    first, *lazy = recorded(work).spans

    assert first.relationship is None
    assert len(lazy) == 6
    assert {span.relationship for span in lazy} == {"Book.author"}
    assert {span.loop_site.source_text for span in lazy} == {"for book in Book.objects.using(alias).all():"}
    assert {span.call_site.function_name for span in lazy} == {"title"}
    assert len({span.parameter_fingerprint for span in lazy}) == 3


LOADS = {
    "Author.books, Book": lambda alias: [list(a.books.all()) for a in Author.objects.using(alias)],
    "Author.profile, Profile": lambda alias: [a.profile for a in Author.objects.using(alias)],
    "Book.tags, Tag": lambda alias: [list(b.tags.all()) for b in Book.objects.using(alias)],
    "Tag.tagged, Book": lambda alias: [list(t.tagged.all()) for t in Tag.objects.using(alias)],
    "Book.author, Author": lambda alias: [b.author for b in Book.objects.using(alias)],
}


@pytest.mark.parametrize("relation", LOADS)
def test_every_kind_of_relation_is_named_and_what_it_loads(alias, relation):
    first, *loads = recorded(lambda: LOADS[relation](alias)).spans

    assert first.entity == relation.partition(".")[0]
    assert {f"{span.relationship}, {span.entity}" for span in loads} == {relation}


def test_counting_and_filtering_through_a_manager_names_the_relation_too(alias):
    def work():
        author = Author.objects.using(alias).first()
        assert author.books.count() == 2
        assert author.books.filter(title="0.1").exists()

    assert [span.relationship for span in recorded(work).spans] == [None, "Author.books", "Author.books"]


EAGER = {
    "select_related": lambda books: [book.author.name for book in books.select_related("author")],
    "prefetch_related": lambda books: [list(book.tags.all()) for book in books.prefetch_related("tags")],
    "prefetch of two levels": lambda books: [
        [list(b.tags.all()) for b in book.author.books.all()]
        for book in books.prefetch_related("author__books__tags")
    ],
    "values": lambda books: [row["author__name"] for row in books.values("author__name")],
    "a plain list": lambda books: list(books.filter(author=1)),
}


@pytest.mark.parametrize("work", EAGER.values(), ids=EAGER)
def test_no_relation_and_no_loop_is_claimed_for_eager_loading(alias, work):
    spans = recorded(lambda: work(Book.objects.using(alias))).spans

    assert {span.relationship for span in spans} == {None}
    assert {span.loop_id for span in spans} == {None}


def test_deferred_and_refreshed_columns_are_named_and_told_apart(alias):
    def work():
        author = Author.objects.using(alias).defer("name").first()
        assert author.name
        author.refresh_from_db()

    _, deferred, refreshed = recorded(work).spans

    assert (deferred.column_load, deferred.column_load_kind) == ("Author.name", "deferred")
    assert (refreshed.column_load, refreshed.column_load_kind) == ("Author", "refresh")


WRITES = {
    "Tag": lambda books: Tag.objects.using(books.db).create(),
    "Book": lambda books: books.first().save(),
    "Book.tags.through": lambda books: books.first().tags.clear(),
}


@pytest.mark.parametrize("model", WRITES)
def test_a_write_names_the_model_that_it_writes(alias, model):
    spans = recorded(lambda: WRITES[model](Book.objects.using(alias))).spans

    assert [span.entity for span in spans if span.operation_name != "SELECT"] == [model]


def test_no_relation_is_claimed_for_a_write_through_a_manager(alias):
    spans = recorded(lambda: Author.objects.using(alias).first().books.update(title="x")).spans

    assert [(span.relationship, span.entity) for span in spans if span.operation_name == "UPDATE"] == [
        (None, "Book")
    ]


def test_a_write_by_a_cursor_names_no_model(alias):
    def work():
        with connections[alias].cursor() as cursor:
            cursor.execute("UPDATE shelf_tag SET id = id")

    assert [span.entity for span in recorded(work).spans] == [None]


def test_rows_are_known_on_postgresql_and_unknown_on_sqlite(alias):
    (span,) = recorded(lambda: list(Book.objects.using(alias).all())).spans

    assert span.returned_rows == (6 if alias == "postgresql" else None)


def test_a_statement_that_fails_is_counted_with_its_error(alias):
    def work():
        with pytest.raises(DatabaseError), connections[alias].cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    (span,) = recorded(work).spans

    assert span.status == "error"
    assert span.error_type in ("ProgrammingError", "OperationalError")


def test_a_rollback_is_counted(alias):
    def work():
        try:
            with transaction.atomic(using=alias):
                Tag.objects.using(alias).create()
                raise LookupError
        except LookupError:
            pass

    assert [event.kind for event in recorded(work).transactions] == ["begin", "rollback"]


def test_threads_have_connections_of_their_own_and_are_counted(alias):
    gate = threading.Barrier(3)

    def ask():
        gate.wait()
        list(Tag.objects.using(alias).all())
        connections[alias].close()

    def work():
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    spans = [span for span in recorded(work).spans if span.operation_name == "SELECT"]

    assert len(spans) == len({span.thread_id for span in spans}) == 3
    assert {span.driver for span in spans} == {"django"}


def test_sync_to_async_is_counted_with_the_line_that_asked(alias):
    def count():
        number = Author.objects.using(alias).count()
        connections[alias].close()
        return number

    async def main():
        return await sync_to_async(count, thread_sensitive=False)()

    spans = recorded(lambda: asyncio.run(main())).spans

    assert [span.call_site.function_name for span in spans] == ["count"]


def test_a_wrapper_of_the_users_still_runs_and_stays(alias):
    seen = []

    def theirs(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(theirs):
        log = recorded(lambda: Tag.objects.using(alias).count())
        Tag.objects.using(alias).count()

    assert (len(log.spans), len(seen)) == (1, 2)


def test_nested_blocks_each_count_their_own(alias):
    inner = QueryCollector()

    def work():
        Tag.objects.using(alias).count()
        inner.start()
        Tag.objects.using(alias).count()
        inner.stop()

    assert (len(recorded(work).spans), inner.count) == (2, 1)


def test_a_new_connection_is_counted_without_its_upkeep(plan_server):
    url = make_url(plan_server)
    connections.settings["postgresql"] |= {
        "HOST": url.query.get("host", url.host or ""),
        "USER": url.username or "",
    }
    connection = connections["postgresql"]
    connection.close()

    def work():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.connection.execute("SELECT 2")  # psycopg's own, past Django

    log = recorded(work)
    connection.close()

    assert [(span.query_text, span.driver) for span in log.spans] == [
        ("SELECT ?", "django"),
        ("SELECT ?", "psycopg"),
    ]
    assert vars(psycopg.Cursor)["execute"].__module__ == "psycopg.cursor"
