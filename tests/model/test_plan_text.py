"""EXPLAIN's text says what its JSON says: the same statements, recorded in both."""

import json

import pytest

from perfkit.model.plan_json import MAX_DEPTH
from perfkit.model.plan_lines import lines_of
from perfkit.model.plan_paste import read_pasted_plans
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan
from perfkit.model.plan_text import read_text
from tests.pasted_plans.recording import load

RECORDED = {f"{version} {name}": plans for version in (15, 16, 18) for name, plans in load(version).items()}
# What text does not say of a node: this is not printed at all …
UNSAID = {"Inner Unique"}
# … and these are called otherwise, or cannot be told: a function among several has no name of its own, one
# word stands for I/O times before and after PostgreSQL 17, and a constraint's trigger is left out.
RENAMED = {
    "io_timings": {"I/O Read Time", "I/O Write Time", "Shared I/O Read Time"},
    "functions": {"Function Name"},
}
# Every run of a statement has its own: times, blocks, and what workers got of the work.
VARYING = ("Time", "Blocks", "JIT", "Peak Memory Usage", "Sort Space Used", "WAL", "Planning", "Serial")
PARALLEL = [name for name in RECORDED if name.split()[1] in ("parallel_hash", "parallel_workers", "compiled")]


def said(keys: dict, name: str) -> dict:
    """What a node's keys say that does not vary; nothing, no and 0 are as good as unsaid."""
    skipped = UNSAID | RENAMED.get(name.split()[1], set())
    return {
        key: value
        for key, value in keys.items()
        if key not in skipped and key not in ("Plans", "Workers", "Plan", "Triggers")
        if not any(word in key for word in VARYING)
        if value not in (0, False, [], None)
    }


def nodes(plan: dict) -> list[dict]:
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in nodes(child))]


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in PARALLEL])
def test_text_says_of_every_node_what_json_says(name):
    text = read_text(lines_of(RECORDED[name]["text"]))
    value = json.loads(RECORDED[name]["json"])[0]
    assert [said(node, name) for node in nodes(text["Plan"])] == [
        said(node, name) for node in nodes(value["Plan"])
    ]
    assert said(text, name) == said(value, name)


@pytest.mark.parametrize("name", PARALLEL)
def test_text_says_of_parallel_nodes_what_json_says_whatever_each_worker_did(name):
    text = nodes(read_text(lines_of(RECORDED[name]["text"]))["Plan"])
    value = nodes(json.loads(RECORDED[name]["json"])[0]["Plan"])
    assert [set(said(node, name)) for node in text] == [set(said(node, name)) for node in value]
    keys = ("Node Type", "Parent Relationship", "Parallel Aware", "Relation Name", "Plan Rows", "Output")
    assert [[node.get(key) for key in keys] for node in text] == [
        [node.get(key) for key in keys] for node in value
    ]
    for node, other in zip(text, value, strict=True):
        for worker, same in zip(node.get("Workers", ()), other.get("Workers", ()), strict=False):
            assert {key for key in worker if key.startswith(("Worker", "Actual"))} == {
                key for key in same if key.startswith(("Worker", "Actual"))
            }


@pytest.mark.parametrize("name", RECORDED)
def test_times_blocks_and_triggers_are_read_wherever_json_has_them(name):
    text = read_pasted_plans(RECORDED[name]["text"]).plans[0]
    value = read_postgresql_plan(RECORDED[name]["json"])
    for field in ("execution_time_ms", "planning_time_ms", "serialization_time_ms", "jit_time_ms"):
        assert (getattr(text, field) is None) == (getattr(value, field) is None), field
    assert text.analyzed == value.analyzed
    assert text.settings == value.settings
    assert [(found.constraint_name, found.relation_name, found.calls) for found in text.triggers] == [
        (found.constraint_name, found.relation_name, found.calls) for found in value.triggers
    ]
    for node, same in zip(text.nodes(), value.nodes(), strict=True):
        assert (node.total_cost, node.plan_width) == (same.total_cost, same.plan_width)
        assert (node.actual_total_time is None) == (same.actual_total_time is None)
        assert bool(node.buffers.temp_written) == bool(same.buffers.temp_written) or "parallel" in name


def test_blocks_and_times_of_one_plan_keep_their_numbers():
    plan = read_pasted_plans(RECORDED["18 sort_on_disk"]["text"]).plans[0]
    lines = RECORDED["18 sort_on_disk"]["text"].splitlines()
    assert f"hit={plan.root.shared_hit_blocks}, temp read={plan.root.temp_read_blocks}" in lines[3]
    assert f"written={plan.root.temp_written_blocks}" in lines[3]
    assert f"actual time={plan.root.actual_startup_time:.3f}..{plan.root.actual_total_time:.3f}" in lines[0]
    assert f"Execution Time: {plan.execution_time_ms:.3f} ms" == lines[-1]


