"""Whether a statement is faster with a change: a few runs of each, on a machine that others use too.

Three answers of the clock, from the quickest to the most careful:

1. Apart: every run with the change was faster than every run without it, and the median time halved, or it
   fell by a tenth and so did the blocks. Equal work comes out apart once in twenty times, but rarely by half
   (simulated: in no more than 1 % of proofs, and in 3 % where a third of all runs takes two to five times
   as long).
2. Blocks agree: one slow run is another program's more often than the statement's. Blocks are counted and
   do not waver. So where each run with the change read at most a tenth of the blocks of any run without
   it, and the median time at least halved, single times may overlap.
3. Ranks: where neither holds, though the median or the blocks speak for the change, both are run again in
   turns, up to nine times each, and all runs together are ranked (Mann and Whitney). Two looks share 1 %.
"""

from itertools import chain

from perfkit.model.what_if import Runs
from perfkit.proof.statistics import mann_whitney_p

RUNS = 3
# After two more rounds nine runs stand against nine: what they do not show is not worth an index.
MORE_ROUNDS = 2
# What a round may take: the statement, the index built again, and the writes of others that wait for it.
MORE_MS = 5_000.0
# Less than a tenth saved is not worth an index that every write pays for.
MIN_SAVED_SHARE = 0.1
_LEVEL = 0.01 / MORE_ROUNDS
_TENTH, _MIN_FEWER_BLOCKS, _HALF = 0.1, 100, 0.5


def saved_share(base: Runs, runs: Runs) -> float:
    """The share of the median time that a change saves; below zero where it costs time."""
    return 1 - runs.median_ms / base.median_ms if base.median_ms else 0.0


def is_faster(base: Runs, runs: Runs) -> bool:
    """Whether the runs with a change are faster beyond doubt, by the rule of this module.

    Args:
        base: runs without it.
        runs: runs with it.
    """
    if saved_share(base, runs) < MIN_SAVED_SHARE:
        return False
    return _is_apart(base, runs) or _blocks_agree(base, runs) or _ranks_decide(base, runs)


def is_open(base: Runs, runs: Runs) -> bool:
    """Whether more runs could show what these do not: the median or the blocks speak for the change."""
    saves = saved_share(base, runs) >= MIN_SAVED_SHARE
    return (saves or _has_few_blocks(base, runs)) and not is_faster(base, runs)


def together(*parts: Runs) -> Runs:
    """All runs of several rounds."""
    return Runs(
        tuple(chain.from_iterable(part.times_ms for part in parts)),
        tuple(chain.from_iterable(part.blocks for part in parts)),
    )


def _is_apart(base: Runs, runs: Runs) -> bool:
    """Three runs with the change: of more, the slowest is slow by chance alone, so they are ranked."""
    if len(runs.times_ms) > RUNS or max(runs.times_ms) >= min(base.times_ms):
        return False
    fewer_blocks = max(runs.blocks) <= (1 - MIN_SAVED_SHARE) * min(base.blocks)
    return fewer_blocks or saved_share(base, runs) >= _HALF


def _blocks_agree(base: Runs, runs: Runs) -> bool:
    return _has_few_blocks(base, runs) and saved_share(base, runs) >= _HALF


def _has_few_blocks(base: Runs, runs: Runs) -> bool:
    """A tenth, and in numbers: from 20 blocks to 2 says nothing about time."""
    most, least = max(runs.blocks), min(base.blocks)
    return most <= _TENTH * least and least - most >= _MIN_FEWER_BLOCKS


def _ranks_decide(base: Runs, runs: Runs) -> bool:
    return mann_whitney_p(base.times_ms, runs.times_ms) < _LEVEL
