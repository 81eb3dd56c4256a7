"""The page in a browser: no request, no error, readable in both schemes, on a phone and on paper."""

import shutil
import socket

import pytest
from bs4 import BeautifulSoup

from perfkit.capture.cpu import CpuCollector
from perfkit.model import builders
from perfkit.model.codec import trace_to_json
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.report.exporter import ReportExporter
from perfkit.report.index import index_page
from perfkit.rules import diagnose
from perfkit.views import block, cpu, plan_comparison, plan_tree, snakeviz
from perfkit.views._html import Html, card
from tests.plans.large import wide_plan
from tests.plans.recording import KINDS, load

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ANSI = "".join(f"\x1b[{n}mcolour {n}\x1b[0m \x1b[1;{n}mbold\x1b[0m " for n in range(30, 38))
LONG_LINE = "users=session.scalars(select(User).order_by(User.id).limit(limit)).unique().all()"
LONG = "value = " + " + ".join(f"'text {n}'" for n in range(40))
EVERY_TOKEN = '''%%querycount
@decorated
class User(Base):  # a comment
    """One person."""
    def name(self) -> str:
        return f"{self.first!r}\\n" if 3.5 > len(self.posts) else None
raise KeyError'''
# The contrast of every visible text with what is behind it, blended, as WCAG 2 computes it.
CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (f, b) => [0, 1, 2].map((i) => f[i] * f[3] + b[i] * (1 - f[3])).concat(1);
  const linear = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (e) => { const all = [];
    for (; e; e = e.parentElement) all.push(parse(getComputedStyle(e).backgroundColor));
    return all.reverse().reduce((b, f) => over(f, b), [255, 255, 255, 1]); };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement, style = getComputedStyle(e);
    if (!node.data.trim() || e.closest('script, style, .skip') || !e.getClientRects().length) continue;
    const ground = behind(e); let colour = parse(style.color);
    for (let at = e; at; at = at.parentElement) colour[3] *= Number(getComputedStyle(at).opacity);
    const [a, b] = [light(over(colour, ground)), light(ground)];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${style.color}: ${node.data.trim().slice(0, 40)}`);
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def report(make, tmp_path):
    """Writes a report with something of everything; returns its file."""
    site = builders.line(31, LONG_LINE, cell=None, file_path="/x/services.py")
    trace = builders.trace(builders.query("SELECT * FROM users"), builders.loop(60, site=site))
    payload = {**trace_to_json(trace), "focus": "all", "target_ms": 1.0}
    shown = block.as_html(trace, diagnose(trace), focus="all", target_ms=1.0).markup
    cells = [
        make.text("# Slow page\n\nWords with `code`, a [link](https://example.org) and $n^2$.\n\n> quoted"),
        make.text(
            "## Part\n\n```python\nx = 1  # not 2\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n### Deeper"
        ),
        make.code(EVERY_TOKEN, make.printed(ANSI), make.printed("careful", "stderr")),
        make.code("%%explain\nSELECT count(*), 'x', 3 FROM users -- all", make.ours("trace", payload, shown)),
        make.code("%%explain --against before\nSELECT 1", make.shown(html=_plans()), count=4),
        make.code("%%profile\nwork()", make.shown(html=_profile()), count=3),
        make.code(
            LONG, make.shown(html='<p style="color:#000080">navy</p><img src="https://example.org/x.png">')
        ),
        make.code("answer()", make.printed("42"), tags=["solution"]),
        make.code(
            "load()", make.raised("OperationalError", "gone", ["\x1b[0;31mTraceback\x1b[0m", "gone"]), count=9
        ),
    ]
    resources = {"metadata": {"name": "slow"}}
    page, _ = ReportExporter().from_notebook_node(make.notebook(*cells), resources)
    (tmp_path / "slow.html").write_text(page, encoding="utf-8")
    (tmp_path / "index.html").write_text(index_page(tmp_path), encoding="utf-8")
    return tmp_path / "slow.html"


def _plans():
    """Plans with everything that a line of one can hold, and two side by side."""
    blocks = [load(name, kind) for name in ("row_misestimate", "sort_on_disk") for kind in KINDS]
    shown = [block.as_html(item, diagnose(item), focus="plans").markup for item in blocks]
    plans = [item.plans for item in blocks]
    large = read_postgresql_plan(wide_plan(60), "SELECT 1")
    compared = plan_comparison.as_html([*plans[0], *plans[2]], [*plans[1], *plans[3]])
    return str(card(*(Html(markup) for markup in shown), plan_tree.as_html(large), compared))


def _profile():
    collector = CpuCollector()
    collector.start()
    sorted(range(100), key=lambda number: -number)
    profile = collector.stop()
    return str(card(cpu.as_html(profile), snakeviz.iframe(profile)))


@pytest.fixture
def visit(browser):
    """Opens a file; gives the page, its requests and what went wrong in it."""
    contexts = []

    def visit(path, scheme="light", width=1300):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        return page, requests, errors

    yield visit
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1300, 390])
def test_nothing_is_requested_nothing_fails_and_snakeviz_lives(visit, report, width):
    page, requests, errors = visit(report, width=width)

    page.frame_locator("iframe").locator("rect").first.wait_for()

    assert [url for url in requests if not url.startswith("blob:")] == [report.as_uri()]
    assert errors == []


def test_the_policy_stops_what_a_script_in_an_output_tries(visit, report):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        page, _, errors = visit(report)

        page.evaluate(
            """async (address) => {
              const failed = (thing) => new Promise((done) => { thing.onerror = done; });
              const image = new Image(), script = document.createElement('script');
              image.src = script.src = address; document.head.append(script);
              await Promise.all([failed(image), failed(script), fetch(address).catch(() => 0)]);
            }""",
            address,
        )

        with pytest.raises(BlockingIOError):
            listener.accept()
    assert len(errors) >= 3
    assert all("Content Security Policy" in error for error in errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["slow.html", "index.html"])
