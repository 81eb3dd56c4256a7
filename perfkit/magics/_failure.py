"""Notices that a cell has failed, before IPython renders its traceback.

Rendering reads the files of all frames and colours their lines: 157 ms the first time, 20 ms later, where the
cell itself took less than one. It is no part of the cell, but comes before any event that tells of its end.
"""

from collections.abc import Callable
from typing import Any

from perfkit.capture.patches import Function, Patches
from perfkit.magics._ipython import Shell

_METHOD = "showtraceback"


class FailureWatch:
    """Calls a function whenever a shell is about to show a traceback, from `start` to `stop`.

    Args:
        shell: the shell.
        before_traceback: what is called; it must not raise.
    """

    def __init__(self, shell: Shell, before_traceback: Callable[[], None]) -> None:
        self._owner = next(cls for cls in type(shell).__mro__ if _METHOD in vars(cls))
        self._before_traceback = before_traceback
        self._patches = Patches()
        self._is_running = False

    def start(self) -> None:
        """Begin to watch. Idempotent."""
        if not self._is_running:
            self._is_running = True
            self._patches.replace(self._owner, _METHOD, self._watched)

    def stop(self) -> None:
        """Leave the shell as it was. Idempotent."""
        self._is_running = False
        self._patches.restore()

    def _watched(self, function: Function) -> Any:
        return _WatchedMethod(function, self._before_traceback)


class _WatchedMethod:
    """A method that tells when it is taken from its object, which is what a call begins with.

    It is no wrapper: a frame of perfkit around the call would make its time perfkit's, in the profile of a
    cell that shows a traceback itself. A method that another extension gave the object goes before the
    class's, as ever.
    """

    def __init__(self, function: Function, before: Callable[[], None]) -> None:
        self._function = function
        self._before = before

    def __get__(self, item: object, owner: type | None = None) -> Any:
        if item is None:
            return self._function
        self._before()
        return vars(item).get(_METHOD) or self._function.__get__(item, owner)

    def __set__(self, item: object, value: object) -> None:
        vars(item)[_METHOD] = value

    def __delete__(self, item: object) -> None:
        if vars(item).pop(_METHOD, None) is None:
            raise AttributeError(_METHOD)
