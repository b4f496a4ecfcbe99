"""Serve bundles: the HTTP interface as one app, and its server.

In:  bundles, where to listen, limits, perhaps a token; the folder ``static``.
Out: a FastAPI app with the routes, the page at / and the description at /openapi.json; a running server,
     which at its end answers what it has accepted. No request opens a file.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response

from manylabel import __version__
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import EngineName, PrecisionName
from manylabel.errors import ConfigError
from manylabel.serving.error_answers import answer_errors
from manylabel.serving.hosts import AllowedHosts, KnownHosts, is_loopback
from manylabel.serving.limits import ServeLimits
from manylabel.serving.listener import make_server, take_port
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.routes import guarded_router, open_router
from manylabel.serving.served import ServedBundle
from manylabel.serving.state import ServerState
from manylabel.serving.static_files import StaticFiles

_logger = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent / "static"
_PAGE = "index.html"
_GET = ["GET", "HEAD"]


def serve(  # noqa: PLR0913 - a wish of the operator each
    bundles: Sequence[Path | str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_hosts: Sequence[str] = (),
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    limits: ServeLimits | None = None,
    token: str | None = None,
    on_start: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve bundles until SIGINT, SIGTERM or SIGHUP; whoever is connected then is still answered.

    Args:
        bundles: Folders that training wrote, or NAME=FOLDER; the name is that of the folder where none is
            given. The first answers where a request names none.
        host: Address to listen on; only this machine can reach the default.
        port: Port to listen on; 0 takes a free one.
        allow_hosts: Names that clients may call the server by, besides ``host`` and those of this machine;
            "*" allows every name.
        engine: What computes.
        precision: Dtype of the forward pass.
        thresholds: Thresholds of some labels in place of those of the bundles, by label or as a file; every
            bundle must have these labels.
        limits: What is refused.
        token: What clients must send; not given: everybody who reaches the address may ask.
        on_start: Called with the URL once the server listens.

    Raises:
        InputError: A bundle or a threshold cannot be used, two have the same name, or the port is taken.
        MissingExtraError: The engine is not installed.
    """
    limits = ServeLimits() if limits is None else limits
    hosts = AllowedHosts(host, names=allow_hosts)
    folders = name_bundles(bundles)
    with ExitStack() as opened:
        taken = opened.enter_context(take_port(host, port))
        served = []
        for name, folder in folders.items():
            bundle = ServedBundle(
                name, folder, engine=engine, precision=precision, limits=limits, thresholds=thresholds
            )
            opened.callback(bundle.close)
            served.append(bundle)
            for change in bundle.thresholds.changes:
                _logger.info("%s: %s", name, change)
        if token is None and not is_loopback(host):
            _logger.warning(
                "anyone who can reach %s can use this server; set a token to restrict access (--token-file)",
                host,
            )
        server = make_server(create_app(served, limits=limits, token=token, hosts=hosts), limits=limits)
        shown = f"[{host}]" if ":" in host else host
        on_start(f"http://{shown}:{taken.getsockname()[1]}")
        logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
        try:
            server.run(sockets=[taken])
        finally:
            if server.force_exit:
                _logger.warning("stopped at once: requests under way got 503, or no answer")


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Drop the traces of what a second Ctrl-C interrupts."""
    raised = record.exc_info[1] if record.exc_info else None
    is_text = record.getMessage().rstrip().endswith(asyncio.CancelledError.__name__)  # a trace as text
    return not (is_text or isinstance(raised, asyncio.CancelledError))


def name_bundles(given: Sequence[Path | str]) -> dict[str, Path]:
    """Return the folder of each name.

    Args:
        given: Folders, or NAME=FOLDER.

    Raises:
        ConfigError: No bundle is given, or two have the same name.

    Examples:
        >>> name_bundles(["models/resnet50", "small=models/mobilenet_v2"])
        {'resnet50': PosixPath('models/resnet50'), 'small': PosixPath('models/mobilenet_v2')}
    """
    named: dict[str, Path] = {}
    for text in map(str, given):
        # A folder may have an equals sign in its name.
        if "=" in text and not Path(text).is_dir():
            name, _, folder = text.partition("=")
            path = Path(folder)
        else:
            path = Path(text)
            name = path.resolve().name
        if name in named:
            raise ConfigError(
                f"two bundles are called '{name}'; name them: {name}={named[name]} other={path}"
            )
        named[name] = path
    if not named:
        raise ConfigError("no bundle is given; give the folders that training wrote")
    return named


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
        description="Predicts the labels of photos, with probabilities.",
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
    answer_errors(app)
    for router in (open_router, guarded_router, read_static_files()):
        app.include_router(router)
    return app


def read_static_files() -> APIRouter:
    """Return what answers at / and below /static."""
    router = APIRouter(include_in_schema=False)
    files = StaticFiles(_FOLDER)

    @router.api_route("/", methods=_GET)
    async def page(request: Request) -> Response:
        return files.page(_PAGE, request)

    @router.api_route("/static/{name}", methods=_GET)
    async def static_file(name: str, request: Request) -> Response:
        return files.answer(name, request)

    return router
