"""Make one piece of markup fit for a page that asks nobody for anything and that everybody can read.

Each piece is parsed on its own, so that an element which an output forgot to close ends with that output.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

_REMOTE_SOURCES = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "object": "data",
    "embed": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
}
_NAMES = {"script": "script", "link": "style sheet", "img": "picture", "iframe": "page"}
_NEVER_WANTED = ("base", "meta")
_SCROLLS = re.compile(r"overflow(-x|-y)?\s*:\s*(auto|scroll)")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_OWN_COLOURS = re.compile(r"(?:^|[;{\s\"'])(?:background(?:-color)?|color):(?!\s*(?:inherit|transparent))")
_CARD = re.compile(r'\s*<div [^>]*data-perfkit="card"')
SNAKEVIZ = 'iframe[data-perfkit="snakeviz"]'
_NOTEBOOKS_ALONE = '[data-perfkit="untrusted"]'


@dataclass(frozen=True, slots=True)
class Fragment:
    """Markup that is fit for the page, and whether it holds a SnakeViz profile."""

    markup: str
    has_snakeviz: bool = False


def tidy_output(markup: str, label: str) -> Fragment:
    """Mend the HTML of an output.

    Args:
        markup: what the cell displayed.
        label: the cell in words, for the names of pictures and of scrolling parts.

    Returns:
        The mended markup: nothing is loaded, headings stay out of the document's outline.
    """
    soup = _parse(markup)
    for heading in soup.find_all(_HEADINGS):
        heading.name = "p"
        _add_class(heading, "output-heading")
    _mend(soup, label)
    return Fragment(str(soup), soup.select_one(SNAKEVIZ) is not None)


def parse_text(markup: str, label: str) -> BeautifulSoup:
    """Mend the markup of a text cell; its headings are the caller's to place."""
    soup = _parse(markup)
    for link in soup.select("a.anchor-link"):
        link.decompose()
    _mend(soup, label)
    return soup


def has_own_colours(markup: str) -> bool:
    """Whether markup sets literal colours, which were chosen for a white page."""
    return _OWN_COLOURS.search(markup) is not None


def is_card(markup: str) -> bool:
    """Whether markup is a result of perfkit's, whose colours are for every page."""
    return _CARD.match(markup) is not None


def _parse(markup: str) -> BeautifulSoup:
    # Elsewhere than in <pre> the parser shortens white space, which an output may have styled to be kept.
    return BeautifulSoup(markup, "html.parser", preserve_whitespace_tags={BeautifulSoup.ROOT_TAG_NAME})


def _mend(soup: BeautifulSoup, label: str) -> None:
    _leave_out_remote(soup)
    _mend_links(soup)
    _mend_tables(soup, label)
    for picture in soup.select("img:not([alt])"):
        picture["alt"] = f"Picture in {label}"
    for remark in soup.select(_NOTEBOOKS_ALONE):
        remark.decompose()
    for frame in soup.select(SNAKEVIZ):
        # SnakeViz cannot draw into a frame as narrow as a phone; it scrolls in one that it can draw into.
        _make_scrollable(
            frame.wrap(soup.new_tag("div", attrs={"class": "snakeviz"})), label, "SnakeViz profile"
        )
    for frame in soup.select("iframe:not([title])"):
        frame["title"] = f"Embedded page in {label}"
    for part in soup.find_all(style=_SCROLLS):
        _make_scrollable(part, label)


def _leave_out_remote(soup: BeautifulSoup) -> None:
    for element in soup.find_all(_NEVER_WANTED):
        element.decompose()
    for element in soup.find_all(list(_REMOTE_SOURCES)):
        address = str(element.get(_REMOTE_SOURCES[element.name], ""))
        if address and not address.startswith("data:"):
            element.replace_with(_left_out(soup, element, address))


def _left_out(soup: BeautifulSoup, element: Tag, address: str) -> Tag:
    host = urlsplit(address).hostname
    note = soup.new_tag("span", attrs={"class": "left-out"})
    name = _NAMES.get(element.name, "file")
    described = f" ({element['alt']})" if element.get("alt") else ""
    where = f"from {host}" if host else PurePosixPath(urlsplit(address).path).name
    note.string = f"A {name}{described} {where} is left out: this report loads nothing."
    return note


def _mend_links(soup: BeautifulSoup) -> None:
    """Links between notebooks lead to their reports; other files do not travel with the page."""
    for link in soup.select("a[href]"):
        parts = urlsplit(str(link["href"]))
        if parts.scheme or parts.netloc or not parts.path:
            continue
        path = PurePosixPath(parts.path)
        if path.suffix == ".ipynb":
            link["href"] = f"{path.stem}.html" + (f"#{parts.fragment}" if parts.fragment else "")
        else:
            link.name = "span"
            del link["href"]


def _mend_tables(soup: BeautifulSoup, label: str) -> None:
    for cell in soup.find_all("th"):
        if not cell.get_text(strip=True) and not cell.find(True):
            cell.name = "td"
        elif not cell.get("scope"):
            cell["scope"] = "col" if cell.find_parent("thead") or _in_first_row(cell) else "row"
    for table in soup.find_all("table"):
        if table.find_parent("table") is None and table.find_parent(style=_SCROLLS) is None:
            _make_scrollable(table.wrap(soup.new_tag("div")), label, "Table")


def _in_first_row(cell: Tag) -> bool:
    row = cell.find_parent("tr")
    return row is not None and row.find_previous_sibling("tr") is None and row.find("td") is None


def _make_scrollable(element: Tag, label: str, name: str = "Scrolling part") -> None:
    _add_class(element, "scroll")
    element["tabindex"] = "0"
    element["role"] = "group"
    element["aria-label"] = f"{name} of {label}"


def _add_class(element: Tag, name: str) -> None:
    element["class"] = [*filter(None, element.get_attribute_list("class")), name]
