"""A Django application for the tests."""
