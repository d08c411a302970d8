"""`/api/v1/contacts/{id}/export` and `/erase`: what a customer may ask for."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from bridge.api.context import AsAdmin, Context, RowId
from bridge.api.problems import Refused, not_found
from bridge.runtime import privacy

router = APIRouter(prefix="/api/v1/contacts", tags=["privacy"])


class Wish(BaseModel):
    """Which far sides forget the customer too. They are asked first; where one refuses, nothing is erased."""

    model_config = ConfigDict(extra="forbid")
    helpdesk: bool = Field(default=False, description="The helpdesk's user, with what it erases along.")
    contact_book: bool = Field(default=False, description="The entry in Meta's contact book of the number.")


class Erased(BaseModel):
    rows: dict[str, int] = Field(description="How many rows were erased, by table.")
    files: int
    helpdesk_users: int
    contact_book: int


@router.get("/{contact_id}/export")
async def export(context: Context, caller: AsAdmin, contact_id: RowId) -> dict[str, Any]:
    """Everything that is kept of a customer, opened; of files, their names. The command line writes those as well."""
    try:
        whole, _ = await asyncio.to_thread(privacy.export, context.store, contact_id, caller, origin="api")
    except privacy.NoSuchContact:
        raise not_found("contact") from None
    return whole


@router.post("/{contact_id}/erase")
async def erase(context: Context, caller: AsAdmin, contact_id: RowId, wish: Wish) -> Erased:
    """Forget a customer: rows, files, dead letters. There is no way back, backups apart."""
    users = books = 0
    try:
        if wish.helpdesk or wish.contact_book:
            users, books = await privacy.erase_remotely(
                context.store,
                context.settings,
                contact_id,
                helpdesk=wish.helpdesk,
                contact_book=wish.contact_book,
            )
        done = await asyncio.to_thread(
            partial(privacy.erase, context.store, context.settings, contact_id, caller, origin="api")
        )
    except privacy.NoSuchContact:
        raise not_found("contact") from None
    except privacy.PrivacyRefused as refused:
        raise Refused(HTTPStatus.CONFLICT, str(refused)) from None
    return Erased(rows=done.rows, files=done.files, helpdesk_users=users, contact_book=books)
