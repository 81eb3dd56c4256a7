import functools
import gc
import sys
import threading
import time
from collections import deque

import pytest

from perfkit.capture import safe_types
from perfkit.capture.growing_containers import CacheWatch, ContainerWatch
from perfkit.capture.heap import HeapGrowth
from perfkit.capture.holders import HolderSearch
from perfkit.capture.retention import RetentionWatch


class Item:
    pass


class Registry:
    seen: dict[int, object] = {}  # noqa: RUF012 - the mistake under test
    known: list[object] = []  # noqa: RUF012


class HostileMeta(type):
    def __getattribute__(cls, name):
        raise AssertionError(f"asked for {name}")

    def __len__(cls):
        raise AssertionError("asked for its length")


class Hostile(list, metaclass=HostileMeta):
    """Whatever asks it anything fails the test."""

    def refuse(self, *arguments):
        raise AssertionError("a method of the user's was called")

    __sizeof__ = __len__ = __eq__ = __hash__ = __bool__ = __repr__ = __str__ = __iter__ = refuse
    __getattribute__ = __getattr__ = refuse
    __class__ = property(refuse)  # type: ignore[assignment]


STORE: list[object] = []


@functools.cache
def cached(number):
    return [number]


@functools.lru_cache(maxsize=8)
def bounded(number):
    return [number]


@pytest.fixture(autouse=True)
def tidy():
    yield
    STORE.clear()
    Registry.seen.clear()
    Registry.known.clear()
    cached.cache_clear()
    bounded.cache_clear()


def held(make, *, keep):
    """The holder of an object that nothing but `keep` refers to."""
    keep(make())
    search = HolderSearch(budget_s=30)  # knows the variables as they are now: none of ours refers to the item
    return search.holder_of(next(thing for thing in reversed(gc.get_objects()) if type(thing) is Item))


MODULE = __name__


@pytest.mark.parametrize(
    ("keep", "kind", "name", "path"),
    [
        (STORE.append, "module", f"{MODULE}.STORE", ("list of 1",)),
        (
            lambda item: STORE.append({"key": [item]}),
            "module",
            f"{MODULE}.STORE",
            ("list of 1", "dict of 1", "list of 1"),
        ),
        (Registry.known.append, "class", f"{MODULE}.Registry.known", ("list of 1",)),
        (cached, "module", f"{MODULE}.cached", ("lru_cache of cached",)),
    ],
)
def test_the_shortest_chain_to_a_name_is_found(keep, kind, name, path):
    holder = held(Item, keep=keep)
    assert (holder.kind, holder.name) == (kind, name)
    assert holder.path[: len(path)] == path


def test_a_key_of_the_users_dictionary_is_in_no_chain():
    holder = held(Item, keep=lambda item: STORE.append({"alice@example.com": item}))
    assert "alice" not in str(holder)


def test_a_closure_is_followed():
    def keep(item):
        STORE.append(lambda: item)

    assert held(Item, keep=keep).path == ("list of 1", "function <lambda>", "tuple of 1", "cell")


def test_a_variable_of_a_running_function_holds():
    mine = Item()
    holder = HolderSearch(budget_s=30).holder_of(mine)
    assert (holder.kind, holder.name) == ("frame", "mine in test_a_variable_of_a_running_function_holds()")


def test_a_variable_in_another_thread_holds():
    ready, done = threading.Event(), threading.Event()

    def work():
        local = [Item()]
        ready.set()
        done.wait(30)
        return local

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(30)
    try:
        holder = held(lambda: None, keep=lambda _: None)
        assert (holder.kind, holder.name, holder.path) == ("frame", "local in work()", ("list of 1",))
    finally:
        done.set()
        thread.join()


def test_what_only_c_code_holds_is_unknown():
    assert HolderSearch(budget_s=30).holder_of(iter([Item()])).kind in ("unknown", "frame")


def test_a_search_without_time_says_so():
    STORE.append([[[[Item()]]]])
    target = STORE[0][0][0][0][0]  # type: ignore[index]
    search = HolderSearch(budget_s=-1)
    search._running.clear()
    assert search.holder_of(target).kind == "unknown"
    assert search.is_out_of_time


def test_two_objects_of_one_chain_have_the_same_holder():
    STORE.append([Item(), Item()])
    search = HolderSearch(budget_s=30)
    search._running.clear()
    first, second = (search.holder_of(thing) for thing in STORE[0])  # type: ignore[attr-defined]
    assert first == second
    assert first.path == ("list of 1", "list of 2")


