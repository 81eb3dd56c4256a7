"""Hand-made CPU profiles for the tests of the views."""

from perfkit.model.cpu import CallerEdge, CpuProfile, FunctionProfile
from perfkit.model.location import CodeLocation

HOSTILE_NAMES = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "quotes \" and ' and `",
    "line\nbreak\r\nand\ttab",
    "U+2028 \u2028 and U+2029 \u2029",
    "lone surrogate \ud800",
    "back\\slash and /slash/",
    "((((:3(",
    "x" * 10_000,
    "",
)


def function(
    name, *, own=0.001, cumulative=None, calls=1, user=False, callers=(), path="/lib/lib.py", line=1, **place
):
    """A function; `callers` are pairs of a caller's index and the time that it is charged with."""
    edges = tuple(CallerEdge(number, 1, 1, min(own, time), time) for number, time in callers)
    location = CodeLocation(path, line, name, **place)
    return FunctionProfile(location, calls, calls, own, cumulative or own, user, edges)


def profile(*functions, wall_ms=None, notes=()):
    attributed_ms = sum(f.tottime for f in functions) * 1000
    return CpuProfile("cProfile, this thread", wall_ms or attributed_ms, attributed_ms, 1.0, functions, notes)


def cell_profile():
    """A cell of two statements: the second calls the person's function, which queries."""
    return profile(
        function(
            "<module>", own=0.05, user=True, path="/tmp/1.py", line=3, cell="In[7]", source_text="wait()"
        ),
        function("<module>", own=0.001, cumulative=0.151, user=True, path="/tmp/1.py", line=4, cell="In[7]"),
        function(
            "users_page",
            own=0.01,
            cumulative=0.15,
            user=True,
            path="/x/services.py",
            line=42,
            callers=[(1, 0.15)],
        ),
        function(
            "<method 'execute' of 'sqlite3.Cursor' objects>", own=0.14, path="~", line=0, callers=[(2, 0.14)]
        ),
        wall_ms=250.0,
        notes=("49 ms not attributed: waiting at an await.",),
    )


def large_profile(count):
    """A tree of calls, ten to each function, with times that fall by rank."""
    cumulative = [1.0 / (number + 1) for number in range(count)]
    return profile(
        *(
            function(
                f"library_function_number_{number}",
                own=cumulative[number] / 10,
                cumulative=cumulative[number],
                path=f"/site-packages/package_{number % 97}/module_{number % 31}.py",
                line=number,
                callers=[((number - 1) // 10, cumulative[number])] if number else [],
            )
            for number in range(count)
        )
    )
