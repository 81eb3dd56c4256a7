"""Whose code a line is, and what the person calls the place: `Cell In[7], line 3`."""

import dis
import functools
import linecache
import os
import sys
import sysconfig
from pathlib import Path
from types import CodeType

from perfkit.model.location import CodeLocation

_PACKAGE_DIR = str(Path(__file__).parent.parent)
_LIBRARY_DIRS = tuple(
    {
        os.path.normcase(path) + os.sep
        for path in (
            *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
            _PACKAGE_DIR,
        )
        if path
    }
)
_LIBRARY_PARTS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@functools.lru_cache(maxsize=4096)
def is_user_file(file_path: str) -> bool:
    """Whether code in this file is the user's, not Python's, a library's or perfkit's.

    Args:
        file_path: `co_filename` of a code object.

    Returns:
        True for scripts, tests, the user's packages and cells of IPython; false for generated code such as
        `<string>`, which no person can open.
    """
    if file_path.startswith("<"):
        return file_path.startswith(("<ipython-input", "<stdin", "<python-input"))
    path = os.path.normcase(file_path)
    return not path.startswith(_LIBRARY_DIRS) and not any(part in path for part in _LIBRARY_PARTS)


def cell_name(file_path: str) -> str | None:
    """The prompt of the cell that this file holds, such as `In[7]`; `None` for a file that is no cell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return None
    label = shell.compile.format_code_name(file_path)
    return label[1].replace("[ ", "[") if label and label[0] == "Cell" else None


def code_location(file_path: str, line_number: int, function_name: str) -> CodeLocation:
    """The place, with its cell and its source text where they can be had.

    Args:
        file_path: `co_filename` of the code.
        line_number: counted from 1.
        function_name: `co_name`, or `co_qualname` where it is known.
    """
    source = linecache.getline(file_path, line_number).strip()
    if function_name.startswith("<cell line"):  # what some versions of IPython call a cell's module
        function_name = "<module>"
    return CodeLocation(file_path, line_number, function_name, cell_name(file_path), source)


def line_at(code: CodeType, instruction_offset: int) -> int:
    """The line of the instruction at this offset (`f_lasti`); the function's first line where it has none."""
    for start, end, line in code.co_lines():
        if start <= instruction_offset < end:
            return line or code.co_firstlineno
    return code.co_firstlineno


@functools.lru_cache(maxsize=1024)
def calls_method(code: CodeType, instruction_offset: int, name: str) -> bool:
    """Whether an instruction is a call of a method of this name, as it is written in the source.

    Args:
        code: the code object.
        instruction_offset: `f_lasti` while the call runs.
        name: the method's name.

    Returns:
        False also for code without positions (`python -X no_debug_ranges`), and for a method that was given
        another name before.
    """
    instructions = list(dis.get_instructions(code))
    call = next((one for one in instructions if one.offset == instruction_offset), None)
    if call is None or call.positions is None or call.positions.lineno is None:
        return False
    return any(
        one.argval == name and one.opname.startswith("LOAD_") and _is_within(one.positions, call.positions)
        for one in instructions
    )


def _is_within(inner: dis.Positions | None, outer: dis.Positions) -> bool:
    if inner is None or inner.lineno is None:
        return False
    start, end = (inner.lineno, inner.col_offset or 0), (inner.end_lineno or 0, inner.end_col_offset or 0)
    outer_end = (outer.end_lineno or 0, outer.end_col_offset or 0)
    return (outer.lineno or 0, outer.col_offset or 0) <= start and end <= outer_end
