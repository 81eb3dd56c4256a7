"""Stop the clock after the body of a cell and before its value is shown; tell of statements and functions."""

import ast
import itertools
import re
from collections.abc import Iterator

from perfkit.magics._ipython import Shell
from perfkit.magics._rewrite import ATTRIBUTE


def _call(name: str) -> ast.Call:
    expression = ast.parse(f"get_ipython().{ATTRIBUTE}.{name}()", mode="eval").body
    assert isinstance(expression, ast.Call)
    return expression


_BEGIN = ast.dump(_call("begin").func)
_MARKED_MAGIC = "memtrace"
_TIMED_MAGIC = "profile"
# A reading takes about 0.1 ms; more statements than this are generated code, which nobody reads by line.
_MOST_MARKS = 200


class SealLastExpression:
    """Turns the last expression `E` of a measured cell into `seal(E)`, or adds `seal()`.

    The repr of a data frame or a lazy query is then not charged to the code that made it.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def visit(self, module: ast.Module) -> ast.Module:
        """What IPython calls for each cell."""
        if len(module.body) < 2 or not _is_begin(module.body[0]):
            return module
        last, statements = module.body[-1], module.body[1:]
        if isinstance(last, ast.Expr):
            module.body[-1] = _located(_call_with(last.value), last)
        elif self._shell.ast_node_interactivity == "last_expr_or_assign":
            module.body.append(_located(_call_with(_assigned(last)), last))
        elif self._shell.ast_node_interactivity != "last":
            # In that mode the last statement is shown for being the last.
            module.body.append(_located(_call_with(None), last))
        if _is_marked(module.body[0]) and len(statements) <= _MOST_MARKS:
            module.body[1:] = [*_marked(statements, module.body[1:])]
        names = _timed_names(module.body[0])
        if names:
            module.body[1:] = [*_told(names, module.body[1:])]
        return module


def _is_begin(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.dump(node.value.func) == _BEGIN
    )


def _is_marked(begin: ast.stmt) -> bool:
    """Whether one of the magics on the cell shows its statements one by one."""
    heads = (node.value for node in ast.walk(begin) if isinstance(node, ast.Constant))
    return any(str(head).partition(" ")[0] == _MARKED_MAGIC for head in heads)


def _marked(statements: list[ast.stmt], body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The body, with a mark before each of the person's own statements."""
    for position, statement in enumerate(body):
        if position < len(statements):
            call = _call("mark")
            call.args = [ast.copy_location(ast.Constant(statement.lineno), statement)]
            yield _located(call, statement)
        yield statement


def _timed_names(begin: ast.stmt) -> set[str]:
    """Every word after `%%profile -l`: names of functions, and some more that do no harm."""
    heads = (str(node.value) for node in ast.walk(begin) if isinstance(node, ast.Constant))
    timed = (head for head in heads if head.partition(" ")[0] == _TIMED_MAGIC and " -l" in head)
    return {word for head in timed for word in re.findall(r"\w+", head)}


def _told(names: set[str], body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The body, with a call after each function that it defines under one of the names."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name in names:
            call = _call("defined")
            call.args = [ast.copy_location(ast.Name(statement.name, ast.Load()), statement)]
            yield _located(call, statement)


def _call_with(value: ast.expr | None) -> ast.Call:
    call = _call("seal")
    call.args = [] if value is None else [value]
    return call


def _assigned(node: ast.stmt) -> ast.expr | None:
    """The variable whose value IPython shows after an assignment in that mode."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        target = node.target
    else:
        return None
    return (
        ast.copy_location(ast.Name(target.id, ast.Load()), target) if isinstance(target, ast.Name) else None
    )


def _located(call: ast.Call, statement: ast.stmt) -> ast.Expr:
    """Give the new nodes, and only those, the place of the old statement: tracebacks stay true."""
    new = ast.Expr(call)
    for node in itertools.chain([new, call], ast.walk(call.func)):
        ast.copy_location(node, statement)
    return new
