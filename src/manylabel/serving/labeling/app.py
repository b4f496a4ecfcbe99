"""Serve the page in which people label photos.

In:  a folder of photos, their labels; a browser on this machine.
Out: the page at an address with a token, until Ctrl-C; the table of labels on the disk.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from manylabel.annotation.author import user_name
from manylabel.annotation.label_store import LabelStore
from manylabel.config import DataConfig
from manylabel.serving.error_answers import answer_errors
from manylabel.serving.hosts import AllowedHosts, KnownHosts
from manylabel.serving.labeling.assistant import Assistance, Assistant
from manylabel.serving.labeling.picture_cache import PictureCache
from manylabel.serving.labeling.pictures import Pictures
from manylabel.serving.labeling.routes import router
from manylabel.serving.labeling.state import LabelingState
from manylabel.serving.labeling.training_routes import router as training_router
from manylabel.serving.limits import ServeLimits
from manylabel.serving.listener import make_server, take_port
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.state import Measures
from manylabel.serving.static_files import StaticFiles

_HOST = "127.0.0.1"
_STATIC = Path(__file__).parents[1] / "static"
_TOKEN_BYTES = 24
_GET = ["GET", "HEAD"]


def label(  # noqa: PLR0913 - a wish of the user each
    photos: Path,
    labels: Path | None = None,
    *,
    config: DataConfig | None = None,
    assistance: Assistance | None = None,
    author: str | None = None,
    port: int = 0,
    on_start: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the labeling page on this machine until SIGINT, SIGTERM or SIGHUP.

    Args:
        photos: Folder of the photos.
        labels: A file or folder of labels; None takes ``labels.csv`` in the folder of the photos.
        config: How labels are read.
        assistance: How a model helps; None for no help.
        author: Name of whoever labels; not given: that of the user of this machine.
        port: Port to listen on; 0 takes a free one.
        on_start: Called with the address of the page once the server listens.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is not a positive number.
        InputError: The labels cannot be read, another process changes them, or the port is taken.
        OutputError: The journal of changes cannot be written.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    limits = ServeLimits()
    with (
        take_port(_HOST, port) as taken,
        LabelStore(photos, labels, config=config) as store,
        _assist(store, assistance) as assistant,
    ):
        name = user_name() if author is None else author
        number = taken.getsockname()[1]
        state = LabelingState(store, author=name, token=token, port=number, assistant=assistant)
        app = create_labeling_app(state, limits=limits)
        server = make_server(app, limits=limits)
        state.pictures = Pictures(cache=PictureCache(photos))
        on_start(f"http://{_HOST}:{number}/?token={token}")
        try:
            server.run(sockets=[taken])
        finally:
            state.trainer.close()


@contextmanager
def _assist(store: LabelStore, assistance: Assistance | None) -> Iterator[Assistant | None]:
    if assistance is None:
        yield None
        return
    assistant = Assistant(store, assistance)
    try:
        yield assistant
    finally:
        assistant.close()


def create_labeling_app(state: LabelingState, *, limits: ServeLimits | None = None) -> FastAPI:
    """Make the app.

    Args:
        state: The labels, and what opens the page.
        limits: What is refused.
    """
    app = FastAPI(title="manylabel", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.labeling = state
    app.add_middleware(KnownHosts, hosts=AllowedHosts())
    app.add_middleware(BoundedRequests, limits=ServeLimits() if limits is None else limits)
    app.add_middleware(NamedRequests, measures=Measures())
    answer_errors(app)
    app.include_router(router)
    app.include_router(training_router)
    app.include_router(_read_page(state))
    return app


def _read_page(state: LabelingState) -> APIRouter:
    """Return what answers at / and below /static."""
    pages = APIRouter(include_in_schema=False)
    own, shared = StaticFiles(_STATIC / "app"), StaticFiles(_STATIC)

    @pages.api_route("/", methods=_GET)
    async def page(request: Request, token: str | None = None) -> Response:
        """Answer with the page; whoever has the token gets the cookie, and an address without it."""
        if token is None or not state.admits(token):
            return own.page("index.html", request)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(state.cookie, token, httponly=True, samesite="strict")
        return answer

    @pages.api_route("/static/app/{name}", methods=_GET)
    async def own_file(name: str, request: Request) -> Response:
        return own.answer(name, request)

    @pages.api_route("/static/{name}", methods=_GET)
    async def shared_file(name: str, request: Request) -> Response:
        return shared.answer(name, request)

    return pages
