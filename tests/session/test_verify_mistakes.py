"""What `verify` says of functions that fail, and of what is not run as it is."""

import asyncio
import functools
from dataclasses import dataclass

import pytest

from perfkit.session import verify, verify_async


def broken():
    raise ZeroDivisionError


async def broken_async():
    raise ZeroDivisionError


async def whole():
    return None


def returns_a_coroutine():
    return whole()


def returns_one():
    return 1


async def returns_a_generator():
    return generates()


def test_an_error_of_the_users_says_which_version_raised_it():
    with pytest.raises(ZeroDivisionError) as old:
        verify(broken, lambda: 1)
    with pytest.raises(ZeroDivisionError) as new:
        asyncio.run(verify_async(whole, broken_async))

    assert old.value.__notes__ == [
        "perfkit: broken(), the old version, raised this in its first run; nothing was compared."
    ]
    assert new.value.__notes__ == [
        "perfkit: broken_async(), the new version, raised this in its first run; nothing was compared."
    ]


def test_an_error_in_a_later_run_says_which_version_raised_it_and_that_the_results_were_compared():
    answers = iter([1])

    def page():
        return next(answers)

    with pytest.raises(StopIteration) as failed:
        verify(lambda: 1, page)

    assert failed.value.__notes__ == [
        "perfkit: page(), the new version, raised this when both were run again to be timed; the first run "
        "of each had ended well. Their results were compared, their times were not."
    ]


def test_an_error_in_a_later_run_of_a_coroutine_says_so_too():
    answers = iter([1])

    async def page():
        try:
            return next(answers)
        except StopIteration:
            raise LookupError from None

    async def one():
        return 1

    with pytest.raises(LookupError) as failed:
        asyncio.run(verify_async(page, one))

    (note,) = failed.value.__notes__
    assert note.startswith("perfkit: page(), the old version, raised this when both were run again")


class Unspeakable:
    """Raises whatever is asked of it, except its result."""

    def __call__(self):
        raise LookupError

    def __getattr__(self, name):
        raise RuntimeError("secret")

    def __repr__(self):
        raise RuntimeError("secret")


class OddlyNamed:
    """Its name is a value."""

    def __init__(self, name):
        self.__name__ = name

    def __call__(self):
        raise LookupError


class Shown(str):
    """A name that raises when it is shown."""

    def __str__(self):
        raise RuntimeError("secret")

    __format__ = __repr__ = __str__


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (Unspeakable(), "Unspeakable"),
        (OddlyNamed(Unspeakable()), "OddlyNamed"),
        (OddlyNamed(Shown("x")), "OddlyNamed"),
        (OddlyNamed("page"), "page"),
        (functools.partial(broken), "partial"),
    ],
    ids=["unspeakable", "named by an object", "named by a text that raises", "named", "partial"],
)
def test_a_function_without_a_name_is_called_by_its_type_and_nothing_of_it_is_shown(function, name):
    with pytest.raises((LookupError, ZeroDivisionError)) as failed:
        verify(function, lambda: 1)

    (note,) = failed.value.__notes__
    assert note == f"perfkit: {name}(), the old version, raised this in its first run; nothing was compared."


@dataclass(frozen=True)
class SealedError(Exception):
    """An exception that takes no attributes, so no notes either."""


def test_an_error_that_takes_no_notes_comes_through_as_it_is():
    def sealed():
        raise SealedError

    with pytest.raises(SealedError):
        verify(sealed, lambda: 1)


def test_an_error_of_perfkit_is_not_said_to_be_the_functions(monkeypatch):
    def failing(name):
        raise RuntimeError("no collector")

    monkeypatch.setattr("perfkit.session.comparing.measure", failing)
    with pytest.raises(RuntimeError) as failed:
        verify(lambda: 1, lambda: 1)

    assert not hasattr(failed.value, "__notes__")


def generates():
    yield 1


async def generates_async():
    yield 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (generates, "generates returns a generator, so nothing of it has run: return list(...) of it."),
        (generates_async, "generates_async returns an async generator, so nothing of it has run"),
        (
            returns_a_coroutine,
            "returns_a_coroutine returns something to be awaited, so nothing of it has run",
        ),
        ([1, 2], "The old version is a list, no function: verify takes the functions themselves"),
        (None, "The old version is a NoneType, no function"),
    ],
    ids=["generator", "async generator", "coroutine", "result", "nothing"],
)
def test_what_would_not_run_is_refused_by_name_before_anything_is_compared(function, told):
    with pytest.raises(TypeError) as refused:
        verify(function, lambda: 1)

    assert str(refused.value).startswith(told)
    assert not hasattr(refused.value, "__notes__")


def test_results_in_place_of_functions_are_refused_before_anything_runs():
    calls = []

    with pytest.raises(TypeError, match=r"The new version is a int, no function.*not verify\(old\(\), new"):
        verify(lambda: calls.append(1), 7)

    assert calls == []


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (
            lambda: (returns_one, whole),
            "returns_one returns nothing to be awaited: verify_async takes two async",
        ),
        (lambda: (whole, [1]), "The new version is a list, no function: verify_async takes the functions"),
        (lambda: (whole(), whole), "The old version is a coroutine, no function"),
        (lambda: (returns_a_generator, whole), "returns_a_generator returns a generator"),
    ],
    ids=["not async", "result", "coroutine", "generator"],
)
def test_what_cannot_be_awaited_is_refused_by_name(versions, told):
    with pytest.raises(TypeError) as refused:
        asyncio.run(verify_async(*versions()))

    assert str(refused.value).startswith(told)
    assert not hasattr(refused.value, "__notes__")


def test_a_coroutine_function_is_sent_to_the_other_verify():
    async def work():
        return 1

    with pytest.raises(TypeError, match="verify_async"):
        verify(work, work)


def test_a_generator_is_refused_because_nothing_of_it_has_run():
    with pytest.raises(TypeError, match="generator"):
        verify(lambda: (n for n in range(3)), lambda: 1)
