"""Parameter values are shown only to those who ask, and showing them runs no code of the user's."""

import datetime
import decimal
import json
import sqlite3
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from perfkit.capture.shown_parameters import LONGEST, shown_parameters, shown_value
from perfkit.session import measure

SECRET = "hunter2"


class Hostile:
    def __repr__(self):
        raise AssertionError("code of the user's was run")

    __str__ = __len__ = __iter__ = __sizeof__ = __repr__


class HostileText(str):
    __slots__ = ()
    __repr__ = __str__ = __len__ = __getitem__ = Hostile.__repr__


class HostileZone(datetime.tzinfo):
    utcoffset = dst = tzname = lambda self, moment: Hostile.__repr__(self)
    __repr__ = Hostile.__repr__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "1"),
        (None, "None"),
        ("it's", '"it\'s"'),
        (b"\x00", "b'\\x00'"),
        (decimal.Decimal("1.50"), "Decimal('1.50')"),
        (datetime.date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (uuid.UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        ([1, ("a", None)], "[1, ('a', None)]"),
        (list(range(12)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …]"),
        ([[[[1]]]], "[[[<list>]]]"),
        ({"a": 1}, "<dict>"),
        ("x" * 200, f"'{'x' * 98}…"),
    ],
)
def test_a_value_is_shown_as_python_writes_it_or_by_its_type(value, shown):
    assert shown_value(value) == shown


def test_what_the_user_has_made_is_shown_by_its_type():
    assert shown_value(Hostile()) == f"<{__name__}.Hostile>"
    assert shown_value(HostileText("x")) == f"<{__name__}.HostileText>"
    assert shown_value(datetime.datetime(2026, 1, 2, tzinfo=HostileZone())) == "<datetime.datetime>"
    assert shown_parameters(Hostile()) is None


def test_a_time_in_a_known_zone_is_shown_with_it():
    moment = datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))

    assert shown_value(moment) == repr(moment)


@pytest.mark.parametrize("value", [1 << 4_000_000, decimal.Decimal("1" * 100_000)], ids=["int", "decimal"])
def test_a_number_that_takes_long_to_write_is_shown_by_its_size(value):
    assert shown_value(value).endswith("bytes>")


def test_names_of_a_mapping_stand_before_its_values():
    assert shown_parameters({"name": "Ann", "age": 7}) == ("name='Ann'", "age=7")


def test_a_very_long_list_of_parameters_ends_with_how_many_more_there_are():
    assert shown_parameters(list(range(103)))[-2:] == ("99", "and 3 more")


@pytest.mark.parametrize("parameters", [None, (number for number in range(3)), "text"])
def test_what_is_no_dictionary_list_or_tuple_is_not_looked_into(parameters):
    assert shown_parameters(parameters) is None


@given(st.recursive(st.text() | st.binary() | st.integers() | st.floats() | st.datetimes(), st.lists))
def test_no_value_takes_more_room_than_it_may(value):
    assert len(shown_value(value)) <= LONGEST


def measured(**options):
    engine = create_engine("sqlite://")
    with engine.connect() as connection, measure("secrets", **options) as measurement:
        connection.execute(text("SELECT :word"), {"word": SECRET})
        connection.exec_driver_sql("SELECT ?", (SECRET,))
        with pytest.raises(Exception, match="no such table"):
            connection.execute(text("SELECT * FROM missing WHERE word = :word"), {"word": SECRET})
        raw = sqlite3.connect(":memory:")
        raw.execute("SELECT ?", (SECRET,))
        raw.close()
    engine.dispose()
    return measurement


def bundle(measurement):
    return json.dumps(measurement._repr_mimebundle_()) + measurement.queries_frame().to_json()


def test_nobody_who_has_not_asked_finds_a_value_anywhere():
    measurement = measured()

    assert SECRET not in bundle(measurement)
    assert all(span.parameters is None for span in measurement.trace.queries)


def test_who_asks_sees_the_values_in_text_page_and_frame():
    measurement = measured(parameters=True)
    shown = measurement._repr_mimebundle_()

    assert {span.parameters for span in measurement.trace.queries} == {(f"'{SECRET}'",)}
    assert f"with '{SECRET}'" in shown["text/plain"]
    assert SECRET in shown["text/html"]
    assert measurement.queries_frame()["parameters"][0] == (f"'{SECRET}'",)


def test_values_that_the_program_wrote_into_the_text_stay_hidden_from_everybody():
    engine = create_engine("sqlite://")
    with engine.connect() as connection, measure("pasted", parameters=True) as measurement:
        connection.exec_driver_sql(f"SELECT '{SECRET}'")
    engine.dispose()

    assert SECRET not in bundle(measurement)


def test_a_connection_from_before_the_block_has_no_values_to_show():
    old = sqlite3.connect(":memory:")
    with measure("old", parameters=True) as measurement:
        old.execute("SELECT ?", (SECRET,))
    old.close()

    (span,) = measurement.trace.queries
    assert span.parameters is None
    assert SECRET not in bundle(measurement)


def test_objects_of_the_users_as_parameters_run_no_code():
    with measure("hostile", parameters=True) as measurement:
        raw = sqlite3.connect(":memory:")
        with pytest.raises(sqlite3.Error):
            raw.execute("SELECT ?", (Hostile(),))
        raw.close()

    (span,) = measurement.trace.queries
    assert span.parameters == (f"<{__name__}.Hostile>",)
