"""Runs pytest on a few test files, in a process of its own, and tells what became of each test."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

APP = """
    from sqlalchemy import ForeignKey, create_engine, select, text
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    class Base(DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "authors"
        id: Mapped[int] = mapped_column(primary_key=True)
        books: Mapped[list["Book"]] = relationship()

    class Book(Base):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Author(id=n, books=[Book(id=n)]) for n in range(1, 4)])
        session.commit()

    def ask(times):
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(text("SELECT :n, 'secret'"), {"n": number})

    def count_books():
        with Session(engine) as session:
            return [len(author.books) for author in session.scalars(select(Author))]
"""
_LINES = dedent(APP).splitlines()
EXECUTE_LINE = (
    _LINES.index('            connection.execute(text("SELECT :n, \'secret\'"), {"n": number})') + 1
)
LAZY_LINE = (
    _LINES.index("        return [len(author.books) for author in session.scalars(select(Author))]") + 1
)
SETTINGS = """
    [pytest]
    asyncio_default_fixture_loop_scope = function
"""


@dataclass(frozen=True)
class Run:
    """One finished run."""

    exit_code: int
    output: str
    tests: dict[str, str]
    """What each test says: nothing where it passed."""

    @property
    def failed(self) -> list[str]:
        return [name for name, text in self.tests.items() if text]


def prepare(folder: Path, settings: str = "", **modules: str) -> Path:
    """Write an application `app.py`, settings, and modules by name."""
    (folder / "pytest.ini").write_text(dedent(SETTINGS) + dedent(settings))
    for name, text in {"app": APP, **modules}.items():
        (folder / f"{name}.py").write_text(dedent(text))
    return folder


def run_pytest(folder: Path, *arguments: str) -> Run:
    """Run pytest in this folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=report.xml", *arguments]
    (folder / "report.xml").unlink(missing_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return Run(done.returncode, done.stdout + done.stderr, _tests(folder / "report.xml"))


def _tests(report: Path) -> dict[str, str]:
    if not report.exists():
        return {}
    cases = ElementTree.parse(report).iter("testcase")
    return {case.get("name", ""): "".join(part.text or "" for part in case) for case in cases}
