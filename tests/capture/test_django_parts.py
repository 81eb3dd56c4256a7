"""Parts of relations in a loop: what is told of them, and advice that is pasted and run."""

import re

import pytest
from django.core import serializers
from django.db import connections
from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q
from django.db.models.manager import BaseManager, Manager
from django.test.utils import CaptureQueriesContext
from django_shelf import Author, Book, Profile, Tag, empty, fill

from perfkit.capture.queries import QueryCollector
from perfkit.session import measure

PASTED = {
    model.__name__: model for model in (Author, Book, Profile, Tag, Count, Exists, Max, OuterRef, Prefetch, Q)
}


@pytest.fixture(autouse=True)
def _shelf(tmp_path):
    connections.settings["default"] |= {"NAME": str(tmp_path / "shelf.db")}
    connection = connections["default"]
    fill(connection)
    yield
    empty(connection)
    connection.close()


def parts(work):
    collector = QueryCollector()
    collector.start()
    try:
        work(Author.objects.first(), Book.objects.first(), Tag.objects.first())
    finally:
        spans = collector.stop().spans
    (span,) = [span for span in spans if span.relationship]
    return span.relationship, span.to_many, set(span.relationship_part)


PARTS = [
    (lambda author, book, tag: list(author.books.all()), "Author.books", set()),
    (lambda author, book, tag: len(author.books.all()), "Author.books", set()),
    (lambda author, book, tag: list(author.books.filter(title="0.1")), "Author.books", {"filter"}),
    (lambda author, book, tag: list(author.books.exclude(title="0.1")), "Author.books", {"filter"}),
    (lambda author, book, tag: author.books.get(title="0.1"), "Author.books", {"filter"}),
    (lambda author, book, tag: list(author.books.order_by("-id")), "Author.books", {"order"}),
    (lambda author, book, tag: list(author.books.all()[:2]), "Author.books", {"slice"}),
    (lambda author, book, tag: author.books.order_by("-id").first(), "Author.books", {"order", "first"}),
    (lambda author, book, tag: author.books.count(), "Author.books", {"count"}),
    (lambda author, book, tag: author.books.all().count(), "Author.books", {"count"}),
    (lambda author, book, tag: author.books.exists(), "Author.books", {"exists"}),
    (lambda author, book, tag: author.books.filter(id=1).exists(), "Author.books", {"filter", "exists"}),
    (lambda author, book, tag: author.books.aggregate(Max("id")), "Author.books", {"aggregate"}),
    (lambda author, book, tag: list(author.books.values_list("id")), "Author.books", {"values"}),
    (lambda author, book, tag: list(author.books.defer("title")), "Author.books", {"values"}),
    (lambda author, book, tag: list(author.books.select_related("author")), "Author.books", {"values"}),
    (lambda author, book, tag: list(book.tags.all()), "Book.tags", set()),
    (lambda author, book, tag: list(book.tags.filter(id=1)), "Book.tags", {"filter"}),
    (lambda author, book, tag: book.tags.count(), "Book.tags", {"links", "count"}),
    (lambda author, book, tag: list(tag.tagged.all()), "Tag.tagged", set()),
    (lambda author, book, tag: tag.tagged.exists(), "Tag.tagged", {"links", "exists"}),
]


@pytest.mark.parametrize(("work", "relation", "part"), PARTS)
def test_what_is_asked_of_a_relation_to_many_is_told(work, relation, part):
    assert parts(work) == (relation, True, part)


@pytest.mark.parametrize("name", ["Book.author", "Author.profile", "Profile.author"])
def test_a_relation_to_one_is_told_as_such(name):
    owner, _, attribute = name.partition(".")
    instance = PASTED[owner].objects.first()

    assert parts(lambda *_: getattr(instance, attribute)) == (name, False, set())


def current(manager):
    books = BaseManager.get_queryset(manager)
    return books.filter(title__startswith="0") if manager.model is Book else books


def test_a_condition_of_the_models_own_manager_is_not_taken_for_the_programs(monkeypatch):
    monkeypatch.setattr(Manager, "get_queryset", current, raising=False)

    assert parts(lambda author, book, tag: list(author.books.all()))[2] == set()
    assert parts(lambda author, book, tag: author.books.exists())[2] == {"exists"}


