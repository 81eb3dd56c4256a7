"""What holds for every rule."""

import inspect
import re
import sys
from dataclasses import replace

import pytest

from perfkit.model.builders import alternating, line, loop
from perfkit.model.builders import trace as trace_of
from perfkit.model.codec import dumps, loads
from perfkit.model.finding import Finding, Verdict
from perfkit.rules import all_rules, diagnose, find_rule

HEADINGS = ("What it finds", "Why is this slow", "Example", "Use instead", "Thresholds", "Stays silent when")
RULES = all_rules()
FIRING = [
    pytest.param(rule, trace, id=f"{rule.name}: {trace.name}") for rule in RULES for trace in rule.fires_on
]
SILENT = [
    pytest.param(rule, trace, id=f"{rule.name}: {trace.name}") for rule in RULES for trace in rule.silent_on
]
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@pytest.mark.parametrize(("rule", "trace"), FIRING)
def test_a_rule_fires_on_its_examples(rule, trace):
    findings = list(rule.check(trace))

    assert findings
    assert {(finding.code, finding.rule) for finding in findings} == {(rule.code, rule.name)}


@pytest.mark.parametrize(("rule", "trace"), SILENT)
def test_a_rule_is_silent_on_its_look_alikes(rule, trace):
    findings = list(rule.check(trace)) if rule.can_judge(trace) else []

    assert findings == []


@pytest.mark.parametrize(("rule", "trace"), FIRING + SILENT)
def test_an_example_is_the_same_after_a_trip_through_json(rule, trace):
    assert loads(dumps(trace)) == trace


@pytest.mark.parametrize(("rule", "trace"), FIRING)
def test_every_finding_says_what_to_do_and_what_would_refute_it(rule, trace):
    for finding in rule.check(trace):
        assert isinstance(finding, Finding)
        assert len(finding.advice.split()) >= 4
        assert len(finding.refutation.split()) >= 8
        assert 0 < finding.confidence <= 1


@EACH
def test_a_rule_documents_itself_under_the_fixed_headings(rule):
    documentation = inspect.getdoc(sys.modules[rule.check.__module__]) or ""

    found = [heading for heading in HEADINGS if re.search(rf"^{heading}$", documentation, re.MULTILINE)]

    assert found == list(HEADINGS)


@EACH
def test_every_threshold_of_a_rule_stands_in_its_documentation(rule):
    documentation = inspect.getdoc(sys.modules[rule.check.__module__]) or ""
    parameters = inspect.signature(rule.check).parameters.values()
    thresholds = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]

    assert [name for name in thresholds if name not in documentation] == []


@EACH
def test_a_rule_has_at_least_as_many_silent_examples_as_firing_ones(rule):
    assert len(rule.silent_on) >= len(rule.fires_on) >= 1


@EACH
def test_a_rule_says_not_measured_when_its_evidence_is_missing(rule):
    from perfkit.model.builders import unmeasured

    (result,) = diagnose(unmeasured(), [rule]).results

    assert result.verdict is Verdict.NOT_MEASURED


def test_codes_and_names_are_unique_and_a_rule_is_found_by_either():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert find_rule("pk101") is find_rule("n-plus-one") is RULES[0]
    assert find_rule("no-such-rule") is None


def test_a_cause_is_reported_once_though_two_rules_see_it():
    from perfkit.model.builders import loop, trace

    repeated = loop(4, "SELECT * FROM users WHERE id = ?")
    authors = [*repeated, *loop(4, "SELECT * FROM users WHERE id = ?")]

    findings = diagnose(trace(authors)).findings

    assert [finding.rule for finding in findings] == ["n-plus-one"]


def _asked_again(count, statement, **fields):
    """The statements of a loop that asks for three rows in turn."""
    spans = loop(count, statement, **fields)
    return [replace(span, parameter_fingerprint=f"p{number % 3}") for number, span in enumerate(spans)]


def test_what_a_loop_of_several_statements_a_row_asks_again_is_the_loops_fault():
    authors = _asked_again(9, "SELECT * FROM authors WHERE id = ?")
    reviews = loop(9, "SELECT * FROM reviews WHERE book_id = ?", loop_id=2)

    findings = diagnose(trace_of(alternating(authors, reviews))).findings

    assert [finding.rule for finding in findings] == ["m-plus-n"]


def test_what_is_asked_again_outside_of_the_loop_is_a_finding_of_its_own():
    authors = _asked_again(9, "SELECT * FROM authors WHERE id = ?")
    reviews = loop(9, "SELECT * FROM reviews WHERE book_id = ?", loop_id=2)
    settings = loop(9, "SELECT * FROM settings WHERE name = ?", same_parameters=True, loop_id=3)

    findings = diagnose(trace_of(alternating(authors, reviews, settings))).findings

    assert {finding.rule for finding in findings} == {"m-plus-n", "duplicate-query"}


def test_a_part_of_the_block_that_runs_twice_is_a_finding_beside_the_loops_in_it():
    part = [span for n in range(4) for span in loop(3, f"SELECT * FROM t{n} WHERE id = ?", loop_id=n + 1)]

    findings = diagnose(trace_of(part, part)).findings

    assert "duplicate-query" in {finding.rule for finding in findings}


@pytest.mark.parametrize(
    ("statement", "relationship", "option"),
    [
        ("SELECT * FROM a WHERE a.id = ? LIMIT ?", "Book.author", 'Book.objects.select_related("author")'),
        ("SELECT * FROM b WHERE b.author_id = ?", "Author.books", 'Author.objects.prefetch_related("books")'),
    ],
)
def test_a_relation_of_djangos_is_loaded_by_djangos_own_means(statement, relationship, option):
    spans = loop(5, statement, relationship=relationship, driver="django")

    (finding,) = diagnose(trace_of(spans)).findings

    assert option in finding.advice
    assert "sqlalchemy" not in finding.advice


