"""The page and its files.

In:  the folder ``static``.
Out: a router that answers from memory: no request opens a file.
"""

from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

_FOLDER = Path(__file__).parent / "static"
_PAGE = "index.html"
_KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_GET = ["GET", "HEAD"]

# The page runs its own scripts and shows photos that it was given; nothing comes from elsewhere.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


class _StaticFile:
    """A file in memory."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self._content = path.read_bytes()
        self._kind = _KINDS[path.suffix]
        self._tag = f'"{sha256(self._content).hexdigest()[:20]}"'

    def answer(self, request: Request) -> Response:
        """Return the file, or that it has not changed."""
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._content, media_type=self._kind, headers=headers)


def read_static_files() -> APIRouter:
    """Return what answers at / and below /static."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: _StaticFile(path) for path in _FOLDER.iterdir() if path.suffix in _KINDS}

    @router.api_route("/", methods=_GET)
    async def page(request: Request) -> Response:
        answer = files[_PAGE].answer(request)
        answer.headers.update(_PAGE_HEADERS)
        return answer

    @router.api_route("/static/{name}", methods=_GET)
    async def static_file(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404, "the page has no such file")
        return files[name].answer(request)

    return router
