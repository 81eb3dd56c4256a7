"""The same library, used well in Django."""

# ruff: noqa: B018 - reading an attribute is what sends the statement, or here does not
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch

from tests.corpus.program import silent


@silent(statements=2, on="django")
def django_prefetch_related(authors):
    """Two statements, however many authors."""
    for author in authors.prefetch_related("books"):
        list(author.books.all())


@silent(statements=2, on="django")
def django_count_of_prefetched(authors):
    """Objects that were prefetched are counted, and asked whether there are any, without a statement."""
    for author in authors.prefetch_related("books"):
        author.books.count()
        author.books.exists()


@silent(statements=1, on="django")
def django_annotation(authors, books):
    """Whether there is such a book, asked together with the authors."""
    exists = Exists(books.filter(author_id=OuterRef("pk"), title="book 1"))
    for author in authors.annotate(has_books=exists):
        author.has_books


@silent(statements=2, on="django")
def django_prefetch_of_a_part(authors, books):
    """The books of all authors that fit, by one statement."""
    chosen = Prefetch("books", queryset=books.filter(title="book 1"), to_attr="chosen_books")
    for author in authors.prefetch_related(chosen):
        list(author.chosen_books)


@silent(statements=1, on="django")
def django_select_related(books):
    """One statement with a join."""
    for book in books.select_related("author"):
        book.author.name


@silent(statements=1, on="django-postgresql")
def django_select_related_on_postgresql(books):
    """The same through psycopg."""
    for book in books.select_related("author"):
        book.author.name


@silent(statements=1, on="django")
def django_bulk_create(notes):
    """Nine rows, one statement."""
    notes.bulk_create([notes.model(text=f"note {number}") for number in range(9)])


@silent(statements=3, on="django")
def django_atomic_around_chunks(notes):
    """Four rows a statement, and one transaction for all."""
    with transaction.atomic():
        for first in range(0, 12, 4):
            notes.bulk_create([notes.model(text=f"note {first + n}") for n in range(4)])


@silent(statements=2, on="django")
def django_bulk_update(authors):
    """All authors by one statement, whose values differ."""
    everyone = list(authors.all())
    for author in everyone:
        author.name = author.name.upper()
    authors.bulk_update(everyone, ["name"])


@silent(statements=1, on="django")
def django_delete_by_a_list_of_keys(reviews):
    """Nine keys, one statement."""
    reviews.filter(pk__in=range(9)).delete()


@silent(statements=1, on="django")
def django_only_what_is_read(authors):
    """The column that is read is among those that were asked for."""
    for author in authors.only("name"):
        author.name


@silent(statements=1, on="django")
def django_in_bulk(authors):
    """Many keys at once."""
    found = authors.in_bulk(range(1, 9))
    [found[key].name for key in range(1, 9)]


@silent(statements=2, on="django")
def django_two_lines(authors):
    """Two lines, two keys."""
    authors.get(pk=1)
    authors.get(pk=2)


@silent(statements=3, on="django")
def django_two_on_one_line(authors):
    """Two authors are compared by hand."""
    first, second = authors.all()[:2]
    first.books.count(), second.books.count()


@silent(statements=1, on="django")
def django_a_query_set_used_twice(authors):
    """A query set keeps its rows: the second loop sends nothing."""
    everyone = authors.all()
    [author.name for author in everyone]
    [author.name for author in everyone]
