import datetime
import enum
import sys
import uuid
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.proof.equivalence import same_result

ANY_ORDER = "but the items are the same in any order"
UTC, PARIS = datetime.UTC, datetime.timezone(datetime.timedelta(hours=1))
ROWS = [{"id": 1, "price": 9.5, "title": None}, {"id": 2, "price": 3.0, "title": "tea"}]
Pair = namedtuple("Pair", "id name")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Page:
    title: str
    score: float = 0.0
    cached_at: float = field(default=0.0, compare=False)


@dataclass(eq=False)
class Twin:
    title: str


class Plain:
    pass


class Angry:
    def __eq__(self, other):
        raise KeyError("bob@example.org")

    __hash__ = None


class Vague:
    def __eq__(self, other):
        return "perhaps"

    __hash__ = None


class Sized:
    def __init__(self, size):
        self.size = size

    def __eq__(self, other):
        return self.size == other.size

    __hash__ = None


def cyclic(value):
    items = [value]
    items.append(items)
    return items


def nested(levels, core):
    for _ in range(levels):
        core = [core]
    return core


def frame(**columns):
    return pd.DataFrame(columns or {"id": [1, 2], "price": [1.5, np.nan], "title": ["tea", None]})


SAME = {
    "none in a list": ([None], [None]),
    "text": ("tea", "tea"),
    "floats that differ in the last digits": (0.1 + 0.2, 0.3),
    "nan": (float("nan"), float("nan")),
    "infinity": (float("inf"), float("inf")),
    "complex": (1 + 1e-12j, 1 + 1.0000000001e-12j),
    "a numpy number and a number": (np.int64(3), 3),
    "a numpy float and a float": (np.float64(0.5), 0.5),
    "a numpy bool and a bool": (np.True_, True),
    "decimals with another scale": (Decimal("1.50"), Decimal("1.5")),
    "decimal nan": (Decimal("NaN"), Decimal("NaN")),
    "one moment in two zones": (
        datetime.datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime.datetime(2026, 1, 1, 13, tzinfo=PARIS),
    ),
    "a date": (datetime.date(2026, 1, 1), datetime.date(2026, 1, 1)),
    "missing moments": (pd.NaT, pd.NaT),
    "uuid": (uuid.UUID(int=5), uuid.UUID(int=5)),
    "fraction": (Fraction(1, 3), Fraction(1, 3)),
    "enum": (Colour.RED, Colour.RED),
    "bytes": (b"x", bytearray(b"x")),
    "rows": (ROWS, [dict(reversed(row.items())) for row in ROWS]),
    "an ordered and a plain dict": (OrderedDict(a=1), {"a": 1}),
    "a named tuple and a tuple": (Pair(1, "a"), (1, "a")),
    "sets": ({1, 2.0}, frozenset({2.0 + 1e-12, 1})),
    "dataclasses, but for what they do not compare": (Page("a", 1.0, 7.0), Page("a", 1.0 + 1e-12, 8.0)),
    "dataclasses without a comparison": (Twin("a"), Twin("a")),
    "empty lists": ([], []),
    "cycles": (cyclic(1), cyclic(1)),
    "objects with their own comparison": (Sized(3), Sized(3)),
    "a deque": (deque([1]), deque([1])),
    "the same function": (len, len),
    "frames": (frame(), frame()),
    "series": (frame()["price"], frame()["price"]),
    "categories": (pd.Series(["a", "b"], dtype="category"), pd.Series(["a", "b"], dtype="category")),
    "nullable integers": (pd.Series([1, None], dtype="Int64"), pd.Series([1, None], dtype="Int64")),
    "moments with gaps": (pd.Series([pd.NaT, pd.Timestamp(0)]), pd.Series([pd.NaT, pd.Timestamp(0)])),
    "arrays": (np.array([1.0, np.nan]), np.array([1.0 + 1e-12, np.nan])),
    "arrays of objects": (np.array([None, "a"], dtype=object), np.array([None, "a"], dtype=object)),
    "arrays of text": (np.array(["a"]), np.array(["a"])),
    "exceptions of one type": (ValueError("a"), ValueError("b")),
}

