"""The folder that the tour runs in: the checkout's, or a copy that keeps what the person changed."""

import pytest

from perfkit.cli import _workspace
from perfkit.cli._shared import CommandError
from perfkit.lab.resources import notebooks_dir


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Notebooks and data as a wheel carries them, without a checkout around them."""
    root = tmp_path / "site-packages" / "bundle"
    for name, content in {
        "notebooks/00_start_here.ipynb": "start",
        "notebooks/shop/models.py": "models",
        "notebooks/shop/__pycache__/models.pyc": "compiled",
        "data/schema.sql": "schema",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    monkeypatch.setattr("perfkit.lab.resources.notebooks_dir", lambda: root / "notebooks")
    monkeypatch.setattr("perfkit.lab.resources.data_dir", lambda: root / "data")
    return root


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_a_checkout_is_used_as_it_is():
    workspace = _workspace.prepare(None)

    assert workspace.folder == notebooks_dir().parent
    assert workspace.notebooks[0].name == "00_start_here.ipynb"


def test_the_bundle_is_copied_without_leftovers(bundle, tmp_path, capsys):
    workspace = _workspace.prepare(tmp_path / "tour")

    assert files(tmp_path / "tour") == {
        "notebooks/00_start_here.ipynb": "start",
        "notebooks/shop/models.py": "models",
        "data/schema.sql": "schema",
    }
    assert [path.name for path in workspace.notebooks] == ["00_start_here.ipynb"]
    assert "Copied 3 files" in capsys.readouterr().out


def test_an_installed_perfkit_copies_to_a_folder_of_its_own(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert _workspace.prepare(None).folder.name == "perfkit-tour"
    assert (tmp_path / "perfkit-tour" / "notebooks").is_dir()


def test_a_second_time_copies_nothing_and_says_nothing(bundle, tmp_path, capsys):
    _workspace.prepare(tmp_path / "tour")
    capsys.readouterr()

    _workspace.prepare(tmp_path / "tour")

    assert capsys.readouterr() == ("", "")


def test_what_the_person_changed_is_kept_and_named(bundle, tmp_path, capsys):
    _workspace.prepare(tmp_path / "tour")
    mine = tmp_path / "tour" / "notebooks" / "shop" / "models.py"
    mine.write_text("my own")

    _workspace.prepare(tmp_path / "tour")

    assert mine.read_text() == "my own"
    assert "Kept what you changed" in (errors := capsys.readouterr().err)
    assert "notebooks/shop/models.py" in errors


def test_what_nobody_changed_follows_a_new_version(bundle, tmp_path, capsys):
    _workspace.prepare(tmp_path / "tour")
    (bundle / "data" / "schema.sql").write_text("new schema")

    _workspace.prepare(tmp_path / "tour")

    assert (tmp_path / "tour" / "data" / "schema.sql").read_text() == "new schema"
    assert capsys.readouterr().err == ""


def test_files_of_unknown_origin_are_kept(bundle, tmp_path, capsys):
    (tmp_path / "tour" / "data").mkdir(parents=True)
    (tmp_path / "tour" / "data" / "schema.sql").write_text("somebody's")

    _workspace.prepare(tmp_path / "tour")

    assert (tmp_path / "tour" / "data" / "schema.sql").read_text() == "somebody's"
    assert "data/schema.sql" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_said_in_a_line(bundle, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="Cannot copy the notebooks to"):
        _workspace.prepare(tmp_path / "file" / "tour")
