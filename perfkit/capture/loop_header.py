"""From the line that runs again and again to the `for` that makes it do so."""

import ast
import functools
import linecache

_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def loop_header_line(file_path: str, line_number: int) -> int:
    """The line where the innermost loop around a line begins.

    Args:
        file_path: the file, or a cell's file that `linecache` knows.
        line_number: a line within the loop.

    Returns:
        The line of the `for`, `while` or comprehension. The line itself where there is none in the same
        function: `map`, a callback.
    """
    lines = linecache.getlines(file_path)
    best = line_number
    best_span = len(lines) + 1
    for first, last, is_scope in _blocks("".join(lines)):
        if first <= line_number <= last and last - first < best_span:
            best, best_span = (line_number if is_scope and first != line_number else first), last - first
    return best


@functools.lru_cache(maxsize=64)
def _blocks(source: str) -> tuple[tuple[int, int, bool], ...]:
    """First line, last line, and whether it is a function: of every loop and function, outermost first."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(
        (node.lineno, node.end_lineno or node.lineno, isinstance(node, _SCOPES))
        for node in ast.walk(tree)
        if isinstance(node, _LOOPS + _SCOPES)
    )
