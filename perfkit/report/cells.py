"""Which cell is which in a report: its number, its anchor, and whether it failed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EXPECTED_ERROR_TAG = "raises-exception"
_PARAMETERS = re.compile(r"\[parameters: .*?\](?=\n|$)", re.S)
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s/]+(?=@)")


@dataclass(frozen=True, slots=True)
class CellPlace:
    """A code cell: its position in the notebook, counted from 0, and the number that the reader sees."""

    index: int
    number: int

    @property
    def anchor(self) -> str:
        """The `id` of the cell in the page."""
        return f"cell-{self.index + 1}"

    @property
    def label(self) -> str:
        """The cell in words: `cell 7`."""
        return f"cell {self.number}"


def code_cells(notebook: Mapping[str, Any]) -> Iterator[tuple[CellPlace, Mapping[str, Any]]]:
    """Every code cell that holds code, with its place.

    Args:
        notebook: a notebook of format 4.

    Returns:
        Pairs of place and cell. The number is the execution count, as in `In[7]`; for a cell that was not
        run it is the count that it would get in a run from the top.
    """
    ordinal = 0
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and cell["source"].strip():
            ordinal += 1
            yield CellPlace(index, cell.get("execution_count") or ordinal), cell


def tags(cell: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of a cell."""
    found = cell.get("metadata", {}).get("tags", ())
    return tuple(tag for tag in found if isinstance(tag, str)) if isinstance(found, list | tuple) else ()


def unexpected_error(cell: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error output of a cell, unless its tag says that it is meant to fail.

    IPython answers "ok" for a cell whose magic swallowed a failure: only the outputs tell.
    """
    if EXPECTED_ERROR_TAG in tags(cell):
        return None
    errors = (output for output in cell.get("outputs", ()) if output.get("output_type") == "error")
    return next(errors, None)


def without_secrets(text: str) -> str:
    """The text of an error without the values that SQLAlchemy adds to it, and without passwords in URLs.

    A report is sent to people who may not see the data of those for whom the code ran.
    """
    return _PASSWORD.sub(r"\1***", _PARAMETERS.sub("[parameters: left out]", text))
