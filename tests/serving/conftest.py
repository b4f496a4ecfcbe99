"""Give tests of the server a running one, a client that sends any bytes, and a browser.

In:  an app.
Out: its host and port while a block lasts; answers; what keeps people with disabilities from using a page.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from manylabel.serving.limits import ServeLimits
from manylabel.serving.listener import Server, make_server, take_port
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.state import Measures

Address = tuple[str, int]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parents[2] / "tools" / "pages" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND_BARRIERS = """(tags) => axe.run({ runOnly: tags }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, any, all }) =>
        `${id}: ${target.join(" ")}: ${[...any, ...all].map(({ message }) => message).join("; ")}`)))"""


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def detail(self) -> str:
        """Return the sentence of a refusal."""
        return str(json.loads(self.body)["detail"])


@contextmanager
def serving(app: ASGIApp, *, limits: ServeLimits | None = None) -> Iterator[tuple[Server, Address]]:
    """Serve an app from a thread of this process; yield the server with its host and port."""
    taken = take_port("127.0.0.1", 0)
    address = taken.getsockname()[:2]
    server = make_server(app, limits=ServeLimits() if limits is None else limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server, address
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def listening(app: ASGIApp, *, limits: ServeLimits | None = None) -> Iterator[Address]:
    """Serve an app from a thread of this process; yield host and port."""
    with serving(app, limits=limits) as (_, address):
        yield address


def request_of(
    path: str = "/health",
    *,
    method: str = "GET",
    body: bytes = b"",
    n_announced: int | None = None,
    **headers: str,
) -> bytes:
    """Return a request as it goes over a connection; underscores in names of headers are hyphens."""
    named = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if method == "POST":
        named["Content-Length"] = str(len(body) if n_announced is None else n_announced)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def read_answer(client: socket.socket) -> Answer:
    """Read one answer."""
    with http.client.HTTPResponse(client) as response:
        response.begin()
        return Answer(status=response.status, headers=response.headers, body=response.read())


def ask(address: Address, request: bytes, *, ends: bool = False) -> Answer:
    """Send some bytes and read an answer.

    Args:
        address: Host and port.
        request: The bytes.
        ends: Whether the client says that it sends no more.
    """
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(request)
        if ends:
            client.shutdown(socket.SHUT_WR)
        return read_answer(client)


async def _say_ok(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _say_length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def small_app(*, limits: ServeLimits | None = None) -> Starlette:
    """Return an app without bundles: /health answers, and /length with the length of a body."""
    app = Starlette(routes=[Route("/health", _say_ok), Route("/length", _say_length, methods=["POST"])])
    app.add_middleware(BoundedRequests, limits=ServeLimits() if limits is None else limits)
    app.add_middleware(NamedRequests, measures=Measures())
    return app


@contextmanager
def running(
    bundle: Path, *words: str, log: Path | None = None, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a bundle from a process without torch; yield it and its URL.

    Args:
        bundle: The bundle.
        words: More options.
        log: Where its log goes; not given: into a pipe, which holds a few hundred lines.
        environment: More variables.
    """
    program = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        "from manylabel.cli.main import main\nmain()"
    )
    with ExitStack() as opened:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", program, "serve", str(bundle), "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if log is None else opened.enter_context(log.open("wb")),
            text=True,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def converted(bundle: Path) -> Path:
    """See that the bundle's model lies converted in the cache."""
    from manylabel.engines.registry import open_predictor

    open_predictor(bundle, engine="openvino")
    return bundle


def find_browser() -> str:
    """Return the path of a browser of the system, or skip the test."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"there is no browser here: none of {', '.join(BROWSERS)}")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start a browser of the system."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = find_browser()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def find_barriers() -> Callable[[Any], list[str]]:
    """Return what lists the barriers on a page that axe-core finds."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; make check-pages installs it")
    source = AXE.read_text(encoding="utf-8")

    def find(page: Any) -> list[str]:
        page.evaluate(source)
        found: list[str] = page.evaluate(FIND_BARRIERS, STANDARDS)
        return found

    return find
