"""Obvious side effects of a block: what running it again would do a second time."""

import builtins
import io
import os
import subprocess
import sys
from collections import Counter
from typing import Any

from perfkit.capture.patches import Function, Patches
from perfkit.capture.queries import QueryCollector
from perfkit.model.query_writes import count_writes

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NO_FILES = ("/proc/", "/dev/", os.devnull)
_FILE_FUNCTIONS = ("remove", "unlink", "rename", "replace", "rmdir", "mkdir", "truncate", "symlink", "link")


class SideEffectWatch:
    """Notices writes while a block runs, and leaves nothing behind.

    Seen: statements that change data, files opened for writing, files and folders made, moved or removed,
    programs started. Not seen: requests that other servers act on, and what C code does by itself.
    """

    def __init__(self) -> None:
        self._queries = QueryCollector()
        self._patches = Patches()
        self._seen: Counter[str] = Counter()
        self._is_armed = self._is_running = False

    def start(self) -> None:
        """Prepare to watch; nothing is noted before `arm`."""
        self._is_running = True
        self._queries.start()
        for module in (builtins, io):
            self._patches.replace(module, "open", self._watch_open)
        shell_module = sys.modules.get("IPython.core.interactiveshell")
        if shell_module is not None:  # cells have an `open` of their own, which calls this name
            self._patches.replace(shell_module, "io_open", self._watch_open)
        self._patches.replace(os, "open", self._watch_descriptor)
        for name in _FILE_FUNCTIONS:
            self._patches.replace(os, name, self._noting("change of a file or folder"))
        self._patches.replace(os, "system", self._noting("program started"))
        self._patches.replace(subprocess.Popen, "__init__", self._noting("program started"))

    def arm(self) -> None:
        """The block begins."""
        self._is_armed = True

    def disarm(self) -> None:
        """The block has ended; what follows is not its own."""
        self._is_armed = False

    def stop(self) -> tuple[str, ...]:
        """End watching.

        Returns:
            What was seen, such as `3 × INSERT`, the most frequent first; no names, no values.
        """
        self.disarm()
        if self._is_running:
            self._is_running = False
            self._patches.restore()
            self._seen.update(count_writes(self._queries.stop().spans))
        return tuple(f"{count} × {what}" for what, count in self._seen.most_common())

    def _note(self, what: str) -> None:
        if self._is_armed:
            self._seen[what] += 1

    def _noting(self, what: str) -> Any:
        def wrap(function: Function) -> Function:
            def noted(*arguments: Any, **options: Any) -> Any:
                self._note(what)
                return function(*arguments, **options)

            return noted

        return wrap

    def _watch_open(self, function: Function) -> Function:
        def noted(file: Any, mode: Any = "r", *arguments: Any, **options: Any) -> Any:
            if type(mode) is str and set(mode) & set("wax+"):
                self._note("file opened for writing")
            return function(file, mode, *arguments, **options)

        return noted

    def _watch_descriptor(self, function: Function) -> Function:
        def noted(path: Any, flags: Any, *arguments: Any, **options: Any) -> Any:
            # perfkit's own reset of the peak, between two statements, is one of these.
            is_device = type(path) is str and path.startswith(_NO_FILES)
            if type(flags) is int and flags & _WRITE_FLAGS and not is_device:
                self._note("file opened for writing")
            return function(path, flags, *arguments, **options)

        return noted
