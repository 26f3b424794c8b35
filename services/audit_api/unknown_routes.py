"""Requests that match no route: an unknown path, or a known one with another method."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.audit_api.answers import in_json
from services.audit_api.route import PLACES, RouteRow

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def fixed_length(path: str) -> int:
    """How many characters of a path are fixed. A key's reference may have slashes, so several routes may match one
    path. The route with the most fixed characters is meant."""
    return len(PLACES.sub("", path))


def other_methods(rows: Sequence[RouteRow]) -> list[Route]:
    """For each path, a route for the methods that it does not take. Without it, a GET of a path that takes only POST
    would be read as a longer reference to a key."""
    taken: dict[str, set[str]] = {}
    for row in rows:
        taken.setdefault(row.path, set()).update({"GET", "HEAD"} if row.method == "GET" else {row.method})
    return [Route(path, no_method, methods=sorted(METHODS - methods)) for path, methods in taken.items()]


async def no_method(request: Request) -> Response:
    matching = [route for route in request.app.routes if route.path_regex.match(request.url.path)]
    most = max(fixed_length(route.path) for route in matching)
    open_to = [route for route in matching if fixed_length(route.path) == most and route.endpoint is not no_method]
    methods = sorted({name for route in open_to for name in route.methods})
    message = f"This path takes {' and '.join(methods)}; GET /v1/openapi.json lists what there is."
    answer = in_json(405, {"error": {"code": "MethodNotAllowedException", "message": message}}, str(uuid4()))
    answer.headers["allow"] = ", ".join(methods)
    return answer


async def no_path(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException), "the only kind that it stands for"
    if fault.status_code == 405:
        return await no_method(request)
    message = "There is nothing here; GET /v1/openapi.json lists what there is."
    return in_json(fault.status_code, {"error": {"code": "NotFoundException", "message": message}}, str(uuid4()))
