"""The small YAML that PostgreSQL writes is read as a full YAML library reads it."""

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model.plan_lines import lines_of
from perfkit.model.plan_reader import PlanFormatError
from perfkit.model.plan_yaml import is_yaml_start, read_yaml
from tests.pasted_plans.recording import FOLDER, load

RECORDED = [plans["yaml"] for version in (15, 16, 18) for plans in load(version).values() if "yaml" in plans]
keys = st.sampled_from(["Node Type", "Plan Rows", "I/O Read Time", "Full-sort Groups", "work_mem", "a.b"])
# PyYAML takes 1e5 for text.
numbers = st.integers() | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
# YAML breaks lines at three more characters than other texts.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=8)
plain = st.booleans() | numbers | texts | st.lists(texts, max_size=3)
trees = st.recursive(
    st.dictionaries(keys, plain, min_size=1, max_size=3),
    lambda inner: st.dictionaries(
        keys, plain | inner | st.lists(inner | texts, min_size=1, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


def written(value: object, indent: int = 0) -> str:
    """As explain_format.c writes it."""
    blanks = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if isinstance(item, dict | list) and item and not is_flow(item):
                lines.append(f"{blanks}{key}: \n{written(item, indent + 1)}")
            else:
                lines.append(f"{blanks}{key}: {json.dumps(item, ensure_ascii=False)}")
        return "\n".join(lines)
    assert isinstance(value, list)
    items = []
    for item in value:
        body = (
            written(item, indent + 1).lstrip()
            if isinstance(item, dict)
            else json.dumps(item, ensure_ascii=False)
        )
        items.append(f"{blanks}- {body}")
    return "\n".join(items)


def is_flow(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value) and len(value) != 1


@pytest.mark.parametrize("text", RECORDED, ids=range(len(RECORDED)))
def test_recorded_plans_are_read_as_a_full_library_reads_them(text):
    assert read_yaml(lines_of(text)) == without_empty(yaml.safe_load(text))


def without_empty(value: object) -> object:
    """Without the keys that have no value: an empty group says nothing."""
    if isinstance(value, dict):
        return {key: without_empty(item) for key, item in value.items() if item is not None}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def test_a_logged_plan_is_read_as_a_full_library_reads_it():
    log = (FOLDER / "logs" / "stderr_yaml.log").read_text(encoding="utf-8")
    entry = log.split("plan:\n")[1].rsplit("\n", 1)[0].replace("\n\t", "\n").removeprefix("\t")
    body = "\n".join(line for line in entry.splitlines() if not line.startswith("2026"))
    assert read_yaml(lines_of(body)) == without_empty(yaml.safe_load(body))


@settings(max_examples=200, deadline=None)
@given(trees)
def test_whatever_is_written_this_way_is_read_as_a_full_library_reads_it(tree):
    text = written([{"Plan": tree}])
    value = read_yaml(lines_of(text))
    assert value == [{"Plan": tree}]
    with suppress(yaml.reader.ReaderError):  # PyYAML refuses some characters
        assert value == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: !!python/object:os.system x",
        "a: |\n  text",
        "a: {b: 1}",
        "a: plain text",
        "- a: 1\n  b: 2\n c: 3",
        "a: 1\n  b: 2",
        "a: [1, 2",
        'a: "never closed\nb: 1',
        "a: " + "[" * 100_000,
    ],
)
def test_what_postgresql_never_writes_is_refused(text):
    with pytest.raises(PlanFormatError, match=r"^This plan cannot be read\. Line \d+: "):
        read_yaml(lines_of(text))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='- :"[]{}ab1\n\\,', max_size=80))
def test_any_text_is_read_or_refused(text):
    with suppress(PlanFormatError):
        read_yaml(lines_of(text))


def test_where_a_plan_starts_is_recognised():
    assert is_yaml_start("- Plan: ")
    assert is_yaml_start('  Query Text: "SELECT 1"')
    assert not is_yaml_start("Query Text: SELECT 1")
    assert not is_yaml_start("Plan: of attack")
