import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from perfkit import lab

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))


@pytest.fixture(scope="session")
def shop_home() -> Iterator[str]:
    """A folder of its own for the lab's server, with a short path, and a tiny shop."""
    home = tempfile.mkdtemp(prefix="pk", dir="/tmp" if os.name == "posix" else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFKIT_HOME", home)
        patch.setenv("PERFKIT_SCALE", "tiny")
        patch.delenv("PERFKIT_DATABASE_URL", raising=False)
        yield home
        lab.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def shop(shop_home: str) -> Iterator[lab.Shop]:
    with lab.open_shop("shop_tests") as opened:
        yield opened


@pytest.fixture(scope="session")
def sqlite(shop_home: str) -> Iterator[Engine]:
    engine = lab.open_sqlite("tiny")
    yield engine
    engine.dispose()


@pytest.fixture
def session(shop: lab.Shop) -> Iterator[Session]:
    with Session(shop.engine) as opened:
        yield opened