def one(line: str) -> dict:
    """What a line below a node says."""
    head = "Result  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=1 loops=1)\n"
    keys = read_text(lines_of(f"{head}  {line}"))["Plan"]
    return {key: value for key, value in keys.items() if key not in read_text(lines_of(head))["Plan"]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Heap Blocks: exact=12 lossy=3", {"Exact Heap Blocks": 12, "Lossy Heap Blocks": 3}),
        ("Heap Blocks: lossy=3", {"Exact Heap Blocks": 0, "Lossy Heap Blocks": 3}),
        ("Rows Removed by Index Recheck: 7", {"Rows Removed by Index Recheck": 7}),
        (
            "Buckets: 2048 (originally 1024)  Batches: 4 (originally 1)  Memory Usage: 97kB",
            {
                "Hash Buckets": 2048, "Original Hash Buckets": 1024, "Hash Batches": 4,
                "Original Hash Batches": 1, "Peak Memory Usage": 97,
            },
        ),
        ("I/O Timings: read=1.5 write=0.2", {"I/O Read Time": 1.5, "I/O Write Time": 0.2}),
        (
            "I/O Timings: shared/local read=1.5, temp read=0.3 write=0.4",
            {"I/O Read Time": 1.5, "Temp I/O Read Time": 0.3, "Temp I/O Write Time": 0.4},
        ),
        (
            "I/O Timings: shared read=1.5, local write=0.4",
            {"Shared I/O Read Time": 1.5, "Local I/O Write Time": 0.4},
        ),
        (
            "WAL: records=3 fpi=1 bytes=8300 buffers full=2",
            {"WAL Records": 3, "WAL FPI": 1, "WAL Bytes": 8300, "WAL Buffers Full": 2},
        ),
        (
            "Pre-sorted Groups: 5  Sort Methods: top-N heapsort, quicksort  Average Memory: 26kB  "
            "Peak Memory: 27kB  Average Disk: 3kB  Peak Disk: 4kB",
            {
                "Pre-sorted Groups": {
                    "Group Count": 5,
                    "Sort Methods Used": ["top-N heapsort", "quicksort"],
                    "Sort Space Memory": {"Average Sort Space Used": 26, "Peak Sort Space Used": 27},
                    "Sort Space Disk": {"Average Sort Space Used": 3, "Peak Sort Space Used": 4},
                }
            },
        ),
        ("Sort Method: still in progress", {"Sort Method": "still in progress"}),
        ("Storage: Disk  Maximum Storage: 3000kB", {"Storage": "Disk", "Maximum Storage": 3000}),
        ("Sampling: system (1)", {"Sampling Method": "system", "Sampling Parameters": ["1"]}),
        ("One-Time Filter: false", {"One-Time Filter": "false"}),
        ("Foreign File Size: 12 b", {"Foreign File Size": "12 b"}),
        ("Something New: 12", {"Something New": 12}),
    ],
)  # fmt: skip
def test_details_that_no_recorded_plan_has(line, expected):
    assert one(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Custom Scan (Citus)", {"Node Type": "Custom Scan", "Custom Plan Provider": "Citus"}),
        ("Hash Right Anti Join", {"Node Type": "Hash Join", "Join Type": "Right Anti"}),
        ("Hash Right Semi Join", {"Node Type": "Hash Join", "Join Type": "Right Semi"}),
        ("Parallel Index Only Scan using i on t", {"Node Type": "Index Only Scan", "Parallel Aware": True}),
        ("Table Function Scan on \"xmltable\" x", {"Table Function Name": "xmltable", "Alias": "x"}),
        ("Named Tuplestore Scan on new_rows", {"Tuplestore Name": "new_rows"}),
        ("Foreign Delete on s.t", {"Node Type": "Foreign Scan", "Operation": "Delete", "Schema": "s"}),
        ("Index Scan using \"an \"\"odd\"\" index\" on t", {"Index Name": 'an "odd" index'}),
        ("Gizmo Scan on t", {"Node Type": "Gizmo Scan", "Relation Name": "t"}),
    ],
)  # fmt: skip
def test_nodes_that_no_recorded_plan_has(line, expected):
    root = "Append  (cost=0.00..1.00 rows=1 width=4)\n"
    text = f"{root}  ->  {line}  (cost=0.00..1.00 rows=1 width=4)"
    needs_inputs = "Join" in line
    below = "\n        ->  Result  (cost=0.00..1.00 rows=1 width=4)" * 2
    keys = read_text(lines_of(text + below * needs_inputs))["Plan"]["Plans"][0]
    assert {key: keys.get(key) for key in expected} == expected


def test_times_of_old_versions_are_read():
    head = "Result  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=1 loops=1)\n"
    old = read_pasted_plans(f"{head}Planning time: 0.300 ms\nExecution time: 1.200 ms").plans[0]
    assert (old.planning_time_ms, old.execution_time_ms) == (0.3, 1.2)
    assert read_pasted_plans(f"{head}Total runtime: 1.500 ms").plans[0].execution_time_ms == 1.5


