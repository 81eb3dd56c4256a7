"""SnakeViz itself, offline: its own page, read from the installed package, in one sandboxed frame.

Stock SnakeViz needs its web server, so its frame is dead in a reopened or exported notebook. Here everything
that the page loads is put into it, packed, and handed to an `<iframe srcdoc>` without the page's origin.
SnakeViz compiles templates, so a page that embeds it and restricts scripts has to allow `unsafe-eval`.
"""

import base64
import contextlib
import functools
import gzip
import html
import importlib.metadata
import importlib.util
import linecache
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from tornado.template import Loader

from perfkit.model.cpu import CpuProfile
from perfkit.model.wording import counted
from perfkit.views._functions import seconds_text
from perfkit.views._html import Html, join, paragraph, tag
from perfkit.views._snakeviz_data import GraphData, graph_data, to_json

# What SnakeViz 2.2 loads into its page: 2 style sheets and 7 scripts.
_ASSETS = 9
_DATA_MARK = "<!--perfkit:data-->"
_TEMPLATES = files("perfkit.views").joinpath("templates", "snakeviz")
# By the mark the report knows a sentence that is for notebooks alone.
_UNTRUSTED = "Nothing below? The notebook is not trusted yet; the table shows the same profile."
_CDN = re.compile(r"https://cdnjs\.cloudflare\.com/[^\"']*")
_LINK = re.compile(r"<link\s+href=[\"']/static/([^\"']+)[\"'][^>]*>")
_SCRIPT = re.compile(r"<script\s+src=[\"']/static/([^\"']+)[\"']\s*></script>")


class SnakevizLayoutError(RuntimeError):
    """The installed SnakeViz is missing, or is put together differently from the versions known here."""


def iframe(profile: CpuProfile, *, height: int = 820) -> Html:
    """SnakeViz of a profile, with a sentence that stays where frames are stripped.

    Args:
        profile: what to show; the smallest functions of a large one are left out and counted.
        height: of the frame, in pixels.

    Returns:
        The frame, marked `data-perfkit="snakeviz"`; only a sentence if nothing was recorded, or if the
        installed SnakeViz cannot be embedded.
    """
    data = graph_data(profile)
    if not data.rows:
        return paragraph("SnakeViz has nothing to draw: no function calls were recorded.", quiet=True)
    try:
        packed = pack(_with_counts(document(data), profile))
    except SnakevizLayoutError as error:
        return paragraph(f"SnakeViz is left out: {error}", quiet=True)
    frame = (
        '<iframe title="SnakeViz profile" data-perfkit="snakeviz" sandbox="allow-scripts allow-popups" '
        f'srcdoc="{html.escape(packed, quote=True)}" width="100%" height="{height}" '
        'style="border:0"></iframe>'
    )
    return join([paragraph(_caption(data), quiet=True), Html(frame)])


def document(data: GraphData) -> str:
    """SnakeViz's page with everything in it.

    Args:
        data: the functions and their calls.

    Raises:
        SnakevizLayoutError: if there is no SnakeViz, or not one of a known layout.
    """
    head, _, tail = _page().partition(_DATA_MARK)
    script = (
        "var SV=JSON.parse(document.getElementById('sv-data').textContent),SV_DATA=SV.stats,SV_ROWS=SV.rows;"
    )
    text = f'<script type="application/json" id="sv-data">{to_json(data)}</script><script>{script}</script>'
    return f"{head}{text}{tail}"


def _with_counts(page: str, profile: CpuProfile) -> str:
    """SnakeViz's table says what its first column counts."""
    if profile.counts == "calls":
        return page
    title = "In how many samples the function was seen; how often it was called is not known."
    counted_head = f'<th title="{title}">samples</th>'
    return re.sub(r"<th title=\"Total number of calls[^\"]*\">ncalls</th>", counted_head, page, count=1)


