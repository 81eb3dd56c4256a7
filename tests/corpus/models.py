"""The library that every program reads: 8 authors, 3 books each, and what hangs on them."""

from typing import ClassVar

from sqlalchemy import Column, ForeignKey, Table, insert
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    mapped_column,
    relationship,
)

AUTHORS, BOOKS_EACH, SENSORS = 8, 3, 1200


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "countries"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    bio: Mapped[str] = mapped_column(deferred=True)
    country_id: Mapped[int] = mapped_column(ForeignKey("countries.id"))
    country: Mapped[Country] = relationship()
    books: Mapped[list["Book"]] = relationship(back_populates="author", order_by="Book.id")
    awards: Mapped[list["Award"]] = relationship()
    drafts: DynamicMapped["Book"] = relationship(viewonly=True)
    letters: WriteOnlyMapped["Letter"] = relationship()


tags_of_books = Table(
    "tags_of_books",
    Base.metadata,
    Column("book_id", ForeignKey("books.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")
    reviews: Mapped[list["Review"]] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=tags_of_books)


class Review(Base):
    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    stars: Mapped[int]


class Award(Base):
    __tablename__ = "awards"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class Publisher(Base):
    """Its books are loaded at once, one publisher after another: the model says so."""

    __tablename__ = "publishers"
    id: Mapped[int] = mapped_column(primary_key=True)
    offices: Mapped[list["Office"]] = relationship(lazy="immediate")


class Office(Base):
    __tablename__ = "offices"
    id: Mapped[int] = mapped_column(primary_key=True)
    publisher_id: Mapped[int] = mapped_column(ForeignKey("publishers.id"))


class Category(Base):
    """A tree: 1 has the children 2 and 3, these have 4 to 7, and so on."""

    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    children: Mapped[list["Category"]] = relationship()


class Employee(Base):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}


class Editor(Employee):
    """A row of `employees` and one of `editors`: reading the second needs a statement of its own."""

    __tablename__ = "editors"
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    desk: Mapped[str]
    __mapper_args__: ClassVar = {"polymorphic_identity": "editor"}


class Sensor(Base):
    """Enough rows that eager loading needs three chunks of 500."""

    __tablename__ = "sensors"
    id: Mapped[int] = mapped_column(primary_key=True)
    readings: Mapped[list["Reading"]] = relationship()


class Reading(Base):
    __tablename__ = "readings"
    id: Mapped[int] = mapped_column(primary_key=True)
    sensor_id: Mapped[int] = mapped_column(ForeignKey("sensors.id"))


class Shelf(Base):
    """Ten shelves with eight boxes and eight lamps each: joined side by side, these are 640 rows."""

    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    boxes: Mapped[list["Box"]] = relationship()
    lamps: Mapped[list["Lamp"]] = relationship()


class Box(Base):
    __tablename__ = "boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))


class Lamp(Base):
    __tablename__ = "lamps"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))


class Setting(Base):
    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]


class Event(Base):
    """Empty at first: programs that write, write here."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


def fill(connection: Connection) -> None:
    """Create the tables and their rows."""
    Base.metadata.create_all(connection)
    authors, books = range(1, AUTHORS + 1), range(1, AUTHORS * BOOKS_EACH + 1)
    sensors = range(1, SENSORS + 1)
    rows: list[tuple[Table | type[Base], list[dict[str, object]]]] = [
        (Country, [{"id": n, "name": f"country {n}"} for n in authors]),
        (Author, [{"id": n, "name": f"author {n}", "bio": "…", "country_id": n} for n in authors]),
        (Book, [{"id": n, "title": f"book {n}", "author_id": 1 + (n - 1) // BOOKS_EACH} for n in books]),
        (Review, [{"id": n, "book_id": 1 + n // 2, "stars": 3} for n in range(2 * len(books))]),
        (Award, [{"id": n, "author_id": 1 + n % AUTHORS} for n in range(2 * AUTHORS)]),
        (Letter, [{"id": n, "author_id": n} for n in authors]),
        (Tag, [{"id": n, "name": f"tag {n}"} for n in range(1, 4)]),
        (tags_of_books, [{"book_id": n, "tag_id": 1 + n % 3} for n in books]),
        (Publisher, [{"id": n} for n in authors]),
        (Office, [{"id": n, "publisher_id": n} for n in authors]),
        (Category, [{"id": n, "parent_id": n // 2 or None} for n in range(1, 16)]),
        (Employee, [{"id": n, "kind": "editor"} for n in authors]),
        (Editor.__table__, [{"id": n, "desk": f"desk {n}"} for n in authors]),
        (Shelf, [{"id": n} for n in range(10)]),
        (Box, [{"id": n, "shelf_id": n % 10} for n in range(80)]),
        (Lamp, [{"id": n, "shelf_id": n % 10} for n in range(80)]),
        (Sensor, [{"id": n} for n in sensors]),
        (Reading, [{"id": n, "sensor_id": n} for n in sensors]),
        (Setting, [{"name": name, "value": 19} for name in ("vat", "discount", "shipping")]),
    ]
    for target, values in rows:
        table = target if isinstance(target, Table) else target.__table__
        connection.execute(insert(table), values)
