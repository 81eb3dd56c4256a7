"""A saved plan may hold anything where the database's own words stand: no rule fails because of it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model import codec
from perfkit.rules import all_rules
from tests.plans.recording import load

RULES = {
    rule.check.__module__.rpartition(".")[2]: rule for rule in all_rules() if "PK260" <= rule.code <= "PK299"
}
RECORDED = {name: json.loads(codec.dumps(load(name, "fires"))) for name in RULES}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=5,
)


def containers(value: object) -> list[dict | list]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [found for item in inner for found in containers(item)]
    return [value, *below] if isinstance(value, dict | list) and value else below


def said(value: object) -> Iterator[dict | list]:
    """What a database said in its own words, which no annotation keeps in shape."""
    for place in containers(value):
        if isinstance(place, dict):
            for key in ("attributes", "settings"):
                yield from containers(place.get(key))


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_damaged_trace_makes_no_rule_fail(name, data):
    damaged = deepcopy(RECORDED[name])
    place = data.draw(st.sampled_from(list(said(damaged["trace"]["plans"]))))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(json_values)

    with suppress(codec.TraceFormatError):
        trace = codec.trace_from_json(damaged)
        for finding in RULES[name].check(trace):
            assert finding.message
