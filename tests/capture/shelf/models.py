"""The models of the tests' Django project."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=20)


class Tag(models.Model):
    pass


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="tagged")
    title = models.CharField(max_length=20)


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE)
