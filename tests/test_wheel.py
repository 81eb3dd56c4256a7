"""The wheel works outside the clone: installed into an empty environment, it runs the smallest tour."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.interpreters import EACH_VERSION, build_wheel, environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_brings_notebooks_shop_and_settings_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    for wanted in ("notebooks/00_start_here.ipynb", "notebooks/shop/models.py", "data/settings.toml"):
        assert f"perfkit/lab/bundle/{wanted}" in names
    assert "perfkit/py.typed" in names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


@pytest.mark.parametrize("version", EACH_VERSION)
def test_the_smallest_tour_runs_from_an_empty_environment(version, tmp_path, tmp_path_factory):
    programs = environment(version, tmp_path_factory)
    if programs is None:
        pytest.skip(f"Python {version} is not on this machine")
    tour = tmp_path / "tour"
    # Not in tmp_path: as root, the server's own account could not reach it.
    home = Path(tempfile.mkdtemp(prefix="pk", dir="/tmp" if os.name == "posix" else None))
    try:
        result = run_tour(programs / "perfkit", tour, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (tour / "reports" / "index.html").exists()
    assert len(list((tour / "reports").glob("*.html"))) == 1 + len(list((tour / "notebooks").glob("*.ipynb")))


def run_tour(perfkit: Path, tour: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    settings = {**os.environ, "PERFKIT_HOME": str(home), "PERFKIT_SCALE": "tiny"}
    settings.pop("PERFKIT_DATABASE_URL", None)
    command = [str(perfkit), "tour", str(tour)]
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False, cwd=tour.parent)
