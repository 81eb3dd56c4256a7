"""Random numbers that are the same on every machine and with every numpy.

NEP 19 promises stable streams for bit generators only, not for `Generator`, and `exp` or `log` differ in the
last bit between processors. So everything here is raw PCG64 output and the operations that IEEE 754 rounds
exactly: + - * / and the square root.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Stream:
    """The random numbers of one table."""

    def __init__(self, seed: str) -> None:
        self._bits = np.random.PCG64(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big"))

    def uniform(self, size: int) -> Floats:
        """Return `size` floats in [0, 1), each a multiple of 2**-53."""
        raw = self._bits.random_raw(size)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, low: int, high: int, size: int) -> Ints:
        """Return `size` integers from `low` to `high` - 1."""
        return (self.uniform(size) * (high - low)).astype(np.int64) + np.int64(low)

    def permutation(self, size: int) -> Ints:
        """Return the integers from 0 to `size` - 1 in random order."""
        return np.argsort(self._bits.random_raw(size), kind="stable").astype(np.int64)

    def pick(self, weights: Sequence[float] | Floats, size: int) -> Ints:
        """Return `size` positions in `weights`, each as often as its weight says."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        found: Ints = np.searchsorted(edges, self.uniform(size) * edges[-1], side="right").astype(np.int64)
        return found

    def zipf(self, keys: int, size: int, offset: float) -> Ints:
        """Return `size` keys from 1 to `keys`, a few of them very often.

        The k-th most popular key has the weight 1 / (k + offset): the Zipf-Mandelbrot law with exponent 1
        (Mandelbrot 1953). Popularity is spread over the keys at random: the hot ones are not 1, 2, 3.
        """
        weights = 1.0 / (np.arange(1, keys + 1, dtype=np.float64) + offset)
        ranks = self.pick(weights, size)
        shuffled: Ints = self.permutation(keys) + 1
        return shuffled[ranks]

    def heavy_tail(self, scale: float, size: int) -> Floats:
        """Return `size` positive numbers with the median `scale` and a long tail.

        Quantile function of the log-logistic distribution with shape 2, cut at the 99.99th percentile.
        """
        u = np.minimum(self.uniform(size), 0.9999)
        return scale * np.sqrt(u / (1.0 - u))
