"""Places in the code while a block runs: kept as they are found, made readable when it is over."""

from types import CodeType
from typing import NamedTuple


class Instruction(NamedTuple):
    """A place in the code, resolved to a line only when somebody wants to read it."""

    code: CodeType
    offset: int


class Position(NamedTuple):
    """Where a statement was sent from; `None` where no line of the user's is on the stack."""

    call: Instruction | None
    loop_id: int | None


NOWHERE = Position(None, None)
