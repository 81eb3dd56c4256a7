"""`lab.remove`: all that the lab keeps goes, and nothing else; not while somebody uses it."""

import pytest
from lab_helpers import servers_of

from perfkit.lab import LabError, info, open_shop, open_sqlite, remove


def test_the_server_the_copies_and_the_folder_are_gone_and_come_again(scratch):
    open_shop().close()
    open_sqlite("tiny").dispose()

    assert remove() == str(scratch)

    assert not scratch.exists()
    assert servers_of(scratch) == []
    assert info().databases == ()


def test_what_somebody_else_keeps_in_the_folder_stays(scratch):
    open_shop().close()
    (scratch / "notes.txt").write_text("mine", encoding="utf-8")

    remove()

    assert [path.name for path in scratch.iterdir()] == ["notes.txt"]


def test_nothing_is_deleted_while_another_process_uses_the_server(scratch, start_user):
    start_user()

    with pytest.raises(LabError, match="used by another process, such as a notebook: end that first"):
        remove()

    assert (scratch / "postgresql").is_dir()


def test_a_folder_whose_socket_is_elsewhere_leaves_no_socket_behind(scratch, monkeypatch, tmp_path_factory):
    home = scratch / "with space"
    monkeypatch.setenv("PERFKIT_HOME", str(home))
    with open_shop() as shop:
        sockets = shop.engine.url.query["host"]

    remove()

    assert not home.exists()
    assert not (scratch / str(sockets)).exists()


def test_removing_twice_is_no_mistake(scratch):
    remove()

    assert remove() == str(scratch)
