"""Plans of a thousand nodes and more: their size, what is folded away, and what is not."""

import json
import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from perfkit.model.finding import Finding
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.views import plan_tree
from tests.plans.large import deep_plan, wide_plan

# Beyond this a notebook with a few plans becomes slow to open.
MAX_BYTES = 600_000
THOUSAND = read_postgresql_plan(wide_plan(1000), "SELECT 1")


def names(markup):
    """What stands in bold: the name of every node."""
    return re.findall(r"<b>(.*?)</b>", markup)


def seen(tree, findings=()):
    """The text before anything is unfolded."""
    page = BeautifulSoup(plan_tree.as_html(tree, findings).markup, "html.parser")
    for part in page.select("details > :not(summary)"):
        part.decompose()
    return page.get_text(" ")


def about(message, *offenders):
    return Finding("PK299", "rule", "worth it", message, "Change it.", "no", 1.0, offenders=offenders, plan=0)


def test_a_plan_of_a_thousand_nodes_stays_small():
    markup = plan_tree.as_html(THOUSAND).markup

    assert len(names(markup)) == 1000
    assert len(markup.encode()) < MAX_BYTES


def test_a_plan_without_times_stays_small_too():
    def strip(raw):
        kept = {key: value for key, value in raw.items() if not key.startswith(("Actual", "Shared"))}
        return kept | {"Plans": [strip(child) for child in raw.get("Plans", ())]}

    (whole,) = json.loads(wide_plan(1000))
    planned = read_postgresql_plan([{"Plan": strip(whole["Plan"])}])

    assert len(plan_tree.as_html(planned).markup.encode()) < MAX_BYTES


@pytest.mark.parametrize("text", [wide_plan(10_000), deep_plan(200)], ids=["10,000 nodes", "200 levels"])
def test_very_large_and_very_deep_plans_are_shown(text):
    large = read_postgresql_plan(text)
    count = len(list(large.nodes()))

    assert len(names(plan_tree.as_html(large).markup)) == count
    assert plan_tree.as_text(large).count("\n") >= count
    assert len(plan_tree.rows(large)) == count


def test_what_hardly_takes_time_is_folded_and_summed_up():
    markup = plan_tree.as_html(THOUSAND).markup

    assert re.search(r"<summary[^>]*>\d+ nodes, [\d.]+ ms \([\d.]+%\): \d+ Seq Scan, ", markup)


def test_a_small_plan_folds_nothing():
    scans = [node("Seq Scan", ms=0.001, relation_name=f"t{number}") for number in range(30)]

    assert " nodes, " not in plan_tree.as_html(plan(node("Append", *scans, ms=100))).markup


def large(**said):
    quiet = [node("Seq Scan", ms=0.01, relation_name=f"quiet_{number}") for number in range(60)]
    special = node("Sort", node("Seq Scan", ms=0.01, relation_name="below"), ms=0.02, **said)
    slow = [node("Seq Scan", ms=100, relation_name=f"slow_{number}") for number in range(5)]
    return plan(node("Append", *quiet[:30], special, *quiet[30:], *slow, ms=501))


def test_a_spill_is_never_folded_away():
    tree = large(Sort_Space_Type="Disk", Sort_Space_Used=9000)

    assert "sorted on disk" in seen(tree)
    assert "quiet_3" not in seen(tree)
    assert "sorted on disk" not in seen(large())


def test_a_node_with_a_finding_is_never_folded_away_nor_what_it_stands_below():
    finding = about("This is odd.", 32)
    tree = large()
    assert tree.node(32).relation_name == "below"

    assert "on below" in seen(tree, [finding])
    assert "Sort" in seen(tree, [finding])
    assert "on below" not in seen(tree)


def test_the_slowest_are_shown_where_all_are_alike():
    scans = [node("Seq Scan", ms=1 + number / 1000, relation_name=f"part_{number}") for number in range(200)]
    shown = seen(plan(node("Append", *scans, ms=250)))

    assert "on part_199" in shown
    assert "on part_3 " not in shown


def test_a_finding_about_the_whole_stands_above_the_tree():
    finding = about("Planning is slow.")
    markup = plan_tree.as_html(THOUSAND, [finding]).markup

    assert markup.index("Planning is slow. (PK299)") < markup.index("<b>Sort</b>")
    assert "Planning is slow. (PK299)" in plan_tree.as_text(replace(THOUSAND, executions=2), [finding])