def test_every_text_can_be_read_in_both_schemes(visit, report, scheme, name):
    page, _, _ = visit(report.with_name(name), scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")

    assert page.evaluate(CONTRAST) == []


def test_the_ground_follows_the_scheme(visit, report):
    grounds = {}
    for scheme in ("light", "dark"):
        page, _, _ = visit(report, scheme)
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert grounds == {"light": "rgb(252, 252, 251)", "dark": "rgb(20, 23, 26)"}


@pytest.mark.parametrize("width", [1300, 800, 390])
def test_only_parts_scroll_sideways_never_the_page(visit, report, width):
    page, _, _ = visit(report, width=width)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [1300, 390])
def test_of_a_plan_only_code_scrolls_sideways(visit, report, width):
    page, _, _ = visit(report, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")

    wide = page.evaluate(
        """[...document.querySelectorAll('[data-perfkit=card] samp')].map((samp) => samp.parentElement)
          .concat([...document.querySelectorAll('[data-perfkit=card] [style*=flex]')])
          .filter((part) => part.clientWidth && part.scrollWidth > part.clientWidth + 1)
          .map((part) => part.outerHTML.slice(0, 200))"""
    )

    assert page.locator("[data-perfkit=card] samp").count() > 10
    assert wide == []


def test_on_a_phone_every_text_of_a_wide_table_stands_below_its_numbers_in_sight(visit, report):
    page, _, _ = visit(report, width=390)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")

    found = page.evaluate(
        """[...document.querySelectorAll('.card table[style*=grid-template] td')].map((cell) => {
          const box = cell.getBoundingClientRect();
          return [cell.textContent, box.left >= 0 && box.right <= innerWidth, box.height];
        })"""
    )

    texts = [text for text, _, _ in found]
    assert any(text.endswith("<lambda>") for text in texts)
    assert any(text.startswith("SELECT * FROM posts") for text in texts)
    assert [text for text, is_in_sight, _ in found if not is_in_sight] == []


def test_on_a_phone_the_letters_of_a_wide_picture_can_be_read(visit, report):
    page, _, _ = visit(report, width=390)

    flame = page.locator("img[alt^='Flame chart']")
    shown = flame.evaluate("image => image.getBoundingClientRect().width / image.naturalWidth")
    scrolls = flame.evaluate("image => image.parentElement.scrollWidth > image.parentElement.clientWidth")

    assert 11 * shown >= 7  # the letters are 11 pixels high in the picture itself
    assert scrolls


@pytest.mark.parametrize("width", [1300, 390])
def test_no_number_is_wrapped(visit, report, width):
    page, _, _ = visit(report, width=width)

    heights = page.evaluate(
        """[...document.querySelectorAll('.card td[style*="text-align:right"], .masthead td.one-line')]
          .map((cell) => { const range = document.createRange(); range.selectNodeContents(cell);
            return [cell.textContent, new Set([...range.getClientRects()].filter((box) => box.height > 12)
              .map((box) => Math.round(box.bottom / 8))).size]; })"""
    )

    assert len(heights) > 20
    assert [text for text, lines in heights if lines > 1] == []


def test_a_result_with_a_frame_of_its_own_gets_no_second_one(visit, report):
    page, _, _ = visit(report)

    edges = page.evaluate(
        """[...document.querySelectorAll('.output.html, .output.stream')].map((output) => [
          output.firstElementChild.dataset.perfkit === 'card', getComputedStyle(output).borderLeftWidth])"""
    )

    assert {tuple(edge) for edge in edges} == {(True, "0px"), (False, "2px")}


def test_what_is_said_of_untrusted_notebooks_is_not_said_in_a_report(report):
    assert "not trusted" not in report.read_text()


def test_the_contents_stay_beside_the_text_and_fold_above_it_on_a_phone(visit, report):
    wide, _, _ = visit(report)
    wide.evaluate("scrollTo({top: 1500, behavior: 'instant'})")
    narrow, _, _ = visit(report, width=390)

    assert wide.locator(".toc a").first.is_visible()
    assert wide.locator(".toc").bounding_box()["y"] == 0
    assert not narrow.locator(".toc a").first.is_visible()
    narrow.locator(".toc summary").click()
    assert narrow.locator(".toc a").first.is_visible()


def test_only_what_really_scrolls_takes_a_stop_of_the_tab_key(visit, report):
    page, _, _ = visit(report)

    stops = page.evaluate(
        "[...document.querySelectorAll('pre.source')].map((p) => [p.scrollWidth > p.clientWidth, p.tabIndex])"
    )

    assert [scrolls for scrolls, _ in stops].count(True) == 1
    assert all((tab_index == 0) == scrolls for scrolls, tab_index in stops)


def test_a_link_into_a_folded_solution_unfolds_it(visit, report):
    page, _, _ = visit(report)
    anchor = BeautifulSoup(report.read_text(), "html.parser").select_one("details.fold section")["id"]

    page.evaluate(f"location.hash = '{anchor}'")
    page.locator(f"#{anchor}").wait_for()

    assert page.locator("details.fold").get_attribute("open") is not None


def test_on_paper_solutions_are_open_colours_light_and_nothing_is_cut(visit, report):
    page, _, _ = visit(report, "dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert page.locator("details.fold .output").is_visible()
    assert not page.locator(".toc").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(21, 24, 28)"
    assert page.evaluate(
        "[...document.querySelectorAll('pre')].every((part) => part.scrollWidth <= part.clientWidth)"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.fold").get_attribute("open") is None
