"""How many connections a server has, and how long each may do nothing.

In:  connections, as they come, ask, rest and go.
Out: room for each, or not. One that rests too long is ended.

Where there are more than may be, the one that has rested for longest makes room. Where all are at work, a few
more are let in that may ask for /health alone, so that whoever watches the server still sees it.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from enum import Enum, auto
from typing import Protocol

_LONGEST_SWEEP_SECONDS = 1.0
_LINGER_SECONDS = 2.0
_logger = logging.getLogger(__name__)


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
        """Begin with none."""
        self.seldom = SeldomLog()
        self._most = most
        self._n_spare = n_spare
        self._idle_seconds = idle_seconds
        self._answer_seconds = answer_seconds
        self._open: set[Connection] = set()
        # In the order of their times: since when they rest, until when they may close.
        self._idle: dict[Connection, float] = {}
        self._closing: dict[Connection, float] = {}
        self._is_sweeping = False

    @property
    def n_idle(self) -> int:
        """Return how many ask for nothing."""
        return len(self._idle)

    def add(self, connection: Connection) -> Room:
        """Take a new connection in; return what it may ask for."""
        room = Room.EVERYTHING
        if len(self._open) >= self._most and not self.make_room():
            self.seldom.tell(
                "%d connections are open, as many as may be; others can ask for /health alone", self._most
            )
            room = Room.HEALTH if len(self._open) < self._most + self._n_spare else Room.NOTHING
        self._open.add(connection)
        self.note_idle(connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            self._sweep()
        return room

    def make_room(self) -> bool:
        """End the connection that has rested for longest; return whether there was one."""
        for waiting in (self._idle, self._closing):
            if waiting:
                connection = next(iter(waiting))
                self.remove(connection)
                connection.abort()
                return True
        return False

    def note_request(self, connection: Connection) -> None:
        """Note that a connection has asked for something."""
        self._idle.pop(connection, None)

    def note_idle(self, connection: Connection) -> None:
        """Note that a connection asks for nothing from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = time.monotonic()

    def note_closing(self, connection: Connection, *, lingers: bool) -> None:
        """Note that a connection closes once its client has read what was sent."""
        if connection in self._open and connection not in self._closing:
            self._idle.pop(connection, None)
            seconds = _LINGER_SECONDS if lingers else self._answer_seconds
            self._closing[connection] = time.monotonic() + seconds

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
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
        pause = min(_LONGEST_SWEEP_SECONDS, self._idle_seconds / 4)
        asyncio.get_running_loop().call_later(pause, self._sweep)

    def _idle_since(self, moment: float) -> Iterator[Connection]:
        for connection, since in self._idle.items():
            if since > moment:
                return
            yield connection


class SeldomLog:
    """Warnings that could come thousands of times a second, and are logged once a minute."""

    _PAUSE_SECONDS = 60.0

    def __init__(self) -> None:
        """Begin with nothing logged."""
        self._logged_at: dict[str, float] = {}
        self._n_left_out: dict[str, int] = {}

    def tell(self, text: str, *values: object) -> None:
        """Log a warning, unless the same text was logged a short time ago."""
        now = time.monotonic()
        if now - self._logged_at.get(text, -self._PAUSE_SECONDS) < self._PAUSE_SECONDS:
            self._n_left_out[text] = self._n_left_out.get(text, 0) + 1
            return
        self._logged_at[text] = now
        n_left_out = self._n_left_out.pop(text, 0)
        more = f" ({n_left_out} times more since the last such line)" if n_left_out else ""
        _logger.warning("%s%s", text % values, more)
