"""What happens to every request, whatever it asks for.

In:  an ASGI app.
Out: the same app, which refuses bodies that are too large or take too long, names every request, writes a
     line about it into the log, and counts it.
"""

import asyncio
import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manylabel.serve.measures import Measures
from manylabel.serve.settings import ServeLimits

_CLIENT_LEFT = 499  # nginx's number for it; nobody is there to be told
_ID_HEADER = "X-Request-ID"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_logger = logging.getLogger(__name__)


class NamedRequests:
    """Name every request, log it and count it.

    Args:
        app: What answers.
        measures: What counts.
    """

    def __init__(self, app: ASGIApp, *, measures: Measures) -> None:
        """Keep what is needed."""
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_ID_HEADER, "")
        name = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        started, status = time.perf_counter(), 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_ID_HEADER] = name
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except ClientDisconnect:
            status = _CLIENT_LEFT
        finally:
            seconds = time.perf_counter() - started
            # Paths that nobody serves are one: a scanner shall not fill the memory with names.
            route = scope.get("route")
            path = getattr(route, "path", "other")
            self._measures.requests.labels(path=path, status=status).inc()
            self._measures.seconds.labels(path=path).observe(seconds)
            _logger.info("%s %s %s %d %.0f ms", name, scope["method"], path, status, 1000 * seconds)


class BoundedRequests:
    """Refuse what is too large or takes too long, or comes while too much is being received.

    Args:
        app: What answers.
        limits: How much is too much.
    """

    def __init__(self, app: ASGIApp, *, limits: ServeLimits) -> None:
        """Keep what is needed."""
        self._app = app
        self._limits = limits
        self._n_bytes = 0  # of all requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _CountedBody(self, receive, promised=Headers(scope=scope).get("content-length", "0"))
        has_begun = False

        async def send_noticed(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            with body:
                async with asyncio.timeout(self._limits.seconds):
                    await self._app(scope, body.receive, send_noticed)
        except (_TooLargeError, _TooMuchError, TimeoutError) as error:
            if not has_begun:
                await self._refusal(error)(scope, receive, send)

    def count(self, n_bytes: int, *, own: int) -> None:
        """Count bytes of a body that has ``own`` already.

        Raises:
            _TooLargeError: It is too large.
            _TooMuchError: All bodies together are.
        """
        if own + n_bytes > self._limits.request_bytes:
            raise _TooLargeError
        if self._n_bytes + n_bytes > self._limits.body_bytes:
            raise _TooMuchError
        self._n_bytes += n_bytes

    def forget(self, n_bytes: int) -> None:
        """Take back what was counted."""
        self._n_bytes -= n_bytes

    def _refusal(self, error: Exception) -> JSONResponse:
        limits = self._limits
        match error:
            case _TooLargeError():
                text = f"a request may have {limits.request_mb:g} MB; send fewer or smaller photos"
                return JSONResponse({"detail": text}, 413)
            case _TooMuchError():
                text = f"{limits.body_mb:g} MB are being received already; try again soon"
                return JSONResponse({"detail": text}, 503, headers={"Retry-After": "1"})
            case _:
                # Without a time to come back: the same request would take as long again.
                text = f"not ready within {limits.seconds:g} s; send fewer or smaller photos"
                return JSONResponse({"detail": text}, 503)


class _CountedBody:
    """Count the body of a request: what its head promises at once, what comes beyond that as it comes."""

    def __init__(self, counter: BoundedRequests, receive: Receive, *, promised: str) -> None:
        self._counter = counter
        self._receive = receive
        self._n_promised = int(promised) if promised.isdigit() else 0
        self._n_counted = 0
        self._n_received = 0

    def __enter__(self) -> None:
        self._count(self._n_promised)

    def __exit__(self, *_: object) -> None:
        self._counter.forget(self._n_counted)

    async def receive(self) -> Message:
        """Pass on what comes."""
        message = await self._receive()
        self._n_received += len(message.get("body", b""))
        if self._n_received > self._n_counted:
            self._count(self._n_received - self._n_counted)
        return message

    def _count(self, n_bytes: int) -> None:
        self._counter.count(n_bytes, own=self._n_counted)
        self._n_counted += n_bytes


class _TooLargeError(Exception):
    """Say that a body grew beyond the limit."""


class _TooMuchError(Exception):
    """Say that too much is being received."""
