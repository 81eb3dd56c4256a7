import pytest
from sqlalchemy import ForeignKey, StaticPool, create_engine, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    contains_eager,
    defer,
    mapped_column,
    relationship,
    selectinload,
)

from perfkit.proof.equivalence import same_result


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    picture: Mapped[bytes]
    posts: Mapped[list["Post"]] = relationship(back_populates="author")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    author: Mapped[User] = relationship(back_populates="posts")


@pytest.fixture(scope="module")
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            User(id=i, name=f"user {i}", picture=b"x", posts=[Post(title=f"{i}-{j}") for j in range(3)])
            for i in range(5)
        )
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine):
    sent = []

    def note(connection, cursor, statement, *rest):
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def two_sessions(engine):
    with Session(engine) as one, Session(engine) as two:
        yield one, two


ORDERED = select(User).order_by(User.id)


def lazily(session):
    users = session.scalars(ORDERED).all()
    for user in users:
        assert user.posts
    return users


def eagerly(session):
    return session.scalars(ORDERED.options(selectinload(User.posts))).all()


def bare(session):
    return session.scalars(ORDERED).all()


def filtered(session):
    matching = ORDERED.join(User.posts).where(Post.title.not_like("%-1")).options(contains_eager(User.posts))
    return session.scalars(matching).unique().all()


def without_picture(session):
    return session.scalars(ORDERED.options(defer(User.picture), selectinload(User.posts))).all()


def in_posts_order(session):
    users = eagerly(session)
    for user in users:
        user.__dict__["posts"].reverse()
    return users


@pytest.mark.parametrize("after", [lazily, eagerly, in_posts_order])
def test_eager_loading_returns_the_same(two_sessions, statements, after):
    results = lazily(two_sessions[0]), after(two_sessions[1])
    sent = len(statements)
    answer = same_result(*results)
    assert (answer.equal, answer.reason) == (True, "same result (list, 5 items)")
    assert len(statements) == sent


def test_a_filter_that_slipped_into_a_collection_is_found(two_sessions, statements):
    results = lazily(two_sessions[0]), filtered(two_sessions[1])
    sent = len(statements)
    assert same_result(*results).reason == "result[0].posts has 3 items before and 2 after"
    assert len(statements) == sent


@pytest.mark.parametrize(("after", "names"), [(bare, "posts"), (without_picture, "picture")])
def test_what_only_one_side_loaded_is_named_and_not_loaded(two_sessions, statements, after, names):
    results = lazily(two_sessions[0]), after(two_sessions[1])
    sent = len(statements)
    answer = same_result(*results)
    assert answer.equal is True
    assert answer.reason.endswith(f"; User: not loaded on both sides, not compared: {names}")
    assert len(statements) == sent


def test_a_changed_column_is_found(two_sessions):
    before, after = bare(two_sessions[0]), bare(two_sessions[1])
    with two_sessions[1].no_autoflush:
        after[3].name = "somebody"
        assert same_result(before, after).reason == "result[3].name differs (str, 6 and 8 characters)"
        two_sessions[1].rollback()


def test_another_row_is_found(two_sessions):
    first, second = (session.get(User, key) for session, key in zip(two_sessions, (1, 2), strict=True))
    assert same_result(first, second).reason == "result differs (User, another primary key)"


def test_another_order_of_objects_is_told_apart_from_another_result(two_sessions):
    before, after = eagerly(two_sessions[0]), eagerly(two_sessions[1])[::-1]
    assert same_result(before, after).equal is False
    assert same_result(before, after, ordered=False).equal is True


def test_objects_that_one_session_served_twice_are_remarked_upon(two_sessions):
    answer = same_result(bare(two_sessions[0]), bare(two_sessions[0]))
    assert answer.equal is True
    assert "the very same ORM objects" in answer.reason


def test_expired_objects_cannot_be_certified_and_are_not_refreshed(two_sessions, statements):
    before, after = bare(two_sessions[0]), bare(two_sessions[1])
    two_sessions[0].expire_all()
    sent = len(statements)
    answer = same_result(before, after)
    assert answer.equal is None
    assert "no column loaded on both sides (and 4 more)" in answer.reason
    assert len(statements) == sent


def test_objects_of_closed_sessions_are_compared(engine):
    with Session(engine) as one:
        before = lazily(one)
    with Session(engine) as two:
        after = eagerly(two)
    assert same_result(before, after).equal is True


def test_rows_equal_the_tuples_that_they_are(two_sessions):
    rows = two_sessions[0].execute(select(User.id, User.name)).all()
    assert same_result(rows, [tuple(row) for row in rows]).equal is True
    assert same_result(rows, [(*row[:1], "x") for row in rows]).equal is False


def test_row_mappings_equal_dictionaries(two_sessions):
    rows = two_sessions[0].execute(select(User.id, User.name)).mappings().all()
    assert same_result(rows, [dict(row) for row in rows]).equal is True


def test_objects_and_rows_differ(two_sessions):
    rows = two_sessions[0].execute(select(User.id)).all()
    assert same_result(bare(two_sessions[0]), rows).reason == "result[0] differs (User and Row)"


def test_a_result_that_was_not_read_cannot_be_certified(two_sessions):
    results = [session.execute(select(User.id)) for session in two_sessions]
    assert same_result(*results).equal is None
    assert all(len(result.all()) == 5 for result in results)