def test_what_stands_below_all_nodes_is_read():
    text = read_text(lines_of(RECORDED["18 memory_and_serialization"]["text"]))
    assert text["Planning"] == {"Memory Used": 7, "Memory Allocated": 8}
    assert text["Serialization"] == {"Time": 0.045, "Output Volume": 18, "Format": "text"}
    jit = read_text(lines_of(RECORDED["15 compiled"]["text"]))["JIT"]
    assert jit["Options"] == {
        "Inlining": True, "Optimization": False, "Expressions": True, "Deforming": True,
    }  # fmt: skip
    assert jit["Timing"]["Total"] == 482.026
    newer = "  Timing: Generation 0.9 ms (Deform 0.1 ms), Inlining 0.0 ms, Total 1.5 ms"
    head = "Result  (cost=0.00..1.00 rows=1 width=4)\nJIT:\n  Functions: 2\n"
    assert read_text(lines_of(head + newer))["JIT"]["Timing"] == {
        "Generation": {"Deform": 0.1, "Total": 0.9}, "Inlining": 0.0, "Total": 1.5,
    }  # fmt: skip


def test_lines_below_a_worker_are_the_workers():
    head = "Gather  (cost=0.00..1.00 rows=1 width=4)\n  ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n"
    lines = (
        "Buffers: shared hit=9", "Worker 0:  actual time=0.1..0.2 rows=3 loops=1", "  JIT:",
        "    Functions: 2", "  Buffers: shared hit=4", "Worker 1:  Sort Method: quicksort  Memory: 25kB",
    )  # fmt: skip
    scan = read_text(lines_of(head + "".join(f"        {line}\n" for line in lines)))["Plan"]["Plans"][0]
    assert scan["Shared Hit Blocks"] == 9
    first, second = scan["Workers"]
    assert first["Shared Hit Blocks"] == 4
    assert first["JIT"] == {"Functions": 2}
    assert (first["Actual Rows"], first["Actual Total Time"]) == (3, 0.2)
    assert (second["Worker Number"], second["Sort Space Used"]) == (1, 25)


@pytest.mark.parametrize("key", ["Plans", "Workers", "Target Tables", "Node Type", "JIT"])
def test_lines_called_like_what_the_tree_is_made_of_are_refused(key):
    with pytest.raises(PlanFormatError, match="Line 2: neither a node nor a property"):
        one(f"{key}: x")


def test_a_property_may_have_any_other_name():
    assert one("Label: x") == {"Label": "x"}


def test_a_constraints_trigger_is_known_by_the_constraint_and_its_table():
    head = "Result  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=1 loops=1)\n"
    lines = "Trigger RI_1 for constraint x on y: time=0.1 calls=2"
    named, bare = (
        read_pasted_plans(f"{head}Trigger {text}: time=1.500 calls=3").plans[0].triggers[0]
        for text in ("watch on orders", "for constraint lines_fkey")
    )
    assert (named.name, named.relation_name, named.time_ms, named.calls) == ("watch", "orders", 1.5, 3)
    assert (bare.name, bare.constraint_name, bare.relation_name) == ("lines_fkey", "lines_fkey", None)
    both = read_pasted_plans(f"{head}{lines}").plans[0].triggers[0]
    assert (both.name, both.constraint_name, both.relation_name) == ("RI_1", "x", "y")


def flat(count: int) -> str:
    scan = "  ->  Seq Scan on part_{}  (cost=0.00..1.00 rows=1 width=4)\n        Filter: (a = 1)\n"
    return "Append  (cost=0.00..9.00 rows=1 width=4)\n" + "".join(map(scan.format, range(count)))


def chain(levels: int) -> str:
    arrow = "{}->  Subquery Scan on s  (cost=0.00..1.00 rows=1 width=4)\n"
    middle = "".join(arrow.format(" " * (2 + 6 * level)) for level in range(levels - 2))
    last = f"{' ' * (2 + 6 * (levels - 2))}->  Result  (cost=0.00..1.00 rows=1 width=4)"
    return f"Subquery Scan on s  (cost=0.00..1.00 rows=1 width=4)\n{middle}{last}"


def test_ten_thousand_nodes_and_two_hundred_levels_are_read():
    plan = read_pasted_plans(flat(10_000)).plans[0]
    assert len(plan.root.children) == 10_000
    assert plan.root.children[-1].relation_name == "part_9999"
    deep = read_pasted_plans(chain(200)).plans[0]
    assert len(list(deep.nodes())) == 200
    assert deep.node(199).node_type == "Result"


def test_more_levels_than_any_plan_has_are_refused():
    with pytest.raises(PlanFormatError, match="levels deep"):
        read_pasted_plans(chain(MAX_DEPTH + 1))
