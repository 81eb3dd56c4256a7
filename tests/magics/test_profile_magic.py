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


def test_a_difference_between_two_engines_is_one_of_times_alone(notebook):
    notebook.run(WORK)
    notebook.run("%%profile old\nwork(200_000)")
    ran = notebook.run("%%profile new --engine sampling --diff old\nwork(200_000)")
    assert ran.status == "ok", ran.error
    (shown,) = [
        item["data"]["text/plain"]
        for item in ran.outputs
        if "data" in item and item["data"]["text/plain"].startswith("old → new:")
    ]
    assert "Only times are compared" in shown
    assert "calls before" not in shown


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


def lines_of(ran) -> dict[str, dict[str, int]]:
    """Hits by source, by function."""
    found: dict[str, dict[str, int]] = {}
    for line in ran.traces[0]["cpu"].get("lines", ()):
        location = line["location"]
        found.setdefault(location["function_name"], {})[location.get("source_text", "").strip()] = line[
            "hits"
        ]
    return found


def test_named_functions_are_timed_line_by_line(notebook):
    notebook.run("def grow(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total")
    notebook.run("async def pause():\n    await asyncio.sleep(0.2)\n    return 1")
    ran = notebook.run(
        "%%profile -l grow -l pause\ngrow(100)\nawait pause()\nawait asyncio.gather(pause(), pause())"
    )
    assert ran.status == "ok", ran.error
    assert lines_of(ran) == {
        "grow": {"total = 0": 1, "for i in range(n):": 101, "total += i": 100, "return total": 1},
        "pause": {"await asyncio.sleep(0.2)": 3, "return 1": 3},
    }
    text = ran.bundles[0]["text/plain"]
    assert "grow (In[" in text
    assert "total += i" in text
    times = {
        line["location"]["source_text"].strip(): line["time_s"] for line in ran.traces[0]["cpu"]["lines"]
    }
    assert times["await asyncio.sleep(0.2)"] < 0.1


def test_a_function_that_the_cell_itself_defines_is_timed(notebook):
    ran = notebook.run("%%profile -l later\nasync def later():\n    return 1\nawait later()\nawait later();")
    assert ran.status == "ok", ran.error
    assert lines_of(ran) == {"later": {"return 1": 2}}


def test_the_engine_that_line_times_take_is_told_with_its_reason(notebook):
    notebook.run("def once():\n    return 1")
    text = notebook.run("%%profile -l once\nonce();").bundles[0]["text/plain"]
    assert "The sampling engine was used because functions were timed line by line" in text
    assert "called itself" not in text


def test_a_function_that_calls_itself_is_told_from_one_that_does_not(notebook):
    """Each of six levels counts the time of the deepest: the lines add up to more than the block took."""
    notebook.run(
        "def deep(n):\n    if n:\n        return deep(n - 1)\n    return sum(i * i for i in range(1_000_000))"
    )
    text = notebook.run("%%profile -l deep\ndeep(5);").bundles[0]["text/plain"]
    assert "deep called itself" in text


def test_listings_of_other_functions_are_not_blanked(notebook):
    notebook.run("def here():\n    return 1\nimport shutil, linecache, inspect")
    notebook.run("%%profile -l here -l shutil.copy\nhere();")
    assert notebook.value("inspect.getsource(here)") == "def here():\n    return 1\n"


def test_a_timed_function_keeps_its_own_code(notebook):
    notebook.run("def here():\n    return 1\ncode = here.__code__")
    ran = notebook.run("%%profile -l here\nhere()\n1 / 0")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert lines_of(ran) == {"here": {"return 1": 1}}
    assert notebook.value("here.__code__ is code") is True


def test_a_function_that_was_not_called_is_said_to_be(notebook):
    notebook.run("def idle():\n    return 1")
    ran = notebook.run("%%profile -l idle\npass")
    assert "idle was not timed line by line: it was not called" in ran.bundles[0]["text/plain"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("-l nothing", "has no variable 'nothing'"),
        ("-l len", "has no variable 'len'"),
        ("-l asyncio.nothing", "has nothing of the name"),
        ("-l engine", "not a function written in Python"),
        ("-l ask --engine cprofile", "exclude each other"),
    ],
)
def test_what_cannot_be_timed_is_refused_before_the_cell_runs(notebook, arguments, reason):
    ran = notebook.run(f"%%profile {arguments}\nprint('ran')")
    assert reason in ran.error
    assert "ran" not in ran.printed


def test_lines_and_another_profiler_exclude_each_other(notebook):
    notebook.run("import cProfile\nother = cProfile.Profile()\nother.enable()")
    ran = notebook.run("%%profile -l ask\nprint('ran')")
    notebook.run("other.disable()")
    assert "Another profiler (cProfile)" in ran.error
    assert "ran" not in ran.printed
