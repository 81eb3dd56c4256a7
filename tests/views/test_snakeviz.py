"""SnakeViz within a page: its data, what is left out, and that a browser draws it without a request."""

import json
import shutil
import sys
from dataclasses import replace

import pytest
from cpu_profiles import HOSTILE_NAMES, cell_profile, function, large_profile, profile

from perfkit.views import snakeviz
from perfkit.views._html import esc
from perfkit.views._snakeviz_data import graph_data, to_json

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
REPORT_CSP = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline' data:; font-src data:; frame-src 'self'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)
POLICIES = {
    "without a policy": "",
    "under a report's policy": f"{REPORT_CSP} blob:; worker-src blob:",
    "where workers are forbidden": f"{REPORT_CSP}; worker-src 'none'",
}
ROOT = "~:0(the measured block)"


def hostile_profile():
    root = function("root", cumulative=0.02, user=True, cell="In[1]")
    return profile(root, *(function(n, callers=[(0, 0.001)], path=f"/tmp/{n[:50]}") for n in HOSTILE_NAMES))


def test_the_data_has_snakevizs_shape_with_one_root_for_the_block():
    stats = graph_data(cell_profile()).stats
    page = "/x/services.py:42(users_page)"
    assert set(stats[ROOT]["children"]) == {"In[7]:3(wait())", "In[7]:4(<module>)"}
    assert stats[ROOT]["stats"][3] == pytest.approx(0.05 + 0.151)
    assert stats[page]["stats"] == [1, 1, 0.01, 0.15]
    assert stats[page]["callers"] == {"In[7]:4(<module>)": [1, 1, 0.01, 0.15]}
    assert stats[page]["display_name"] == "services.py:42(users_page)"


def test_the_table_shows_recursion_as_pstats_does():
    recursive = profile(function("f", own=1.0, cumulative=2.0, calls=4))
    row = graph_data(recursive).rows[0]
    assert row == [["4", 4], "1", "0.25", "2", "0.5", "lib.py:1(f)", "/lib/lib.py:1(f)"]


def test_functions_with_one_label_are_kept_apart():
    twins = profile(*(function("twin", own=0.1) for _ in range(3)))
    assert len(graph_data(twins).stats) == 4


def test_the_smallest_functions_are_left_out_and_counted_with_their_own_time():
    large = large_profile(5_000)
    data = graph_data(large)
    assert len(data.rows) + data.left_out == 5_000
    kept_s = sum(float(str(row[1])) for row in data.rows)
    assert data.left_out_s == pytest.approx(sum(f.tottime for f in large.functions) - kept_s, rel=0.01)
    assert f"The {data.left_out:,} smallest functions" in str(snakeviz.iframe(large))


def test_nothing_is_said_to_be_left_out_where_nothing_is():
    assert graph_data(cell_profile()).left_out == 0
    assert "left out" not in str(snakeviz.iframe(cell_profile()))


@pytest.mark.parametrize("count", [7_000, 50_000])
def test_a_large_profile_stays_under_400_kb(count):
    assert len(str(snakeviz.iframe(large_profile(count)))) < 400_000


def test_hostile_names_cannot_leave_the_data():
    data = graph_data(hostile_profile())
    text = to_json(data)
    assert text.isascii()
    assert "<" not in text
    assert json.loads(text)["stats"].keys() == data.stats.keys()
    assert all(key.isprintable() and len(key) < 400 for key in data.stats)
    assert not any("<" in str(row[5]) for row in data.rows)


def test_the_frame_is_sandboxed_marked_and_named():
    markup = str(snakeviz.iframe(cell_profile(), height=500))
    assert 'sandbox="allow-scripts allow-popups"' in markup
    assert 'data-perfkit="snakeviz"' in markup
    assert 'title="SnakeViz profile"' in markup
    assert 'height="500"' in markup


def test_a_sentence_stays_where_frames_are_stripped():
    before, _, _ = str(snakeviz.iframe(cell_profile())).partition("<iframe")
    assert "not trusted" in before


def test_an_empty_profile_is_a_sentence_without_a_frame():
    markup = str(snakeviz.iframe(profile()))
    assert "no function calls were recorded" in markup
    assert "<iframe" not in markup


def test_a_snakeviz_of_another_layout_is_left_out_with_the_reason(tmp_path, monkeypatch):
    package = tmp_path / "snakeviz"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "templates" / "viz.html").write_text("<html><head></head><body>Something new</body></html>")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "snakeviz", raising=False)  # another test may have imported the real one
    snakeviz._page.cache_clear()
    try:
        markup = str(snakeviz.iframe(cell_profile()))
    finally:
        snakeviz._page.cache_clear()
    assert "SnakeViz is left out" in markup
    assert "0 of 9 parts found" in markup
    assert "<iframe" not in markup


def test_the_page_asks_for_nothing_outside_itself():
    page = snakeviz.document(graph_data(cell_profile()))
    assert "cdnjs" not in page
    assert 'src="/static' not in page
    assert "src='/static" not in page
    assert 'href="/static' not in page


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def _is_unexpected(message):
    """A browser notes each worker that a policy forbids; then the page does the worker's work."""
    return message.type == "error" and "worker-src 'none'" not in message.text


