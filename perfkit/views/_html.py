"""The few HTML pieces that every view is made of.

JupyterLab shows an untrusted notebook's stored output sanitised: `<style>`, `<svg>`, `<script>`, `id`, CSS
variables and font weights that are no multiple of 100 are gone; literal inline styles, flex boxes, tables,
`<details>` and data-URI pictures stay. So everything here is literal and inline, and every colour reads on
white and on black: greys are translucent, text takes the page's colour, and strong colours carry their own
background.
"""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif"
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
LINE = "rgba(128,128,128,.28)"
SHADE = "rgba(128,128,128,.10)"
_OWN_TEXT = "color:inherit;text-indent:0"
MUTED = "opacity:.72"
# Each pair reads with a contrast of at least 4.5 to 1 (WCAG AA).
PILLS = {
    "fix now": ("#b42318", "#ffffff"),
    "worth it": ("#9a5b00", "#ffffff"),
    "info": ("#3f5f8a", "#ffffff"),
    "good": ("#1f7a45", "#ffffff"),
    "bad": ("#b42318", "#ffffff"),
    "neutral": ("#5b6470", "#ffffff"),
}
# By this the report knows that an output is made for light and for dark pages.
CARD = {"data-perfkit": "card"}
# A column of text narrower than this is read word by word, and a picture's letters are too small to be read.
_TEXT_PX = 120
_PICTURE_PX = 640
BAR = "#3f7fbf"
BAR_STRONG = "#c8601a"


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is already safe. Anything that is not `Html` is escaped before it is shown."""

    markup: str

    def __str__(self) -> str:
        return self.markup


Content = Html | str | int | float | None


def esc(content: Content) -> str:
    """Make content safe to show: `Html` as it is, everything else escaped; `None` is empty."""
    if isinstance(content, Html):
        return content.markup
    return "" if content is None else html.escape(showable(str(content)), quote=True)


def showable(text: str) -> str:
    """Lone surrogates cannot be written as UTF-8; show them as escapes rather than fail."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def join(parts: Iterable[Content], separator: str = "") -> Html:
    """Several pieces after each other; the separator is markup."""
    return Html(separator.join(esc(part) for part in parts))


def tag(name: str, content: Content = "", style: str = "", **attributes: str) -> Html:
    """One element with a literal inline style."""
    pairs = ({"style": style} if style else {}) | attributes
    attrs = "".join(f' {key}="{html.escape(value, quote=True)}"' for key, value in pairs.items())
    return Html(f"<{name}{attrs}>{esc(content)}</{name}>")


def css(*declarations: str) -> str:
    """Inline style from declarations."""
    return ";".join(declarations)


def card(*parts: Content) -> Html:
    """The frame around one whole result."""
    style = css(
        f"{FONT};font-size:13px;line-height:1.5;max-width:1080px;border:1px solid {LINE}",
        "border-radius:8px;padding:14px 16px;margin:4px 0",
    )
    return tag("div", join(parts), style, **CARD)


def heading(text: Content, note: Content = "") -> Html:
    """The title line of a card, with a quiet remark after it."""
    quiet = tag("span", note, f"font-weight:400;margin-left:10px;{MUTED}") if note else ""
    return tag("div", join([text, quiet]), "font-size:15px;font-weight:600;margin:0 0 8px")


def section(text: Content) -> Html:
    """The title of a part within a card."""
    return tag("div", text, "font-weight:600;margin:14px 0 6px")


def pill(text: str, kind: str = "neutral") -> Html:
    """A short label on a strong colour; `kind` is a key of `PILLS`."""
    background, colour = PILLS[kind]
    style = css(
        f"display:inline-block;background:{background};color:{colour};border-radius:10px",
        "padding:1px 9px;font-size:11.5px;font-weight:600;white-space:nowrap",
    )
    return tag("span", text, style)


def tiles(pairs: Iterable[tuple[Content, Content]]) -> Html:
    """Numbers that matter side by side: `(value, what it is)`."""
    cell = "display:inline-block;vertical-align:top;margin:0 26px 8px 0"
    return join(
        tag(
            "div",
            join(
                [
                    tag("div", value, "font-size:19px;font-weight:600"),
                    tag("div", label, f"font-size:12px;{MUTED}"),
                ]
            ),
            cell,
        )
        for value, label in pairs
    )


def code(text: str) -> Html:
    """A piece of code within a sentence.

    A long one breaks rather than widen the page, unless what it stands in is kept on one line, where
    JupyterLab's own style would break it, too.
    """
    return tag(
        "code",
        text,
        css(
            f"{MONO};font-size:12px;background:{SHADE};overflow-wrap:anywhere;white-space:inherit",
            "padding:1px 4px;border-radius:4px",
            _OWN_TEXT,
        ),
    )


