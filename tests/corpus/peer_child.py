"""`python -m tests.corpus.peer_child PEER PROGRAM...`: which programs the peer reports, as JSON.

Runs in the peers' environment, which has no perfkit.
"""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.corpus.databases import Databases
from tests.corpus.program import programs
from tests.corpus.running import run

Reports = Callable[[], bool]


@contextmanager
def queryspy() -> Iterator[Reports]:
    import queryspy

    with queryspy.record() as recorder:
        yield lambda: bool(recorder.findings())


@contextmanager
def pytest_queryguard() -> Iterator[Reports]:
    from pytest_queryguard import NPlusOneDetected, record_queries

    def reports() -> bool:
        try:
            log.assert_no_nplusone(write_loop_threshold=5)
        except NPlusOneDetected:
            return True
        return False

    with record_queries() as log:
        yield reports


@contextmanager
def pytest_querycount() -> Iterator[Reports]:
    from pytest_querycount import Recorder, backends

    backends.install_all()
    recorder = Recorder()
    backends.push(recorder)
    try:
        yield lambda: bool(recorder.duplicates())
    finally:
        backends.pop(recorder)


WATCHES = {
    "queryspy": queryspy,
    "pytest-queryguard": pytest_queryguard,
    "pytest-querycount": pytest_querycount,
}


def main() -> int:
    """Run the programs that were named."""
    warnings.simplefilter("ignore")
    peer, *names = sys.argv[1:]
    answers: dict[str, bool | None] = {}
    databases = Databases()
    try:
        for program in programs(("sqlite", "postgresql")):
            if program.name in names:
                try:
                    answers[program.name] = run(program, databases, WATCHES[peer])()
                except Exception as error:
                    print(f"{peer}: {program.name}: {error!r}", file=sys.stderr)
                    answers[program.name] = None
    finally:
        databases.close()
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
