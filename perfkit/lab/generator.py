"""The rows of the sample shop, as columns: numpy arrays, and texts drawn from pools."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from perfkit.lab.settings import Settings
from perfkit.lab.streams import Ints, Stream

MANUAL_MIN_BYTES = 2_000
MANUAL_MAX_BYTES = 20_000
EVENT_KINDS = 12

_WORDS = re.findall(
    r"\w+",
    """slow fast query index scan page cache heap tuple lock wait plan join sort hash merge loop batch fetch
    lazy eager row column disk memory user order cart item price stock email token login report export import
    queue worker retry error warn debug trace span metric alert graph chart table view""",
)


@dataclass(frozen=True)
class Fixed:
    """A column of numbers of fixed width; `kind` is the PostgreSQL type."""

    name: str
    kind: str
    values: NDArray[np.generic]


@dataclass(frozen=True)
class Pooled:
    """A column of texts or bytes: row i holds `pool[index[i]]`."""

    name: str
    pool: list[bytes]
    index: Ints
    is_text: bool = True


@dataclass(frozen=True)
class TableData:
    """All rows of one table; the columns in the order in which they are loaded."""

    name: str
    rows: int
    fixed: tuple[Fixed, ...]
    pooled: tuple[Pooled, ...] = ()


def _ids(rows: int) -> Fixed:
    return Fixed("id", "bigint", np.arange(1, rows + 1, dtype=np.int64))


def _times(stream: Stream, name: str, rows: int, settings: Settings) -> Fixed:
    """Rising whole seconds within the year, twice as many at its end as on average: the shop grows."""
    start = _seconds(settings.first_day)
    length = _seconds(settings.last_day + timedelta(days=1)) - start
    seconds = start + (np.sqrt(np.sort(stream.uniform(rows))) * length).astype(np.int64)
    return Fixed(name, "timestamptz", seconds)


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400


def _choice(stream: Stream, table: str, name: str, rows: int, settings: Settings) -> Pooled:
    weights = settings.choices[f"{table}.{name}"]
    return Pooled(name, [value.encode() for value in weights], stream.pick(list(weights.values()), rows))


def _phrases(stream: Stream, name: str, rows: int, words: tuple[int, int], pool_size: int) -> Pooled:
    """Texts of `words[0]` to `words[1]` - 1 words; a pool keeps a million of them affordable."""
    size = min(pool_size, rows)
    lengths = stream.integers(*words, size).tolist()
    picks = iter(stream.integers(0, len(_WORDS), sum(lengths)).tolist())
    pool = [" ".join([_WORDS[next(picks)] for _ in range(length)]).encode() for length in lengths]
    return Pooled(name, pool, stream.integers(0, size, rows))


def _numbered(name: str, pattern: str, rows: int) -> Pooled:
    return Pooled(name, [(pattern % n).encode() for n in range(1, rows + 1)], np.arange(rows, dtype=np.int64))


def _users(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["users"]
    return TableData(
        "users",
        rows,
        (
            _ids(rows),
            Fixed("is_active", "boolean", stream.uniform(rows) < 0.93),
            _times(stream, "created_at", rows, settings),
        ),
        (
            _numbered("email", "user%d@example.com", rows),
            _numbered("name", "User %d", rows),
            _choice(stream, "users", "country", rows, settings),
        ),
    )


def _products(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["products"]
    blob = stream.integers(0, 256, 1 << 20).astype(np.uint8).tobytes()
    lengths = stream.integers(MANUAL_MIN_BYTES, MANUAL_MAX_BYTES, rows)
    starts = (stream.uniform(rows) * (len(blob) - lengths)).astype(np.int64)
    manuals = [
        blob[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]
    prices = 99 + stream.heavy_tail(1_800, rows).astype(np.int32)
    return TableData(
        "products",
        rows,
        (_ids(rows), Fixed("price_cents", "integer", prices)),
        (
            _numbered("sku", "SKU-%06d", rows),
            _numbered("name", "Product %d", rows),
            _choice(stream, "products", "category", rows, settings),
            Pooled("manual", manuals, np.arange(rows, dtype=np.int64), is_text=False),
        ),
    )


def _posts(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows, users = sizes["posts"], sizes["users"]
    # Everyone has written something, so that a page of any hundred users has posts to show.
    first = (stream.permutation(users) + 1)[:rows]
    others = stream.zipf(users, rows - len(first), settings.skew["posts.author_id"])
    authors = np.concatenate((first, others))[stream.permutation(rows)]
    return TableData(
        "posts",
        rows,
        (_ids(rows), Fixed("author_id", "bigint", authors), _times(stream, "created_at", rows, settings)),
        (_phrases(stream, "title", rows, (3, 8), 3_000), _phrases(stream, "body", rows, (40, 160), 3_000)),
    )


def _comments(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["comments"]
    posts = stream.zipf(sizes["posts"], rows, settings.skew["comments.post_id"])
    authors = stream.zipf(sizes["users"], rows, settings.skew["comments.author_id"])
    return TableData(
        "comments",
        rows,
        (
            _ids(rows),
            Fixed("post_id", "bigint", posts),
            Fixed("author_id", "bigint", authors),
            _times(stream, "created_at", rows, settings),
        ),
        (_phrases(stream, "body", rows, (5, 30), 5_000),),
    )


def _orders(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["orders"]
    buyers = stream.zipf(sizes["users"], rows, settings.skew["orders.user_id"])
    totals = 500 + stream.heavy_tail(4_900, rows).astype(np.int64)
    return TableData(
        "orders",
        rows,
        (
            _ids(rows),
            Fixed("user_id", "bigint", buyers),
            Fixed("total_cents", "bigint", totals),
            _times(stream, "created_at", rows, settings),
        ),
        (_choice(stream, "orders", "status", rows, settings),),
    )


def _order_items(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["order_items"]
    orders = np.sort(stream.integers(1, sizes["orders"] + 1, rows))
    products = stream.zipf(sizes["products"], rows, settings.skew["order_items.product_id"])
    return TableData(
        "order_items",
        rows,
        (
            _ids(rows),
            Fixed("order_id", "bigint", orders),
            Fixed("product_id", "bigint", products),
            Fixed("quantity", "integer", stream.integers(1, 6, rows)),
            Fixed("price_cents", "integer", 99 + stream.heavy_tail(1_800, rows).astype(np.int32)),
        ),
    )


def _events(stream: Stream, sizes: dict[str, int], settings: Settings) -> TableData:
    rows = sizes["events"]
    return TableData(
        "events",
        rows,
        (
            _ids(rows),
            Fixed("user_id", "bigint", stream.zipf(sizes["users"], rows, settings.skew["events.user_id"])),
            Fixed("kind", "smallint", stream.integers(0, EVENT_KINDS, rows)),
            Fixed("latency_ms", "real", stream.heavy_tail(20.0, rows)),
            _times(stream, "occurred_at", rows, settings),
        ),
    )


_TABLES: dict[str, Callable[[Stream, dict[str, int], Settings], TableData]] = {
    "users": _users,
    "products": _products,
    "posts": _posts,
    "comments": _comments,
    "orders": _orders,
    "order_items": _order_items,
    "events": _events,
}


def tables(settings: Settings, scale: float) -> Iterator[TableData]:
    """Yield the tables of the shop, each complete in memory, at a scale (a factor, 1.0 is `full`)."""
    sizes = settings.sizes(scale)
    for name, make in _TABLES.items():
        yield make(Stream(f"{settings.seed}/{name}"), sizes, settings)
