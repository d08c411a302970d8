"""How tests and pages play Meta's reviewers: the control API's part for templates."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.templates.content import CATEGORIES
from sandbox.whatsapp.templates.desk import QUALITIES, REASONS, TemplateDesk
from sandbox.whatsapp.templates.records import Template
from sandbox.whatsapp.templates.review import Verdict, judge

PLAIN_EVENTS = ("FLAGGED", "LOCKED", "IN_APPEAL", "LIMIT_EXCEEDED")


class TemplateControl:
    """Answers under `/sandbox/api/whatsapp/templates`."""

    def __init__(self, *, desk: TemplateDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            Route("/whatsapp/templates", self._list, methods=["GET"]),
            Route("/whatsapp/templates/{id}", self._act, methods=["POST"]),
        ]

    async def _list(self, _request: Request) -> Response:
        self._desk.settle()
        return Json(list(self._desk.shelf.templates.values()))

    async def _act(self, request: Request) -> Response:
        """`{"do": "approve" | "review" | "reject" | "quality" | "pause" | "disable" | "reinstate" | "category" |
        "components" | "release" | "drop" | "event"}` with what that needs."""
        template = self._desk.shelf.templates.get(request.path_params["id"])
        if template is None:
            raise HTTPException(404, "there is no such template")
        wish = await object_of(request)
        try:
            self._do(template, wish)
        except RefusedError as refused:
            raise HTTPException(400, refused.details) from refused
        return Json(template)

    def _do(self, template: Template, wish: dict[str, Any]) -> None:
        desk = self._desk
        match wish.get("do"):
            case "approve":
                category = _one_of(wish.get("category", template.category), CATEGORIES, "category")
                desk.conclude(template, Verdict(True, category))
            case "review":
                desk.conclude(template, judge(template, desk.shelf.of(template.waba_id)))
            case "reject":
                reason = _one_of(wish.get("reason", "INVALID_FORMAT"), REASONS, "reason")
                words, advice = str(wish.get("words", "")), str(wish.get("advice", ""))
                desk.conclude(template, Verdict(False, template.category, reason, words, advice))
            case "quality":
                desk.rate(template, _one_of(wish.get("quality"), QUALITIES, "quality"))
            case "pause":
                desk.pause(template, by_pacing=wish.get("by_pacing") is True)
            case "disable":
                desk.disable(template)
            case "reinstate":
                desk.unpause(template)
            case "category":
                category = _one_of(wish.get("category"), CATEGORIES, "category")
                desk.recategorise(template, category, notice=wish.get("notice") is True)
            case "components":
                desk.rewrite(template, wish.get("components"))
            case "archive":
                desk.archive(template, back=False)
            case "unarchive":
                desk.archive(template, back=True)
            case "delete":
                desk.delete(template)
            case "release":
                desk.assess(template, drop=False)
            case "drop":
                desk.assess(template, drop=True)
            case "event":
                desk.tell_event(template, _one_of(wish.get("event"), PLAIN_EVENTS, "event"))
            case unknown:
                raise HTTPException(400, f"there is nothing called {unknown!r} to do")


def _one_of(value: Any, choices: tuple[str, ...], what: str) -> str:
    if value not in choices:
        raise HTTPException(400, f"{what} is one of {', '.join(choices)}")
    return str(value)
