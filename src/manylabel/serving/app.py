"""Serve bundles: the HTTP interface as one app, and its server.

In:  bundles, where to listen, limits, perhaps a token; the folder ``static``.
Out: a FastAPI app with the routes, the page at / and the description at /openapi.json; a running server,
     which at its end answers what it has accepted. No request opens a file.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from manylabel import __version__
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import EngineName, PrecisionName
from manylabel.errors import ConfigError
from manylabel.serving.hosts import AllowedHosts, KnownHosts, is_loopback
from manylabel.serving.limits import ServeLimits, quoted
from manylabel.serving.listener import make_server
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.routes import guarded_router, open_router
from manylabel.serving.served import ServedBundle
from manylabel.serving.state import ServerState

_logger = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent / "static"
_PAGE = "index.html"
_KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_GET = ["GET", "HEAD"]
_NO_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

# The page runs its own scripts and shows photos that it was given; nothing comes from elsewhere.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


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
        taken = opened.enter_context(_take_port(host, port))
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


def _take_port(host: str, port: int) -> socket.socket:
    """Bind the port before the bundles are opened, so that a port in use is an error at once.

    Clients that connect meanwhile wait until they are.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: else asyncio lets small packets wait for each other, 40 ms per answer (Nagle's algorithm).
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        # Of two that share an address, the second one to listen would fail in the middle of the start.
        taken.listen(2048)
    except OSError as error:
        taken.close()
        other = "address" if isinstance(error, socket.gaierror) or error.errno in _NO_ADDRESS else "port"
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another {other}"
        ) from error
    return taken


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
    app.add_exception_handler(HTTPException, _explain_error)
    app.add_exception_handler(RequestValidationError, _explain_value)
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


async def _explain_value(request: Request, error: Exception) -> Response:
    """Answer a wrong parameter with a sentence."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name, given = quoted(str(first["loc"][-1])), quoted(str(first["input"]))
    detail = f"parameter {name} is {given}: {first['msg'].removeprefix('Input ')}"
    return await http_exception_handler(request, HTTPException(422, detail))


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
