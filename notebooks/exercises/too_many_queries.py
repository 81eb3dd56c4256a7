"""The questions of `01_too_many_queries.ipynb`."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

import perfkit
from perfkit.exercises import Exercise, Status
from shop import services

Page = list[dict[str, Any]]


def _statements(guess: object, *, counted: int, users: int) -> str | None:
    if not isinstance(guess, int):
        return "a number of statements is a whole number, such as `7`"
    if guess == counted:
        return None
    if guess == users:
        return "that is one for each user. Something had to load the users, too"
    if guess < 3:
        return "the code looks like that, and that is why nobody saw it in review. Count again in the report"
    return f"perfkit counted {counted}"


statements = Exercise(
    "How many statements does the users page send?",
    _statements,
    hints=(
        "Read `get_users_with_posts` and `user_card` above. Which of their lines can reach the database?",
        "`user.posts` looks like an attribute. SQLAlchemy loads it when somebody asks for it.",
        "One statement loads the users. Then each user's `user.posts` sends one of its own.",
    ),
    correct="One for the users, and one more for the posts of each: N+1.",
)


def fix(engine: Engine, max_statements: int) -> Exercise:
    """The exercise to mend the users page, judged by what a version returns and sends through this engine."""

    def judge(page: Callable[..., Page]) -> str | Status | None:
        if not callable(page):
            return "the answer is a function that takes a session, as `get_users_with_posts` does"
        with Session(engine) as session:
            expected = services.get_users_with_posts_json_agg(session)
        with Session(engine) as session, perfkit.measure("your version") as measured:
            answer: Any = page(session)
        if answer is ...:
            return Status.NOT_ATTEMPTED
        return _difference(answer, expected) or _excess(len(measured.trace.queries or ()), max_statements)

    return Exercise(
        "Load the users page with fewer statements",
        judge,
        hints=(
            "The statement asks for users only. It can be told to bring their posts along.",
            "SQLAlchemy calls this eager loading: `select(User).options(...)`. For a list such as "
            "`User.posts` the usual option is `selectinload`.",
            "`select(User).options(selectinload(User.posts)).order_by(User.id).limit(limit)`; "
            "the rest stays as it is.",
        ),
        correct="The same page, within the budget. Only one line has changed.",
    )


def _difference(answer: object, expected: Page) -> str | None:
    if not isinstance(answer, list):
        return f"it returns a {type(answer).__name__}, and the page needs a list"
    if len(answer) != len(expected):
        return f"it returns {len(answer)} users instead of {len(expected)}"
    wrong = next((index for index, user in enumerate(answer) if user != expected[index]), None)
    return None if wrong is None else f"user number {wrong + 1} of the page is not the same as before"


def _excess(statements: int, max_statements: int) -> str | None:
    if statements <= max_statements:
        return None
    return f"it still sends {statements} statements, and the budget is {max_statements}"
