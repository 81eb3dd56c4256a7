"""Profiles to files and back: what other tools open, and what is refused in one line."""

import cProfile
import json
import marshal
import os
import pstats
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import perfkit
from perfkit.session import ProfileFileError, measure, read_profile
from tests.interpreters import environment_with

REPOSITORY = Path(__file__).parents[2]


def leaf(n):
    return sum(range(n))


def twice(n):
    return leaf(n) + leaf(n)


@pytest.fixture(scope="module")
def result():
    with measure("two leaves", queries=False, cpu=True) as measurement:
        twice(100_000)
    return measurement.result


def calls(result) -> dict[str, int]:
    frame = result.frame()
    return dict(zip(frame["function"], frame["calls"], strict=True))


def test_the_frame_lists_functions_with_units_in_the_names(result):
    frame = result.frame()
    assert calls(result)["leaf"] == 2
    assert {"own_ms", "cumulative_ms", "calls", "place"} <= set(frame.columns)
    assert frame["own_ms"].is_monotonic_decreasing


def test_a_block_without_a_profile_says_how_to_have_one():
    with measure("plain") as measurement:
        pass
    with pytest.raises(LookupError, match="%%profile"):
        measurement.frame()


def test_a_prof_opens_in_pstats_with_the_same_numbers(result, tmp_path):
    path = result.save_profile(tmp_path / "two.prof")
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    primitive, count, _, _, callers = stats[__file__, leaf.__code__.co_firstlineno, "leaf"]
    assert (primitive, count) == (2, 2)
    assert [key[2] for key in callers] == ["twice"]


