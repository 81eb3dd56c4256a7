"""The wheel works outside the clone: installed into an empty environment, it runs the smallest tour."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def interpreter(version: str) -> str | None:
    """A Python of this version that really starts: a shim of a version manager may be there and refuse."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [
        shutil.which(f"python{version}"),
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    for candidate in filter(None, candidates):
        if (
            subprocess.run(
                [str(candidate), "-c", "import venv, ssl"], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return str(candidate)
    return None


def test_the_wheel_brings_notebooks_shop_and_settings_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    for wanted in ("notebooks/00_start_here.ipynb", "notebooks/shop/models.py", "data/settings.toml"):
        assert f"perfkit/lab/bundle/{wanted}" in names
    assert "perfkit/py.typed" in names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_smallest_tour_runs_from_an_empty_environment(wheel, version, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    environment = tmp_path / "env"
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    binaries = environment / venv.EnvBuilder().ensure_directories(environment).bin_name
    install = [
        str(binaries / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    tour = tmp_path / "tour"
    # Not in tmp_path: as root, the server's own account could not reach it.
    home = Path(tempfile.mkdtemp(prefix="pk", dir="/tmp" if os.name == "posix" else None))
    try:
        result = run_tour(binaries / "perfkit", tour, home)
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
