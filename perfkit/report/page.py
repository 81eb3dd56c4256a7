"""The page's content, ready for the template: cells as markup and the table of contents."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from bs4 import Tag
from markupsafe import Markup

from perfkit.model.wording import counted
from perfkit.report.cells import CellPlace, code_cells, tags, without_secrets
from perfkit.report.fragments import Fragment, has_own_colours, is_card, parse_text, tidy_output
from perfkit.report.highlight import highlight_cell, terminal_markup
from perfkit.report.markdown import latex_output, render_markdown

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_LONG_TRACEBACK_LINES = 40
_FOLDS = {"solution": "Show one solution", "fold": "Show the code"}


@dataclass(frozen=True, slots=True)
class Heading:
    """One entry of the table of contents."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """One output; `paper` asks for a white ground.

    `kind` is html, stream, stderr, picture, math or error; `html card` has a frame of its own.
    """

    kind: str
    markup: Markup
    paper: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `fold` is what to write on a folded cell, empty for an open one."""

    kind: str
    anchor: str
    label: str
    number: int | None
    body: Markup
    tags: tuple[str, ...] = ()
    fold: str = ""
    outputs: tuple[Output, ...] = ()


@dataclass
class Page:
    """The whole page. `title` is the notebook's first heading of the top level, if it has one."""

    title: str | None = None
    cells: list[Cell] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    has_snakeviz: bool = False


class PageBuilder:
    """Builds a page from a notebook, cell by cell: headings need the ones before them."""

    def __init__(self, notebook: Mapping[str, Any], folder: str) -> None:
        self._notebook = notebook
        self._folder = folder
        self._page = Page()
        self._open_levels: list[int] = []
        self._anchors: set[str] = set()

    def build(self) -> Page:
        """Read every cell of the notebook."""
        places = {place.index: place for place, _ in code_cells(self._notebook)}
        info = self._notebook["metadata"].get("language_info", {})
        language = info.get("pygments_lexer") or info.get("name") or "ipython3"
        for index, cell in enumerate(self._notebook["cells"]):
            if cell["cell_type"] == "markdown":
                self._add_text(index, cell)
            elif cell["cell_type"] == "code" and index in places:
                self._add_code(places[index], cell, str(language))
        return self._page

    def _add_text(self, index: int, cell: Mapping[str, Any]) -> None:
        label = f"the text above cell {index + 1}"
        soup = parse_text(render_markdown(cell["source"], self._folder, cell.get("attachments")), label)
        for heading in soup.find_all(["h1", "h2", "h3", "h4", "h5", "h6"]):
            self._place_heading(heading)
        body = Markup(str(soup).strip())  # noqa: S704 - the author's own Markdown, which may hold HTML
        if body:
            fold = _FOLDS["solution"] if "solution" in tags(cell) else ""
            self._page.cells.append(Cell("text", f"cell-{index + 1}", label, None, body, tags(cell), fold))

    def _place_heading(self, heading: Tag) -> None:
        """Take the first top heading as the title, and let no level be skipped below it."""
        level, text = int(heading.name[1]), heading.get_text(" ", strip=True)
        if level == 1 and self._page.title is None and not self._page.headings:
            self._page.title = text
            heading.decompose()
            return
        while self._open_levels and self._open_levels[-1] >= level:
            self._open_levels.pop()
        self._open_levels.append(level)
        depth = min(6, 1 + len(self._open_levels))
        heading.name = f"h{depth}"
        heading["id"] = self._unique(unquote(str(heading.get("id") or "")) or text.replace(" ", "-"))
        if depth <= 3:
            self._page.headings.append(Heading(depth, str(heading["id"]), text))

    def _unique(self, anchor: str) -> str:
        base, count = anchor or "part", 1
        anchor = base
        while anchor in self._anchors:
            count += 1
            anchor = f"{base}-{count}"
        self._anchors.add(anchor)
        return anchor

    def _add_code(self, place: CellPlace, cell: Mapping[str, Any], language: str) -> None:
        found = tags(cell)
        outputs = []
        for output in cell.get("outputs", ()):
            fragment_kind = _output(output, place.label)
            if fragment_kind is not None:
                fragment, kind, paper = fragment_kind
                self._page.has_snakeviz |= fragment.has_snakeviz
                # The outputs were escaped, or tidied where they are HTML, in _output.
                outputs.append(Output(kind, Markup(fragment.markup), paper))  # noqa: S704
        fold = next((_FOLDS[tag] for tag in _FOLDS if tag in found), "")
        body = Markup(highlight_cell(cell["source"].rstrip(), language))  # noqa: S704 - escaped by the highlighter
        self._page.cells.append(
            Cell("code", place.anchor, place.label, place.number, body, found, fold, tuple(outputs))
        )


