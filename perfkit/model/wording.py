"""Counts in words, and long texts cut short."""


def counted(count: float, noun: str, plural: str | None = None) -> str:
    """`1 statement`, `101 statements`, `2 processes`."""
    number = f"{count:,.0f}"
    return f"{number} {noun if number == '1' else plural or noun + 's'}"


def one_line(text: str, width: int = 72) -> str:
    """A text on one line of so many characters at most."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
