"""What both kinds of page share: the content policy, the style sheet, and words for numbers."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from perfkit.model.wording import counted
from perfkit.report.summary import json_for_script
from perfkit.views._format import milliseconds

_FILES = Path(__file__).with_name("templates") / "perfkit"


def policy(*, with_snakeviz: bool) -> str:
    """The content security policy of a page.

    Args:
        with_snakeviz: whether a SnakeViz profile is embedded. Its frame inherits this policy; its
            templates are compiled by lodash (`unsafe-eval`) and its hierarchy is built in a worker.

    Returns:
        A policy under which the page can load nothing at all.
    """
    scripts = "script-src 'unsafe-inline'"
    if with_snakeviz:
        scripts += " 'unsafe-eval' blob:; worker-src blob:"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def style_sheet() -> Markup:
    """The packaged style sheet, as markup."""
    return Markup((_FILES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def script() -> Markup:
    """The packaged script: it only folds, unfolds and marks parts of the page."""
    return Markup((_FILES / "script.js").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def filters() -> dict[str, Callable[..., Any]]:
    """The filters of the templates, by name."""
    return {
        "pk_ms": milliseconds,
        "pk_counted": counted,
        "pk_seconds": seconds,
        "pk_date": date,
        "pk_script": lambda value: Markup(json_for_script(value)),  # noqa: S704 - cannot end the element
    }


def seconds(value: float | None) -> str:
    """A duration for people: `0.8 s`, `42 s`, `2 min 5 s`; empty for `None`."""
    if value is None:
        return ""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def date(value: datetime | None) -> str:
    """A moment for people, in UTC: `20 November 2026, 14:09 UTC`; empty for `None`."""
    return f"{value.day} {value:%B %Y, %H:%M} UTC" if value else ""
