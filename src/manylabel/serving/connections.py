"""The connections of a server: HTTP as uvicorn speaks it, with limits.

In:  the bytes of clients.
Out: their requests for the app. A connection that is idle for too long is closed. A client that sends too
     much, stops in the middle or asks while there is no room gets an answer that it can read before the
     connection closes.

Where there are more connections than may be, the one that has been idle for longest is closed. Where all are
at work, a few more are accepted that may ask for /health alone, so that monitoring still sees the server.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from manylabel.serving.limits import Refusal
from manylabel.serving.middleware import IS_CUT

CLOSES = (b"connection", b"close")
"""The header of an answer after which the connection ends."""

_MAX_SWEEP_SECONDS = 1.0
_LINGER_SECONDS = 2.0
_MAX_LINGERING_BYTES = 1_000_000
_logger = logging.getLogger(__name__)
_NO_ROOM = Refusal(503, "the server has no free connection; try again soon", retry_seconds=1)
_MALFORMED = Refusal(400, "this is not a request of HTTP/1.1")


class Room(Enum):
    """What a new connection may ask for."""

    EVERYTHING = auto()
    HEALTH = auto()
    NOTHING = auto()


class Connection(Protocol):
    """A connection that can be ended."""

    def end(self) -> None:
        """End it once everything is sent."""

    def abort(self) -> None:
        """End it at once."""


class Connections:
    """All connections of a server.

    Args:
        most: How many may be open.
        n_spare: How many more may ask for /health.
        idle_seconds: How long one may take to ask.
        answer_seconds: How long a client may take to read an answer.
    """

    def __init__(self, *, most: int, n_spare: int, idle_seconds: float, answer_seconds: float) -> None:
        """Start with none."""
        self.log = RateLimitedLog()
        self._most = most
        self._n_spare = n_spare
        self._idle_seconds = idle_seconds
        self._answer_seconds = answer_seconds
        self._open: set[Connection] = set()
        # In the order of their times: since when they are idle, until when they may close.
        self._idle: dict[Connection, float] = {}
        self._closing: dict[Connection, float] = {}
        self._is_sweeping = False

    @property
    def n_idle(self) -> int:
        """Return how many are idle."""
        return len(self._idle)

    def add(self, connection: Connection) -> Room:
        """Add a new connection; return what it may ask for."""
        room = Room.EVERYTHING
        if len(self._open) >= self._most and not self.make_room():
            self.log.warning(
                "%d connections are open, which is the limit; further ones can only request /health",
                self._most,
            )
            room = Room.HEALTH if len(self._open) < self._most + self._n_spare else Room.NOTHING
        self._open.add(connection)
        self.mark_idle(connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            self._sweep()
        return room

    def make_room(self) -> bool:
        """Close the connection that has been idle for longest; return whether there was one."""
        for waiting in (self._idle, self._closing):
            if waiting:
                connection = next(iter(waiting))
                self.remove(connection)
                connection.abort()
                return True
        return False

    def mark_busy(self, connection: Connection) -> None:
        """Mark a connection as busy with a request."""
        self._idle.pop(connection, None)

    def mark_idle(self, connection: Connection) -> None:
        """Mark a connection as idle from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = time.monotonic()

    def mark_closing(self, connection: Connection, *, lingers: bool) -> None:
        """Mark a connection as closing once its client has read what was sent."""
        if connection in self._open and connection not in self._closing:
            self._idle.pop(connection, None)
            seconds = _LINGER_SECONDS if lingers else self._answer_seconds
            self._closing[connection] = time.monotonic() + seconds

    def remove(self, connection: Connection) -> None:
        """Remove a connection."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._closing.pop(connection, None)

    def _sweep(self) -> None:
        """End the connections whose time is over, now and as long as there are any."""
        if not self._open:
            self._is_sweeping = False
            return
        now = time.monotonic()
        for connection in list(self._idle_since(now - self._idle_seconds)):
            connection.end()
        for connection in [one for one, until in self._closing.items() if until <= now]:
            self.remove(connection)
            connection.abort()
        pause = min(_MAX_SWEEP_SECONDS, self._idle_seconds / 4)
        asyncio.get_running_loop().call_later(pause, self._sweep)

    def _idle_since(self, moment: float) -> Iterator[Connection]:
        for connection, since in self._idle.items():
            if since > moment:
                return
            yield connection


class RateLimitedLog:
    """Warnings that could come thousands of times a second, and are logged once a minute."""

    _PAUSE_SECONDS = 60.0

    def __init__(self) -> None:
        """Start with nothing logged."""
        self._logged_at: dict[str, float] = {}
        self._n_left_out: dict[str, int] = {}

    def warning(self, text: str, *values: object) -> None:
        """Log a warning, unless the same text was logged a short time ago."""
        now = time.monotonic()
        if now - self._logged_at.get(text, -self._PAUSE_SECONDS) < self._PAUSE_SECONDS:
            self._n_left_out[text] = self._n_left_out.get(text, 0) + 1
            return
        self._logged_at[text] = now
        n_left_out = self._n_left_out.pop(text, 0)
        more = f" ({n_left_out} times more since the last such line)" if n_left_out else ""
        _logger.warning("%s%s", text % values, more)


class BoundedProtocol(H11Protocol):
    """A connection that makes room for others, and closes so that its client can read the answer."""

    pool: Connections
    _is_lingering = False
    _n_lingering_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start, or refuse to."""
        super().connection_made(transport)
        self._plain_transport = transport
        self._gentle_transport = _GentleTransport(transport, self)
        self.transport = cast("asyncio.Transport", self._gentle_transport)
        match self.pool.add(self):
            case Room.EVERYTHING:
                pass
            case Room.HEALTH:
                self.app = _only_health(cast("ASGIApp", self.app))
            case Room.NOTHING:
                transport.write(_NO_ROOM.as_bytes())
                self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self.pool.remove(self)
        super().connection_lost(exc)
        self._gentle_transport.connection = None

    def data_received(self, data: bytes) -> None:
        """Read what comes; read past it where the answer is given already."""
        if self._is_lingering:
            self._n_lingering_bytes += len(data)
            if self._n_lingering_bytes > _MAX_LINGERING_BYTES:
                self.abort()
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.pool.mark_busy(self)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that sends no more, and may still listen (RFC 9112, section 9.6)."""
        cycle = self.current
        if self._is_lingering or cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        if cycle.more_body:
            cast("dict[str, Any]", cycle.scope)[IS_CUT] = True
            cycle.more_body = False
            cycle.message_event.set()
        return True

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        answered = self.cycle
        super().on_response_complete()
        if self.cycle is answered and not self.transport.is_closing():
            self.pool.mark_idle(self)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        cycle = self.current
        if cycle is not None and not cycle.response_complete:
            # The body of a request is malformed; uvicorn must not answer it as well.
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self._plain_transport.write(_MALFORMED.as_bytes())
        self.end(lingers=True)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no upgrade had been asked for, without a log line: anybody can ask for one."""

    def announce_stop(self) -> None:
        """Tell the client that no other request follows the one that is being answered."""
        cycle = self.current
        if cycle is not None and not cycle.response_started:
            cycle.default_headers = [*cycle.default_headers, CLOSES]

    @property
    def current(self) -> RequestResponseCycle | None:
        """Return the last request and its answer; None where there was none yet."""
        return self.cycle

    def is_closing(self) -> bool:
        """Return whether nothing more is answered."""
        return self._is_lingering or self._plain_transport.is_closing()

    def end(self, *, lingers: bool = False) -> None:
        """Close once everything is sent.

        Args:
            lingers: Whether the client may still be sending. To close then would reset the connection, and
                the client could lose the answer; it gets a moment, and what it sends is not kept.
        """
        if self.is_closing():
            return
        if lingers:
            self._is_lingering = True
            self.flow.resume_reading()
            with suppress(OSError):  # the client is gone
                self._plain_transport.write_eof()
        else:
            self._plain_transport.close()
        self.pool.mark_closing(self, lingers=lingers)

    def abort(self) -> None:
        """Close at once, and send nothing more."""
        self._plain_transport.abort()


