import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import perfkit
from shop import services, services_async

COROUTINES = {
    name: function
    for name, function in inspect.getmembers(services_async, inspect.iscoroutinefunction)
    if function.__module__ == services_async.__name__
}


async def awaited(url: str, function: Callable[..., Any], *arguments: object) -> tuple[Any, int]:
    """What a coroutine function returns and how many statements it sends."""
    engine = create_async_engine(url)
    try:
        async with AsyncSession(engine) as session:
            await session.connection()
            async with perfkit.measure(function.__name__) as measured:
                result = await function(session, *arguments)
            return result, len(measured.trace.queries or ())
    finally:
        await engine.dispose()


@pytest.mark.parametrize("name", COROUTINES)
def test_an_async_service_returns_and_sends_what_its_sync_twin_does(shop, session, name):
    arguments = (1, "shipped") if name == "find_orders" else (20,)
    session.connection()
    with perfkit.measure(name) as measured:
        expected = getattr(services, name)(session, *arguments)

    result, statements = asyncio.run(awaited(shop.url, COROUTINES[name], *arguments))

    assert result == expected
    assert statements == len(measured.trace.queries)


def test_every_service_has_an_async_twin():
    sync = {
        name
        for name, function in inspect.getmembers(services, inspect.isfunction)
        if name.startswith(("get_", "find_"))
    }

    assert set(COROUTINES) == sync
