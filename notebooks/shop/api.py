"""The shop's HTTP interface; the notebooks call it in their own process, without a port."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shop import services

UsersPage = Callable[..., list[dict[str, Any]]]
MAX_LIMIT = 500


def create_app(engine: Engine, users_page: UsersPage = services.get_users_with_posts) -> Starlette:
    """Make the application; `users_page` is the service function behind `GET /users`."""

    def users(request: Request) -> JSONResponse:
        limit = _limit(request)
        with Session(engine) as session:
            return JSONResponse({"users": users_page(session, limit=limit)})

    return Starlette(routes=[Route("/users", users)])


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    if not given.isdecimal() or not 1 <= int(given) <= MAX_LIMIT:
        raise HTTPException(400, f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(given)
