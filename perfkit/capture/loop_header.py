"""From the instruction that runs again and again to the `for` that makes it do so."""

import ast
import dis
import functools
import linecache
from types import CodeType
from typing import NamedTuple

_FOR = (ast.For, ast.AsyncFor)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
# What a loop does once, as it begins. Python 3.11 says that it is at the loop, not at what that walks over.
_BEGINNINGS = {dis.opmap.get(name) for name in ("GET_ITER", "GET_AITER", "GET_YIELD_FROM_ITER")}
_Place = tuple[int, int]


class _Block(NamedTuple):
    """A loop or a function in a source file; what runs once, before the loop, is not in it."""

    start: _Place
    end: _Place
    once: tuple[_Place, _Place] | None
    is_function: bool

    def holds(self, place: _Place) -> bool:
        if not self.start <= place <= self.end:
            return False
        return self.once is None or not self.once[0] <= place <= self.once[1]


def loop_header_line(code: CodeType, instruction_offset: int, line_number: int) -> int:
    """The line where the innermost loop around an instruction begins.

    What a `for` iterates over is asked for once, before the loop: it belongs to the loop outside of it.

    Args:
        code: the function, with a file that `linecache` can read.
        instruction_offset: `f_lasti` of a frame of it.
        line_number: the instruction's line, which is returned where no loop is found.

    Returns:
        The line of the `for`, `while` or comprehension. The line itself where there is none in the same
        function: `map`, a callback.
    """
    place = (line_number, _column(code, instruction_offset))
    begins = code.co_code[instruction_offset] in _BEGINNINGS
    around = [
        block
        for block in _blocks("".join(linecache.getlines(code.co_filename)))
        if block.holds(place) and not (begins and block.start == place)
    ]
    if not around:
        return line_number
    innermost = max(around, key=lambda block: block.start)
    return line_number if innermost.is_function else innermost.start[0]


def _column(code: CodeType, instruction_offset: int) -> int:
    """Where in its line the instruction's source begins; the line's start where Python did not keep it."""
    for index, (_, _, column, _) in enumerate(code.co_positions()):
        if index == instruction_offset // 2:
            return column or 0
    return 0


@functools.lru_cache(maxsize=64)
def _blocks(source: str) -> tuple[_Block, ...]:
    """Every loop and function of a source text; none where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(
        _Block(_start(node), _end(node), _once(node), isinstance(node, _FUNCTIONS))
        for node in ast.walk(tree)
        if isinstance(node, (*_FOR, ast.While, *_COMPREHENSIONS, *_FUNCTIONS))
    )


def _once(node: ast.AST) -> tuple[_Place, _Place] | None:
    if isinstance(node, _FOR):
        return _start(node.iter), _end(node.iter)
    if isinstance(node, _COMPREHENSIONS):
        first = node.generators[0].iter
        return _start(first), _end(first)
    return None


def _start(node: ast.expr | ast.stmt) -> _Place:
    return node.lineno, node.col_offset


def _end(node: ast.expr | ast.stmt) -> _Place:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
