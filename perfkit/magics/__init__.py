"""The magics: `%load_ext perfkit` puts them into IPython, `%unload_ext perfkit` takes them out."""

from perfkit.magics._extension import Extension
from perfkit.magics._ipython import Shell
from perfkit.magics._rewrite import ATTRIBUTE

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ip: Shell) -> None:
    """Add the magics to a shell. What they measure with is imported here, not when a cell is timed."""
    if not hasattr(ip, ATTRIBUTE):
        Extension(ip).load()


def unload_ipython_extension(ip: Shell) -> None:
    """Remove the magics from a shell, with all that came with them."""
    extension: Extension | None = getattr(ip, ATTRIBUTE, None)
    if extension is not None:
        extension.unload()
