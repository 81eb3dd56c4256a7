"""A short look at a few frames finds the same lines and loops as a walk over all of them."""

import random
import sys

import pytest

from perfkit.capture.loop_paths import LoopPaths
from perfkit.capture.loops import LoopFinder

LIBRARY = """
def send(shape):
    return _send(shape)

def _send(shape):
    tell(sys._getframe(0), shape)

def send_in_chunks(shape):
    for _ in range(2):
        _send(shape)

def call_back(function):
    for _ in range(2):
        function()

def pass_on(function):
    function()
"""
FUNCTIONS, DEPTH = 4, 3


def program(rng):
    """The source of a few functions that loop, call one another and send statements of two shapes."""
    return "\n".join(
        f"def f{number}():\n" + "\n".join(body(rng, number, "    ", DEPTH)) for number in range(FUNCTIONS)
    )


def body(rng, number, indent, depth):
    lines = []
    for _ in range(rng.randint(1, 3)):
        lines += [indent + line for line in statement(rng, number, depth)]
    return lines


def statement(rng, number, depth):
    shape = rng.choice("AB")
    simple = [f"send({shape!r})", f"send_in_chunks({shape!r})"]
    if number + 1 < FUNCTIONS:
        callee = rng.randrange(number + 1, FUNCTIONS)
        simple += [f"f{callee}()", f"call_back(f{callee})", f"pass_on(f{callee})"]
        simple += [f"call_back(lambda: send({shape!r}))", f"rng.choice([f{callee}, f{FUNCTIONS - 1}])()"]
    if depth and rng.random() < 0.4:
        header = rng.choice(["for _ in range(3):", "if rng.random() < 0.5:", "while rng.random() < 0.6:"])
        return [header, *body(rng, number, "    ", depth - 1)]
    return [rng.choice(simple)]


def positions(source, seed):
    """Where each statement of one run was found: its line, and its loop's."""
    finder, found = LoopFinder(), []

    def tell(frame, shape):
        found.append(finder.locate(frame, shape, len(found)))

    library = {"__name__": "sqlalchemy.made_up", "sys": sys, "tell": tell}
    exec(compile(LIBRARY, "/x/site-packages/sqlalchemy/made_up.py", "exec"), library)
    own = {name: library[name] for name in ("send", "send_in_chunks", "call_back", "pass_on")}
    own |= {"__name__": "shop", "rng": random.Random(seed)}
    exec(compile(source, "/home/me/shop.py", "exec"), own)
    own["f0"]()
    finder.forget()
    return [seen(finder, serial, position) for serial, position in enumerate(found)]


def seen(finder, serial, position):
    """A statement's line and loop, without the code objects, which are others in another run."""
    call, loop = position.call, finder.loop_of(serial, position.loop_id)
    at = finder.instruction(loop)
    place = call and (call.code.co_name, call.code.co_firstlineno, call.offset)
    return place, loop, at and (at.code.co_name, at.code.co_firstlineno, at.offset)


@pytest.mark.parametrize("seed", range(300))
def test_made_up_programs_are_judged_alike_with_and_without_remembered_paths(seed, monkeypatch):
    source = program(random.Random(seed))
    remembered = positions(source, seed)
    monkeypatch.setattr(LoopPaths, "taken_again", lambda *arguments: None)
    walked = positions(source, seed)

    assert remembered == walked, source


def test_the_paths_of_the_made_up_programs_are_taken_again(monkeypatch):
    """Or the test above would compare two walks."""
    taken, asked = 0, LoopPaths.taken_again

    def counted(self, place, serial):
        nonlocal taken
        position = asked(self, place, serial)
        taken += position is not None
        return position

    def remembered(*arguments):
        remember(*arguments)

    # A frame more than usual stands between in both, so that depths are counted alike.
    remember = LoopPaths.remember
    monkeypatch.setattr(LoopPaths, "taken_again", counted)
    monkeypatch.setattr(LoopPaths, "remember", remembered)
    statements = sum(len(positions(program(random.Random(seed)), seed)) for seed in range(100))

    assert taken > 0.1 * statements