@pytest.fixture
def drawn(browser, tmp_path):
    """Opens a page with the frame from a file; gives the frame, the requests and the errors."""
    pages = []

    def open_page(shown, policy="", before="", after=""):
        file = tmp_path / "page.html"
        meta = f'<meta http-equiv="Content-Security-Policy" content="{esc(policy)}">' if policy else ""
        file.write_text(f'<meta charset="utf-8">{meta}{before}{snakeviz.iframe(shown)}{after}', "utf-8")
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        pages.append(page)
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_unexpected(message) else None)
        page.goto(file.as_uri())
        return page, page.frame_locator("iframe"), requests, errors

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_browser_draws_it_from_a_file_without_a_request(drawn, policy):
    _, frame, requests, errors = drawn(cell_profile(), policy)
    frame.locator("rect").first.wait_for()
    labels = frame.locator("text").all_text_contents()
    assert any("services.py:42(users_page)" in label for label in labels)
    assert frame.locator("#pstats-table tbody tr").count() == 4
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []
    assert errors == []


def test_a_click_on_a_row_looks_into_the_function(drawn):
    _, frame, _, errors = drawn(cell_profile())
    frame.locator("rect").first.wait_for()
    frame.locator("#pstats-table tbody tr", has_text="users_page").click()
    frame.locator("text", has_text="the measured block").wait_for(state="detached")
    assert frame.locator("rect").count() == 3
    assert errors == []


def test_it_draws_itself_when_it_is_unfolded(drawn):
    page, frame, _, _ = drawn(cell_profile(), before="<details><summary>Open</summary>", after="</details>")
    page.get_by_text("Open").click()
    frame.locator("rect").first.wait_for()


ANSWERED = "() => typeof sv_json_cache === 'object' && Object.keys(sv_json_cache).length > 0"
RESIZE = """(width) => {
  const frame = document.querySelector('iframe');
  frame.style.display = width ? 'inline' : 'none';
  frame.style.width = `${width}px`;
}"""


@pytest.mark.parametrize("width", [0, 20, 100, 119])
def test_without_room_it_waits_and_draws_when_it_has_some(drawn, width):
    style = f"<style>iframe{{{'display:none' if width == 0 else f'width:{width}px'}}}</style>"
    page, frame, _, errors = drawn(cell_profile(), before=style)
    page.frames[1].wait_for_function(ANSWERED, polling=20)
    page.frames[1].evaluate("for (let n = 0; n < 30; n++) redraw_vis(Object.values(sv_json_cache)[0])")
    waiting = frame.locator("rect").count()

    page.evaluate(RESIZE, 900)
    frame.locator("rect").first.wait_for()

    assert waiting == 0
    assert errors == []


def test_it_is_drawn_for_each_width_that_it_gets_and_stays_while_there_is_none(drawn):
    page, frame, _, errors = drawn(cell_profile())
    for width in (900, 0, 40, 700, 0, 1000):
        page.evaluate(RESIZE, width)
        if width > 100:
            drawn_for = f"Math.abs(document.querySelector('svg').getAttribute('width') - {width * 0.75}) < 1"
            page.frames[1].wait_for_function(drawn_for, polling=20)

    assert frame.locator("rect").count() > 3
    assert errors == []


@pytest.mark.parametrize("width", [704, 900, 1046])
def test_its_controls_do_not_lie_on_the_picture(drawn, width):
    page, frame, _, _ = drawn(cell_profile())
    page.evaluate(RESIZE, width)
    drawn_for = f"Math.abs(document.querySelector('svg').getAttribute('width') - {width * 0.75}) < 1"
    page.frames[1].wait_for_function(drawn_for, polling=20)

    left = frame.locator("rect").first.bounding_box()["x"]
    ends = [box["x"] + box["width"] for box in map(_box, frame.locator("button, select").all())]

    assert sum(end > left for end in ends) == 1  # the call stack, on the right
    table = frame.locator("#pstats-table").bounding_box()
    assert table["x"] + table["width"] <= frame.locator("html").bounding_box()["x"] + width


def _box(part):
    return part.bounding_box()


def test_hostile_names_are_drawn_and_run_nothing(drawn):
    page, frame, _, errors = drawn(hostile_profile())
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    frame.locator("rect").first.wait_for()
    for number in range(frame.locator("rect").count()):
        frame.locator("rect").nth(number).hover()
    assert frame.locator("rect").count() == len(HOSTILE_NAMES) + 3
    assert (errors, dialogs) == ([], [])


def test_a_large_profile_is_drawn(drawn):
    _, frame, _, errors = drawn(large_profile(7_000))
    frame.locator("rect").first.wait_for()
    assert frame.locator("rect").count() > 100
    assert errors == []


def test_a_sampled_profile_has_a_column_of_samples_and_no_time_per_call(drawn):
    sampled = replace(cell_profile(), counts="samples")
    _, frame, _, errors = drawn(sampled)
    frame.locator("rect").first.wait_for()
    assert frame.locator("#pstats-table th").first.text_content() == "samples"
    cells = frame.locator("#pstats-table tbody tr").first.locator("td").all_text_contents()
    assert (cells[2], cells[4]) == ("", "")
    assert errors == []


def test_making_the_page_leaves_the_source_of_cells_alone():
    import linecache

    from perfkit.views import snakeviz

    name = "ipykernel_1/1.py"
    linecache.cache[name] = (3, None, ["a\n"], name)
    snakeviz._page.cache_clear()
    snakeviz._page()

    assert linecache.getline(name, 1) == "a\n"
    del linecache.cache[name]
