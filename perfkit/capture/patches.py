"""Methods replaced for the length of a block, by any number of blocks, and put back in any order."""

import threading
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
Wrap = Callable[[Function], Function]

_OWN = "perfkit.capture."
_lock = threading.RLock()
_Key = tuple[int, str]
_sites: dict[_Key, "_Site"] = {}


class _Site:
    """One method and the blocks that watch it, the outermost first."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        self.original: Function = vars(owner)[name]
        self.current = self.original
        self.layers: list[tuple[Patches, Wrap]] = []

    def is_ours(self) -> bool:
        return vars(self.owner).get(self.name) is self.current

    def rebuild(self) -> None:
        """Stack the layers anew. A method that somebody replaced after us is theirs: it stays."""
        if not self.is_ours():
            return
        function = self.original
        for _, wrap in self.layers:
            function = wrap(function)
        self.current = function
        setattr(self.owner, self.name, function)


class Patches:
    """The methods that one block watches. A wrapper must pass calls on once its block is over."""

    def __init__(self) -> None:
        self._own: list[tuple[_Key, _Site]] = []

    def replace(self, owner: Any, name: str, wrap: Wrap) -> None:
        """Put a wrapper around a method.

        Args:
            owner: the class or module that defines the method itself.
            name: the method; nothing happens where `owner` does not define it.
            wrap: makes the wrapper; called again whenever another block begins or ends.
        """
        if name not in vars(owner):
            return
        with _lock:
            key = id(owner), name
            site = _sites.get(key)
            if site is None or not site.is_ours():
                site = _sites[key] = _Site(owner, name)
            self._own.append((key, site))
            site.layers.append((self, wrap))
            site.rebuild()

    def restore(self) -> None:
        """Take all wrappers of this block away, those of other blocks stay. Idempotent."""
        with _lock:
            while self._own:
                key, site = self._own.pop()
                site.layers = [layer for layer in site.layers if layer[0] is not self]
                site.rebuild()
                if not site.layers and _sites.get(key) is site:
                    del _sites[key]


def leave_no_trace(error: BaseException) -> None:
    """Take perfkit's frames off the top of a traceback: the program sees the one that it would have without.

    Called by a wrapper that has caught the error and raises it again by a bare `raise`, which adds no entry.
    """
    entry = error.__traceback__
    while entry is not None and str(entry.tb_frame.f_globals.get("__name__")).startswith(_OWN):
        entry = entry.tb_next
    error.__traceback__ = entry
