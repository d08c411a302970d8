"""How the control API speaks: JSON in, JSON out, a plain sentence when it cannot."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


class Json(Response):
    """A JSON answer (orjson; dataclasses are written as objects)."""

    media_type = "application/json"

    def __init__(self, content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(content), status_code=status, headers=headers)


async def body_of(request: Request) -> Any:
    """The JSON body; an empty one is `{}`. Raises HTTPException 400 when it is not JSON."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, "the body is not JSON") from error


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is `{}`. Raises HTTPException 400 for anything else."""
    content = await body_of(request)
    if not isinstance(content, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return content


async def sorry(_request: Request, error: Exception) -> Response:
    """The answer to an HTTPException: `{"error": "..."}`."""
    assert isinstance(error, HTTPException)
    return Json({"error": error.detail}, status=error.status_code)
