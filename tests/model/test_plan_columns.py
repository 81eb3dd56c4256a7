import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_columns import mentioned_columns, needed_columns

SCAN = node("Index Scan", relation_name="orders")
WHOLE_ROWS = ["orders.id", "orders.tenant_id", "orders.amount", 'orders."Odd name"']


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("orders.amount", {"amount"}),
        ("amount", {"amount"}),
        ('orders."Odd name"', {'"Odd name"'}),
        ("sum(orders.amount)", {"amount"}),
        ("(orders.amount * items.amount)", {"amount"}),
        ("items.price", set()),
        ("count(*)", set()),
        ("orders.created_at DESC", {"created_at"}),
        (
            "w1 AS (PARTITION BY orders.user_id ORDER BY orders.at ROWS UNBOUNDED PRECEDING)",
            {"user_id", "at"},
        ),
        ("row_number() OVER w1", set()),
    ],
)
def test_the_columns_of_an_expression_are_those_of_the_scan_alone(expression, columns):
    assert mentioned_columns(SCAN, expression) == columns


@pytest.mark.parametrize("expression", ["orders.*", "((((", None, ["amount"], "x" * 30_000])
def test_of_a_whole_row_or_of_what_cannot_be_read_nothing_is_said(expression):
    assert mentioned_columns(SCAN, expression) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_without_an_error(text):
    columns = mentioned_columns(SCAN, text)
    assert columns is None or all(isinstance(name, str) for name in columns)


def needed(*output, above=(), **said):
    scan = node("Index Scan", relation_name="orders", Output=list(output), **said)
    root = scan
    for node_type, extra in above:
        root = node(node_type, root, **extra)
    made = plan(root)
    return needed_columns(made, next(item for item in made.nodes() if item.relation_name == "orders"))


def test_a_scan_whose_rows_are_the_result_needs_all_that_it_returns():
    assert needed("orders.id", "orders.amount") == {"id", "amount"}


def test_its_own_conditions_need_columns_too():
    said = {"Filter": "(orders.status = 'paid'::text)", "Index_Cond": "(orders.tenant_id = 7)"}
    assert needed("orders.amount", **said) == {"amount", "status", "tenant_id"}


def test_a_bitmap_scan_needs_what_its_indexes_are_asked():
    scan = node(
        "Bitmap Heap Scan",
        node("Bitmap Index Scan", Index_Cond="(orders.tenant_id = 7)"),
        relation_name="orders",
        Output=["orders.amount"],
    )
    made = plan(scan)
    assert needed_columns(made, made.root) == {"amount", "tenant_id"}


def test_of_whole_rows_only_what_the_first_node_above_with_another_result_uses_is_needed():
    above = (
        ("Sort", {"Output": WHOLE_ROWS, "Sort_Key": ["orders.id"]}),
        ("Aggregate", {"Output": ["sum(orders.amount)"]}),
    )
    assert needed(*WHOLE_ROWS, above=above) == {"id", "amount"}


def test_the_keys_of_a_group_are_needed():
    above = (("Aggregate", {"Output": ["count(*)"], "Group_Key": ["orders.tenant_id"]}),)
    assert needed(*WHOLE_ROWS, above=above) == {"tenant_id"}


def test_a_condition_of_a_join_is_needed():
    above = (("Nested Loop", {"Output": ["items.price"], "Join_Filter": "(orders.id = items.order_id)"}),)
    assert needed(*WHOLE_ROWS, above=above) == {"id"}


def test_a_plan_without_verbose_does_not_tell():
    made = plan(node("Index Scan", relation_name="orders"))
    assert needed_columns(made, made.root) is None


def test_what_cannot_be_read_above_leaves_it_open():
    above = (("Aggregate", {"Output": ["<unparsable query>"]}),)
    assert needed(*WHOLE_ROWS, above=above) is None
