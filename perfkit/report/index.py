"""The list of the reports in a folder."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perfkit.report.style import filters, policy, style_sheet
from perfkit.report.summary import RunFacts

_SUMMARY = re.compile(r'<script type="application/json" id="perfkit-summary">(.*?)</script>', re.S)
_HEAD_BYTES = 200_000  # the summary stands in the head, after a style sheet of some 20 kB


@dataclass(frozen=True, slots=True)
class Entry:
    """One report of the list; the pairs are counts of met and all."""

    file_name: str
    title: str
    status: str
    failure: str | None
    run: RunFacts
    cells: tuple[int, int]
    findings: tuple[tuple[str, int], ...]
    targets: tuple[int, int]
    exercises: tuple[int, int]


def index_page(folder: Path) -> str:
    """Make the index page.

    Args:
        folder: where the reports are; files that are no reports are passed over.

    Returns:
        A page in the style of the reports, which loads nothing either.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates") / "perfkit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters())
    return environment.get_template("folder.html.j2").render(
        entries=list(entries(folder)), policy=policy(with_snakeviz=False), style=style_sheet()
    )


def entries(folder: Path) -> Iterator[Entry]:
    """Every report of a folder, in the order of the file names."""
    for path in sorted(folder.glob("*.html")):
        entry = _read(path)
        if entry is not None:
            yield entry


def _read(path: Path) -> Entry | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            match = _SUMMARY.search(stream.read(_HEAD_BYTES))
        return _entry(path.name, json.loads(match.group(1))) if match else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a page of somebody else, or of a later perfkit: not ours to list


def _entry(file_name: str, digest: dict[str, Any]) -> Entry:
    return Entry(
        file_name=file_name,
        title=digest["title"],
        status=digest["status"],
        failure=digest["failure"],
        run=RunFacts(**digest["run"]),
        cells=(digest["executed_cells"], digest["code_cells"]),
        findings=tuple((severity, count) for severity, count in digest["findings"]),
        targets=(digest["targets"][0], digest["targets"][1]),
        exercises=(digest["exercises"][0], digest["exercises"][1]),
    )
