"""How is a refusal told? As problem details (RFC 9457), without anything of the request."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = Field(default=None, description="What is wrong, in a sentence.")
    errors: list[str] | None = Field(default=None, description="Which parts of the request are wrong, and how.")


class Refused(HTTPException):
    """An answer other than what was asked for; `detail` is a sentence of ours."""

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)


def not_found(what: str) -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


_MAY_COME: Sequence[tuple[HTTPStatus, str]] = (
    (HTTPStatus.BAD_REQUEST, "The body is not JSON."),
    (HTTPStatus.UNAUTHORIZED, "No valid token."),
    (HTTPStatus.FORBIDDEN, "The token's role may not do this."),
    (HTTPStatus.NOT_FOUND, "There is no such thing."),
    (HTTPStatus.CONFLICT, "It cannot be done as things are."),
    (HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter or the body is wrong."),
    (HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer; nothing was done."),
)
RESPONSES: dict[int | str, dict[str, Any]] = {
    status.value: {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, meaning in _MAY_COME
}


def render(status: int, *, detail: str | None = None, errors: Sequence[str] | None = None) -> bytes:
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail is not None:
        body["detail"] = detail
    if errors:
        body["errors"] = list(errors)
    return orjson.dumps(body)


def tell_problems(app: FastAPI) -> None:
    """From here on whatever goes wrong in `app` is answered with problem details."""

    @app.exception_handler(HTTPException)
    async def tell(_request: Request, exc: HTTPException) -> Response:
        detail = exc.detail if isinstance(exc, Refused) else None
        return Response(render(exc.status_code, detail=detail), exc.status_code, exc.headers, media_type=MEDIA_TYPE)

    @app.exception_handler(RequestValidationError)
    async def tell_invalid(_request: Request, exc: RequestValidationError) -> Response:
        errors = [f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['type']}" for error in exc.errors()]
        is_json = not any(error["type"] == "json_invalid" for error in exc.errors())
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_json else HTTPStatus.BAD_REQUEST
        return Response(render(status, errors=errors[:20]), status, media_type=MEDIA_TYPE)

    @app.exception_handler(StoreUnavailable)
    async def tell_unavailable(_request: Request, exc: StoreUnavailable) -> Response:
        detail = (
            "A value is under an encryption key that is not configured here."
            if isinstance(exc, UnknownKey)
            else "The database does not answer."
        )
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Response(
            render(HTTPStatus.SERVICE_UNAVAILABLE, detail=detail),
            HTTPStatus.SERVICE_UNAVAILABLE,
            headers,
            media_type=MEDIA_TYPE,
        )
