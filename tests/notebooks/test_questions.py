"""What the questions of the notebooks say to answers, right and wrong."""

import pytest

from exercises import missing_index, start_here, too_many_queries
from perfkit.exercises import Status
from shop import services

pytestmark = pytest.mark.xdist_group("guided notebooks")


@pytest.mark.parametrize(
    ("exercise", "facts", "right", "wrong"),
    [
        (
            start_here.statements,
            {"counted": 26, "posts": 25},
            26,
            {25: "before it", 3: "kinds", "26": "whole"},
        ),
        (
            too_many_queries.statements,
            {"counted": 101, "users": 100},
            101,
            {1: "in review", 100: "load the users", 55: "counted 101", "many": "whole number"},
        ),
        (
            missing_index.rows,
            {"looked_at": 299_999, "found": 239},
            300_000,
            {239: "look at more", 1_000: "299,999", "all": "a number"},
        ),
        (
            missing_index.order,
            {"user_first": 226, "status_first": 226},
            False,
            {True: "226", "no": "`False`"},
        ),
    ],
)
def test_a_prediction_is_judged_by_what_was_measured(exercise, facts, right, wrong):
    assert exercise.check(right, **facts).status is Status.CORRECT
    for answer, reason in wrong.items():
        outcome = exercise.check(answer, **facts)
        assert outcome.status is Status.NOT_YET
        assert reason in outcome.remark
    assert exercise.check(..., **facts).status is Status.NOT_ATTEMPTED


@pytest.mark.parametrize(
    "page",
    [
        services.get_users_with_posts_selectin,
        services.get_users_with_posts_joined,
        services.get_users_with_posts_json_agg,
    ],
    ids=lambda page: page.__name__,
)
def test_every_way_to_load_the_page_at_once_is_accepted(shop, page):
    fix = too_many_queries.fix(shop.engine, max_statements=2)

    assert fix.check(page).status is Status.CORRECT
    assert fix.accepted is page


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (services.get_users_with_posts, "101 statements"),
        (lambda session: services.get_users_with_posts_selectin(session, limit=5), "5 users instead of 100"),
        (
            lambda session: [
                {**user, "posts": []} for user in services.get_users_with_posts_selectin(session)
            ],
            "1",
        ),
        (lambda session: None, "NoneType"),
        (lambda: None, "TypeError"),
        ("selectinload", "a function"),
    ],
    ids=["slow", "too few", "without posts", "nothing", "no session", "no function"],
)
def test_a_page_that_is_not_mended_is_told_why(shop, page, reason):
    outcome = too_many_queries.fix(shop.engine, max_statements=2).check(page)

    assert outcome.status is Status.NOT_YET
    assert reason in outcome.remark


def test_a_page_whose_dots_are_still_there_is_not_attempted(shop):
    assert too_many_queries.fix(shop.engine, 2).check(lambda session: ...).status is Status.NOT_ATTEMPTED


@pytest.fixture(scope="module")
def index(lab_home):
    from perfkit import lab

    with lab.open_shop("index_question", scale="small") as opened, opened.engine.connect() as connection:
        busiest = connection.exec_driver_sql(
            "SELECT user_id FROM orders WHERE status = 'pending' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
        ).scalar_one()
        connection.rollback()
        yield missing_index.index(opened.engine, busiest, "pending")


@pytest.mark.parametrize(
    "statement",
    [
        services.ORDERS_INDEX,
        "create index on orders (status, user_id)",
        "CREATE INDEX mine ON orders (user_id) WHERE status = 'pending'",
        "CREATE INDEX mine ON orders (user_id, status) INCLUDE (total_cents)",
    ],
)
def test_every_index_that_leads_to_the_rows_is_accepted(index, statement):
    assert index.check(statement).status is Status.CORRECT


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE INDEX mine ON orders (user_id)", "Which other column"),
        ("CREATE INDEX mine ON orders (created_at)", "does not use it"),
        ("CREATE INDEX mine ON orders (userid)", 'column "userid" does not exist'),
        ("CREATE INDEX CONCURRENTLY mine ON orders (user_id, status)", "PostgreSQL refuses"),
        ("DROP TABLE orders", "`CREATE INDEX`"),
        (7, "in quotes"),
    ],
)
def test_an_index_that_does_not_help_is_told_why(index, statement, reason):
    outcome = index.check(statement)

    assert outcome.status is Status.NOT_YET
    assert reason in outcome.remark
