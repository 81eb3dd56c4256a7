"""Reading what pg_dump --statistics-only wrote: calls with names and values, and nothing else at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.proof._production_dump import Argument, DumpError, RestoreCall, read_dump

DUMP = r"""--
-- PostgreSQL database dump; DROP TABLE orders;
--
\restrict Abc123
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180004'::integer,
	'schemaname', 'public',
	'relname', 'odd ''; DROP TABLE x; --',
	'relpages', '-1'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'attname', E'back\\slash',
	'most_common_freqs', '{0.5,0.25}'::real[],
	'inherited', 'f'::boolean
);
\unrestrict Abc123
"""


def test_calls_are_taken_apart_into_names_values_and_types():
    relation, attribute = read_dump(DUMP)

    assert relation.function == "pg_restore_relation_stats"
    assert relation.value("relname") == "odd '; DROP TABLE x; --"
    assert relation.arguments[3] == Argument("relpages", "-1", "integer")
    assert attribute.value("attname") == "back\\slash"
    assert attribute.arguments[1] == Argument("most_common_freqs", "{0.5,0.25}", "real[]")
    assert attribute.value("correlation") == ""


CALL = "SELECT * FROM pg_catalog.pg_restore_relation_stats('relname', 'orders');"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("DELETE FROM orders;", 1),
        (f"{CALL}\nCOPY orders FROM stdin;", 2),
        (f"{CALL}\n\nSELECT * FROM pg_catalog.pg_sleep(5);", 3),
        ("SELECT pg_catalog.pg_restore_relation_stats('relname', 'orders');", 1),
        ("SELECT * FROM evil.pg_restore_relation_stats('relname', 'orders');", 1),
        ("SELECT * FROM pg_restore_relation_stats('relname', pg_sleep(5));", 1),
        ("SELECT * FROM pg_restore_relation_stats('relname', (SELECT 'x'));", 1),
        ("SELECT * FROM pg_restore_relation_stats('relname', 'x'::regclass);", 1),
        ("SELECT * FROM pg_restore_relation_stats('relname');", 1),
        ("SELECT * FROM pg_restore_relation_stats();", 1),
        ("SELECT * FROM pg_restore_relation_stats('a', 'b'), pg_sleep(5);", 1),
        (f"{CALL}\n$$ text $$;", 2),
        (CALL.removesuffix(";"), 1),
        ("SELECT * FROM pg_restore_relation_stats('a', 'b);", 1),
        ("\\! rm -rf /", 1),
    ],
)
def test_anything_else_is_refused_with_its_line(text, line):
    with pytest.raises(DumpError, match=f"Line {line}: "):
        read_dump(text)


@pytest.mark.parametrize("text", ["", "-- nothing\n", "SET a = 1;"])
def test_a_file_without_statistics_says_how_to_make_one(text):
    with pytest.raises(DumpError, match="pg_dump --statistics-only"):
        read_dump(text)


@given(st.text())
def test_any_other_text_is_refused(text):
    with pytest.raises(DumpError, match=r"Line \d+: |no statistics"):
        read_dump(text)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1))
def test_values_come_back_as_they_were_written(pairs):
    written = ", ".join(f"{_quoted(name)}, {_quoted(value)}::text" for name, value in pairs)
    (call,) = read_dump(f"SELECT * FROM pg_catalog.pg_restore_attribute_stats({written});")

    arguments = tuple(Argument(name, value, "text") for name, value in pairs)
    assert call == RestoreCall("pg_restore_attribute_stats", arguments)


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"
