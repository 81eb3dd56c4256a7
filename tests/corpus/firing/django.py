"""The same mistakes in Django. `authors`, `books` and `notes` are the managers `Author.objects` and so on."""

# ruff: noqa: B018 - reading an attribute is what sends the statement
import io

from django.db import transaction

from tests.corpus.program import fires

N = "n-plus-one"


@fires(N, statements=9, on="django")
def django_reverse_relation(authors):
    """Each author's books, where `prefetch_related` would load them together."""
    for author in authors.all():  # cause, loop
        list(author.books.all())  # line


@fires(N, statements=33, on="django")
def django_nested_loops(authors):
    """Two relations, one behind the other: `prefetch_related("books__reviews")` loads both."""
    for author in authors.all():  # cause, loop, inside
        for book in author.books.all():  # loop, line
            list(book.reviews.all())  # line


@fires(N, statements=25, on="django")
def django_foreign_key(books):
    """Each book's author, where `select_related` would join: Django has no identity map."""
    for book in books.all():  # cause, loop
        book.author.name  # line


@fires(N, statements=25, on="django-postgresql")
def django_foreign_key_on_postgresql(books):
    """The same through psycopg."""
    for book in books.all():  # cause, loop
        book.author.name  # line


@fires(N, statements=8, on="django")
def django_get_in_a_loop(authors):
    """`get` by key."""
    for key in range(1, 9):  # loop
        authors.get(pk=key)  # line


@fires(N, statements=9, on="django")
def django_count_per_parent(authors):
    """A count for each author instead of `annotate(Count("books"))`."""
    for author in authors.all():  # cause, loop
        author.books.count()  # line


@fires("m-plus-n", statements=49, on="django")
def django_two_relations_of_each_row(books):
    """Three books have one author, who is loaded for each: that is the loop's fault as well."""
    for book in books.all():  # cause, loop
        print(book.author.name, list(book.reviews.all()), file=io.StringIO())  # line


@fires(N, statements=9, on="django")
def django_existence_per_parent(authors):
    """Whether an author has such a book: `Exists` in an annotation answers for all authors."""
    for author in authors.all():  # cause, loop
        author.books.filter(title="book 1").exists()  # line


@fires(N, statements=9, on="django")
def django_newest_per_parent(authors):
    """The last book of each author: a LIMIT, and yet a relation to many."""
    for author in authors.all():  # cause, loop
        author.books.order_by("-id").first()  # line


@fires(N, statements=10, on="django")
def django_filter_past_a_prefetch(authors):
    """What filters a relation goes round the objects that were prefetched."""
    for author in authors.prefetch_related("books"):  # cause, loop
        list(author.books.filter(title="book 1"))  # line


@fires("column-load", statements=9, on="django")
def django_deferred_column(authors):
    """A column that `defer` left out is read after all."""
    for author in authors.defer("bio"):  # loop
        author.bio  # line


@fires("write-loop", statements=9, on="django")
def django_create_in_a_loop(notes):
    """`bulk_create` would send one statement."""
    for number in range(9):  # loop
        notes.create(text=f"note {number}")  # line


@fires("write-loop", statements=9, on="django")
def django_save_in_a_loop(authors):
    """`bulk_update` would send one statement."""
    for author in authors.all():  # loop
        author.name = author.name.upper()
        author.save()  # line


@fires("commit-per-row", "write-loop", statements=12, on="django")
def django_atomic_in_a_loop(notes):
    """A transaction for each row, where one around the loop would do."""
    for number in range(12):  # loop
        with transaction.atomic():  # line
            notes.create(text=f"note {number}")  # line


@fires("write-loop", statements=9, on="django")
def django_delete_by_key_in_a_loop(reviews):
    """A filter by all keys would send one statement."""
    for key in range(9):  # loop
        reviews.filter(pk=key).delete()  # line


@fires("write-loop", statements=10, on="django")
def django_delete_in_a_loop(notes):
    """`delete()` of each object, which sends a list of one key."""
    notes.bulk_create([notes.model(text=f"note {number}") for number in range(8)])
    for note in list(notes.all()):  # loop
        note.delete()  # line


@fires("column-load", statements=9, on="django")
def django_refresh_in_a_loop(authors):
    """Each author was loaded just before."""
    for author in authors.all():  # loop
        author.refresh_from_db()  # line


@fires("duplicate-query", statements=8, on="django")
def django_the_same_each_time(authors):
    """The answer does not depend on the loop."""
    for _ in range(8):  # loop
        authors.filter(name="author 1").exists()  # line


@fires(N, statements=9, on="django")
async def django_async_for(authors):
    """Django runs its statements in a thread, and the loop in the coroutine."""
    async for author in authors.all():  # cause, loop
        await author.books.acount()  # line
