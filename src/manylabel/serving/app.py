"""The HTTP interface as one app.

In:  bundles that are served, limits, perhaps a token; the folder ``static``.
Out: a FastAPI app: the routes, the page at /, the description at /openapi.json. No request opens a file.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from manylabel import __version__
from manylabel.serving.hosts import AllowedHosts, KnownHosts
from manylabel.serving.limits import ServeLimits, quoted
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.routes import guarded_router, open_router
from manylabel.serving.served import ServedBundle
from manylabel.serving.state import ServerState

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


def create_app(
    bundles: Sequence[ServedBundle],
    *,
    limits: ServeLimits | None = None,
    token: str | None = None,
    hosts: AllowedHosts | None = None,
) -> FastAPI:
    """Make the app.

    Args:
        bundles: What is served, at least one, names all different; the first answers where a request names
            none. They are closed when the app ends.
        limits: What is refused.
        token: What clients must send as ``Authorization: Bearer TOKEN``. Not given: everybody may ask.
        hosts: The hosts that are answered for. Not given: those of this machine.
    """
    limits = ServeLimits() if limits is None else limits
    state = ServerState(bundles, limits=limits, token=token)

    @asynccontextmanager
    async def close_at_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        for bundle in bundles:
            bundle.close()

    app = FastAPI(
        title="manylabel",
        version=__version__,
        description="Says which labels photos carry, with probabilities.",
        lifespan=close_at_end,
        # Their pages run a script from elsewhere, which could read the token that a person enters.
        docs_url=None,
        redoc_url=None,
        # A redirect goes to whatever host a request names.
        redirect_slashes=False,
    )
    app.state.server = state
    app.add_middleware(KnownHosts, hosts=AllowedHosts() if hosts is None else hosts)
    app.add_middleware(BoundedRequests, limits=limits)
    app.add_middleware(NamedRequests, measures=state.measures)
    app.add_exception_handler(HTTPException, _explain_error)
    for router in (open_router, guarded_router, read_static_files()):
        app.include_router(router)
    return app


async def _explain_error(request: Request, error: Exception) -> Response:
    """Answer an error with a sentence, also where the framework has only the name of its status."""
    assert isinstance(error, HTTPException)
    path = quoted(request.scope["path"])
    if error.detail == HTTPStatus.NOT_FOUND.phrase:
        error.detail = f"nothing is served at {path}; /openapi.json lists what is"
    elif error.detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        error.detail = f"{path} does not take {quoted(request.method)}; /openapi.json lists what it takes"
    return await http_exception_handler(request, error)


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
