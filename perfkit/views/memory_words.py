"""How the views of memory name places and write sizes."""

from pathlib import PurePath

from perfkit.model.location import CodeLocation
from perfkit.views._format import megabytes

_SOURCE_CHARACTERS = 120


def place(location: CodeLocation) -> str:
    """Where a line is, in short: `In[7]:3`, `services.py:42`, `numpy/_core/numeric.py:232`."""
    if location.cell:
        return f"{location.cell}:{location.line_number}"
    if location.file_path == "<unknown>":
        return "not Python"
    path = PurePath(location.file_path)
    roots = [number for number, part in enumerate(path.parts) if part in ("site-packages", "dist-packages")]
    name = "/".join(path.parts[roots[-1] + 1 :]) if roots else path.name
    return f"{name}:{location.line_number}"


def signed(size: int) -> str:
    """A change of a size in words, with its sign."""
    return f"+{megabytes(size)}" if size > 0 else megabytes(size).replace("-", "−")


def signed_count(count: int) -> str:
    """A change of a number, with its sign."""
    return f"{count:+,}".replace("-", "−")


def source(location: CodeLocation) -> str:
    """The source text of a place on one line of at most 120 characters."""
    text = "".join(char if char.isprintable() else "�" for char in location.source_text.expandtabs(4))
    return text if len(text) <= _SOURCE_CHARACTERS else text[: _SOURCE_CHARACTERS - 1] + "…"
