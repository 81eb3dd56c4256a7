"""The same services for `await`: each slow function with its fixes beside it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from shop.models import Order, Post, User
from shop.services import USERS_WITH_POSTS, order_card, user_card


async def get_users_with_posts(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """The users page: the first users with the titles of their posts."""
    users = (await session.scalars(select(User).order_by(User.id).limit(limit))).all()
    page = []
    for user in users:
        posts = [{"id": post.id, "title": post.title} for post in await user.awaitable_attrs.posts]
        page.append({"id": user.id, "name": user.name, "country": user.country, "posts": posts})
    return page


async def get_users_with_posts_joined(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by one join: each user's columns come once for every post."""
    statement = select(User).options(joinedload(User.posts)).order_by(User.id).limit(limit)
    return [user_card(user) for user in (await session.scalars(statement)).unique()]


async def get_users_with_posts_selectin(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by two statements: the users, then the posts of all of them."""
    statement = select(User).options(selectinload(User.posts)).order_by(User.id).limit(limit)
    return [user_card(user) for user in await session.scalars(statement)]


async def get_users_with_posts_json_agg(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """The same page by one statement that returns one row a user, its posts as JSON (PostgreSQL only)."""
    rows = await session.execute(USERS_WITH_POSTS, {"limit": limit})
    return [dict(row) for row in rows.mappings()]


async def get_posts_with_authors(session: AsyncSession, limit: int = 50) -> list[dict[str, Any]]:
    """The newest posts with the names of their authors, one lookup a post."""
    posts = (await session.scalars(select(Post).order_by(Post.id.desc()).limit(limit))).all()
    page = []
    for post in posts:
        author = await session.scalar(select(User.name).where(User.id == post.author_id))
        page.append({"id": post.id, "title": post.title, "author": author})
    return page


async def get_posts_with_authors_batched(session: AsyncSession, limit: int = 50) -> list[dict[str, Any]]:
    """The same page by two statements: the posts, then all their authors by one list of keys."""
    posts = (await session.scalars(select(Post).order_by(Post.id.desc()).limit(limit))).all()
    keys = {post.author_id for post in posts}
    rows = await session.execute(select(User.id, User.name).where(User.id.in_(keys)))
    names = {row.id: row.name for row in rows}
    return [{"id": post.id, "title": post.title, "author": names[post.author_id]} for post in posts]


async def find_orders(session: AsyncSession, user_id: int, status: str) -> list[dict[str, Any]]:
    """The orders of a customer in one status, newest first."""
    statement = (
        select(Order).where(Order.user_id == user_id, Order.status == status).order_by(Order.id.desc())
    )
    return [order_card(order) for order in await session.scalars(statement)]
