"""Traces, plans and findings as text for a terminal, as HTML for a notebook, and as rows for a table."""
