"""XML is read as the JSON of the same statement, and nothing in it is expanded or fetched."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model.plan_lines import lines_of
from perfkit.model.plan_reader import PlanFormatError
from perfkit.model.plan_xml import read_xml
from tests.pasted_plans.recording import load

RECORDED = [plans["xml"] for version in (15, 16, 18) for plans in load(version).values() if "xml" in plans]


def value(inner: str) -> object:
    return read_xml(lines_of(f"<explain xmlns='http://www.postgresql.org/2009/explain'>{inner}</explain>"))


def test_names_values_and_lists_become_those_of_json():
    assert value(
        "<Query><Plan><Node-Type>Seq Scan</Node-Type><Plan-Rows>3</Plan-Rows><Actual-Rows>0.50</Actual-Rows>"
        "<Parallel-Aware>false</Parallel-Aware><One-Time-Filter>true</One-Time-Filter>"
        "<I-O-Read-Time>0.100</I-O-Read-Time><Shared-I-O-Read-Time>0.2</Shared-I-O-Read-Time>"
        "<Output><Item>7</Item></Output><Filter>(a &lt; 3)</Filter><Alias>7</Alias></Plan>"
        "<Settings><work_mem>64</work_mem></Settings><Triggers>\n</Triggers></Query>"
    ) == {
        "Plan": {
            "Node Type": "Seq Scan",
            "Plan Rows": 3,
            "Actual Rows": 0.5,
            "Parallel Aware": False,
            "One-Time Filter": "true",
            "I/O Read Time": 0.1,
            "Shared I/O Read Time": 0.2,
            "Output": ["7"],
            "Filter": "(a < 3)",
            "Alias": "7",
        },
        "Settings": {"work_mem": "64"},
        "Triggers": [],
    }


def test_the_groups_of_an_incremental_sort_are_told_apart_by_their_order():
    def group(count: int, *spaces: str) -> str:
        return (
            f"<Incremental-Sort-Groups><Group-Count>{count}</Group-Count><Sort-Methods-Used>"
            f"<Item>{'external merge' if 'Disk' in spaces else 'quicksort'}</Item></Sort-Methods-Used>"
            + "<Sort-Space><Peak-Sort-Space-Used>1</Peak-Sort-Space-Used></Sort-Space>" * len(spaces)
            + "</Incremental-Sort-Groups>"
        )

    found = value(f"<Plan>{group(3, 'Memory')}{group(5, 'Disk')}</Plan>")["Plan"]
    assert [found[f"{kind} Groups"]["Group Count"] for kind in ("Full-sort", "Pre-sorted")] == [3, 5]
    assert "Sort Space Memory" in found["Full-sort Groups"]
    assert "Sort Space Disk" in found["Pre-sorted Groups"]
    both = value(f"<Plan>{group(3, 'Memory', 'Disk')}</Plan>")["Plan"]["Full-sort Groups"]
    assert "Sort Space Disk" in both


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]>\n<a>&c;</a>', "Line 1: .* document type"),
        ('\n<!DOCTYPE a SYSTEM "file:///etc/passwd">\n<explain/>', "Line 2: .* document type"),
        ("<explain>&other;</explain>", "Line 1: .*undefined entity"),
        ("<explain>\n<Plan>\n</explain>", "Line 3: .*mismatched tag"),
        ("<explain>\n", "Line 2: .*no element found"),
        ("<a>" * 5000, "Line 1: more than 1000"),
        ("<explain>\x00</explain>", "Line 1: "),
    ],
)  # fmt: skip
def test_damaged_and_dangerous_documents_are_refused_with_their_line(text, expected):
    with pytest.raises(PlanFormatError, match=expected):
        read_xml(lines_of(text))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RECORDED), st.data())
def test_a_damaged_document_is_read_or_refused(text, data):
    start = data.draw(st.integers(0, len(text)))
    damage = data.draw(
        st.sampled_from(["<Item>", "</Plan>", "&", "<", "]]>", "<!--", ""]) | st.text(max_size=5)
    )
    with suppress(PlanFormatError):
        read_xml(lines_of(text[:start] + damage + text[start + data.draw(st.integers(0, 20)) :]))
