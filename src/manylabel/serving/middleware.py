"""What happens to every request, whatever it asks for.

In:  an ASGI app.
Out: the same app. It names, logs and counts every request, and tells the browser to take no answer for
     anything else; it refuses bodies that are too large, come too slowly or end too early, and requests that
     take too long.
"""

import asyncio
import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manylabel.serving.limits import SAFE_HEADERS, Refusal, ServeLimits, refusal_of
from manylabel.serving.state import Measures

IS_CUT = "manylabel.is_cut"
"""Key of a scope: the client ended the connection before the end of its body."""

_CLIENT_LEFT = 499  # nginx's status for a client that is gone
_ID_HEADER = "X-Request-ID"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHOWN_METHOD = 16
_SAFE_PAIRS = tuple((name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items())
_MIN_BYTES_PER_SECOND = 1000
_MOST_DIGITS = 20  # of a number of bytes; Python refuses to read thousands
_logger = logging.getLogger(__name__)


class NamedRequests:
    """An app that names every request, logs it and counts it.

    Args:
        app: What answers.
        measures: The counters.
    """

    def __init__(self, app: ASGIApp, *, measures: Measures) -> None:
        """Store the app and what it needs."""
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
                headers = message["headers"] = list(message.get("headers", ()))
                given_names = {header for header, _ in headers}
                headers.append((_ID_HEADER.lower().encode(), name.encode()))
                headers += [pair for pair in _SAFE_PAIRS if pair[0] not in given_names]
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except ClientDisconnect:
            status = _CLIENT_LEFT
        finally:
            seconds = time.perf_counter() - started
            # Unknown paths count as one: a scanner must not fill the memory with names.
            route = scope.get("route")
            path = getattr(route, "path", "other")
            method = scope["method"][:_SHOWN_METHOD]
            self._measures.requests.labels(path=path, status=status).inc()
            self._measures.seconds.labels(path=path).observe(seconds)
            _logger.info("%s %s %s %d %.0f ms", name, method, path, status, 1000 * seconds)


class BoundedRequests:
    """An app that refuses what is too large or takes too long, or comes while too much is being received.

    Args:
        app: What answers.
        limits: How much is too much.
    """

    def __init__(self, app: ASGIApp, *, limits: ServeLimits) -> None:
        """Store the app and what it needs."""
        self._app = app
        self._limits = limits
        self._n_bytes = 0  # of all requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _CountedBody(self, scope, receive, idle_seconds=self._limits.idle_seconds)
        has_begun = False

        async def send_noticed(message: Message) -> None:
            nonlocal has_begun
            if not has_begun and not body.is_complete:
                # The rest is not read to its end, so no other request can follow it.
                MutableHeaders(scope=message)["Connection"] = "close"
            has_begun = True
            await send(message)

        try:
            with body:
                async with asyncio.timeout(self._limits.seconds):
                    await self._app(scope, body.receive, send_noticed)
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:  # the server stops at once
            if not has_begun:
                answer = Refusal(503, "the server is shutting down").answer()
                await answer(scope, receive, send_noticed)
            raise
        except Exception as error:  # noqa: BLE001 - every request has an answer
            # The error itself is not kept: through its trace it would keep the photos.
            answer = self._refuse(error).answer()
            if not has_begun:
                await answer(scope, receive, send_noticed)

    def check(self, n_bytes: int, *, own: int = 0) -> None:
        """Refuse bytes that are too many.

        Args:
            n_bytes: How many come, or are announced.
            own: How many of the same body there are already.

        Raises:
            Refusal: 413 where the body is too large, 503 where all bodies together are.
        """
        limits = self._limits
        if own + n_bytes > limits.request_bytes:
            raise Refusal(
                413, f"a request may have at most {limits.request_mb:g} MB; send fewer or smaller photos"
            )
        if self._n_bytes + n_bytes > limits.body_bytes:
            raise Refusal(
                503, f"{limits.body_mb:g} MB are being received already; try again soon", retry_seconds=1
            )

    def count(self, n_bytes: int, *, own: int) -> None:
        """Count bytes that came; the arguments and errors are those of ``check``."""
        self.check(n_bytes, own=own)
        self._n_bytes += n_bytes

    def forget(self, n_bytes: int) -> None:
        """Take back what was counted."""
        self._n_bytes -= n_bytes

    def _refuse(self, error: Exception) -> Refusal:
        if isinstance(error, TimeoutError):
            # Without a time to come back: the same request would take as long again.
            return Refusal(503, f"not ready within {self._limits.seconds:g} s; send fewer or smaller photos")
        refusal = refusal_of(error)
        if refusal is None:
            _logger.error("a request failed", exc_info=error)
            return Refusal(500, "the server failed; its log tells why")
        if not isinstance(error, Refusal):
            _logger.warning("a request was refused: %s: %s", refusal.why, error)
        return refusal


class _CountedBody:
    """The body of a request, counted and timed as it comes."""

    def __init__(
        self, counter: BoundedRequests, scope: Scope, receive: Receive, *, idle_seconds: float
    ) -> None:
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        self._n_announced = int(announced[:_MOST_DIGITS]) if announced.isdecimal() else 0
        self.is_complete = not self._n_announced and "transfer-encoding" not in headers
        self._counter = counter
        self._scope = scope
        self._receive = receive
        self._n_received = 0
        # Of the last seconds in which the server waited for the body.
        self._seconds = idle_seconds
        self._n_recent = 0
        self._seconds_left = idle_seconds

    def __enter__(self) -> None:
        # Checked and not counted: a client that announces much and sends nothing takes no room.
        self._counter.check(self._n_announced)

    def __exit__(self, *_: object) -> None:
        self._counter.forget(self._n_received)

    async def receive(self) -> Message:
        """Pass on what comes.

        Raises:
            Refusal: It is too much, too slow, or ends too early.
        """
        if self.is_complete:
            return await self._receive()
        message = await self._receive_in_time()
        n_bytes = len(message.get("body", b""))
        self._counter.count(n_bytes, own=self._n_received)
        self._n_received += n_bytes
        self._n_recent += n_bytes
        if not message.get("more_body", False):
            self._check_end(message)
            self.is_complete = True
        return message

    async def _receive_in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                async with asyncio.timeout(self._seconds_left):
                    message = await self._receive()
            except TimeoutError:
                self._check_speed()
            else:
                self._seconds_left -= loop.time() - started
                return message

    def _check_speed(self) -> None:
        if self._n_recent < _MIN_BYTES_PER_SECOND * self._seconds:
            raise Refusal(
                408,
                f"only {self._n_recent} bytes of the body came in {self._seconds:g} s; send it again, at "
                f"{_MIN_BYTES_PER_SECOND} bytes per second or more",
            )
        self._n_recent, self._seconds_left = 0, self._seconds

    def _check_end(self, message: Message) -> None:
        if message["type"] == "http.request" and (
            self._scope.get(IS_CUT) or self._n_received < self._n_announced
        ):
            of = f" of {self._n_announced}" if self._n_announced else ""
            raise Refusal(400, f"the body is cut off after {self._n_received}{of} bytes; send it again")
