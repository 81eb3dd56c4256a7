"""A place in the user's code, named the way the person sees it."""

import functools
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """One line of code.

    The names follow OpenTelemetry's `code.*` conventions. `cell` is set when the line belongs to a
    notebook or IPython cell and reads as the prompt does, for example `In[7]`.
    """

    file_path: str
    line_number: int
    function_name: str
    cell: str | None = None
    source_text: str = ""

    @property
    def label(self) -> str:
        """The place in one short phrase: `Cell In[7], line 3` or `services.py:42 in user_page`."""
        if self.cell:
            where = f"Cell {self.cell}, line {self.line_number}"
            return where if self.function_name == "<module>" else f"{where} in {self.function_name}"
        where = f"{_file_name(self.file_path)}:{self.line_number}"
        return where if self.function_name == "<module>" else f"{where} in {self.function_name}"


@functools.lru_cache(maxsize=4096)
def _file_name(file_path: str) -> str:
    return PurePath(file_path).name
