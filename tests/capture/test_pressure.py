"""What the system tells of its processors."""

import pytest

from perfkit.capture import pressure
from perfkit.session import measure


def test_a_reading_grows_or_stays():
    first = pressure.stalled_us()
    if first is None:
        pytest.skip("this system does not tell")

    assert pressure.stalled_ms_since(first) >= 0


@pytest.mark.parametrize("content", [b"", b"some avg10=0.00", b"\xff\n"])
def test_what_cannot_be_read_is_unknown(tmp_path, monkeypatch, content):
    file = tmp_path / "cpu"
    file.write_bytes(content)
    monkeypatch.setattr(pressure, "_PRESSURE", file)

    assert pressure.stalled_us() is None
    assert pressure.stalled_ms_since(1) is None


def test_a_system_without_it_is_measured_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(pressure, "_PRESSURE", tmp_path / "missing")
    with measure("block") as measured:
        pass

    assert measured.trace.stalled_ms is None


def test_the_stall_of_a_block_is_part_of_its_trace(tmp_path, monkeypatch):
    file = tmp_path / "cpu"
    monkeypatch.setattr(pressure, "_PRESSURE", file)
    file.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull total=0\n")
    with measure("block") as measured:
        file.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=8000\nfull total=0\n")

    assert measured.trace.stalled_ms == 7.0
