"""One workload under one profiler. Arguments: profiler, workload.

Answers with seconds: the workload between start and stop (clock, CPU of this thread), and start and stop.
"""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[float]


class Account:
    """Three small methods that call each other."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> None:
        self.total += self.fee(amount)

    def fee(self, amount: int) -> int:
        return amount if self.is_small(amount) else amount - 1

    def is_small(self, amount: int) -> bool:
        return amount < 10


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def calls() -> Callable[[], None]:
    """Nothing but calls: fib(27) and 500,000 times three methods."""

    def work() -> None:
        fib(27)
        account = Account()
        for i in range(500_000):
            account.add(i % 20)

    return work


def orm() -> Callable[[], None]:
    """Two times 15,000 objects of SQLAlchemy's ORM from SQLite."""
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    rows = [{"id": i, "name": f"item {i}", "price": i / 7} for i in range(15_000)]
    with engine.begin() as connection:
        connection.execute(sa.insert(Item), rows)

    def work() -> None:
        for _ in range(2):
            with Session(engine) as session:
                assert len(session.scalars(sa.select(Item)).all()) == len(rows)

    return work


def allocation() -> Callable[[], None]:
    """Dictionaries, lists, strings, and temporaries of numpy."""

    def work() -> None:
        for _ in range(5):
            records = [{"id": i, "name": f"name {i}", "tags": [i, i + 1]} for i in range(40_000)]
            joined = [record["name"] + "!" for record in records]
            array = np.arange(200_000, dtype=float)
            for _ in range(20):
                array = np.sqrt(array * 2 + 1)
            del records, joined

    return work


WORKLOADS = {"calls": calls, "orm": orm, "allocation": allocation}
Switches = tuple[Callable[[], object], Callable[[], object]]


@contextmanager
def bare() -> Iterator[Switches]:
    yield (lambda: None), (lambda: None)


@contextmanager
def perfkit_cpu() -> Iterator[Switches]:
    from perfkit.capture.cpu import CpuCollector

    collector = CpuCollector()
    yield collector.start, collector.stop


@contextmanager
def perfkit_peak() -> Iterator[Switches]:
    from perfkit.capture.memory import MemoryCollector

    collector = MemoryCollector(trace_allocations=False, sample_over_time=False)
    yield collector.start, collector.stop


@contextmanager
def perfkit_curve() -> Iterator[Switches]:
    from perfkit.capture.memory import MemoryCollector

    collector = MemoryCollector(trace_allocations=False)
    yield collector.start, collector.stop


@contextmanager
def perfkit_growth() -> Iterator[Switches]:
    from perfkit.capture.memory import MemoryCollector

    collector = MemoryCollector(trace_allocations=True, sample_over_time=False)
    yield collector.start, collector.stop


@contextmanager
def c_profile() -> Iterator[Switches]:
    import cProfile

    profile = cProfile.Profile()

    def stop() -> None:
        profile.disable()
        profile.create_stats()

    yield profile.enable, stop


@contextmanager
def tracemalloc_one() -> Iterator[Switches]:
    import tracemalloc

    def stop() -> None:
        tracemalloc.take_snapshot()
        tracemalloc.stop()

    yield tracemalloc.start, stop


@contextmanager
def pyinstrument() -> Iterator[Switches]:
    from pyinstrument import Profiler

    profiler = Profiler()
    yield profiler.start, profiler.stop


@contextmanager
def memray() -> Iterator[Switches]:
    import memray

    with tempfile.TemporaryDirectory() as folder:
        tracker = memray.Tracker(Path(folder) / "out.bin")
        yield tracker.__enter__, lambda: tracker.__exit__(None, None, None)


@contextmanager
def memory_profiler() -> Iterator[Switches]:
    """Its line-by-line mode on the workload's caller, which switches on tracing for all that it calls."""
    from memory_profiler import LineProfiler

    profiler = LineProfiler(backend="psutil")
    profiler.add_function(run)
    yield profiler.enable_by_count, profiler.disable_by_count


@contextmanager
def perfkit_sampling() -> Iterator[Switches]:
    from perfkit.capture.sampling import SamplingCollector

    collector = SamplingCollector()
    yield collector.start, collector.stop


PROFILERS = {
    "bare": bare,
    "cProfile": c_profile,
    "perfkit CpuCollector": perfkit_cpu,
    "perfkit SamplingCollector": perfkit_sampling,
    "pyinstrument": pyinstrument,
    "perfkit MemoryCollector, peak": perfkit_peak,
    "perfkit MemoryCollector, peak and curve": perfkit_curve,
    "tracemalloc, 1 frame": tracemalloc_one,
    "perfkit MemoryCollector, growth by line": perfkit_growth,
    "memray": memray,
    "memory-profiler, by line": memory_profiler,
}


def run(work: Callable[[], None]) -> None:
    work()


def main() -> None:
    work = WORKLOADS[sys.argv[2]]()
    work()  # imports, caches and compiled statements settle
    with PROFILERS[sys.argv[1]]() as (start, stop):
        gc.collect()  # some profilers do; then all start from the same heap
        marks = [time.perf_counter()]
        start()
        marks.append(time.perf_counter())
        cpu_s = time.thread_time()
        run(work)
        cpu_s = time.thread_time() - cpu_s
        marks.append(time.perf_counter())
        stop()
        marks.append(time.perf_counter())
    wall_s = marks[2] - marks[1]
    print(json.dumps([wall_s, cpu_s, marks[3] - marks[0] - wall_s]))


main()
