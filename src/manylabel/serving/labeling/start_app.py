"""The page on which people choose photos, where the command does not name any.

In:  requests, with the cookie of the page.
Out: the start page until photos are chosen; then the labeling page at the same address.

    POST /app/start   photos chosen
"""

import msgspec
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from manylabel.errors import InputError
from manylabel.serving.labeling.page_key import PageKey
from manylabel.serving.labeling.pages import read_pages
from manylabel.serving.labeling.photo_choice import PhotoChoice
from manylabel.serving.labeling.protection import protect
from manylabel.serving.labeling.requests import encode, read_json
from manylabel.serving.limits import ServeLimits

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class ChosenPhotos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The photos that a person chose.

    Attributes:
        folder: Path of a folder of photos; null for the sample set.
    """

    folder: str | None


def create_start_app(choice: PhotoChoice, *, key: PageKey, limits: ServeLimits) -> ASGIApp:
    """Make an app that asks for photos, and then is the one for these photos.

    Args:
        choice: The choice of photos.
        key: What opens the page.
        limits: What is refused.
    """
    start = FastAPI(
        title="manylabel", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    protect(start, limits=limits)
    start.include_router(_read_choices(choice, key))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        app = start if choice.app is None or scope["type"] != "http" else choice.app
        await app(scope, receive, send)

    return answer


def _read_choices(choice: PhotoChoice, key: PageKey) -> APIRouter:
    """Return all routes; whatever is asked besides the start page gets 409."""

    async def check(request: Request) -> None:
        key.check(request)

    router = APIRouter(include_in_schema=False)

    @router.post("/app/start", dependencies=[Depends(check)])
    async def start(request: Request) -> Response:
        """Choose photos."""
        chosen = await read_json(request, ChosenPhotos)
        try:
            if chosen.folder is None:
                await run_in_threadpool(choice.choose_sample)
            else:
                await run_in_threadpool(choice.choose_folder, chosen.folder)
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        return await encode(dict)

    router.include_router(read_pages(key, page_file="start.html"))

    @router.api_route("/{_:path}", methods=_METHODS, dependencies=[Depends(check)])
    async def wait() -> Response:
        raise HTTPException(409, "choose photos on the start page first")

    return router
