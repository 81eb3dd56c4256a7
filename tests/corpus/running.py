"""Runs one program, with whatever wants to watch it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tests.corpus.databases import Databases, async_arguments, sync_arguments
from tests.corpus.oracle import Oracle
from tests.corpus.program import Program

Watch = Callable[[], AbstractContextManager[Any]]


def run(program: Program, databases: Databases, watch: Watch, oracle: Oracle | None = None) -> Any:
    """Run a program on a fresh database.

    Args:
        program: the program.
        databases: where its database comes from.
        watch: makes the context in which it runs; what that yields is returned.
        oracle: listens from the opening of the connections on.
    """
    if program.on.startswith("django"):
        from tests.corpus.django_library import run_django

        return run_django(program, databases, watch)
    url = databases.url(program.on, is_async=program.is_async)
    attending = oracle or _Deaf()
    with oracle.installed() if oracle else nullcontext():
        if program.is_async:
            return asyncio.run(_run_async(program, url, watch, attending))
        with sync_arguments(program.arguments, url, attending) as arguments, watch() as watcher:
            program.work(**arguments)
        return watcher


async def _run_async(program: Program, url: str, watch: Watch, oracle: Any) -> Any:
    async with async_arguments(program.arguments, url, oracle) as arguments:
        with watch() as watcher:
            await program.work(**arguments)
            await asyncio.sleep(0)  # asyncpg tells its loggers when the event loop comes round
    return watcher


class _Deaf:
    def attend(self, connection: Any) -> None:
        """Nobody listens in this run."""
