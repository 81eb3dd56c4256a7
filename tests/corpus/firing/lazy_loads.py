"""A relationship is loaded for one row after another, in every form that a loop can take."""

# ruff: noqa: B018 - reading an attribute is what sends the statement
import json
from operator import attrgetter

import jinja2
import pandas
from sqlalchemy import select
from sqlalchemy.orm import with_parent

from tests.corpus.models import Author, Book, Category, Editor, Employee
from tests.corpus.program import fires

N = "n-plus-one"
LAZY = "lazy load"


@fires(N, statements=9, kind=LAZY)
def for_loop(session):
    """The classic: one statement for the authors, one more for each author."""
    for author in session.scalars(select(Author)):  # cause, loop
        len(author.books)  # line


@fires(N, statements=9, kind=LAZY, on="postgresql")
def for_loop_on_postgresql(session):
    """The same on a database with a network in between."""
    for author in session.scalars(select(Author)):  # cause, loop
        len(author.books)  # line


@fires(N, statements=9, kind=LAZY)
def list_comprehension(session):
    """A comprehension is a loop on one line, without a frame of its own on Python 3.12."""
    authors = session.scalars(select(Author)).all()  # cause
    [len(author.books) for author in authors]  # loop, line


@fires(N, statements=9, kind=LAZY)
def dictionary_comprehension(session):
    """The value of each key is one more statement."""
    authors = session.scalars(select(Author)).all()  # cause
    {author.name: [book.title for book in author.books] for author in authors}  # loop, line


@fires(N, statements=9, kind=LAZY)
def generator_expression(session):
    """The frame that repeats is the generator's, which the caller resumes."""
    authors = session.scalars(select(Author)).all()  # cause
    sum(len(author.books) for author in authors)  # loop, line


@fires(N, statements=9, kind=LAZY)
def map_over_a_function(session):
    """No `for` anywhere: the loop is in C, within `map`."""
    authors = session.scalars(select(Author)).all()  # cause

    def number_of_books(author):
        return len(author.books)  # line

    list(map(number_of_books, authors))  # loop


@fires(N, statements=9, kind=LAZY)
def for_loop_over_map(session):
    """The loop's own step sends: what it walks over is asked for once, and yet works in each round."""

    def books(author):
        return author.books  # line

    authors = session.scalars(select(Author)).all()  # cause
    for shelf in map(books, authors):  # loop
        len(shelf)


@fires(N, statements=9, kind=LAZY)
def sorted_by_a_key(session):
    """The key function is called for each row by `sort`."""
    authors = session.scalars(select(Author)).all()  # cause

    def number_of_books(author):
        return len(author.books)  # line

    sorted(authors, key=number_of_books)  # loop


@fires(N, statements=9, kind=LAZY)
def sorted_by_an_attrgetter(session):
    """The key function is C code: the user's only line is the call of `sorted`."""
    authors = session.scalars(select(Author)).all()  # cause
    sorted(authors, key=attrgetter("country.name"))  # loop, line


@fires(N, statements=9, kind=LAZY)
def filter_and_any(session):
    """Two loops in C and a generator, one inside the other."""
    authors = session.scalars(select(Author)).all()  # cause
    list(filter(lambda author: any(book.id for book in author.books), authors))  # loop, line


@fires(N, statements=9, kind=LAZY)
def pandas_apply(session):
    """A library calls back for each row: the loop is pandas', the line is the user's."""
    frame = pandas.DataFrame({"author": session.scalars(select(Author)).all()})  # cause
    frame["author"].apply(lambda author: len(author.books))  # loop, line


@fires(N, statements=9, kind=LAZY)
def helper_two_deep(session):
    """The line to change is in a helper of a helper; the loop is two calls further up."""

    def titles(author):
        return [book.title for book in author.books]  # line

    def summary(author):
        return {"name": author.name, "titles": titles(author)}

    for author in session.scalars(select(Author)):  # cause, loop
        summary(author)


@fires(N, statements=9, kind=LAZY)
def property_of_a_wrapper(session):
    """What looks like an attribute of a view object is a statement."""

    class Card:
        def __init__(self, author):
            self.author = author

        @property
        def shelf(self):
            return [book.title for book in self.author.books]  # line

    cards = [Card(author) for author in session.scalars(select(Author))]  # cause
    for card in cards:  # loop
        card.shelf


@fires(N, statements=9, kind=LAZY)
def template(session):
    """A Jinja template walks the rows; the user's code only calls `render`."""
    page = jinja2.Template("{% for author in authors %}{{ author.books | length }}{% endfor %}")
    authors = session.scalars(select(Author)).all()  # cause
    page.render(authors=authors)  # loop, line


@fires(N, statements=9, kind=LAZY)
def serialised_to_json(session):
    """`json` asks for each object through the `default` hook, deep inside the encoder."""

    def as_plain(author):
        return {"name": author.name, "books": len(author.books)}  # line

    authors = session.scalars(select(Author)).all()  # cause
    json.dumps(authors, default=as_plain)  # loop


