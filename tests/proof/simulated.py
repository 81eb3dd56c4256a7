"""A machine whose time is made of random numbers: every trial is the same on every machine."""

import math
import random
from collections.abc import Callable, Iterator

from perfkit.model.verification import TimingComparison
from perfkit.proof.benchmark import compare_timings


def lognormal(source: random.Random) -> Iterator[float]:
    while True:
        yield source.lognormvariate(0, 0.05)


def spikes(source: random.Random) -> Iterator[float]:
    while True:
        yield source.lognormvariate(0, 0.03) * (source.uniform(1.5, 3) if source.random() < 0.1 else 1)


def bimodal(source: random.Random) -> Iterator[float]:
    while True:
        yield source.choice((1.0, 1.15)) * source.lognormvariate(0, 0.02)


def autocorrelated(source: random.Random) -> Iterator[float]:
    level = 0.0
    while True:
        level = 0.8 * level + source.gauss(0, 0.04)
        yield math.exp(level)


NOISES = (lognormal, spikes, bimodal, autocorrelated)


class Machine:
    """Work takes a base time in seconds, times noise, and everything slows by 5 % in sixty runs."""

    def __init__(self, noise: Callable[[random.Random], Iterator[float]], seed: int) -> None:
        self.source = random.Random(seed)
        self.noise = noise(self.source)
        self.now_s = 0.0
        self.runs: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def work(self, base_s: float) -> Callable[[], None]:
        def run() -> None:
            self.runs.append(base_s)
            self.now_s += base_s * next(self.noise) * (1 + 0.05 * len(self.runs) / 60)

        return run

    def compare(self, before_s: float, after_s: float, **options: float) -> TimingComparison:
        return compare_timings(
            self.work(before_s),
            self.work(after_s),
            clock=self.clock,
            order=random.Random(self.source.random()),
            **options,
        )