@pytest.mark.parametrize(
    ("statement", "to_many", "option"),
    [
        ("SELECT * FROM b WHERE b.author_id = ? LIMIT ?", True, 'Author.objects.prefetch_related("books")'),
        ("SELECT * FROM b WHERE b.author_id = ?", False, 'Author.objects.select_related("books")'),
    ],
)
def test_whether_a_relation_leads_to_many_is_not_read_from_the_text_where_it_is_known(
    statement, to_many, option
):
    spans = loop(5, statement, relationship="Author.books", driver="django", to_many=to_many)

    (finding,) = diagnose(trace_of(spans)).findings

    assert option in finding.advice


@pytest.mark.parametrize(("to_many", "option"), [(True, "selectinload"), (False, "joinedload")])
def test_a_relationship_that_the_mapper_knows_is_loaded_as_it_says(to_many, option):
    text = "SELECT p.id FROM posts p WHERE ? = p.author_id"
    spans = loop(5, text, relationship="Author.posts", to_many=to_many)

    (finding,) = diagnose(trace_of(spans)).findings

    assert f"options({option}(Author.posts))" in finding.advice


def test_two_relations_of_djangos_in_one_loop_are_loaded_by_djangos_own_means():
    authors = loop(5, "SELECT * FROM a WHERE a.id = ? LIMIT ?", relationship="Book.author")
    tags = loop(5, "SELECT * FROM t WHERE t.book_id = ?", relationship="Book.tags", loop_id=2)
    spans = [replace(span, driver="django") for span in alternating(authors, tags)]

    (finding,) = diagnose(trace_of(spans)).findings

    assert 'Book.objects.select_related("author").prefetch_related("tags")' in finding.advice


def test_a_tree_that_is_walked_by_a_function_that_calls_itself_is_loaded_to_its_depth():
    spans = loop(
        5,
        "SELECT * FROM nodes WHERE ? = nodes.parent_id",
        relationship="Node.children",
        loop_site=line(2, "return [walk(child) for child in node.children]", function_name="walk"),
    )

    (finding,) = diagnose(trace_of(spans)).findings

    assert "selectinload(Node.children, recursion_depth=-1)" in finding.advice


@pytest.mark.parametrize(
    ("statement", "option"),
    [
        ("SELECT p.id FROM posts p WHERE ? = p.author_id", "selectinload"),
        ("SELECT p.id FROM posts p WHERE ?::BIGINT = p.author_id", "selectinload"),
        ("SELECT u.id FROM users u WHERE u.id = ?", "joinedload"),
        ("SELECT u.id FROM users u WHERE u.id = ?::BIGINT", "joinedload"),
    ],
)
def test_a_collection_is_loaded_by_a_list_of_keys_and_a_single_object_by_a_join(statement, option):
    from perfkit.model.builders import loop, trace

    (finding,) = diagnose(trace(loop(5, statement, relationship="Post.author"))).findings

    assert f"options({option}(Post.author))" in finding.advice


def test_a_slow_statement_is_reported_by_its_cause_where_one_is_known():
    from perfkit.model.builders import query, trace

    unread = query("SELECT * FROM posts", duration_ms=900.0, returned_rows=50_000, consumed_rows=20)

    assert [finding.rule for finding in diagnose(trace(unread)).findings] == ["unbounded-result"]


@EACH
def test_a_rule_yields_only_to_rules_that_exist(rule):
    assert [name for name in rule.yields_to if find_rule(name) is None] == []


def test_no_rule_yields_to_one_that_yields_to_it():
    after = {rule.name: set(rule.yields_to) for rule in RULES}
    for _ in RULES:
        after = {name: others.union(*(after[other] for other in others)) for name, others in after.items()}

    assert [name for name, others in after.items() if name in others] == []


def test_a_slow_statement_is_reported_by_the_cause_in_its_plan():
    from dataclasses import replace

    from perfkit.model.builders import query, trace
    from perfkit.rules import selective_seq_scan

    planned = selective_seq_scan.RULE.fires_on[0].plans[0]
    slow = query("SELECT * FROM orders WHERE user_id = ?", duration_ms=600)
    plan = replace(planned, fingerprint=slow.fingerprint)

    assert [finding.rule for finding in diagnose(trace(slow)).findings] == ["slow-query"]
    found = diagnose(trace(slow, plans=(plan,))).findings
    assert [finding.rule for finding in found] == ["selective-seq-scan"]
    other = diagnose(trace(slow, plans=(replace(plan, fingerprint="another"),))).findings
    assert {finding.rule for finding in other} == {"slow-query", "selective-seq-scan"}


def test_a_plan_that_was_not_executed_is_not_judged_by_its_times():
    from dataclasses import replace

    from perfkit.rules import forced_plan, selective_seq_scan, sqlite_scan

    trace = selective_seq_scan.RULE.fires_on[0]
    estimated = replace(trace, plans=tuple(replace(plan, analyzed=False) for plan in trace.plans))
    rules = [selective_seq_scan.RULE, forced_plan.RULE, sqlite_scan.RULE]

    verdicts = [result.verdict for result in diagnose(estimated, rules).results]

    assert verdicts == [Verdict.NOT_MEASURED, Verdict.PASSED, Verdict.NOT_MEASURED]
