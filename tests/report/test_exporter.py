"""The exported page: its structure, its promises, and what becomes of hostile or broken content."""

import subprocess
import sys

import nbformat
import pytest

from perfkit.report.fragments import tidy_output

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b>"
SNAKEVIZ = '<iframe data-perfkit="snakeviz" title="SnakeViz profile" srcdoc="&lt;p&gt;hi&lt;/p&gt;"></iframe>'


def policy_of(page):
    meta = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    pairs = (part.strip().partition(" ") for part in meta["content"].split(";"))
    return {name: value for name, _, value in pairs}


class TestPromises:
    def test_the_policy_lets_nothing_be_loaded(self, make):
        page, _ = make.export(make.code("1"))

        assert policy_of(page) == {
            "default-src": "'none'",
            "img-src": "data:",
            "style-src": "'unsafe-inline'",
            "script-src": "'unsafe-inline'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }

    def test_only_a_page_with_snakeviz_may_compile_scripts_and_start_workers(self, make):
        page, _ = make.export(make.code("1", make.shown(html=SNAKEVIZ)))

        assert policy_of(page)["script-src"] == "'unsafe-inline' 'unsafe-eval' blob:"
        assert policy_of(page)["worker-src"] == "blob:"

    @pytest.mark.parametrize(
        "markup",
        [
            '<iframe title="SnakeViz profile" srcdoc="x"></iframe>',
            "<p>data-perfkit=&quot;snakeviz&quot;</p>",
            '<div data-perfkit="snakeviz"></div>',
        ],
    )
    def test_what_only_resembles_snakeviz_changes_nothing(self, make, markup):
        page, _ = make.export(make.code("1", make.shown(html=markup)))

        assert "unsafe-eval" not in policy_of(page)["script-src"]

    def test_the_policy_stands_before_everything_that_could_load(self, make):
        page, _ = make.export(make.code("1"))

        names = [element.get("http-equiv") or element.name for element in page.head.find_all(True)]

        assert names.index("Content-Security-Policy") < min(names.index("style"), names.index("script"))

    @pytest.mark.parametrize(
        "markup",
        [
            '<script src="https://cdn.example.org/x.js"></script>',
            '<link rel="stylesheet" href="https://cdn.example.org/x.css">',
            '<img src="//cdn.example.org/x.png" alt="a plot">',
            '<iframe src="http://localhost:8080"></iframe>',
            '<meta http-equiv="refresh" content="0;url=https://example.org">',
            '<base href="https://example.org/">',
        ],
    )
    def test_what_would_be_loaded_is_taken_out(self, make, markup):
        page, _ = make.export(make.code("1", make.shown(html=f"<p>kept</p>{markup}")))

        output = page.select_one(".output.html")

        assert output.p.get_text() == "kept"
        assert not output.select("script, link, img, iframe, meta, base")

    def test_a_picture_left_out_is_named(self, make):
        page, _ = make.export(make.text("![the plan](https://example.org/plan.png)"))

        assert page.select_one(".left-out").get_text() == (
            "A picture (the plan) from example.org is left out: this report loads nothing."
        )

    def test_a_picture_beside_the_notebook_travels_with_the_page(self, make, tmp_path):
        (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')

        page, _ = make.export(make.text("![a dot](dot.svg)"), folder=tmp_path)

        assert page.select_one(".text img")["src"].startswith("data:image/svg+xml;base64,")


class TestEscaping:
    def test_text_from_the_run_cannot_become_markup(self, make):
        page, _ = make.export(
            make.code(f"x = '{HOSTILE}'", make.printed(HOSTILE), make.raised(HOSTILE, HOSTILE, [HOSTILE])),
            title=HOSTILE,
        )

        assert not page.select("main img, main b")
        assert page.select_one(".output.stream").get_text() == HOSTILE
        assert page.h1.get_text() == HOSTILE

    def test_a_title_cannot_end_the_script_that_holds_the_summary(self, make):
        page, _ = make.export(make.code("1"), title=HOSTILE)

        assert "<" not in page.find(id="perfkit-summary").string

    def test_an_output_that_closes_nothing_ends_with_its_cell(self, make):
        page, _ = make.export(
            make.code("1", make.shown(html="<div><table><tr><td><b>open")), make.code("2", count=2)
        )

        assert [section["id"] for section in page.select("main > section")] == ["cell-1", "cell-2"]

    def test_values_and_passwords_stay_out_of_the_errors(self, make):
        value = "(sqlite3.Error) no such table\n[SQL: SELECT ?]\n[parameters: ('secret',\n 'hush')]\n(Bg)"
        trace = ["connect('postgresql://me:hunter2@db/shop')", value]

        page, summary = make.export(make.code("1", make.raised("OperationalError", value, trace)))

        shown = page.get_text() + summary.failure.message
        assert "no such table" in shown
        assert not any(word in shown for word in ("secret", "hush", "hunter2"))


class TestOutline:
    def test_the_first_top_heading_is_the_title(self, make):
        page, summary = make.export(make.text("# Slow page\n\nWords."), make.text("# Another"))

        assert summary.title == page.h1.get_text() == page.title.get_text() == "Slow page"
        assert [heading.get_text() for heading in page.select(".text h2")] == ["Another"]
        assert len(page.select("h1")) == 1

    def test_a_notebook_without_headings_is_called_by_its_file(self, make):
        page, _ = make.export(make.text("Words."))

        assert page.h1.get_text() == "my notebook"
        assert not page.select("nav")

    def test_no_level_is_skipped_and_the_contents_lists_two(self, make):
        page, _ = make.export(make.text("# T\n\n## A\n\n#### B\n\n##### C\n\n## D"))

        assert [(h.name, h.get_text()) for h in page.select(".text h2, .text h3, .text h4")] == [
            ("h2", "A"),
            ("h3", "B"),
            ("h4", "C"),
            ("h2", "D"),
        ]
        assert [link.get_text() for link in page.select(".toc a")] == ["Summary", "A", "B", "D"]

    def test_every_entry_of_the_contents_leads_somewhere(self, make):
        page, _ = make.export(make.text("## Über uns\n\n## Same\n\n## Same"))

        targets = [link["href"] for link in page.select(".toc a")]

        assert targets == ["#pk-summary", "#%C3%9Cber-uns", "#Same", "#Same-2"]
        assert {"Über-uns", "Same", "Same-2"} <= {heading.get("id") for heading in page.select("h2")}

    def test_headings_in_outputs_stay_out_of_the_outline(self, make):
        page, _ = make.export(make.text("# T"), make.code("1", make.shown(html="<h1>Big</h1><h4>x</h4>")))

        assert [heading.get_text() for heading in page.find_all(["h1", "h4"])] == ["T"]


class TestAccess:
    def test_language_title_main_and_a_way_to_skip(self, make):
        page, _ = make.export(make.text("## A"), make.code("1"))

        assert page.html["lang"] == "en"
        assert page.select_one("a.skip")["href"] == f"#{page.main['id']}"
        assert page.nav["aria-label"] == "Table of contents"

    def test_every_scrolling_part_can_be_focused_and_has_a_name(self, make):
        page, _ = make.export(
            make.code(
                "1",
                make.printed("x"),
                make.shown(html='<div style="overflow-x:auto">w</div><table><tr><td>1</td></tr></table>'),
            ),
            make.text("| a |\n|---|\n| 1 |"),
        )

        parts = page.select(".scroll")

        assert len(parts) == 5
        assert all(
            part["tabindex"] == "0" and part["aria-label"] and part["role"] == "group" for part in parts
        )

    def test_table_headers_say_what_they_head_and_empty_ones_are_cells(self, make):
        table = "<table><thead><tr><th></th><th>rows</th></tr></thead><tr><th>0</th><td>7</td></tr></table>"

        page, _ = make.export(make.code("df", make.shown(html=table)))

        assert [(cell.name, cell.get("scope")) for cell in page.select(".output td, .output th")] == [
            ("td", None),
            ("th", "col"),
            ("th", "row"),
            ("td", None),
        ]

    def test_pictures_and_frames_have_names(self, make):
        page, _ = make.export(
            make.code(
                "1",
                make.shown(html='<img src="data:,x"><iframe srcdoc="x"></iframe>'),
                make.shown(png="iVBO"),
            )
        )

        assert all(picture["alt"] for picture in page.select("img"))
        assert page.iframe["title"] == "Embedded page in cell 1"

    def test_links_lead_to_reports_and_never_to_files_left_behind(self, make):
        page, _ = make.export(
            make.text(
                "[next](02_index.ipynb#Fix) [models](shop/models.py) [web](https://example.org) [up](#top)"
            )
        )

        links = {link.get_text(): link["href"] for link in page.select(".text a")}
        assert links == {"next": "02_index.html#Fix", "web": "https://example.org", "up": "#top"}
        assert "models" in page.select_one(".text").get_text()


class TestCells:
    def test_code_under_our_magics_is_coloured_in_its_language(self, make):
        page, _ = make.export(
            make.code("%%querycount first\nfor user in users: pass"),
            make.code("%%explain\nSELECT 1 FROM users", count=2),
            make.code("%%explain\nfor row in rows: pass", count=3),
        )

        keywords = [[k.get_text() for k in cell.select(".k, .ow")] for cell in page.select("pre.source")]

        assert keywords == [["for", "in", "pass"], ["SELECT", "FROM"], ["for", "in", "pass"]]
        assert page.select_one(".magic").get_text() == "%%querycount first\n"

    def test_a_cell_number_is_its_execution_count_and_a_link(self, make):
        page, _ = make.export(make.text("words"), make.code("1", count=7))

        number = page.select_one("a.number")

        assert (number.get_text(), number["href"], number["aria-label"]) == ("7", "#cell-2", "Cell 7")

    def test_a_solution_is_folded_with_its_output(self, make):
        page, _ = make.export(make.code("answer()", make.printed("42"), tags=["solution"]))

        fold = page.select_one("details.fold")

        assert not fold.has_attr("open")
        assert fold.select_one("pre.source")
        assert fold.select_one(".output")

    def test_a_folded_cell_still_shows_its_output(self, make):
        page, _ = make.export(make.code("setup()", make.printed("ready"), tags=["fold"]))

        assert page.select_one("details pre.source")
        assert not page.select("details .output")

    def test_empty_cells_and_scripts_of_others_are_not_shown(self, make):
        page, _ = make.export(make.code("", count=None), make.code("x", make.shown(javascript="alert(1)")))

        assert len(page.select("section.cell")) == 1
        assert not page.select(".output")

    @pytest.mark.parametrize(
        ("markup", "on_paper"),
        [
            ('<p style="color:#000080">navy</p>', True),
            ("<style>td { background-color: #eee }</style>", True),
            ("<table><tr><td>1</td></tr></table>", False),
            ('<p style="color: inherit">plain</p>', False),
            ('<p style="border-color: red">plain</p>', False),
        ],
    )
    def test_colours_chosen_for_a_white_page_get_one(self, make, markup, on_paper):
        page, _ = make.export(make.code("x", make.shown(html=markup)))

        assert bool(page.select(".output.paper")) is on_paper

    def test_white_space_that_an_output_keeps_is_kept(self):
        markup = '<div style="white-space:pre"><b>a</b>    <b>b</b></div>'

        assert tidy_output(markup, "cell 1").markup == markup

    def test_our_own_views_bring_their_colours_for_both(self, make):
        page, _ = make.export(
            make.code("x", make.ours("other", {}, '<p style="color:#fff;background:#000">y</p>'))
        )

        assert not page.select(".paper")

    def test_a_card_without_data_brings_its_colours_too(self, make):
        ours = '<div style="font-size:13px" data-perfkit="card"><b style="color:#fff">y</b></div>'
        page, _ = make.export(
            make.code("x", make.shown(html=ours)), make.code("y", make.shown(html=f"a{ours}"))
        )

        assert ["paper" in output["class"] for output in page.select(".output")] == [False, True]

    def test_formulas_become_mathml(self, make):
        page, _ = make.export(
            make.text("Cost $n\\ell$ and\n\n$$\\frac{a}{b}$$"), make.code("x", make.shown(latex="$x^2$"))
        )

        assert [math.get("display") for math in page.select("math")] == ["inline", "block", "block"]
        assert page.select_one(".output msup")

    def test_a_formula_that_cannot_be_read_stays_as_it_was_typed(self, make):
        page, _ = make.export(make.text("$\\begin{foo} a$"))

        assert "\\begin{foo} a" in page.select_one(".text code").get_text()

    def test_a_long_traceback_is_folded_under_its_headline(self, make):
        page, _ = make.export(
            make.code("x", make.raised("KeyError", "'a'", [f"line {n}" for n in range(100)]))
        )

        assert page.select_one(".error-headline").get_text() == "KeyError: 'a'"
        assert page.select_one(".error summary").get_text() == "Traceback, 100 lines"
        assert not page.select_one(".error details").has_attr("open")

    def test_what_an_author_folds_stays_folded(self, make):
        page, _ = make.export(
            make.text("<details><summary>Answer</summary>\n\nIt is *lazy*.\n\n</details>\n\nNext.")
        )

        assert page.select_one(".text details em").get_text() == "lazy"
        assert not page.find("p", string="Next.").find_parent("details")

    def test_a_picture_in_html_travels_too(self, make, tmp_path):
        (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')

        page, _ = make.export(make.text('<p><img width="9" src="dot.svg" alt="dot"></p>'), folder=tmp_path)

        assert page.select_one("img[width]")["src"].startswith("data:image/svg+xml")

    def test_a_missing_attachment_costs_no_report(self, make):
        page, _ = make.export(make.text("![x](attachment:gone.png)"))

        assert "attachment:gone.png" in page.select_one(".text").get_text()


class TestNbconvert:
    def test_jupyter_finds_the_exporter_from_any_folder(self, make, tmp_path):
        nbformat.write(make.notebook(make.text("# Hello"), make.code("1")), tmp_path / "hello.ipynb")

        command = [sys.executable, "-m", "nbconvert", "--to", "perfkit", "hello.ipynb"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
        assert "<h1>Hello</h1>" in (tmp_path / "hello.html").read_text()

    def test_inputs_can_be_left_out(self, make, tmp_path):
        nbformat.write(make.notebook(make.code("secret()", make.printed("result"))), tmp_path / "x.ipynb")

        command = [sys.executable, "-m", "nbconvert", "--to", "perfkit", "--no-input", "x.ipynb"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)

        page = (tmp_path / "x.html").read_text()
        assert "result" in page
        assert "secret" not in page
