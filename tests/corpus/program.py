"""What a program of the corpus declares, and where its marks are."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# Marks stand in a comment at the end of a line: `# loop`, or several: `# cause, loop, line`.
_MARK = "(?:loop|inside|line|cause)"
_MARKS = re.compile(rf"#\s*({_MARK}(?:,\s*{_MARK})*)\s*$")
DATABASES = ("sqlite", "postgresql", "django", "django-postgresql")
# What the kinds of programs are called: by them the claims of the other tools are looked up.
KINDS = ("lazy load", "repeated select", "column load", "write", "other")


@dataclass(frozen=True)
class Program:
    """One small program. Its docstring says in one sentence why it is interesting.

    `verdict` are the names of the rules that must report it, none for a look-alike. `statements` is what
    perfkit must count; `executions` what the database executes, where that is another number: it executes
    each parameter set of an `executemany`, and it is pinged without the program asking. `wrong` says why
    perfkit does not judge it rightly yet.
    """

    work: Callable[..., Any]
    verdict: frozenset[str]
    statements: int
    executions: int
    on: str
    kind: str
    wrong: str | None = None
    unseen_by: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function's name."""
        return self.work.__name__

    @property
    def why(self) -> str:
        """Why it is interesting."""
        return " ".join((self.work.__doc__ or "").split())

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function."""
        return inspect.iscoroutinefunction(self.work)

    def marked(self, word: str) -> frozenset[int]:
        """The lines that carry this mark."""
        return self._marks.get(word, frozenset())

    @cached_property
    def _marks(self) -> dict[str, frozenset[int]]:
        lines, first = inspect.getsourcelines(self.work)
        marks: dict[str, set[int]] = {}
        for number, text in enumerate(lines, first):
            found = _MARKS.search(text)
            for word in found[1].split(",") if found else ():
                marks.setdefault(word.strip(), set()).add(number)
        return {word: frozenset(numbers) for word, numbers in marks.items()}


_found: dict[str, Program] = {}
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def fires(
    *rules: str,
    statements: int,
    on: str = "sqlite",
    kind: str = "other",
    executions: int | None = None,
    wrong: str | None = None,
    unseen_by: tuple[str, ...] = (),
) -> Decorator:
    """A program with a mistake.

    Args:
        rules: names of the rules that must report it, and no other.
        statements: how many statements perfkit must count.
        on: `sqlite`, `postgresql`, `django` (on SQLite) or `django-postgresql`.
        kind: what other tools call it, one of `KINDS`.
        executions: what the database itself counts, where that differs.
        wrong: why perfkit does not judge it rightly yet.
        unseen_by: tools whose documentation says that they do not see such a program.
    """

    def add(work: Callable[..., Any]) -> Callable[..., Any]:
        program = Program(
            work=work,
            verdict=frozenset(rules),
            statements=statements,
            executions=executions or statements,
            on=on,
            kind=kind,
            wrong=wrong,
            unseen_by=unseen_by,
            arguments=tuple(inspect.signature(work).parameters),
        )
        assert kind in KINDS
        assert program.name not in _found
        _found[program.name] = program
        return work

    return add


def silent(statements: int, **options: Any) -> Decorator:
    """A look-alike: a program that is right as it is. Options as for `fires`."""
    return fires(statements=statements, **options)


def programs(on: Iterable[str] | None = None) -> tuple[Program, ...]:
    """Every program, those that fire first.

    Args:
        on: only those on these databases.
    """
    for part in ("firing", "silent"):
        package = importlib.import_module(f"tests.corpus.{part}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    ordered = sorted(_found.values(), key=lambda program: not program.verdict)
    return tuple(program for program in ordered if on is None or program.on in on)
