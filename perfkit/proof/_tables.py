"""NumPy arrays and pandas tables; neither package is imported before there is one to compare."""

from typing import TYPE_CHECKING, Any

from perfkit.model.wording import counted
from perfkit.proof._multisets import multisets
from perfkit.proof._places import DifferenceError, Path, step

if TYPE_CHECKING:
    from perfkit.proof._comparison import Comparison

FLOAT_TOLERANCE = 1e-9
"""Relative, as for single floats."""


def arrays(comparison: "Comparison", a: Any, b: Any, path: Path) -> None:
    """Compare two arrays: shape, dtype, and values; an array of objects item by item."""
    import numpy as np

    if type(a) is not np.ndarray or type(b) is not np.ndarray:
        comparison.doubt(path, f"is of type {type(a).__name__}, of which only plain arrays can be compared")
        return
    if a.shape != b.shape:
        raise DifferenceError(path, f"differs (shape {a.shape} and {b.shape})")
    if a.dtype != b.dtype:
        raise DifferenceError(path, f"differs (dtype {a.dtype} and {b.dtype})")
    if a.dtype.hasobject:
        comparison.items(a.ravel().tolist(), b.ravel().tolist(), path)
    elif not _equal_arrays(a, b):
        raise DifferenceError(path, f"differs (array of {a.dtype})")


def _equal_arrays(a: Any, b: Any) -> bool:
    import numpy as np

    if a.dtype.kind in "fc":
        return bool(np.isclose(a, b, rtol=FLOAT_TOLERANCE, atol=0, equal_nan=True).all())
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "mM"))


def series(comparison: "Comparison", a: Any, b: Any, path: Path) -> None:
    """Compare two Series: length, dtype, index, and values."""
    if len(a) != len(b):
        raise DifferenceError(path, f"has {counted(len(a), 'row')} before and {len(b)} after")
    if not a.index.equals(b.index):
        raise DifferenceError(path, "differs (index)")
    _column(comparison, a, b, path)


def frames(comparison: "Comparison", a: Any, b: Any, path: Path) -> None:
    """Compare two DataFrames: shape, columns, and rows; without order the index does not count."""
    if a.shape != b.shape:
        raise DifferenceError(path, f"differs (shape {a.shape} and {b.shape})")
    if not a.columns.equals(b.columns):
        raise DifferenceError(path, "differs (column names)")
    if comparison.ordered and not a.index.equals(b.index):
        raise DifferenceError(path, "differs (index)")
    for position, label in enumerate(a.columns):
        left, right = a.iloc[:, position], b.iloc[:, position]
        place = path.at(step(a.columns, position, label))
        _same_dtype(left, right, place)
        if comparison.ordered:
            _column(comparison, left, right, place)
    if not comparison.ordered:
        rows_a, rows_b = (list(frame.itertuples(index=False, name=None)) for frame in (a, b))
        multisets(comparison, rows_a, rows_b, path)


def _same_dtype(a: Any, b: Any, path: Path) -> None:
    if a.dtype != b.dtype:
        raise DifferenceError(path, f"differs (dtype {a.dtype} and {b.dtype})")


def _column(comparison: "Comparison", a: Any, b: Any, path: Path) -> None:
    _same_dtype(a, b, path)
    if a.dtype.kind in "fc" and a.dtype.__class__.__module__.startswith("numpy"):
        arrays(comparison, a.to_numpy(), b.to_numpy(), path)
    elif a.dtype.kind in "iubmM":
        if not a.array.equals(b.array):
            raise DifferenceError(path, f"differs (column of {a.dtype})")
    else:
        comparison.items(a.tolist(), b.tolist(), path)
