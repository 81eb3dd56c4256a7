"""The line magics that take results and functions by name: `%verify` and `%compare`."""

import argparse
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perfkit.magics._arguments import add_target, parse_line
from perfkit.magics._ipython import MagicError, Shell, argument_parser
from perfkit.magics._namespace import variable
from perfkit.model.trace import Trace
from perfkit.proof.versions import UnsuitableFunctionError, is_async
from perfkit.session import (
    Comparison,
    Measurement,
    MeasurementNotEndedError,
    Result,
    VerificationResult,
    compare,
    verify,
)

_RESULTS = (Trace, Result, Measurement)


@dataclass(frozen=True)
class LineMagic:
    """A magic on one line; `run` gets the shell and the arguments and returns what is shown."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Shell, argparse.Namespace], object]

    @property
    def typed(self) -> str:
        """The name as a person types it."""
        return f"%{self.name}"

    @functools.cached_property
    def parser(self) -> argparse.ArgumentParser:
        """A parser of its arguments, from which its help is made too."""
        parser = argument_parser(self.typed, self.summary)
        self.add_arguments(parser)
        return parser

    def call(self, shell: Shell, line: str) -> object:
        """Run it on what was typed after its name; raises `MagicError` if that does not fit."""
        __tracebackhide__ = True  # an error of the user's own functions is shown from their frames on
        return self.run(shell, parse_line(self.parser, self.typed, line))


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="BEFORE", help="the old version: a function without arguments")
    parser.add_argument("after", metavar="AFTER", help="the new version")
    add_target(parser)
    parser.add_argument(
        "--unordered",
        action="store_true",
        help="the order of lists and of rows is no part of the result; with it, the same items are the same",
    )
    parser.add_argument(
        "--repeat-writes",
        action="store_true",
        help="time functions that write to the database too: each of the many runs then writes again; "
        "without it they run once and are not timed, also if they roll back",
    )


def _verify(shell: Shell, arguments: argparse.Namespace) -> VerificationResult:
    __tracebackhide__ = True
    before, after = _function(shell, arguments.before), _function(shell, arguments.after)
    if is_async(before) or is_async(after):
        options = f", target_ms={arguments.target:g}" if arguments.target else ""
        options += ", ordered=False" if arguments.unordered else ""
        options += ", repeat_writes=True" if arguments.repeat_writes else ""
        raise MagicError(
            "%verify: a line magic cannot await, and these functions are async. Write:\n"
            f"await perfkit.verify_async({arguments.before}, {arguments.after}{options})"
        )
    try:
        return verify(
            before,
            after,
            target_ms=arguments.target,
            ordered=not arguments.unordered,
            repeat_writes=arguments.repeat_writes,
        )
    except UnsuitableFunctionError as error:
        raise MagicError(f"%verify: {error}") from None


def _function(shell: Shell, name: str) -> Callable[[], object]:
    alone, call, _ = name.partition("(")
    if call:
        raise MagicError(f"%verify: give the function by its name alone, {alone}: %verify calls it itself.")
    found = variable(shell.user_ns, name)
    if not callable(found):
        hint = " Results are for %compare." if issubclass(type(found), _RESULTS) else ""
        raise MagicError(
            f"%verify: {name!r} is a {type(found).__name__}, not a function without arguments.{hint}"
        )
    function: Callable[[], object] = found
    _refuse_required_arguments(name, function)
    return function


def _refuse_required_arguments(name: str, function: Callable[..., object]) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-ins have no signature: the call will tell
        return
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [item.name for item in parameters if item.default is item.empty and item.kind not in fixed]
    if needed:
        short = name.rpartition(".")[2]
        raise MagicError(
            f"%verify: {name} needs {', '.join(needed)}, but is called without arguments. Give a function "
            f"that fills them in, such as: def {short}_case(): return {name}(…)"
        )


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A", help="a result, for example the NAME of %%querycount NAME")
    parser.add_argument("after", metavar="B", help="another")


def _compare(shell: Shell, arguments: argparse.Namespace) -> Comparison:
    names = (arguments.before, arguments.after)
    before, after = (_result(shell, name) for name in names)
    try:
        return compare(before, after)
    except MeasurementNotEndedError as error:
        raise MagicError(f"%compare: {error}") from None


def _result(shell: Shell, name: str) -> Any:
    found = variable(shell.user_ns, name)
    kind = type(found)
    if not issubclass(kind, _RESULTS):
        hint = " Functions are for %verify." if callable(found) else ""
        raise MagicError(
            f"%compare: {name!r} is a {kind.__name__}, not a result. Store one by %%querycount {name}.{hint}"
        )
    return found


VERIFY = LineMagic(
    "verify",
    "Prove that a fix is one: same result, exact counters, then times, taken in turns.",
    _verify_arguments,
    _verify,
)
COMPARE = LineMagic(
    "compare", "Put two results side by side: counters, statements, times.", _compare_arguments, _compare
)