def test_a_prof_opens_in_snakeviz_itself(result, tmp_path):
    from snakeviz.stats import json_stats, table_rows

    stats = pstats.Stats(str(result.save_profile(tmp_path / "two.prof")))
    assert any("leaf" in row[5] for row in table_rows(stats))
    assert any("twice" in name for name in json_stats(stats))


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import json, sys; from tuna.main import read; print(json.dumps(read(sys.argv[1])))"),
        ("-m", "gprof2dot", "-f", "pstats"),
    ],
    ids=["tuna", "gprof2dot"],
)
def test_a_prof_opens_in_other_tools(result, tmp_path, tmp_path_factory, arguments):
    path = result.save_profile(tmp_path / "two.prof")
    programs = environment_with(("tuna", "gprof2dot"), tmp_path_factory)

    command = [str(programs / "python"), *arguments, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "leaf" in done.stdout


def test_a_prof_comes_back_with_the_same_counts_callers_and_times(result, tmp_path):
    again = perfkit.read_profile(result.save_profile(tmp_path / "two.prof"))
    assert calls(again) == calls(result)
    assert again.frame()["own_ms"].sum() == pytest.approx(result.frame()["own_ms"].sum())
    text = str(again)
    assert "read from two.prof" in text
    assert "100%" not in text.splitlines()[1]
    assert "snakeviz" in again._repr_mimebundle_()["text/html"].lower()


def test_speedscope_holds_weighted_stacks_that_add_up_and_comes_back(result, tmp_path):
    path = result.save_profile(tmp_path / "two.speedscope.json")
    data = json.loads(path.read_text())
    names = [frame["name"] for frame in data["shared"]["frames"]]
    (profile,) = data["profiles"]
    stacks = {tuple(names[number] for number in stack) for stack in profile["samples"]}
    assert ("twice", "leaf", "sum") in stacks
    assert sum(profile["weights"]) == pytest.approx(result.trace.cpu.attributed_ms / 1000, rel=0.01)
    assert profile["unit"] == "seconds"
    again = read_profile(path)
    assert "samples" in again.frame().columns
    assert "calls" not in again.frame().columns


@pytest.mark.parametrize("file", ["In[3]", "In [3]"])
def test_a_cell_in_speedscope_is_a_cell_again(tmp_path, file):
    frame = {"name": "leaf", "file": file, "line": 1}
    stacks = {"name": "", "unit": "seconds", "samples": [[0]], "weights": [1.0]}
    path = tmp_path / "cell.speedscope.json"
    path.write_text(json.dumps({"shared": {"frames": [frame]}, "profiles": [stacks]}))

    (function,) = read_profile(path).trace.cpu.functions
    assert (function.location.cell, function.is_user_code) == (file, True)


def test_the_page_stands_alone_and_may_load_nothing(result, tmp_path):
    page = result.save_profile(tmp_path / "two.html").read_text()
    assert "default-src 'none'" in page
    assert 'data-perfkit="snakeviz"' in page
    assert "twice" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", ["two.prof", "two.speedscope.json", "two.html"])
def test_a_profile_is_replaced_and_any_other_file_is_not(result, tmp_path, name):
    path = tmp_path / name
    assert result.save_profile(path).read_bytes() == result.save_profile(path).read_bytes()
    path.write_text("my notes")
    with pytest.raises(ProfileFileError, match="exists and is no profile") as raised:
        result.save_profile(path)
    assert path.read_text() == "my notes"
    assert "\n" not in str(raised.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("two.txt", "must end in"),
        ("two", "must end in"),
        ("none/two.prof", "no folder"),
        ("x.prof", "folder"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(result, tmp_path, name, reason):
    (tmp_path / "x.prof").mkdir()
    with pytest.raises(ProfileFileError, match=reason) as raised:
        result.save_profile(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.fixture
def ordinary_user():
    """Root may write anywhere: give that up for the test."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows asks no permission bits")
    before = os.geteuid()
    if before == 0:
        import pwd

        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(before)


def test_a_folder_without_permission_is_named(result, ordinary_user):
    # Not in tmp_path: an ordinary user could not even enter root's.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o500)
        with pytest.raises(ProfileFileError, match="Permission denied"):
            result.save_profile(Path(folder) / "two.prof")
        Path(folder).chmod(0o700)


@pytest.mark.parametrize("name", ["a.prof", "a.speedscope.json", "a.html"])
def test_hostile_names_are_written_and_read(tmp_path, name):
    from dataclasses import replace

    from perfkit.model.cpu import CpuProfile, FunctionProfile
    from perfkit.model.location import CodeLocation
    from perfkit.session.profile_files import save_profile

    names = ("</script><script>alert(1)</script>", 'quotes "', "\u2028", "lone \ud800", "x" * 10_000, "a\nb")
    functions = tuple(
        FunctionProfile(CodeLocation(f"/tmp/{number}", 1, text), 1, 1, 0.1, 0.1)
        for number, text in enumerate(names)
    )
    profile = CpuProfile("cProfile", 600.0, 600.0, 1.0, functions)
    path = save_profile(profile, tmp_path / name, name=names[0])
    if name.endswith(".html"):
        assert "<script>alert(1)" not in path.read_text()
    else:
        assert len(read_profile(path).trace.cpu.functions) == len(names)
    assert replace(profile) == profile


DUMP = (
    "import cProfile, sys; p = cProfile.Profile()\n"
    "p.runcall(sum, [1]); p.runcall(sorted, [2]); p.dump_stats(sys.argv[1])"
)
PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parents[1].name)
def test_a_dump_of_another_python_is_read(python, tmp_path):
    path = tmp_path / "dump.prof"
    if subprocess.run([python, "-c", DUMP, path], capture_output=True, check=False).returncode:
        pytest.skip("this Python does not run")
    assert {"<built-in method builtins.sum>", "<built-in method builtins.sorted>"} <= calls(
        read_profile(path)
    ).keys()


def test_a_dump_of_cprofile_shows_its_callers(tmp_path):
    profiler = cProfile.Profile()
    profiler.runcall(twice, 10)
    profiler.dump_stats(tmp_path / "dump.prof")
    function = next(
        f
        for f in read_profile(tmp_path / "dump.prof").trace.cpu.functions
        if f.location.function_name == "leaf"
    )
    assert (function.ncalls, function.is_user_code, len(function.callers)) == (2, True, 1)


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is no profile"),
    "picture": (b"\x89PNG\r\n", "is no profile"),
    "json of something else": (b'{"a": 1}', "is no profile of weighted stacks"),
    "json cut short": (b'{"a": ', "truncated"),
    "marshalled, something else": (marshal.dumps({"a": 1}), "not by pstats"),
    "marshalled, other values": (marshal.dumps({("f", 1, "n"): (1,)}), "not by pstats"),
    "events": (b'{"shared": {"frames": []}, "profiles": [{"type": "evented"}]}', "no profile of weighted"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_profile_is_told_in_one_line(tmp_path, name):
    content, reason = BAD[name]
    path = tmp_path / "bad.prof"
    path.write_bytes(content)
    with pytest.raises(ProfileFileError, match=reason) as raised:
        read_profile(path)
    assert "\n" not in str(raised.value)


def test_a_profile_cut_short_anywhere_is_told_in_one_line(result, tmp_path):
    whole = result.save_profile(tmp_path / "two.prof").read_bytes()
    for length in range(1, len(whole), 7):
        (tmp_path / "cut.prof").write_bytes(whole[:length])
        with pytest.raises(ProfileFileError, match=r"truncated|damaged"):
            read_profile(tmp_path / "cut.prof")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ProfileFileError, match="No such file"):
        read_profile(tmp_path / "none.prof")


def test_nothing_is_left_beside_the_files(result, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    result.save_profile(folder / "a.prof")
    assert [entry.name for entry in folder.iterdir()] == ["a.prof"]
    shutil.rmtree(folder)
