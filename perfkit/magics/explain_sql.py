"""`%%explain` on a cell of SQL, or of a plan.

The body is SQL when it starts, after SQL comments, as a statement of SQL does and is not valid Python. So
`with open(path) as file: …` is Python, `WITH recent AS (SELECT …) …` is SQL, and so is a cell with a mistake
in its SQL: the database then shows the place.
"""

import argparse
import ast
import functools
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perfkit.capture.plans import ExplainError, has_several_statements
from perfkit.magics._against import comparison, look_up_before
from perfkit.magics._arguments import parse_line
from perfkit.magics._ipython import MagicError, Shell, argument_parser, show
from perfkit.magics._mistyped_sql import mistyped_sql
from perfkit.magics._namespace import refuse_taken_name, the_engine, variable
from perfkit.magics._unfit_value import unfit_value
from perfkit.magics.cells import explain_arguments
from perfkit.magics.explain_paste import read_cell, refuse_plan_without_option, wants_plan
from perfkit.model.plan_paste import looks_like_plan
from perfkit.session import Result, explain, explain_script

# What drivers and logs write where this magic wants a name.
_PLACEHOLDER = re.compile(r"\$\d+\b|%s\b|%\(\w+\)s|= ?\?")
_PLACEHOLDER_HINT = (
    "\nWrite each value as :name, and assign the variable of that name in the notebook; it goes to the "
    "driver beside the text."
)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
# A keyword alone would not do: `table = …` and `values = …` are Python, whatever mistake comes later.
_STATEMENT = re.compile(
    r"""\(*\s*(?:
        (?:select(?!\()|values|explain)(?!\w|[.:,]|\s*(?:=|:\s|$))  # select(User) is SQLAlchemy's
        | with\s+(?:recursive\s+)?("[^"]+"|\w+)\s*(?:\([^)]*\)\s*)?as\s*(?:(?:not\s+)?materialized\s*)?\(
        | insert\s+into\b | delete\s+from\b | merge\s+into\b | replace\s+into\b
        | update\s+[\w"`.]+\s+(?:as\s+|\w+\s+)?set\b | update\s+only\b
        | table\s+[\w"`.]+\s*;?\s*\Z
    # What has no plan says so by itself, and in front of other statements it is read past.
    | (?:set|call|create|alter|drop|truncate|copy|vacuum|analyze|grant|prepare|execute|pragma)
      \s+(?!(?:in|is|not|and|or|if|for)\b)["\w]
    | do\s+(?:\$|language\b) | begin\s*;
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def is_sql(body: str) -> bool:
    """Whether the text below `%%explain` is SQL."""
    return _STATEMENT.match(body, _start(body)) is not None and not _is_python(body)


def _start(body: str) -> int:
    """Where the first statement begins, after comments of SQL."""
    comments = _COMMENTS.match(body)
    return comments.end() if comments else 0


def _slip(body: str) -> str | None:
    """What to say of SQL that is taken for Python by a slip in its first word."""
    return None if _is_python(body) else mistyped_sql(body[_start(body) :])


def _is_python(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    # `SELECT :number` is an annotation to Python, but one that nobody writes, and that would do nothing.
    only = body[0] if len(body) == 1 else None
    return not (isinstance(only, ast.AnnAssign) and only.value is None)


def is_python(line: str, body: str) -> bool:
    """Whether `%%explain` has Python to run, given its arguments and the text below it.

    A plan in JSON is an expression of Python too, but one that nobody writes to run it. An empty cell is
    taken for Python, whose magic says what is missing.
    """
    if not body.strip():
        return True
    if wants_plan(line) or is_sql(body):
        return False
    is_plan = looks_like_plan(body) and ('"Node Type"' in body or not _is_python(body))
    return not is_plan and _slip(body) is None


def explain_cell(shell: Shell, line: str, body: str) -> None:
    """Show the plan of the SQL in a cell, or the plan that is pasted there.

    Args:
        shell: whose variables are the engine and the values of `:name` parameters.
        line: the arguments of `%%explain`.
        body: the text below it.

    Raises:
        MagicError: if the arguments do not fit, a name is unknown, or the database refuses.
    """
    arguments = parse_line(_parser(), "%%explain", line)
    refuse_taken_name(shell, "%%explain", arguments.name)
    look_up_before(shell, arguments)
    result = read_cell(arguments, body) if arguments.plan else _explain(shell, arguments, body)
    if arguments.name:
        result = replace(result, trace=replace(result.trace, name=arguments.name))
        shell.push({arguments.name: result})
    show(result)
    for item in comparison(result, arguments):
        show(item)


def _explain(shell: Shell, arguments: argparse.Namespace, sql: str) -> Result:
    refuse_plan_without_option(sql)
    slip = None if is_sql(sql) else _slip(sql)
    if slip:
        raise MagicError(slip)
    if arguments.auto:
        raise MagicError("%%explain: --auto is for a cell of Python, and this cell is SQL.")
    connectable = the_engine(shell.user_ns, arguments.engine)
    parameters = _parameters(sql, shell.user_ns)
    rewrite = _rewrite(shell.user_ns, arguments, parameters or {})
    try:
        return _explained(connectable, sql, parameters, arguments, rewrite)
    except ExplainError as error:
        unfit = unfit_value(str(error), parameters or {})
        if unfit:
            raise MagicError(f"%%explain: {unfit}") from None
        hint = _PLACEHOLDER_HINT if not parameters and _PLACEHOLDER.search(sql) else ""
        raise MagicError(f"%%explain: {error}{hint}") from None


def _rewrite(
    namespace: Mapping[str, Any], arguments: argparse.Namespace, parameters: Mapping[str, Any]
) -> str | None:
    """The SQL text in the variable that `--rewrite` names."""
    if arguments.rewrite is None:
        return None
    if not arguments.prove:
        raise MagicError("%%explain: --rewrite is compared by a proof: add --prove.")
    sql = variable(namespace, arguments.rewrite)
    if not isinstance(sql, str):
        kind = type(sql).__name__
        raise MagicError(f"%%explain: {arguments.rewrite} is of type {kind}; give SQL as text.")
    more = [name for name in _names(sql) if name not in parameters]
    if more:
        raise MagicError(f"%%explain: {arguments.rewrite} uses :{more[0]}, and the SQL of the cell does not.")
    return _plain(sql, parameters)


def _explained(
    connectable: Any,
    sql: str,
    parameters: dict[str, Any] | None,
    arguments: argparse.Namespace,
    rewrite: str | None,
) -> Result:
    options = {"analyze": not arguments.no_analyze, "analyze_writes": arguments.analyze_writes}
    if not has_several_statements(connectable, sql):
        return explain(
            connectable,
            _plain(sql, parameters),
            parameters,
            prove=arguments.prove,
            confirm=arguments.yes,
            rewrite=rewrite,
            rows=dict(arguments.rows or ()),
            stats=arguments.stats,
            **options,
        )
    given = {"--prove": arguments.prove, "--rows": arguments.rows, "--stats": arguments.stats}
    option = next((name for name, value in given.items() if value), None)
    if option:
        raise MagicError(f"%%explain {option} takes one statement. Put the slow one in a cell of its own.")
    result = explain_script(connectable, sql, parameters or {}, **options)
    if not result.trace.plans:
        raise MagicError("\n".join(["%%explain: no statement of this cell has a plan.", *result.trace.notes]))
    return result


@functools.cache
def _parser() -> argparse.ArgumentParser:
    parser = argument_parser("%%explain", "")
    explain_arguments(parser)
    return parser


def _parameters(sql: str, namespace: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values of the `:name` parameters; they go to the driver beside the text, never into it."""
    names = _names(sql)
    missing = [name for name in names if name not in namespace]
    if missing:
        raise MagicError(
            f"The SQL uses :{missing[0]}, and the notebook has no variable {missing[0]!r}. Assign it first, "
            rf"or write \:{missing[0]} if the colon is part of the text."
        )
    return {name: namespace[name] for name in names} or None


def _names(sql: str) -> list[str]:
    """The `:name` parameters of a text."""
    from sqlalchemy import text

    return list(text(sql).compile().params)


def _plain(sql: str, parameters: Mapping[str, Any] | None) -> str:
    """A colon that begins no name is written `\\:`, in a statement without names too."""
    return sql if parameters else sql.replace("\\:", ":")
