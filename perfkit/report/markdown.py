"""Markdown cells to markup, with formulas as MathML instead of a script from elsewhere."""

import html
import re
from collections.abc import Mapping
from typing import Any

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath

from perfkit.report.highlight import highlight_cell, highlight_text

_PICTURE = re.compile(
    r"""(?P<start><img\b[^>]*?\bsrc\s*=\s*)(?P<quote>["'])(?P<source>[^"'>]+)(?P=quote)""", re.I
)


class _Renderer(IPythonRenderer):  # type: ignore[misc]  # nbconvert carries no types
    """The renderer of nbconvert, but formulas and code come out as this report shows them."""

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, display="block")

    def latex_environment(self, name: str, body: str) -> str:
        return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", display="block")

    def block_html(self, html: str) -> str:
        # nbconvert embeds pictures by parsing each piece of HTML alone, which closes a <details> at once.
        return _PICTURE.sub(self._embedded, html) + "\n"

    def inline_html(self, html: str) -> str:
        return _PICTURE.sub(self._embedded, html)

    def _embedded(self, match: re.Match[str]) -> str:
        source = self._src_to_base64(match.group("source"))
        return f'{match.group("start")}"{source}"' if source else match.group()

    def block_code(self, code: str, info: str | None = None) -> str:
        language = (info or "").split(maxsplit=1)[0] if (info or "").strip() else ""
        if language in ("python", "ipython", "ipython3", "py"):
            return f"<pre>{highlight_cell(code.rstrip())}</pre>"
        return f"<pre>{highlight_text(code.rstrip(), language)}</pre>"


def formula(tex: str, display: str = "inline") -> str:
    """MathML of a formula; its source as code where it cannot be converted."""
    try:
        return str(convert(tex, display=display))
    except Exception:
        # The converter raises whatever its parser meets; a typo in a formula must not cost the report.
        return f"<code>{html.escape(tex)}</code>"


def latex_output(text: str) -> str:
    """MathML of a `text/latex` output, which carries its own dollar signs."""
    stripped = text.strip()
    for fence in ("$$", "$"):
        if len(stripped) > 2 * len(fence) and stripped.startswith(fence) and stripped.endswith(fence):
            return formula(stripped[len(fence) : -len(fence)], display="block")
    return formula(stripped, display="block")


def render_markdown(source: str, folder: str, attachments: Mapping[str, Any] | None = None) -> str:
    """Markup of Markdown text.

    Args:
        source: the text.
        folder: where the notebook lies; pictures beside it are embedded.
        attachments: the cell's own pictures.

    Returns:
        Markup as the author wrote it, raw HTML included; headings carry an `id` from their text.
    """
    renderer = _Renderer(
        escape=False, attachments=dict(attachments or {}), embed_images=True, path=folder, anchor_link_text=""
    )
    try:
        return str(MarkdownWithMath(renderer=renderer).render(source))
    except InvalidNotebook:
        return f"<pre>{html.escape(source)}</pre>"
