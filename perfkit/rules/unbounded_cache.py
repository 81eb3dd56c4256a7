"""A cache without a limit that only grows.

What it finds
    An `lru_cache(maxsize=None)` or `functools.cache` of the person's that took 1,000 new entries in one
    block and answered less than half of its calls; or such a cache, or a container at module or class level,
    that got longer in each of at least five further runs of the same code (`%%memtrace --repeat 5`).

Why is this slow
    Every new key stays for as long as the process lives, with everything that its value refers to. A cache
    that is seldom hit costs memory and lookups and saves nothing.

Example
    @functools.cache
    def price(order_id): ...            # one entry for each order that ever was

Use instead
    @functools.lru_cache(maxsize=10_000)
    def price(order_id): ...

Thresholds
    min_entries: 1,000 new entries in one block. A few hundred keys are a table, not a leak.
    max_hit_rate: 0.5. A cache that answers half of its calls earns its place (MemoizeIt's hit ratio,
    reference notes on detectors, 3.14).
    min_repeats: 5 further runs, each with a longer container (reference notes on detectors, 3.16).

Stays silent when
    The cache has a limit. It is hit often, and does not grow from run to run. It fills up and stays. A
    container grew in one run only: filling it may be what the cell is for. The cache is a library's.
"""

from collections.abc import Iterator
from itertools import pairwise

from perfkit.model.builders import line, memory_profile, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.retention import CacheUse, ContainerUse, Retention
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule


def unbounded_cache(
    trace: Trace, *, min_entries: int = 1000, max_hit_rate: float = 0.5, min_repeats: int = 5
) -> Iterator[Finding]:
    """Report caches and containers that grow without a limit.

    Args:
        trace: a block around which caches and containers were looked at.
        min_entries: new entries in one block, at least.
        max_hit_rate: share of the calls that the cache answers, from 0 to 1, at most.
        min_repeats: further runs in each of which it got longer, at least.
    """
    if trace.memory is None or trace.memory.retention is None:
        return
    for cache in trace.memory.retention.caches:
        if cache.maxsize is not None:
            continue
        is_idle = (cache.hit_rate or 0.0) < max_hit_rate
        grows_always = _grows_in_each_run(cache.lengths, min_repeats)
        if grows_always or (is_idle and _new_entries(cache.lengths) >= min_entries):
            yield _cache_finding(cache, is_proved=grows_always)
    for container in trace.memory.retention.containers:
        if _grows_in_each_run(container.lengths, min_repeats):
            yield _container_finding(container)


def _new_entries(lengths: tuple[int, ...]) -> int:
    return lengths[1] - lengths[0] if len(lengths) > 1 else 0


def _grows_in_each_run(lengths: tuple[int, ...], min_repeats: int) -> bool:
    after_each_run = lengths[1:]
    rises = [later > earlier for earlier, later in pairwise(after_each_run)]
    return len(rises) >= min_repeats and all(rises)


def _cache_finding(cache: CacheUse, *, is_proved: bool) -> Finding:
    rate = "it was never called" if cache.hit_rate is None else f"{cache.hit_rate:.0%} of its calls were hits"
    return Finding(
        code="PK901",
        rule="unbounded-cache",
        severity="worth it" if is_proved else "info",
        message=f"The cache of {cache.name} has no limit and {cache.lengths[-1]:,} entries; {rate}",
        advice=(
            "Give it a limit, lru_cache(maxsize=…), as large as the keys that come back; or cache for the "
            "length of one request."
        ),
        refutation=(
            "It would be a false alarm if there are only so many different arguments, all of which come "
            "back: then the cache fills up and stays."
        ),
        confidence=0.8 if is_proved else 0.5,
        location=cache.location,
        evidence=(_told(cache.lengths),),
    )


def _container_finding(container: ContainerUse) -> Finding:
    return Finding(
        code="PK901",
        rule="unbounded-cache",
        severity="worth it",
        message=f"{container.name} ({container.type_name}) gets longer each time the cell runs",
        advice=(
            "Bound it, deque(maxlen=…) or a cache with a limit, or empty it when the work is done; keep "
            "objects that others own by weak references."
        ),
        refutation=(
            "It would be a false alarm if it is the result that the cell collects, and the cell does not "
            "run again and again in earnest."
        ),
        confidence=0.7,
        evidence=(_told(container.lengths),),
    )


def _told(lengths: tuple[int, ...]) -> str:
    before, *after = (f"{length:,}" for length in lengths)
    return f"entries before the block {before}, after each run {', '.join(after[:10])}"


def _watched(
    *, caches: tuple[CacheUse, ...] = (), containers: tuple[ContainerUse, ...] = (), name: str
) -> Trace:
    return trace(name=name, memory=memory_profile(retention=Retention((), caches, containers)))


def _cache(*lengths: int, maxsize: int | None = None, hits: int = 0, misses: int = 5000) -> CacheUse:
    return CacheUse("price", line(1, "@functools.cache"), maxsize, hits, misses, lengths)


RULE = Rule(
    code="PK901",
    name="unbounded-cache",
    requires="memory.retention",
    check=unbounded_cache,
    fires_on=(
        _watched(caches=(_cache(0, 5000),), name="5,000 new entries, never hit"),
        _watched(caches=(_cache(0, 10, 20, 30, 40, 50, 60, hits=900),), name="longer after each run"),
        _watched(
            containers=(ContainerUse("seen", "dict", (0, 5, 10, 15, 20, 25, 30)),),
            name="a dictionary that is longer after each run",
        ),
    ),
    silent_on=(
        _watched(caches=(_cache(0, 128, maxsize=128),), name="a cache with a limit"),
        _watched(caches=(_cache(0, 5000, hits=9000),), name="a cache that is hit often"),
        _watched(caches=(_cache(0, 300, misses=300),), name="a small table"),
        _watched(
            caches=(_cache(0, 300, 300, 300, 300, 300, 300),), name="a cache that is full after one run"
        ),
        _watched(caches=(_cache(0, 10, 20, 30, 30, 30, 30),), name="a cache that fills up"),
        _watched(containers=(ContainerUse("rows", "list", (0, 5000)),), name="a list filled once"),
        _watched(
            containers=(ContainerUse("rows", "list", (0, 5, 5, 5, 5, 5, 5)),), name="a list filled by one run"
        ),
        trace(memory=memory_profile(), name="caches not looked at"),
        unmeasured(),
    ),
)
