"""Collectors: each starts, watches one thing, and leaves nothing behind when it stops."""
