"""The order that a statement asks for."""

import pytest

from perfkit.model.plan_conditions import SortColumn
from perfkit.model.sql_order import asked_order


@pytest.mark.parametrize(
    ("statement", "order"),
    [
        ("SELECT * FROM t ORDER BY id LIMIT %s OFFSET %s", (SortColumn("id"),)),
        (
            "SELECT * FROM t WHERE a = :a ORDER BY t.b DESC, t.id DESC",
            (SortColumn("b", True), SortColumn("id", True)),
        ),
        ("SELECT * FROM t ORDER BY a LIMIT ? OFFSET ?", (SortColumn("a"),)),
        ("SELECT * FROM t ORDER BY a LIMIT %(n)s OFFSET $2", (SortColumn("a"),)),
        ('SELECT * FROM t ORDER BY "Full Name"', (SortColumn('"Full Name"'),)),
        # An expression, a number of a column, an order of a sub-query only, none, and no SQL.
        ("SELECT * FROM t ORDER BY lower(a), id", ()),
        ("SELECT * FROM t ORDER BY 1", ()),
        ("SELECT * FROM (SELECT * FROM t ORDER BY a) s", ()),
        ("SELECT 1", ()),
        ("ORDER BY", ()),
        ("", ()),
    ],
)
def test_the_columns_of_order_by(statement, order):
    assert asked_order(statement) == order
