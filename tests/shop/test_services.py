import inspect

import pytest
from sqlalchemy import func, select, text
from sqlalchemy import inspect as look_at
from sqlalchemy.orm import Session

import perfkit
from shop import models, services

LIMIT = 20


@pytest.fixture(params=["postgresql", "sqlite"])
def either_session(request):
    """A session on PostgreSQL, then one on SQLite."""
    engine = (
        request.getfixturevalue("sqlite")
        if request.param == "sqlite"
        else request.getfixturevalue("shop").engine
    )
    with Session(engine) as opened:
        yield opened


def statements_of(function, session, **arguments):
    session.connection()  # what opening a connection sends is not the function's
    with perfkit.measure(function.__name__) as measured:
        function(session, **arguments)
    return measured


@pytest.mark.parametrize("table", models.Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_a_model_has_the_columns_of_its_table(shop, table):
    dialect = shop.engine.dialect
    in_database = look_at(shop.engine).get_columns(table.name)

    assert {column.name: (column.type.compile(dialect), column.nullable) for column in table.columns} == {
        column["name"]: (column["type"].compile(dialect), column["nullable"]) for column in in_database
    }


def test_every_table_of_the_shop_has_a_model(shop):
    assert set(models.Base.metadata.tables) == set(shop.sizes)


@pytest.mark.parametrize("name", ["joined", "selectin"])
def test_eager_loading_returns_the_same_users_page(either_session, name):
    slow = services.get_users_with_posts(either_session, limit=LIMIT)
    either_session.expunge_all()  # what the slow version has loaded must not help the quick one

    fixed = getattr(services, f"get_users_with_posts_{name}")(either_session, limit=LIMIT)

    assert fixed == slow


def test_one_statement_with_json_agg_returns_the_same_users_page(session):
    assert services.get_users_with_posts_json_agg(session) == services.get_users_with_posts(session)


def test_a_user_without_posts_has_an_empty_list_in_every_variant(session):
    session.execute(text("DELETE FROM comments"))
    session.execute(text("DELETE FROM posts WHERE author_id = 1"))
    variants = [f for name, f in inspect.getmembers(services) if name.startswith("get_users_with_posts")]

    first = [variant(session)[0] for variant in variants]
    session.rollback()

    assert len(first) == 4
    assert first[0]["posts"] == []
    assert all(user == first[0] for user in first)


def test_a_batch_of_authors_returns_the_same_posts_page(either_session):
    slow = services.get_posts_with_authors(either_session, limit=LIMIT)
    either_session.expunge_all()

    assert services.get_posts_with_authors_batched(either_session, limit=LIMIT) == slow
    assert len(slow) == LIMIT


def test_a_user_with_orders_is_found_in_each_status(either_session):
    user_id = either_session.scalar(
        select(models.Order.user_id).group_by(models.Order.user_id).order_by(func.count().desc()).limit(1)
    )
    statuses = either_session.execute(
        select(models.Order.status, func.count())
        .where(models.Order.user_id == user_id)
        .group_by(models.Order.status)
    ).all()

    for status, count in statuses:
        found = services.find_orders(either_session, user_id, status)
        assert [order["status"] for order in found] == [status] * count
        assert [order["id"] for order in found] == sorted((order["id"] for order in found), reverse=True)


def test_the_index_changes_no_result_and_belongs_to_the_transaction(session):
    before = services.find_orders(session, 1, "shipped")
    session.execute(text(services.ORDERS_INDEX))

    assert services.find_orders(session, 1, "shipped") == before
    session.rollback()
    session.execute(text(services.ORDERS_INDEX))
    session.rollback()


@pytest.mark.parametrize(
    ("function", "statements"),
    [
        (services.get_users_with_posts, 1 + LIMIT),
        (services.get_users_with_posts_joined, 1),
        (services.get_users_with_posts_selectin, 2),
        (services.get_users_with_posts_json_agg, 1),
        (services.get_posts_with_authors, 1 + LIMIT),
        (services.get_posts_with_authors_batched, 2),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_service_sends_this_many_statements(session, function, statements):
    measured = statements_of(function, session, limit=LIMIT)

    assert len(measured.trace.queries) == statements
    assert [finding.rule for finding in measured.diagnosis.findings] == (
        ["n-plus-one"] if statements > 2 else []
    )
