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
    """Refuse what is too large or takes too long.

    Args:
        app: What answers.
        limits: How much is too much.
    """

    def __init__(self, app: ASGIApp, *, limits: ServeLimits) -> None:
        """Keep what is needed."""
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits, n_bytes, has_begun = self._limits, 0, False
        promised = Headers(scope=scope).get("content-length", "0")
        if promised.isdigit() and int(promised) > limits.request_bytes:
            await _too_large(limits)(scope, receive, send)
            return

        async def receive_bounded() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > limits.request_bytes:
                raise _TooLargeError
            return message

        async def send_noticed(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(limits.seconds):
                await self._app(scope, receive_bounded, send_noticed)
        except _TooLargeError:
            if not has_begun:
                await _too_large(limits)(scope, receive, send)
        except TimeoutError:
            if not has_begun:
                text = (
                    f"not ready within {limits.seconds:g} s; send fewer or smaller photos, or try again later"
                )
                answer = JSONResponse({"detail": text}, 503, headers={"Retry-After": "5"})
                await answer(scope, receive, send)


class _TooLargeError(Exception):
    """Say that a body grew beyond the limit."""


def _too_large(limits: ServeLimits) -> JSONResponse:
    text = f"a request may have {limits.request_mb:g} MB; send fewer or smaller photos"
    return JSONResponse({"detail": text}, 413)
