"""A small Django project for the tests: settings, models, and databases of its own."""

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": ":memory:",
            },
            "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"},
        },
        INSTALLED_APPS=["shelf"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()

from shelf.models import Author, Book, Profile, Tag

MODELS = (Author, Tag, Book, Profile)


def fill(connection):
    """Make the tables, three authors with two books each."""
    alias = connection.alias
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    tag = Tag.objects.using(alias).create()
    for number in range(3):
        author = Author.objects.using(alias).create(name=f"author {number}")
        Profile.objects.using(alias).create(author=author)
        for half in range(2):
            Book.objects.using(alias).create(author=author, title=f"{number}.{half}").tags.add(tag)


def empty(connection):
    """Drop the tables."""
    with connection.schema_editor() as editor:
        for model in reversed(MODELS):
            editor.delete_model(model)