def advice(work):
    with measure("loop") as m:
        work()
    return [finding.advice for finding in m.diagnosis.findings]


def pasted(text, **written):
    """The query set of the advice, with what was written where it has dots."""
    (code,) = re.findall(r"^(?:Author|Book|Tag)\.objects\..*$", text, re.MULTILINE)
    for name, value in written.items():
        code = code.replace(name, value)
    return eval(code, dict(PASTED))


def statements(work):
    with CaptureQueriesContext(connections["default"]) as captured:
        work()
    return len(captured)


def existing():
    for author in Author.objects.all():
        author.books.filter(title="0.1").exists()


def test_whether_there_is_one_becomes_an_annotation():
    (text,) = advice(existing)
    authors = pasted(text, **{", ...": ', title="0.1"'})

    assert [author.has_books for author in authors] == [True, False, False]
    assert "# read author.has_books in the loop" in text
    assert "select_related" not in text


def counting():
    for book in Book.objects.all():
        book.tags.count()


def test_how_many_there_are_becomes_an_annotation():
    (text,) = advice(counting)

    assert [book.tags_count for book in pasted(text)] == [1] * 6


def existing_links():
    for tag in Book.objects.all():
        tag.tags.exists()


def test_whether_there_is_one_among_many_to_many_asks_the_rows_that_link_both():
    (text,) = advice(existing_links)

    assert [book.has_tags for book in pasted(text)] == [True] * 6


def highest():
    for author in Author.objects.all():
        author.books.aggregate(Max("id"))


def test_an_aggregate_becomes_an_annotation():
    (text,) = advice(highest)

    assert [author.books_value for author in pasted(text)] == [2, 4, 6]


def newest():
    for author in Author.objects.all():
        author.books.order_by("-id").first()


def test_the_first_by_an_order_is_prefetched_in_that_order():
    (text,) = advice(newest)

    def work():
        assert [[book.id for book in author.chosen_books] for author in pasted(text)] == [[2], [4], [6]]

    assert statements(work) == 2


def filtered_past_the_prefetch():
    for author in Author.objects.prefetch_related("books"):
        list(author.books.filter(title="0.1"))


def test_a_filter_goes_round_what_was_prefetched_and_is_moved_there():
    (text,) = advice(filtered_past_the_prefetch)

    def work():
        authors = pasted(text, **{"filter(...)": 'filter(title="0.1")'})
        assert [len(author.chosen_books) for author in authors] == [1, 0, 0]

    assert statements(work) == 2
    assert "goes round what was prefetched" in text


def existing_in_a_filtered_loop():
    for author in Author.objects.all():
        for book in author.books.filter(title__endswith="1"):
            book.tags.exists()


def test_what_hangs_on_a_part_is_asked_within_it():
    text = next(text for text in advice(existing_in_a_filtered_loop) if "has_tags" in text)

    def work():
        authors = pasted(text, **{"filter(...)": 'filter(title__endswith="1")'})
        assert [[book.has_tags for book in author.chosen_books] for author in authors] == [[True]] * 3

    assert statements(work) == 2


def whole():
    for author in Author.objects.all():
        list(author.books.all())


def test_a_whole_relation_is_prefetched_without_further_ado():
    (text,) = advice(whole)

    assert text.endswith('\nAuthor.objects.prefetch_related("books")')


def columns():
    for author in Author.objects.all():
        list(author.books.values_list("title", flat=True))


def test_columns_of_a_relation_are_read_from_its_objects():
    (text,) = advice(columns)

    def work():
        assert [[book.title for book in author.books.all()] for author in pasted(text)] == [
            ["0.0", "0.1"], ["1.0", "1.1"], ["2.0", "2.1"],
        ]  # fmt: skip

    assert statements(work) == 2
    assert "# read author.books.all() in the loop" in text


def serialized(books):
    return serializers.serialize("json", books)


def test_what_a_library_reads_of_a_relation_it_reads_from_what_was_prefetched():
    (text,) = advice(lambda: serialized(Book.objects.all()))

    assert statements(lambda: serialized(pasted(text))) == 2


def one():
    for author in Author.objects.all()[:2]:
        assert author.profile


def test_a_relation_to_one_is_joined():
    (text,) = advice(one)

    assert text.endswith('\nAuthor.objects.select_related("profile")')