def pack(page: str) -> str:
    """A small page that unpacks the given one in the browser."""
    packed = base64.b64encode(gzip.compress(page.encode("utf-8"), 6, mtime=0)).decode("ascii")
    return _TEMPLATES.joinpath("loader.html").read_text("utf-8").strip().replace("@@PACKED@@", packed)


def _caption(data: GraphData) -> Html:
    text = "SnakeViz: click a bar or a row to look into it."
    if data.left_out:
        text += (
            f" The {counted(data.left_out, 'smallest function')}, "
            f"{seconds_text(data.left_out_s)} of own time, {'is' if data.left_out == 1 else 'are'} left out."
        )
    return join([text, tag("span", _UNTRUSTED, **{"data-perfkit": "untrusted"})], " ")


@functools.lru_cache(maxsize=1)
def _page() -> str:
    """The page but for the data: the same for every profile."""
    spec = importlib.util.find_spec("snakeviz")
    if spec is None or not spec.submodule_search_locations:
        raise SnakevizLayoutError("it is not installed (pip install snakeviz).")
    package = Path(spec.submodule_search_locations[0])
    try:
        page = Loader(str(package / "templates")).load("viz.html")
        # Names in place of the data: the template writes them unquoted into its scripts.
        with _source_lines_kept():
            text = page.generate(profile_name="profile", table_rows="SV_ROWS", callees="SV_DATA").decode()
        return _inlined(text, package)
    except (OSError, NameError) as error:
        raise SnakevizLayoutError(_unknown_layout(str(error))) from error


@contextlib.contextmanager
def _source_lines_kept() -> Iterator[None]:
    """A template of tornado's clears Python's cache of source lines, where alone the cells' lines stand."""
    before = dict(linecache.cache)
    try:
        yield
    finally:
        linecache.cache.update(before)


def _unknown_layout(what: str) -> str:
    version = importlib.metadata.version("snakeviz")
    return f"version {version} is put together in a way that is not known here ({what}); 2.2.2 works."


def _inlined(page: str, package: Path) -> str:
    """Everything that the page would load put into it."""
    before, after, own_style = (
        _TEMPLATES.joinpath(name).read_text("utf-8") for name in ("before.js", "after.js", "frame.css")
    )

    def style(match: re.Match[str]) -> str:
        return f"<style>{_style_sheet(package / 'static' / match[1])}</style>"

    def script(match: re.Match[str]) -> str:
        source = (package / "static" / match[1]).read_text("utf-8")
        library = next((name for name in ("lodash", "immutable") if name in match[1]), None)
        mark = f' id="sv-lib-{library}"' if library else ""
        start = f"<script>{before}</script>" if match[1] == "snakeviz.js" else ""
        return f"{start}<script{mark}>{source}\n</script>"

    # Before the scripts come in: their text has the same pieces in it.
    page = page.replace("<a ", '<a target="_blank" rel="noopener" ')
    page = _CDN.sub("", page)
    marks = (page.count("SV_ROWS"), page.count("SV_DATA"), page.count('id="hierarchy-worker"'))
    page = page.replace("</head>", f"<style>{own_style}</style>{_DATA_MARK}</head>", 1)
    page = page.replace("</body>", f"<script>{after}</script></body>", 1)
    page, links = _LINK.subn(style, page)
    page, scripts = _SCRIPT.subn(script, page)
    if links + scripts != _ASSETS or marks != (1, 2, 1) or before not in page or page.count(_DATA_MARK) != 1:
        raise SnakevizLayoutError(_unknown_layout(f"{links + scripts} of {_ASSETS} parts found"))
    return page


def _style_sheet(path: Path) -> str:
    """A style sheet with its pictures in it; a picture that the package lacks is none."""

    def picture(match: re.Match[str]) -> str:
        file = path.parent / match[1].strip("\"'")
        if not file.is_file():
            return "none"
        return f"url(data:image/png;base64,{base64.b64encode(file.read_bytes()).decode('ascii')})"

    return re.sub(r"url\(([^)]*)\)", picture, path.read_text("utf-8"))
