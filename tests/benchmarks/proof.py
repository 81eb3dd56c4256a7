"""How often the timing protocol is wrong, and what it finds: simulated machines, so no machine is named."""

import gc
from collections import Counter
from statistics import median

from perfkit.model.verification import Outcome
from tests.benchmarks.tables import Table
from tests.proof.simulated import NOISES, Machine

EFFECTS = (0.0, -0.03, -0.10, -0.20, -0.50)
_WORDS = (Outcome.FASTER, Outcome.SAME, Outcome.UNRESOLVED, Outcome.SLOWER)


def run(*, quick: bool) -> list[Table]:
    """Simulate; half a minute, a few seconds when quick."""
    trials = 50 if quick else 400
    gc.collect()
    gc.freeze()  # the protocol collects garbage before each run, and here the runs are all it does
    try:
        rows = tuple(_row(noise, effect, trials) for effect in EFFECTS for noise in NOISES)
    finally:
        gc.unfreeze()
    how = (
        f"{trials} simulated comparisons a line, with a drift of 5 % in sixty runs. Equal code (0 %) that is "
        "called faster or slower is a false alarm; a gain of 3 % is too small to be worth a line."
    )
    columns = ("true change", "noise", *(word.value for word in _WORDS), "median pairs")
    return [Table("The proof of a fix, simulated", columns, rows, (how,))]


def _row(noise: object, effect: float, trials: int) -> tuple[str, ...]:
    outcomes, pairs = Counter(), []
    for seed in range(trials):
        result = Machine(noise, seed).compare(1.0, 1.0 + effect, budget_s=1e9)
        outcomes[result.outcome] += 1
        pairs.append(result.pairs)
    counts = (str(outcomes[word]) for word in _WORDS)
    return (f"{effect:+.0%}" if effect else "0 %", noise.__name__, *counts, f"{median(pairs):.0f}")