def test_growth_by_type_counts_what_is_new():
    heap = HeapGrowth()
    heap.start()
    STORE.extend(Item() for _ in range(3000))
    (growth,) = [item for item in heap.stop([]) if item.type_name == f"{MODULE}.Item"]
    assert growth.count_diff == 3000
    assert growth.size_diff == 3000 * sys.getsizeof(Item())
    assert growth.holder is not None
    assert growth.holder.name == f"{MODULE}.STORE"


def test_what_was_let_go_is_not_growth():
    heap = HeapGrowth()
    heap.start()
    items = [Item() for _ in range(3000)]
    del items
    assert [item for item in heap.stop([]) if item.type_name == f"{MODULE}.Item"] == []


@pytest.mark.parametrize(
    "thing",
    [
        [1, 2],
        {1: 2},
        {1},
        (1, 2),
        deque([1]),
        bytearray(10),
        "text",
        10**50,
        1.5,
        b"x",
        Item,
        Registry(),
        len,
    ],
)
def test_sizes_are_those_of_getsizeof(thing):
    assert safe_types.size_of(thing) == sys.getsizeof(thing)


def test_a_numpy_array_is_its_data():
    numpy = pytest.importorskip("numpy")
    assert safe_types.size_of(numpy.ones(1000)) == sys.getsizeof(numpy.ones(1000))


def test_nothing_of_the_users_is_called():
    heap, watch = HeapGrowth(), RetentionWatch()
    watch.start()
    heap.start()
    STORE.extend(Hostile([1]) for _ in range(2000))
    (growth,) = [item for item in heap.stop([]) if item.type_name.endswith("Hostile")]
    kept = watch.stop()
    assert growth.size_diff >= 2000 * 56
    assert growth.holder is not None
    assert growth.holder.name == f"{MODULE}.STORE"
    assert [item for item in kept.types if item.type_name.endswith("Hostile")]


@pytest.mark.parametrize("name", ["</script><b>", "a'\"\u2028b", "x" * 10_000, "\ud800"])
def test_hostile_names_of_types_are_only_cut(name):
    kind = type("Plain", (), {"__module__": 7})
    kind.__qualname__ = name
    shown = safe_types.type_name(kind)
    assert len(shown) <= 120
    assert shown.rstrip("…") in name


def test_containers_at_module_and_class_level_that_grow_are_named():
    watch = ContainerWatch()
    watch.start()
    STORE.extend([1, 2])
    Registry.seen.update({1: 1})
    grown = {item.name: list(item.new_entries()) for item in watch.read()}
    assert grown == {f"{MODULE}.STORE": [1, 2], f"{MODULE}.Registry.seen": [1, 1]}
    STORE.append(3)
    watch.read()
    lengths = {use.name: use.lengths for use in watch.uses()}
    assert lengths == {f"{MODULE}.STORE": (0, 2, 3), f"{MODULE}.Registry.seen": (0, 1, 1)}


def test_a_container_that_was_replaced_or_shrank_did_not_grow(monkeypatch):
    STORE.extend([1, 2])
    watch = ContainerWatch()
    watch.start()
    STORE.pop()
    monkeypatch.setattr(Registry, "seen", {1: 1})
    assert watch.read() == []
    assert watch.uses() == ()


def test_every_cache_of_the_users_is_listed_with_its_limit_and_hit_rate():
    watch = CacheWatch()
    watch.read()
    for number in (*range(20), *range(20)):
        cached(number)
        bounded(number)
    watch.read()
    listed = watch.uses()
    uses = {use.name: use for use in listed if use.location.file_path == __file__}
    assert (uses["cached"].maxsize, uses["cached"].lengths, uses["cached"].hit_rate) == (None, (0, 20), 0.5)
    assert (uses["bounded"].maxsize, uses["bounded"].lengths, uses["bounded"].hit_rate) == (8, (0, 8), 0.0)
    assert not [use for use in listed if "site-packages" in use.location.file_path]


def test_a_cache_that_the_block_made_began_empty():
    watch = CacheWatch()
    watch.read()

    @functools.lru_cache
    def late(number):
        return number

    late(1)
    watch.read()
    (use,) = [use for use in watch.uses() if use.name.endswith("late")]
    assert use.lengths == (0, 1)


def test_a_million_objects_are_looked_at_in_bounded_time():
    watch = RetentionWatch()
    watch.start()
    STORE.extend([number] for number in range(1_000_000))
    began = time.process_time()
    kept = watch.stop()
    assert time.process_time() - began < 10
    (growth,) = [item for item in kept.types if item.type_name == "list"]
    assert growth.count_diff == pytest.approx(1_000_000, rel=0.01)
    assert any("newest 300,000 objects" in note for note in kept.notes)
