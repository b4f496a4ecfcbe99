"""The HTTP interface as one app.

In:  bundles that are served, limits, perhaps a token.
Out: a FastAPI app: what ``routes`` answers, the page at /, the description at /docs and /openapi.json.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from manylabel import __version__
from manylabel.serve.middleware import BoundedRequests, NamedRequests
from manylabel.serve.routes import guarded_router, open_router
from manylabel.serve.served import ServedBundle
from manylabel.serve.settings import ServeLimits
from manylabel.serve.state import ServerState

_STATIC = Path(__file__).parent / "static"

# The page runs its own script and shows photos that it was given; nothing comes from elsewhere.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_app(
    bundles: Sequence[ServedBundle], *, limits: ServeLimits | None = None, token: str | None = None
) -> FastAPI:
    """Make the app.

    Args:
        bundles: What is served, at least one, names all different; the first answers where a request names
            none. They are closed when the app ends.
        limits: What is refused.
        token: What clients must send as ``Authorization: Bearer TOKEN``. Not given: everybody may ask.
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
        redoc_url=None,
    )
    app.state.server = state
    app.add_middleware(BoundedRequests, limits=limits)
    app.add_middleware(NamedRequests, measures=state.measures)
    app.include_router(open_router)
    app.include_router(guarded_router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html", headers=_PAGE_HEADERS)

    return app
