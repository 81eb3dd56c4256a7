import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit import lab

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "notebooks")]


@pytest.fixture(scope="session")
def lab_home() -> Iterator[str]:
    """A folder for the lab's server, which runs until the last notebook is done."""
    home = tempfile.mkdtemp(prefix="pk", dir="/tmp" if os.name == "posix" else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFKIT_HOME", home)
        patch.delenv("PERFKIT_DATABASE_URL", raising=False)
        for scale in ("tiny", "small"):
            lab.build(scale)
        yield home
        lab.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def shop(lab_home: str) -> Iterator[lab.Shop]:
    with lab.open_shop("questions", scale="tiny") as opened:
        yield opened
