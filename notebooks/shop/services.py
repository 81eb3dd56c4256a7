"""What the shop's pages ask of the database: each slow function with its fixes beside it.

All variants of a function return equal results; only the statements that they send differ.
"""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from shop.models import Order, Post, User

USERS_WITH_POSTS = text("""
    SELECT u.id, u.name, u.country, written.posts
    FROM users AS u
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object('id', p.id, 'title', p.title) ORDER BY p.id), '[]')
               AS posts
        FROM posts AS p
        WHERE p.author_id = u.id
    ) AS written
    ORDER BY u.id
    LIMIT :limit
""")

ORDERS_INDEX = "CREATE INDEX orders_user_id_status_idx ON orders (user_id, status)"


def get_users_with_posts(session: Session, limit: int = 100) -> list[dict[str, Any]]:
    """The users page: the first users with the titles of their posts."""
    users = session.scalars(select(User).order_by(User.id).limit(limit)).all()
    page = []
    for user in users:
        page.append(user_card(user))  # noqa: PERF401 - a loop as ordinary teams write it
    return page


def get_users_with_posts_joined(session: Session, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by one join: each user's columns come once for every post."""
    statement = select(User).options(joinedload(User.posts)).order_by(User.id).limit(limit)
    return [user_card(user) for user in session.scalars(statement).unique()]


def get_users_with_posts_selectin(session: Session, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by two statements: the users, then the posts of all of them."""
    statement = select(User).options(selectinload(User.posts)).order_by(User.id).limit(limit)
    return [user_card(user) for user in session.scalars(statement)]


def get_users_with_posts_json_agg(session: Session, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by one statement that returns one row a user, its posts as JSON (PostgreSQL only)."""
    return [dict(row) for row in session.execute(USERS_WITH_POSTS, {"limit": limit}).mappings()]


def user_card(user: User) -> dict[str, Any]:
    """One entry of the users page."""
    posts = [{"id": post.id, "title": post.title} for post in user.posts]
    return {"id": user.id, "name": user.name, "country": user.country, "posts": posts}


def get_posts_with_authors(session: Session, limit: int = 50) -> list[dict[str, Any]]:
    """The newest posts with the names of their authors, one lookup a post."""
    posts = session.scalars(select(Post).order_by(Post.id.desc()).limit(limit)).all()
    page = []
    for post in posts:
        author = session.scalar(select(User.name).where(User.id == post.author_id))
        page.append({"id": post.id, "title": post.title, "author": author})
    return page


def get_posts_with_authors_batched(session: Session, limit: int = 50) -> list[dict[str, Any]]:
    """The same page by two statements: the posts, then all their authors by one list of keys."""
    posts = session.scalars(select(Post).order_by(Post.id.desc()).limit(limit)).all()
    keys = {post.author_id for post in posts}
    rows = session.execute(select(User.id, User.name).where(User.id.in_(keys)))
    names = {row.id: row.name for row in rows}
    return [{"id": post.id, "title": post.title, "author": names[post.author_id]} for post in posts]


def find_orders(session: Session, user_id: int, status: str) -> list[dict[str, Any]]:
    """The orders of a customer in one status, newest first; `ORDERS_INDEX` is what makes it quick."""
    statement = (
        select(Order).where(Order.user_id == user_id, Order.status == status).order_by(Order.id.desc())
    )
    return [order_card(order) for order in session.scalars(statement)]


def order_card(order: Order) -> dict[str, Any]:
    """One line of the list of orders."""
    return {"id": order.id, "status": order.status, "total_cents": order.total_cents, "at": order.created_at}