class _GentleTransport:
    """A transport that closes as its connection does.

    Args:
        transport: What sends.
        connection: What closes it.
    """

    def __init__(self, transport: asyncio.Transport, connection: BoundedProtocol) -> None:
        """Store both."""
        self.connection: BoundedProtocol | None = connection  # none once it is lost: no circle is left behind
        self.write = transport.write
        self._transport = transport

    def close(self) -> None:
        """Close, so that a client that still sends can read the answer."""
        if self.connection is not None:
            cycle = self.connection.current
            self.connection.end(lingers=cycle is not None and cycle.more_body)

    def is_closing(self) -> bool:
        """Return whether nothing more is answered."""
        return self.connection is None or self.connection.is_closing()

    def __getattr__(self, name: str) -> Any:
        """Return what a transport has besides."""
        return getattr(self._transport, name)


def protocol_of(connections: Connections) -> type[BoundedProtocol]:
    """Return the protocol of a server with such connections, as uvicorn makes it."""
    return type("Protocol", (BoundedProtocol,), {"pool": connections})


def _only_health(app: ASGIApp) -> ASGIApp:
    """Return an app that answers /health and refuses everything else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/health":
            await app(scope, receive, send)
        else:
            await _NO_ROOM.answer(is_last=True)(scope, receive, send)

    return answer
