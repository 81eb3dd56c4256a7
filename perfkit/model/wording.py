"""Counts in words."""


def counted(count: float, noun: str, plural: str | None = None) -> str:
    """`1 statement`, `101 statements`, `2 processes`."""
    number = f"{count:,.0f}"
    return f"{number} {noun if number == '1' else plural or noun + 's'}"
