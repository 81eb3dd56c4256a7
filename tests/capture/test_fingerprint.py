import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.capture.fingerprint import fingerprint, operation_name

SAME_SHAPE = [
    ("SELECT * FROM t WHERE id = 1", "SELECT * FROM t WHERE id = 22"),
    ("SELECT * FROM t WHERE a = 'it''s -- no comment'", "SELECT * FROM t WHERE a = 'x'"),
    ("SELECT * FROM t WHERE a = E'it\\'s'", "SELECT * FROM t WHERE a = 'x'"),
    ("SELECT $$a 'b' -- c$$", "SELECT 'x'"),
    ("SELECT * FROM t WHERE id IN (1, 2, 3)", "SELECT * FROM t WHERE id IN (4)"),
    ("SELECT * FROM t WHERE id IN (%s, %s)", "SELECT * FROM t WHERE id IN (%s)"),
    ("SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT * FROM t WHERE (a, b) IN ((1, 2))"),
    ("INSERT INTO t (a, b) VALUES (1, 2), (3, 4)", "INSERT INTO t (a, b) VALUES (5, 6)"),
    ("SELECT ARRAY[1, 2, 3]", "SELECT ARRAY[4, 5]"),
    ("SELECT * FROM t WHERE a = -5", "SELECT * FROM t WHERE a = 5"),
    ("SELECT 1 /* traceparent='00-4bf9' */", "SELECT 1 /* traceparent='00-77aa' */"),
    ("SELECT *\n  FROM t\tWHERE a = %(a_1)s", "SELECT * FROM t WHERE a = %(other)s"),
    ("SELECT * FROM t WHERE a = $1", "SELECT * FROM t WHERE a = :name"),
]
DIFFERENT_SHAPE = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a - 1 FROM t", "SELECT a FROM t"),
    ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE b = 1"),
    ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE a > 1"),
    ("SELECT * FROM t WHERE a IN (SELECT 1)", "SELECT * FROM t WHERE a IN (1)"),
    ('SELECT "q\'x" FROM t', "SELECT 'x' FROM t"),
]


@pytest.mark.parametrize(("one", "other"), SAME_SHAPE)
def test_statements_that_differ_in_values_alone_have_one_shape(one, other):
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT_SHAPE)
def test_statements_that_differ_in_more_have_different_shapes(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_a_list_that_is_written_out_later_is_a_list():
    assert (
        fingerprint("SELECT * FROM t WHERE id IN (__[POSTCOMPILE_id_1])") == "SELECT * FROM t WHERE id IN (…)"
    )


def test_sqlite_quotes_names_in_its_own_way():
    assert fingerprint("SELECT [a b] FROM `t` WHERE x = ?", "sqlite") == "SELECT [a b] FROM `t` WHERE x = ?"


@given(st.text(max_size=200))
def test_any_text_has_a_shape_and_the_shape_of_it_is_stable(text):
    assert fingerprint(text) == fingerprint(text)


@given(st.integers(min_value=10_000, max_value=10**9), st.text(alphabet="abcdefgh", min_size=6, max_size=12))
def test_no_value_is_left_in_a_shape(number, word):
    shape = fingerprint(f"SELECT * FROM t WHERE a = {number} AND b = '{word}' AND c IN ({number}, '{word}')")

    assert str(number) not in shape
    assert word not in shape


def test_a_statement_that_cannot_be_read_shows_nothing_of_itself():
    shape = fingerprint("SELECT 'secret")

    assert "secret" not in shape
    assert shape != fingerprint("SELECT 'other!")


def test_a_statement_of_five_megabytes_is_named_by_its_length():
    assert "5,000,0" in fingerprint("SELECT '" + "x" * 5_000_000 + "'")


@pytest.mark.parametrize(
    ("statement", "verb"),
    [
        ("select 1", "SELECT"),
        ("  -- why\n  insert into t values (1)", "INSERT"),
        ("/* a */ /* b */ UPDATE t SET a = 1", "UPDATE"),
        ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("", ""),
        ("-- nothing else", ""),
    ],
)
def test_the_verb_of_a_statement_is_its_first_word(statement, verb):
    assert operation_name(statement) == verb
