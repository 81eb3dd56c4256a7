"""The list of the reports in a folder."""

import pytest
from bs4 import BeautifulSoup

from perfkit.report.exporter import ReportExporter
from perfkit.report.index import index_page


@pytest.fixture
def write(make, tmp_path):
    def write(name, *cells, **metadata):
        resources = {"metadata": {"name": name}}
        page, _ = ReportExporter().from_notebook_node(make.notebook(*cells, **metadata), resources)
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")

    return write


def rows(folder):
    page = BeautifulSoup(index_page(folder), "html.parser")
    return [[cell.get_text(" ", strip=True) for cell in row.select("td")] for row in page.select("tbody tr")]


def test_every_report_is_listed_in_the_order_of_the_files(write, make, tmp_path):
    run = {"started_at": "2026-03-01T10:00:00+00:00", "duration_s": 42.0}
    write("02", make.text("# Second"), make.code("x", make.raised("KeyError", "'a'")))
    write("01", make.text("# First"), make.code("x"), perfkit={"run": run, "failure": None})

    assert rows(tmp_path) == [
        ["First 1 March 2026, 10:00 UTC", "complete", "none", "–", "–", "42 s"],
        ["Second FAILED at cell 1: KeyError: 'a'", "failed", "none", "–", "–", "–"],
    ]


def test_pages_of_others_are_passed_over(write, make, tmp_path):
    write("01", make.text("# Mine"), make.code("x"))
    (tmp_path / "index.html").write_text(index_page(tmp_path))
    (tmp_path / "other.html").write_text("<p>somebody else's</p>")
    (tmp_path / "odd.html").write_text(
        '<script type="application/json" id="perfkit-summary">{"a": 1}</script>'
    )
    (tmp_path / "binary.html").write_bytes(b"\xff\xfe\x00")

    assert [row[0] for row in rows(tmp_path)] == ["Mine"]


def test_an_empty_folder_says_what_to_do(tmp_path):
    assert "perfkit report NOTEBOOK" in BeautifulSoup(index_page(tmp_path), "html.parser").get_text()


def test_titles_are_escaped_and_links_quoted(write, make, tmp_path):
    write("a b#c", make.code("x"), title="<img src=x>")

    page = BeautifulSoup(index_page(tmp_path), "html.parser")

    assert page.select_one("tbody a")["href"] == "a%20b%23c.html"
    assert not page.select("img")
