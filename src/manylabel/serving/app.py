"""The HTTP interface as one app.

In:  bundles that are served, limits, perhaps a token.
Out: a FastAPI app: what ``routes`` answers, the page at /, the description at /openapi.json.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from manylabel import __version__
from manylabel.serving.bodies import BoundedRequests
from manylabel.serving.hosts import AllowedHosts, KnownHosts
from manylabel.serving.middleware import NamedRequests
from manylabel.serving.refusals import quoted
from manylabel.serving.routes import guarded_router, open_router
from manylabel.serving.served import ServedBundle
from manylabel.serving.settings import ServeLimits
from manylabel.serving.state import ServerState
from manylabel.serving.static_files import read_static_files


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
