"""perfkit: find out why database-backed Python is slow, in the notebook.

The names below load what they need when they are first used, so that `import perfkit` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfkit import lab
    from perfkit.magics import load_ipython_extension, unload_ipython_extension
    from perfkit.session import (
        Comparison,
        Measurement,
        Result,
        VerificationResult,
        compare,
        diagnose,
        explain,
        load,
        log_slow,
        measure,
        read_plan,
        read_profile,
        save,
        verify,
        verify_async,
    )

__all__ = [
    "Comparison",
    "Measurement",
    "Result",
    "VerificationResult",
    "compare",
    "diagnose",
    "explain",
    "lab",
    "load",
    "load_ipython_extension",
    "log_slow",
    "measure",
    "read_plan",
    "read_profile",
    "save",
    "unload_ipython_extension",
    "verify",
    "verify_async",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("perfkit")
    if name == "lab":
        return importlib.import_module("perfkit.lab")
    if name not in __all__:
        raise AttributeError(f"module 'perfkit' has no attribute {name!r}")
    module = "perfkit.magics" if name.endswith("ipython_extension") else "perfkit.session"
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
