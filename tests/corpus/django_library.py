"""The same library for Django. Importing this configures Django, which a process can do only once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connections, models
from django.test.utils import CaptureQueriesContext

from tests.corpus.databases import Databases
from tests.corpus.models import AUTHORS, BOOKS_EACH
from tests.corpus.oracle import is_framing
from tests.corpus.program import Program

settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"},
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()


class Author(models.Model):
    name = models.CharField(max_length=40)
    bio = models.TextField(default="…")

    class Meta:
        app_label = "library"


class Book(models.Model):
    title = models.CharField(max_length=40)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")

    class Meta:
        app_label = "library"


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")

    class Meta:
        app_label = "library"


class Note(models.Model):
    text = models.CharField(max_length=40)

    class Meta:
        app_label = "library"


MODELS = {"authors": Author, "books": Book, "reviews": Review, "notes": Note}
ALIASES = {"django": "default", "django-postgresql": "postgresql"}


def run_django(program: Program, databases: Databases, watch: Any) -> Any:
    """Run a program whose parameters name managers of models."""
    with _filled(program, databases) as alias:
        managers = {name: MODELS[name].objects.db_manager(alias) for name in program.arguments}
        with watch() as watcher:
            (async_to_sync(program.work) if program.is_async else program.work)(**managers)
    return watcher


def captured(program: Program, databases: Databases) -> int:
    """How many statements Django's own log of queries holds."""
    connection = connections[ALIASES[program.on]]
    log = run_django(program, databases, lambda: CaptureQueriesContext(connection))
    return sum(not is_framing(query["sql"]) for query in log.captured_queries)


@contextmanager
def _filled(program: Program, databases: Databases) -> Iterator[str]:
    alias = ALIASES[program.on]
    connection = connections[alias]
    if alias == "postgresql":
        connection.settings_dict["HOST"] = databases.postgresql().partition("host=")[2]
    with connection.schema_editor() as editor:
        for model in MODELS.values():
            editor.create_model(model)
    Author.objects.using(alias).bulk_create(Author(name=f"author {n}") for n in range(AUTHORS))
    Book.objects.using(alias).bulk_create(
        Book(title=f"book {n}", author_id=1 + n // BOOKS_EACH) for n in range(AUTHORS * BOOKS_EACH)
    )
    try:
        yield alias
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(MODELS.values()):
                editor.delete_model(model)
        connection.close()
