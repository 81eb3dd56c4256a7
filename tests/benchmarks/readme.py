"""The tables in the README: one part a section, each with the run that it comes from."""

import re
from collections.abc import Iterable, Mapping

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
_MARK = re.compile(r"^<!-- bench:section (\w+) -->\n", re.MULTILINE)


def run_line(about: str, *, quick: bool) -> str:
    """Says of a section what kind of run its numbers come from, and on which machine."""
    kind = "Quick run, with small data and few repeats:" if quick else "Full run:"
    return f"{kind} measured by `make bench` on {about}."


def updated(readme: str, sections: Mapping[str, str], order: Iterable[str]) -> str:
    """The README with new tables for some sections; those of the others stay as they are.

    Args:
        readme: its text.
        sections: Markdown by the name of the section.
        order: the names of all sections, in the order in which they are shown; others are dropped.

    Raises:
        ValueError: if the README has no place for them, or tables of which nobody knows the section.
    """
    before, start, rest = readme.partition(START)
    old, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md has no lines {START} and {END}")
    names = tuple(order)
    foreign, *parts = _MARK.split(old)
    if foreign.strip() and set(names) - set(sections):
        raise ValueError("README.md has tables of no section, which only a run of all sections replaces")
    found = {**dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True)), **sections}
    shown = (f"<!-- bench:section {name} -->\n{found[name].strip()}\n\n" for name in names if name in found)
    return f"{before}{START}\n{''.join(shown).rstrip()}\n{END}{after}"
