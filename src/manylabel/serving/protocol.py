"""One connection of a server: HTTP as uvicorn speaks it, with an end to everything.

In:  the bytes of a client.
Out: its requests for the app. A client that sends too much, stops in the middle or asks while there is no
     room gets an answer that it can read before the connection closes.
"""

import asyncio
from contextlib import suppress
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from manylabel.serving.bodies import IS_CUT
from manylabel.serving.connections import Connections, Room
from manylabel.serving.refusals import Refusal

CLOSES = (b"connection", b"close")
"""The header of an answer after which the connection ends."""

_MOST_LINGERING_BYTES = 1_000_000
_NO_ROOM = Refusal(503, "the server has as many connections as it may; try again soon", retry_seconds=1)
_MALFORMED = Refusal(400, "this is not a request of HTTP/1.1")


class BoundedProtocol(H11Protocol):
    """A connection that makes room for others, and closes so that its client can read the answer."""

    pool: Connections
    _is_lingering = False
    _n_lingering_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse to."""
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
            if self._n_lingering_bytes > _MOST_LINGERING_BYTES:
                self.abort()
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.pool.note_request(self)

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
            self.pool.note_idle(self)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        cycle = self.current
        if cycle is not None and not cycle.response_complete:
            # The body of a request is malformed; uvicorn shall not answer it as well.
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self._plain_transport.write(_MALFORMED.as_bytes())
        self.end(lingers=True)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no upgrade had been asked for, without a word: anybody can ask for one."""

    def note_stop(self) -> None:
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
        self.pool.note_closing(self, lingers=lingers)

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
        """Keep what is needed."""
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
