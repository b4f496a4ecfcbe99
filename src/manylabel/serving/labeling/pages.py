"""What answers at / and below /static: a page of the labeling app.

In:  what opens the page, the name of its file.
Out: routes.
"""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from manylabel.serving.labeling.page_key import PageKey
from manylabel.serving.static_files import StaticFiles

_STATIC = Path(__file__).parents[1] / "static"
_GET = ["GET", "HEAD"]


def read_pages(key: PageKey, *, page_file: str) -> APIRouter:
    """Read all files of the page into memory.

    Args:
        key: What opens the page.
        page_file: The file that answers at /.
    """
    pages = APIRouter(include_in_schema=False)
    own, shared = StaticFiles(_STATIC / "app"), StaticFiles(_STATIC)

    @pages.api_route("/", methods=_GET)
    async def page(request: Request, token: str | None = None) -> Response:
        """Answer with the page; whoever has the token gets the cookie, and an address without it."""
        if token is None or not key.admits(token):
            return own.page(page_file, request)
        answer = RedirectResponse("/", status_code=303)
        key.give(answer)
        return answer

    @pages.api_route("/use/", methods=_GET)
    async def served_page(request: Request) -> Response:
        """Answer with the page of ``manylabel serve``, which this page shows in a frame."""
        key.check(request)
        return shared.page("index.html", request, framed_by="'self'")

    @pages.api_route("/static/app/{name}", methods=_GET)
    async def own_file(name: str, request: Request) -> Response:
        return own.answer(name, request)

    @pages.api_route("/static/{name}", methods=_GET)
    async def shared_file(name: str, request: Request) -> Response:
        return shared.answer(name, request)

    return pages
