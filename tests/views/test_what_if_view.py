"""What was tried, as text and as HTML: best first, nothing that could run, nothing lost."""

from html.parser import HTMLParser

import pytest

from perfkit.model.builders import trace
from perfkit.model.finding import Diagnosis
from perfkit.model.plan_builders import node, plan
from perfkit.model.what_if import Attempt, Proof, ProofVerdict, Runs, TriedTable
from perfkit.views import block, what_if

HOSTILE = '<script>alert("x")</script>'
BASE = Runs((93.0, 94.0, 96.0), (17_242, 17_242, 17_242))
PROVED = Attempt(
    "index",
    "orders (user_id, status)",
    "CREATE INDEX CONCURRENTLY ON orders (user_id, status);",
    ProofVerdict.PROVED,
    relation="orders",
    nodes=(0,),
    runs=Runs((0.3, 0.31, 0.4), (18, 18, 18)),
    build_ms=400.0,
    size_bytes=9_000_000,
    write_share=0.16,
)
USELESS = Attempt(
    "index", "orders (status)", "CREATE INDEX CONCURRENTLY ON orders (status);", ProofVerdict.NO_HELP,
    "The planner does not use it.", runs=Runs((94.0, 95.0, 95.0), (17_242,) * 3),
)  # fmt: skip
REJECTED = Attempt(
    "index",
    "orders (id)",
    "CREATE INDEX CONCURRENTLY ON orders (id);",
    ProofVerdict.REJECTED,
    "orders_pkey exists.",
)
TABLES = (TriedTable("orders", 1e6, 137_000_000), TriedTable("new", -1, 8192))
PROOF = Proof(0, BASE, (PROVED, USELESS, REJECTED), TABLES, notes=("All of it was rolled back.",))


class Page(HTMLParser):
    """The words and the tags of a page."""

    def __init__(self, markup):
        super().__init__()
        self.words, self.tags = [], []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def words(proof):
    return " ".join(Page(what_if.as_html(proof).markup).words)


def test_the_best_attempt_is_said_first_with_its_statement_to_paste():
    lines = what_if.as_text(PROOF).splitlines()

    assert lines[0] == (
        "Tried and rolled back: 94 ms → 0.31 ms, 303 times as fast, with an index on orders (user_id, status)"
    )
    assert lines[1].strip() == "CREATE INDEX CONCURRENTLY ON orders (user_id, status);"


@pytest.mark.parametrize("render", [what_if.as_text, words])
def test_every_attempt_stands_there_with_what_it_measured_and_why(render):
    shown = render(PROOF)

    for text in ("PROVED", "NO HELP", "REJECTED", "17,242", "18", "9.0 MB", "400 ms", "16%"):
        assert text in shown
    for text in ("as it is", "orders (status)", "The planner does not use it.", "orders_pkey exists."):
        assert text in shown
    assert "Tried on orders (1,000,000 rows, 137.0 MB), new (rows not counted, 8.2 kB)." in shown
    assert "All of it was rolled back." in shown


def test_the_statement_of_what_did_not_help_is_not_offered():
    for shown in (what_if.as_text(PROOF), words(PROOF)):
        assert USELESS.statement not in shown
        assert REJECTED.statement not in shown


@pytest.mark.parametrize("render", [what_if.as_text, words])
def test_a_refusal_is_all_there_is_to_say(render):
    shown = render(Proof(0, refusal="This server is not perfkit's lab."))

    assert "not proved" in shown.lower()
    assert "This server is not perfkit's lab." in shown


@pytest.mark.parametrize("render", [what_if.as_text, words])
def test_that_nothing_helps_is_an_answer(render):
    assert "othing that was tried helps." in render(Proof(0, BASE, (USELESS,)))
    assert "Nothing was tried." in render(Proof(0, notes=("Nothing to try.",)))


def test_names_cannot_run():
    attempt = Attempt("index", HOSTILE, HOSTILE, ProofVerdict.PROVED, HOSTILE, runs=BASE)
    markup = what_if.as_html(Proof(0, BASE, (attempt,), notes=(HOSTILE,))).markup

    assert "script" not in Page(markup).tags
    assert "script" not in Page(what_if.as_html(Proof(0, refusal=HOSTILE)).markup).tags


def test_a_proof_stands_below_its_own_plan():
    plans = tuple(plan(node("Seq Scan", ms=9, relation_name=name)) for name in ("first", "second"))
    measured = trace(plans=plans, proofs=(Proof(1, BASE, (PROVED,)),))
    nothing = Diagnosis((), ())

    for shown in (
        block.as_text(measured, nothing, focus="plans"),
        block.as_html(measured, nothing, focus="plans").markup,
    ):
        assert shown.index("first") < shown.index("second") < shown.index("Tried and rolled back")
        assert shown.count("Tried and rolled back") == 1
