"""The tables of the shop as SQLAlchemy models; the schema itself is in `data/schema.sql`."""

from datetime import datetime

from sqlalchemy import REAL, BigInteger, DateTime, ForeignKey, Integer, SmallInteger, Text
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(AsyncAttrs, DeclarativeBase):
    """All models; `AsyncAttrs` lets async code write `await user.awaitable_attrs.posts`."""

    type_annotation_map = {int: BigInteger, str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's way


class User(Base):
    """A customer, who also writes posts and comments."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    country: Mapped[str]
    is_active: Mapped[bool]
    created_at: Mapped[datetime]

    posts: Mapped[list["Post"]] = relationship(back_populates="author", order_by="Post.id")
    orders: Mapped[list["Order"]] = relationship(back_populates="user", order_by="Order.id")


class Product(Base):
    """Something to buy; `manual` is a file of 2 to 20 kB."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    price_cents: Mapped[int] = mapped_column(Integer)
    manual: Mapped[bytes]


class Post(Base):
    """An article in the shop's forum."""

    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]

    author: Mapped[User] = relationship(back_populates="posts")
    comments: Mapped[list["Comment"]] = relationship(back_populates="post", order_by="Comment.id")


class Comment(Base):
    """An answer to a post."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    body: Mapped[str]
    created_at: Mapped[datetime]

    post: Mapped[Post] = relationship(back_populates="comments")
    author: Mapped[User] = relationship()


class Order(Base):
    """What a customer bought at one time; the status is paid, pending, shipped, cancelled or refunded."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str]
    total_cents: Mapped[int]
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship(back_populates="orders")
    items: Mapped[list["OrderItem"]] = relationship(back_populates="order", order_by="OrderItem.id")


class OrderItem(Base):
    """One line of an order."""

    __tablename__ = "order_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    price_cents: Mapped[int] = mapped_column(Integer)

    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()


class Event(Base):
    """One request to the shop, as its access log has it."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[int] = mapped_column(SmallInteger)
    latency_ms: Mapped[float] = mapped_column(REAL)
    occurred_at: Mapped[datetime]