@fires(N, statements=16, kind=LAZY)
def recursion_over_a_tree(session):
    """Each level of the recursion is another frame: the loop is every level's `for`."""

    def depth(category):
        return 1 + max((depth(child) for child in category.children), default=0)  # loop, line

    depth(session.get(Category, 1))


@fires(N, statements=33, kind=LAZY)
def nested_loops(session):
    """Two loops, two relationships: each has its own finding, and both are mended in one place."""
    for author in session.scalars(select(Author)):  # cause, loop, inside
        for book in author.books:  # loop, line
            len(book.reviews)  # line


@fires(N, statements=33, kind=LAZY)
def nested_loops_of_two_functions(session):
    """The inner loop is in a function of its own, so each call of it is another loop in the same one."""

    def number_of_reviews(author):
        return sum(len(book.reviews) for book in author.books)  # loop, line

    authors = session.scalars(select(Author)).all()  # cause
    for author in authors:  # loop, inside
        number_of_reviews(author)


@fires(N, statements=33, kind=LAZY)
def two_loops_one_after_the_other(session):
    """What the first loop loads feeds the second, which is not inside it."""
    books = []
    for author in session.scalars(select(Author)):  # cause, loop
        books.extend(author.books)  # line
    for book in books:  # loop
        len(book.reviews)  # line


@fires(N, statements=9, kind=LAZY)
def inner_loop_over_what_the_statement_outside_loaded(session):
    """Loops in loops, but the outer one sends nothing: all books came with one statement."""
    books = session.scalars(select(Book)).all()  # cause
    for number in range(3):
        for book in books[number::3]:  # loop
            book.author  # line


@fires(N, statements=9, kind=LAZY)
def while_loop(session):
    """A loop without an iterator."""
    waiting = list(session.scalars(select(Author)))  # cause
    while waiting:  # loop
        len(waiting.pop().books)  # line


@fires(N, statements=9, kind=LAZY)
def generator_consumed_elsewhere(session):
    """The loop that sends is the generator's own, not the one that reads from it."""

    def shelves():
        for author in session.scalars(select(Author)):  # cause, loop
            yield author.books  # line

    for shelf in shelves():
        len(shelf)


@fires(N, statements=9, kind=LAZY)
def unpacked_into_a_call(session):
    """The rows are consumed by argument unpacking."""
    authors = session.scalars(select(Author)).all()  # cause
    max(0, *(len(author.books) for author in authors))  # loop, line


@fires(N, statements=9, kind=LAZY)
def to_one(session):
    """The other direction, where a join is the better advice."""
    for author in session.scalars(select(Author)):  # cause, loop
        author.country.name  # line


@fires(N, statements=9, kind=LAZY)
def to_one_with_few_parents(session):
    """24 books of 8 authors: the session already holds an author for two of three books."""
    for book in session.scalars(select(Book)):  # cause, loop
        book.author.name  # line


@fires(N, statements=25, kind=LAZY)
def many_to_many(session):
    """The statement joins the table in between."""
    for book in session.scalars(select(Book)):  # cause, loop
        [tag.name for tag in book.tags]  # line


@fires(N, statements=9, kind=LAZY)
def dynamic_relationship(session):
    """A dynamic relationship is a new query each time it is read."""
    for author in session.scalars(select(Author)):  # loop
        author.drafts.count()  # line


@fires(N, statements=9, kind="repeated select")
def write_only_relationship(session):
    """A write-only relationship only loads when it is asked to, here once a row."""
    for author in session.scalars(select(Author)):  # cause, loop
        session.scalars(author.letters.select()).all()  # line


@fires(N, statements=9, kind="repeated select")
def with_parent_criterion(session):
    """The relationship is spelled out as a criterion: no lazy load, the same statements."""
    for author in session.scalars(select(Author)).all():  # cause, loop
        session.scalars(select(Book).where(with_parent(author, Author.books))).all()  # line


@fires("column-load", statements=9, kind="column load")
def polymorphic_columns(session):
    """Asked for employees, SQLAlchemy fetches each editor's own columns by a statement of its own."""
    for employee in session.scalars(select(Employee)):  # loop
        if isinstance(employee, Editor):
            employee.desk  # line


@fires("m-plus-n", statements=17, kind=LAZY)
def two_relationships_a_row(session):
    """Two statements for each row are one mistake with one place for the fix."""
    for author in session.scalars(select(Author)):  # cause, loop
        author.country.name  # line
        len(author.books)


@fires("m-plus-n", statements=17, kind=LAZY)
def a_chain_of_relationships(session):
    """Each row's relative has a relative: two shapes on one line."""
    awards = session.scalars(select(Author)).all()  # cause
    for author in awards:  # loop
        author.books[0].reviews  # line


@fires("eager-n-plus-one", statements=9, kind=LAZY)
def immediate_by_the_model(session):
    """`lazy="immediate"` in the model: no loop in the program, yet one statement for each parent."""
    from tests.corpus.models import Publisher

    session.scalars(select(Publisher)).all()  # line


@fires("eager-n-plus-one", statements=9, kind=LAZY)
def immediate_by_an_option(session):
    """`immediateload` looks like eager loading, and is an N+1."""
    from sqlalchemy.orm import immediateload

    session.scalars(select(Author).options(immediateload(Author.books))).all()  # line