DIFFERENT = {
    "another length of text": (
        [{"title": "twelve chars"}],
        [{"title": "fourteen chars"}],
        "result[0]['title'] differs (str, 12 and 14 characters)",
    ),
    "int and float": (1, 1.0, "result differs (int and float)"),
    "bool and int": (True, 1, "result differs (bool and int)"),
    "decimal and float": ([Decimal("1.5")], [1.5], "result[0] differs (Decimal and float)"),
    "none and empty": (None, "", "result differs (NoneType and str)"),
    "floats": (1.0, 1.00001, "result differs (float, by more than 1e-9 of its size)"),
    "a float and nan": (1.0, float("nan"), "result differs (float, by more than 1e-9 of its size)"),
    "decimals": (Decimal("1.5"), Decimal("1.6"), "result differs (Decimal)"),
    "enum": (Colour.RED, Colour.BLUE, "result differs (Colour)"),
    "aware and naive": (
        datetime.datetime(2026, 1, 1, tzinfo=UTC),
        datetime.datetime(2026, 1, 1),
        "result differs (datetime)",
    ),
    "moment and date": (
        datetime.datetime(2026, 1, 1, tzinfo=UTC),
        datetime.date(2026, 1, 1),
        "result differs (datetime and date)",
    ),
    "list and tuple": ([1], (1,), "result differs (list and tuple)"),
    "length": ([1, 2], [1], "result has 2 items before and 1 after"),
    "a key that went": ({"a": 1, "b": 2}, {"a": 1}, "result['b'] is there only before (1 such in all)"),
    "a key that came": ({"a": 1}, {"a": 1, "b": 2}, "result['b'] is there only after (1 such in all)"),
    "an address as key": ({"bob@example.org": 1}, {"bob@example.org": 2}, "result[key #1] differs (int)"),
    "sets": ({1, 2}, {1, 3}, "result differs (1 of 2 items have no equal after)"),
    "dataclass": (Page("a"), Page("b"), "result.title differs (str, 1 and 1 characters)"),
    "dataclass of another class": (Page("a"), Twin("a"), "result differs (Page and Twin)"),
    "objects with their own comparison": (Sized(3), Sized(4), "result differs (Sized)"),
    "objects of two classes": (Sized(3), Plain(), "result differs (Sized and Plain)"),
    "behind a doubt": ([Plain(), 1], [Plain(), 2], "result[1] differs (int)"),
    "cycles": (cyclic(1), cyclic(2), "result[0] differs (int)"),
    "frame values": (frame(a=[1, 2]), frame(a=[1, 3]), "result['a'] differs (column of int64)"),
    "frame floats": (frame(a=[1.0]), frame(a=[1.1]), "result['a'] differs (array of float64)"),
    "frame types": (frame(a=[1]), frame(a=[1.0]), "result['a'] differs (dtype int64 and float64)"),
    "frame shapes": (frame(a=[1]), frame(a=[1, 2]), "result differs (shape (1, 1) and (2, 1))"),
    "frame columns": (frame(a=[1]), frame(b=[1]), "result differs (column names)"),
    "frame index": (frame(a=[1]), frame(a=[1]).set_index([[5]]), f"result differs (index), {ANY_ORDER}"),
    "series lengths": (pd.Series([1]), pd.Series([1, 2]), "result has 1 row before and 2 after"),
    "array shapes": (np.zeros(2), np.zeros(3), "result differs (shape (2,) and (3,))"),
    "array types": (np.zeros(2), np.zeros(2, int), "result differs (dtype float64 and int64)"),
    "array values": (np.zeros(2), np.ones(2), "result differs (array of float64)"),
    "exceptions": (ValueError(), KeyError(), "before raised ValueError, after raised KeyError"),
    "an exception and a value": ([], KeyError(), "before returned list, after raised KeyError"),
    "another order": ([1, 2], [2, 1], f"result[0] differs (int), {ANY_ORDER}"),
}