def code_block(text: Content) -> Html:
    """Code on lines of its own; long lines scroll, and so do very many."""
    style = css(
        f"{MONO};font-size:12px;line-height:1.45;background:{SHADE};color:inherit",
        "padding:8px 10px;border-radius:6px;margin:6px 0;max-height:260px;overflow:auto;white-space:pre",
    )
    return tag("pre", text, style)


def paragraph(text: Content, *, quiet: bool = False) -> Html:
    """A sentence or two; a quiet one steps back."""
    return tag("p", text, f"margin:4px 0;{MUTED}" if quiet else "margin:4px 0")


def details(summary: Content, body: Content, *, is_open: bool = False) -> Html:
    """Something to unfold; it needs no script."""
    opened = " open" if is_open else ""
    title = tag("summary", summary, "cursor:pointer;font-weight:600;margin:6px 0")
    return Html(f"<details{opened}>{title}{esc(body)}</details>")


def table(
    headers: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    numeric: Sequence[int] = (),
    narrow: Sequence[int] = (),
) -> Html:
    """A table that scrolls when it is wider than the page.

    Args:
        headers: what the columns are.
        rows: a cell for each column.
        numeric: columns that stand to the right, as wide as what they hold and never wrapped.
        narrow: columns of short texts that are as wide as what they hold, too. The others share what is left.
    """
    columns = range(len(headers))
    fills = any(column not in numeric for column in columns)
    styles = [
        _column(is_number=column in numeric, is_narrow=column in narrow, fills=fills) for column in columns
    ]
    head = join(map(_th, headers, styles))
    lines = [join(map(_td, row, styles)) for row in rows]
    body = tag("tbody", join(tag("tr", line, _ROW) for line in lines))
    style = css(
        "table-layout:auto;border-collapse:collapse;font-size:12.5px;margin:4px 0;color:inherit",
        f"width:{'100%' if fills else 'auto'}",
        # Where the report lays the numbers above the texts, on a phone, so many of them stand side by side.
        *([f"grid-template-columns:repeat({len(numeric)},auto)"] if fills and len(numeric) > 2 else []),
    )
    inner = tag("table", join([tag("thead", tag("tr", head, _ROW)), body]), style)
    return tag("div", inner, "overflow-x:auto")


_ROW = "background:transparent"


def _th(content: Content, style: str) -> Html:
    return tag("th", content, f"{style};font-weight:600;white-space:nowrap", scope="col")


def _td(content: Content, style: str) -> Html:
    return tag("td", content, f"{style};font-weight:400")


def _column(*, is_number: bool, is_narrow: bool, fills: bool) -> str:
    """The style of a column's cells. Where the table fills the page, 1 % is as narrow as can be."""
    if is_number or is_narrow:
        align = "right" if is_number else "left"
        width = f"text-align:{align};white-space:nowrap{';width:1%' if fills else ''}"
    else:
        width = f"text-align:left;white-space:normal;min-width:{_TEXT_PX}px"
    return css(
        f"{width};vertical-align:top;padding:4px 14px 4px 0",
        f"border-bottom:1px solid {LINE};background:transparent;color:inherit",
    )


def bar(share: float, *, strong: bool = False, width_px: int = 120) -> Html:
    """A share from 0 to 1 as a bar; the number stands beside it for those who cannot see it."""
    share = min(1.0, max(0.0, share))
    fill = css(
        f"display:inline-block;height:9px;width:{round(share * width_px)}px",
        f"background:{BAR_STRONG if strong else BAR};border-radius:2px",
    )
    rail = css(
        f"display:inline-block;height:9px;width:{width_px}px;background:{SHADE}",
        "border-radius:2px;line-height:9px;margin-right:6px;text-align:left",
    )
    number = tag("span", f"{share:.0%}", "display:inline-block;min-width:38px;text-align:right")
    return tag("span", join([tag("span", tag("span", "", fill), rail), number]), "white-space:nowrap")


def picture(svg: str, alternative_text: str, *, wide: bool = False, height_px: int | None = None) -> Html:
    """A drawing as a data-URI picture, which the sanitiser leaves alone, with its text alternative.

    Args:
        svg: the drawing.
        alternative_text: what it shows, in words.
        wide: whether it takes the whole width of the card. On a phone it then scrolls, so that what is
            written in it can be read.
        height_px: of a drawing without writing that may be stretched, `preserveAspectRatio="none"`: it takes
            the whole width of the card, also on a phone, and always this height.
    """
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    width = f"width:100%;min-width:{_PICTURE_PX}px" if wide else "max-width:100%"
    size = f"{width};height:auto" if height_px is None else f"width:100%;height:{height_px}px"
    image = Html(
        f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(alternative_text, quote=True)}" '
        f'style="{size}">'
    )
    return tag("div", image, "overflow-x:auto") if wide else image
