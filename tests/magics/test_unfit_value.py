"""Which variable of the notebook a driver could not send."""

import pytest

from perfkit.magics._unfit_value import unfit_value


class User:
    """A row of an ORM, and nothing that a column holds."""

    def __repr__(self):
        raise RuntimeError("secret")


SAID = (
    ":u was taken from the notebook's variable u, which is a User; assign it a value that a column can hold."
)
REFUSALS = [
    "cannot adapt type 'User' using placeholder '%s' (format: AUTO)",
    "can't adapt type 'User'",
    "Error binding parameter 1: type 'User' is not supported",
    "invalid input for query argument $1: … (expected str, got User)",
]


@pytest.mark.parametrize("message", REFUSALS)
def test_the_variable_is_named_that_holds_what_the_driver_refused(message):
    assert unfit_value(message, {"limit": 5, "u": User()}) == SAID


def test_a_list_is_none_where_the_driver_says_so():
    said = unfit_value("Error binding parameter 1: type 'list' is not supported", {"u": [1]})
    assert said.startswith(":u was taken from the notebook's variable u, which is a list;")


@pytest.mark.parametrize(
    ("message", "parameters"),
    [
        ('relation "User" does not exist', {"u": User()}),
        ("cannot adapt type 'Other' using placeholder '%s' (format: AUTO)", {"u": User()}),
        ("invalid input for query argument $1: … (expected int, got str)", {"u": "7"}),
        ('column "type" does not exist', {"type": 1}),
        ("cannot adapt type 'User'", {}),
    ],
)
def test_other_errors_blame_no_variable(message, parameters):
    assert unfit_value(message, parameters) is None
