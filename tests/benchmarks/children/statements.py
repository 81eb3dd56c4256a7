"""The statements that are measured: Core and lazy loads, on SQLite and PostgreSQL, beneath padding frames."""

import gc
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

PADDING = 25
COUNT = 100


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "bench_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kids: Mapped[list["Kid"]] = relationship()


class Kid(Base):
    __tablename__ = "bench_kid"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("bench_parent.id"), index=True)
    name: Mapped[str]


ONE_PARENT = sa.select(Parent.id, Parent.name).where(Parent.id == sa.bindparam("wanted"))


def prepare(engine: sa.Engine) -> None:
    """Make the tables: 100 parents with 3 kids each."""
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Parent(id=i, name=f"parent {i}") for i in range(COUNT))
        session.add_all(
            Kid(id=3 * i + k, parent_id=i, name=f"kid {i} {k}") for i in range(COUNT) for k in range(3)
        )
        session.commit()


@contextmanager
def core(engine: sa.Engine) -> Any:
    """Statements of SQLAlchemy Core by primary key, in one loop."""
    with engine.connect() as connection:

        def work() -> None:
            for i in range(COUNT):
                connection.execute(ONE_PARENT, {"wanted": i}).all()

        yield work


@contextmanager
def lazy_load(engine: sa.Engine) -> Any:
    """Lazy loads of one relationship, in one loop; the parents were loaded before."""
    with Session(engine) as session:
        parents = session.scalars(sa.select(Parent).order_by(Parent.id)).all()

        def work() -> None:
            for parent in parents:
                len(parent.kids)

        yield work


Workload = Callable[[sa.Engine], AbstractContextManager[Callable[[], None]]]
WORKLOADS: dict[str, Workload] = {"core": core, "lazy": lazy_load}


def padded(depth: int, work: Callable[[], None]) -> None:
    """Call the work from so many frames down, as in a real application."""
    if depth:
        padded(depth - 1, work)
    else:
        work()


def time_once(work: Callable[[], None]) -> tuple[float, float]:
    """CPU time of this thread and time on the clock, in microseconds a statement."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.thread_time()
    padded(PADDING, work)
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    return cpu / COUNT * 1e6, wall / COUNT * 1e6
