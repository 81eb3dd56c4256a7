"""Tables and pictures where JupyterLab's own style meets ours: columns as wide as what they hold."""

import shutil

import pytest

from perfkit.model.builders import query, trace
from perfkit.views import queries
from perfkit.views._html import bar, card, code, table

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# What JupyterLab 4 says of tables and of code in an output.
JUPYTERLAB = """<style>
  table { table-layout: fixed; margin-left: auto; margin-right: auto; border-collapse: collapse; }
  td, th { text-align: right; vertical-align: middle; padding: .5em; max-width: none; }
  code, pre { white-space: pre-wrap; font-size: 13px; padding: 1px 5px; }
</style>"""
ROWS = [["+240.0 MB", bar(1.0), code("numpy.ndarray"), "variable untouched"] for _ in range(2)]


@pytest.fixture(scope="module")
def page():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium.new_page()
        chromium.close()


def show(page, markup, width):
    page.set_viewport_size({"width": width, "height": 600})
    page.set_content(f"{JUPYTERLAB}{card(markup)}")


@pytest.mark.parametrize("width", [1200, 700, 300])
def test_numbers_bars_and_short_texts_stay_on_one_line(page, width):
    show(page, table(("size", "share", "type", "held by"), ROWS, numeric=(0, 1), narrow=(2,)), width)

    heights = page.locator("td:not(:last-child)").evaluate_all(
        """cells => cells.map((cell) => { const range = document.createRange();
          range.selectNodeContents(cell); return range.getBoundingClientRect().height; })"""
    )

    assert max(heights) < 24


def test_what_is_left_goes_to_the_texts(page):
    show(page, table(("size", "share", "type", "held by"), ROWS, numeric=(0, 1), narrow=(2,)), 1200)

    widths = page.locator("th").evaluate_all("cells => cells.map((cell) => cell.offsetWidth)")

    assert widths[3] > sum(widths[:3])


def test_a_table_of_numbers_alone_is_as_wide_as_they_are(page):
    show(page, table(("run", "held"), [["1", "300 kB"]], numeric=(0, 1)), 1200)

    assert page.locator("table").evaluate("table => table.offsetWidth") < 200


def test_bars_of_all_shares_begin_at_one_place(page):
    rows = [[bar(share), "text"] for share in (0.0, 0.02, 0.5, 1.0)]
    show(page, table(("share", "name"), rows, numeric=(0,)), 1200)

    begins = page.locator("td:first-child > span").evaluate_all("bars => bars.map((bar) => bar.offsetLeft)")

    assert len(begins) == 4
    assert len(set(begins)) == 1


@pytest.mark.parametrize("width", [1600, 1000, 390])
def test_the_time_line_fills_the_card_at_its_full_height(page, width):
    show(page, queries.as_html(trace(query(duration_ms=30.0), duration_ms=100.0)), width)

    line, above = (
        page.locator(place).first.evaluate("e => [e.clientWidth, e.clientHeight]")
        for place in ("img", "div:has(> img)")
    )

    assert line[0] == above[0] > 0.8 * min(width, 1100)
    assert line[1] == 22
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [1200, 390])
def test_a_long_piece_of_code_breaks_rather_than_widen_the_page(page, width):
    show(page, code("session.scalars(select(User).order_by(User.id))" * 6), width)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
