"""What happens to every request, whatever it asks for.

In:  an ASGI app.
Out: the same app, which names every request, writes a line about it into the log, counts it, and tells the
     browser to take no answer for anything else.
"""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manylabel.serving.measures import Measures
from manylabel.serving.refusals import SAFE_HEADERS

_CLIENT_LEFT = 499  # nginx's number for it; nobody is there to be told
_ID_HEADER = "X-Request-ID"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHOWN_METHOD = 16
_SAFE_PAIRS = tuple((name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items())
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
            # Paths that nobody serves are one: a scanner shall not fill the memory with names.
            route = scope.get("route")
            path = getattr(route, "path", "other")
            method = scope["method"][:_SHOWN_METHOD]
            self._measures.requests.labels(path=path, status=status).inc()
            self._measures.seconds.labels(path=path).observe(seconds)
            _logger.info("%s %s %s %d %.0f ms", name, method, path, status, 1000 * seconds)
