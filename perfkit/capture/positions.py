"""Places in the code while a block runs: kept as they are found, made readable when it is over."""

import dis
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import NamedTuple


class Instruction(NamedTuple):
    """A place in the code, resolved to a line only when somebody wants to read it.

    `line` is that of a template, which the Python that it was compiled to does not tell.
    """

    code: CodeType
    offset: int
    line: int | None = None


def instruction_of(frame: FrameType) -> Instruction:
    """Where a frame stands."""
    return Instruction(frame.f_code, frame.f_lasti, _line_in_template(frame))


def _line_in_template(frame: FrameType) -> int | None:
    template = frame.f_globals.get("__jinja_template__")
    try:
        return None if template is None else int(template.get_corresponding_lineno(frame.f_lineno))
    except Exception:  # the program's own object under that name
        return None


_PRECALL, _CALL = dis.opmap.get("PRECALL"), dis.opmap.get("CALL")
# Bytes between the two, the cache of PRECALL included.
_ONE_CALL = 4


def twin_of(code: CodeType, offset: int, others: Iterable[int]) -> int | None:
    """Another offset at which the same call is made.

    Python 3.11 makes a call of `list` or `sum` at its CALL at first, and at the PRECALL before it once the
    function has run eight times.

    Args:
        code: the function.
        offset: `f_lasti` of a frame of it.
        others: offsets at which frames of it were seen.
    """
    if _PRECALL is None:
        return None
    for other in others:
        if abs(other - offset) == _ONE_CALL:
            first, second = sorted((offset, other))
            if code.co_code[first] == _PRECALL and code.co_code[second] == _CALL:
                return other
    return None


class Position(NamedTuple):
    """Where a statement was sent from; `None` where no line of the user's is on the stack."""

    call: Instruction | None
    loop_id: int | None


NOWHERE = Position(None, None)
