"""Offline HTML reports of executed notebooks, and the index page of a folder of them."""