_Shown = tuple[Fragment, str, bool]


def _output(output: Mapping[str, Any], label: str) -> _Shown | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stream"
        text = str(output.get("text", ""))
        return (Fragment(terminal_markup(text)), name, False) if text.strip() else None
    if kind == "error":
        return Fragment(_error_markup(output)), "error", False
    if kind in ("display_data", "execute_result"):
        return _rich_output(output.get("data", {}), label)
    return None


def _error_markup(output: Mapping[str, Any]) -> str:
    name, value = str(output.get("ename", "Error")), without_secrets(str(output.get("evalue", "")))
    first, _, rest = value.strip().partition("\n")
    headline = f"<strong>{html.escape(name)}</strong>" + (f": {html.escape(first)}" if first else "")
    text = without_secrets("\n".join(str(line) for line in output.get("traceback", ())))
    if not text:
        return f'<p class="error-headline">{headline}</p>' + (
            f"<pre>{html.escape(rest)}</pre>" if rest else ""
        )
    lines = text.count("\n") + 1
    is_open = "" if lines > _LONG_TRACEBACK_LINES else " open"
    block = (
        f'<pre class="scroll" tabindex="0" role="group" aria-label="Traceback">{terminal_markup(text)}</pre>'
    )
    return (
        f'<p class="error-headline">{headline}</p>'
        f"<details{is_open}><summary>Traceback, {counted(lines, 'line')}</summary>{block}</details>"
    )


def _rich_output(data: Mapping[str, Any], label: str) -> _Shown | None:
    """The richest form that a page without requests and foreign scripts can show."""
    if "text/html" in data:
        markup = _text(data["text/html"])
        if is_card(markup):
            return tidy_output(markup, label), "html card", False
        ours = any(mime.startswith("application/vnd.perfkit.") for mime in data)
        return tidy_output(markup, label), "html", not ours and has_own_colours(markup)
    return _markdown_or_picture(data, label) or _plain(data)


def _markdown_or_picture(data: Mapping[str, Any], label: str) -> _Shown | None:
    if "text/markdown" in data:
        return tidy_output(render_markdown(_text(data["text/markdown"]), ""), label), "html", False
    if "image/svg+xml" in data:
        return _picture(_text(data["image/svg+xml"]), "image/svg+xml", label)
    for mime in _PICTURES:
        if mime in data:
            return _picture(_text(data[mime]), mime, label)
    return None


def _plain(data: Mapping[str, Any]) -> _Shown | None:
    if "text/latex" in data:
        return Fragment(latex_output(_text(data["text/latex"]))), "math", False
    if "text/plain" in data:
        return Fragment(terminal_markup(_text(data["text/plain"]))), "stream", False
    return None


def _picture(content: str, mime: str, label: str) -> _Shown:
    is_svg = mime == "image/svg+xml"
    encoded = base64.b64encode(content.encode()).decode() if is_svg else "".join(content.split())
    source = html.escape(f"data:{mime};base64,{encoded}", quote=True)
    return Fragment(f'<img src="{source}" alt="Picture, output of {label}">'), "picture", True


def _text(value: Any) -> str:
    """A notebook file may hold a text as a list of lines."""
    return "".join(str(line) for line in value) if isinstance(value, list) else str(value)
