"""The layers of the design hold, and the package stays readable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "perfkit").rglob("*.py"))


def test_every_import_follows_the_layers():
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_on_one_screen(path):
    functions = [
        n
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    too_long = {function.name: lines for function in functions if (lines := body_lines(function)) > 40}

    assert too_long == {}


def test_nothing_inside_the_package_imports_its_root():
    importers = [
        str(path) for path in FILES for node in ast.walk(ast.parse(path.read_text())) if imports_root(node)
    ]

    assert importers == []


def imports_root(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "perfkit" for alias in node.names)
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "perfkit"
        and any(
            not (ROOT / "perfkit" / alias.name).exists()
            and not (ROOT / "perfkit" / f"{alias.name}.py").exists()
            for alias in node.names
        )
    )


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno - body[0].lineno + 1) if body else 0
