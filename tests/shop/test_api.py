import asyncio

import httpx
import pytest

import perfkit
from shop import services
from shop.api import create_app


def get(app, path):
    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_the_users_page_answers_with_what_the_service_returns(shop, session):
    response = get(create_app(shop.engine), "/users?limit=5")

    assert response.status_code == 200
    assert response.json() == {"users": services.get_users_with_posts(session, limit=5)}


def test_another_service_function_can_stand_behind_the_page(shop):
    slow = get(create_app(shop.engine), "/users")
    with perfkit.measure("page") as measured:
        quick = get(create_app(shop.engine, services.get_users_with_posts_json_agg), "/users")

    assert quick.json() == slow.json()
    assert len(measured.trace.queries) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "many", "501", "1e3", ""])
def test_a_limit_that_is_none_is_refused(shop, limit):
    response = get(create_app(shop.engine), f"/users?limit={limit}")

    assert response.status_code == 400
    assert "1 to 500" in response.text
