"""Serve the page in which people label photos.

In:  a folder of photos, their labels; a browser on this machine.
Out: the page at an address with a token, until Ctrl-C; the table of labels on the disk.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from manylabel.annotation.author import user_name
from manylabel.annotation.label_store import LabelStore
from manylabel.config import DataConfig
from manylabel.serving.labeling.assistant import Assistance, Assistant
from manylabel.serving.labeling.page_key import PageKey
from manylabel.serving.labeling.pages import read_pages
from manylabel.serving.labeling.photo_choice import PhotoChoice
from manylabel.serving.labeling.picture_cache import PictureCache
from manylabel.serving.labeling.pictures import Pictures
from manylabel.serving.labeling.protection import protect
from manylabel.serving.labeling.routes import router
from manylabel.serving.labeling.start_app import create_start_app
from manylabel.serving.labeling.state import LabelingState
from manylabel.serving.labeling.training_routes import router as training_router
from manylabel.serving.labeling.use_routes import frame_router
from manylabel.serving.labeling.use_routes import router as use_router
from manylabel.serving.limits import ServeLimits
from manylabel.serving.listener import make_server, take_port

_HOST = "127.0.0.1"
_TOKEN_BYTES = 24


def label(  # noqa: PLR0913 - a wish of the user each
    photos: Path | None = None,
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
        photos: Folder of the photos; None asks for them on the page.
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
    with take_port(_HOST, port) as taken, ExitStack() as opened:
        number = taken.getsockname()[1]

        def open_photos(photos: Path, labels: Path | None) -> ASGIApp:
            with ExitStack() as begun:
                store = begun.enter_context(LabelStore(photos, labels, config=config))
                assistant = begun.enter_context(_assist(store, assistance))
                name = user_name() if author is None else author
                state = LabelingState(store, author=name, token=token, port=number, assistant=assistant)
                state.pictures = Pictures(cache=PictureCache(photos))
                begun.callback(state.close)
                opened.enter_context(begun.pop_all())
            return create_labeling_app(state, limits=limits)

        if photos is None:
            key = PageKey(token, port=number)
            app = create_start_app(PhotoChoice(open_photos), key=key, limits=limits)
        else:
            app = open_photos(photos, labels)
        server = make_server(app, limits=limits)
        on_start(f"http://{_HOST}:{number}/?token={token}")
        server.run(sockets=[taken])


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
    protect(app, limits=ServeLimits() if limits is None else limits)
    pages = read_pages(state.key, page_file="index.html")
    for routes in (router, training_router, use_router, frame_router, pages):
        app.include_router(routes)
    return app
