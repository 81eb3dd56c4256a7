"""`%%profile` in a real kernel: files, differences, engines, lines."""

import pstats

import pytest

WORK = "def work(n):\n    return sum(i * i for i in range(n))\n"


def test_files_are_written_and_named(notebook, tmp_path):
    prof, page = tmp_path / "a b.prof", tmp_path / "page.html"
    ran = notebook.run(f"%%profile -o '{prof}' -o {page}\n{WORK}work(1000)")
    assert ran.status == "ok", ran.error
    assert any(key[2] == "work" for key in pstats.Stats(str(prof)).stats)  # type: ignore[attr-defined]
    assert page.stat().st_size > 100_000
    assert any(str(page) in item.get("data", {}).get("text/plain", "") for item in ran.outputs)


@pytest.mark.parametrize("name", ["none/a.prof", "a.txt"])
def test_a_file_that_cannot_be_written_is_told_before_the_cell_runs(notebook, tmp_path, name):
    ran = notebook.run(f"%%profile -o {tmp_path / name}\nprint('ran')")
    assert ran.status == "error"
    assert ran.error.startswith("UsageError: %%profile: ")
    assert "\n" not in ran.error
    assert "ran" not in ran.printed


def test_a_folder_that_the_cell_takes_away_fails_the_cell_and_the_profile_is_kept(notebook, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    ran = notebook.run(f"%%profile kept -o {folder / 'a.prof'}\nimport os\nos.rmdir('{folder}')")
    assert ran.status == "error"
    assert "no folder" in ran.error
    assert notebook.value("len(kept.frame()) > 0") is True


def test_a_difference_is_shown_below_the_profile(notebook):
    notebook.run(WORK)
    notebook.run("%%profile old\nfor _ in range(20):\n    work(10_000)")
    ran = notebook.run("%%profile new --diff old\nwork(10_000)")
    assert ran.status == "ok", ran.error
    shown = [item["data"]["text/plain"] for item in ran.outputs if "data" in item]
    assert any(text.startswith("old → new:") and "Faster" in text for text in shown)


def test_a_result_can_be_replaced_while_it_is_compared_with(notebook):
    notebook.run(f"%%profile one\n{WORK}work(10)")
    ran = notebook.run("%%profile one --diff one\nwork(10)")
    assert ran.status == "ok", ran.error


@pytest.mark.parametrize(("name", "reason"), [("nothing", "has no variable"), ("engine", "holds no profile")])
def test_a_difference_with_something_else_is_refused(notebook, name, reason):
    ran = notebook.run(f"%%profile --diff {name}\nprint('ran')")
    assert reason in ran.error
    assert "ran" not in ran.printed


def test_read_profile_shows_a_file_in_the_notebook(notebook, tmp_path):
    notebook.run(f"%%profile -o {tmp_path / 'a.prof'}\n{WORK}work(1000)")
    ran = notebook.run(f"import perfkit\nperfkit.read_profile('{tmp_path / 'a.prof'}')")
    assert ran.status == "ok", ran.error
    assert "work" in ran.shown
    assert len(ran.traces) == 1


def test_the_sampling_engine_is_named_and_counts_samples(notebook):
    ran = notebook.run(
        "%%profile kept --engine sampling\nimport time\ntime.sleep(0.1)\nawait asyncio.sleep(0.1)"
    )
    assert ran.status == "ok", ran.error
    assert "engine: sampling, " in ran.bundles[0]["text/plain"]
    assert ran.traces[0]["cpu"]["counts"] == "samples"
    assert notebook.value("'calls' in kept.frame().columns") is False
    lines = {f["location"]["line_number"] for f in ran.traces[0]["cpu"]["functions"] if f.get("is_user_code")}
    assert {3, 4} <= lines


def test_an_unknown_engine_is_refused_before_the_cell_runs(notebook):
    ran = notebook.run("%%profile --engine magic\nprint('ran')")
    assert "invalid choice: 'magic'" in ran.error
    assert "ran" not in ran.printed


def test_a_named_engine_goes_before_that_of_another_magic_on_the_cell(notebook):
    ran = notebook.run("%%diagnose\n%%profile --engine sampling\nask(1)")
    assert {trace["cpu"]["engine"].split(",")[0] for trace in ran.traces} == {"sampling"}