UNCERTAIN = {
    "nothing returned": (None, None, "neither version returned anything, so nothing could be compared"),
    "generators": (
        (x for x in [1]),
        (x for x in [1]),
        "generator, which can be read only once; return a list",
    ),
    "one generator": (*[iter([1])] * 2, "list_iterator, which can be read only once; return a list"),
    "objects": (Plain(), Plain(), "result is of type Plain, which has no comparison by value"),
    "objects deep inside": ([{"a": Plain()}] * 3, [{"a": Plain()}] * 3, "result[0]['a'] is of type Plain"),
    "a comparison that raises": (Angry(), Angry(), "cannot certify: comparing raised KeyError"),
    "a comparison that gives no answer": (Vague(), Vague(), "whose comparison gives a str"),
    "a signalling nan": (Decimal("sNaN"), Decimal("sNaN"), "comparing raised InvalidOperation"),
    "depth": (nested(5000, 1), nested(5000, 1), "is nested deeper than 100 levels"),
    "masked arrays": (np.ma.array([1]), np.ma.array([1]), "of which only plain arrays can be compared"),
    "an index": (pd.Index([1]), pd.Index([1]), "whose comparison gives a ndarray"),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same(case):
    before, after = SAME[case]
    for result in (same_result(before, after), same_result(after, before)):
        assert result.equal is True, result.reason


@pytest.mark.parametrize("case", DIFFERENT)
def test_different(case):
    before, after, reason = DIFFERENT[case]
    result = same_result(before, after)
    assert (result.equal, result.reason) == (False, reason)
    assert same_result(after, before).equal is False


@pytest.mark.parametrize("case", UNCERTAIN)
def test_cannot_certify(case):
    before, after, reason = UNCERTAIN[case]
    result = same_result(before, after)
    assert result.equal is None
    assert result.reason.startswith("cannot certify: ")
    assert reason in result.reason


ANY_ORDER_SAME = {
    "numbers": ([1, 2, 2], [2, 1, 2]),
    "rows": (ROWS, ROWS[::-1]),
    "rows whose floats were summed in another order": (
        [{"id": 1, "sum": 0.1 + 0.2}, {"id": 1, "sum": 5.0}],
        [{"id": 1, "sum": 5.0}, {"id": 1, "sum": 0.3}],
    ),
    "floats with nan": ([1.0, float("nan"), 2.0], [2.0, 1.0, float("nan")]),
    "lists in lists": ([{"tags": ["a", "b"]}], [{"tags": ["b", "a"]}]),
    "items alike but for what lies deep": ([nested(9, 1), nested(9, 2)], [nested(9, 2), nested(9, 1)]),
    "dataclasses": ([Page("a"), Page("b")], [Page("b"), Page("a")]),
    "frames": (frame(), frame().iloc[::-1]),
    "bytes and text": ([b"x", "x"], ["x", b"x"]),
    "crossed floats": ([(1.0, 5.0), (1.0 + 1e-13, 4.0)], [(1.0, 4.0), (1.0 + 1e-13, 5.0)]),
}
ANY_ORDER_DIFFERENT = {
    "how often": ([1, 1, 2], [1, 2, 2]),
    "a float": ([1.0, 2.0, 3.0], [3.0, 1.0, 2.5]),
    "order within a row": ([(1, 2)], [(2, 1)]),
    "length": ([1], [1, 1]),
    "frames": (frame(), frame(id=[1, 3], price=[1.5, np.nan], title=["tea", None])),
    "one float of many": ([i / 3 for i in range(3000)], [i / 3 + (i == 7) for i in range(3000)]),
}


@pytest.mark.parametrize("case", ANY_ORDER_SAME)
def test_the_same_in_any_order(case):
    assert same_result(*ANY_ORDER_SAME[case], ordered=False).equal is True


@pytest.mark.parametrize("case", ANY_ORDER_DIFFERENT)
def test_different_in_any_order(case):
    before, after = ANY_ORDER_DIFFERENT[case]
    assert same_result(before, after, ordered=False).equal is False
    assert same_result(after, before, ordered=False).equal is False


def test_too_many_lookalikes_are_not_certified():
    before = [[[[[number, 0]]]] for number in range(300)]
    after = before[100:] + before[:100]
    assert "too many to pair up" in same_result(before, after, ordered=False).reason


def test_a_generator_is_not_read():
    rows = iter([1, 2])
    same_result(rows, rows)
    assert list(rows) == [1, 2]


def test_a_doubt_does_not_outlive_the_attempt_that_had_it():
    before = [{"a": Plain(), "list": [1]}, {"a": 1, "list": [2]}]
    shared = before[0]["a"]
    after = [{"a": 1, "list": [2]}, {"a": shared, "list": [1]}]
    assert same_result(before, after, ordered=False).equal is True


def test_values_and_messages_of_errors_stay_out_of_the_reason():
    secrets = "bob@example.org", "s3cret-token"
    results = [
        same_result({secrets[0]: secrets[1]}, {secrets[0]: "x"}),
        same_result([secrets[1]], [secrets[1][::-1]]),
        same_result(Angry(), Angry()),
        same_result(ValueError(secrets[1]), KeyError(secrets[1])),
        same_result(frame(a=[secrets[1]]), frame(a=["x"])),
        same_result({"a", secrets[1]}, {"a", "b"}),
    ]
    for result in results:
        assert result.equal is not True
        assert not any(secret in result.reason for secret in secrets)


def test_the_keys_of_a_large_mapping_are_taken_for_data():
    before = {f"user{number}": 0 for number in range(51)}
    assert same_result(before, before | {"user3": 1}).reason == "result[key #4] differs (int)"


def test_comparing_plain_values_imports_no_table_package(tmp_path):
    import subprocess

    code = (
        "import sys; from perfkit.proof.equivalence import same_result; same_result([{'a': 1}], [{'a': 2}]);"
        "print([name for name in ('numpy', 'pandas', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_every_value_equals_itself_but_for_none_which_is_no_result(value, ordered):
    assert same_result(value, value, ordered=ordered).equal is (None if value is None else True)


@given(VALUES, VALUES, st.booleans())
def test_the_answer_does_not_depend_on_the_side(a, b, ordered):
    assert same_result(a, b, ordered=ordered).equal == same_result(b, a, ordered=ordered).equal


@given(st.lists(VALUES, max_size=6), st.randoms(use_true_random=False))
def test_shuffled_items_are_the_same_in_any_order(items, source):
    shuffled = list(items)
    source.shuffle(shuffled)
    assert same_result(items, shuffled, ordered=False).equal is True
