"""Accept connections, until the server is told to stop.

In:  an app, limits, sockets that listen.
Out: connections that are served. At the end, every one that was made is answered.

asyncio would accept by itself. But it logs thousands of lines where the process has no file left for a
connection, and when it stops, it resets what still waits in the kernel. uvicorn does the rest.
"""

import asyncio
import ctypes
import errno
import logging
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from manylabel.errors import ConfigError
from manylabel.serving.connections import CLOSES, BoundedProtocol, Connections, protocol_of
from manylabel.serving.limits import ServeLimits

try:
    import resource
except ImportError:  # Windows limits no files
    resource = None  # type: ignore[assignment]

_BACKLOG = 2048
_ACCEPTED_AT_ONCE = 16
_PAUSE_SECONDS = 0.2
_GRACE_SECONDS = 1.0
_MOST_SPARE = 64
_SO_ATTACH_FILTER = 26
_OTHER_FILES = 32
_NO_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_logger = logging.getLogger(__name__)


def take_port(host: str, port: int) -> socket.socket:
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


def make_server(app: ASGIApp, *, limits: ServeLimits) -> "Server":
    """Return a server of an app; ``run(sockets=[...])`` starts it."""
    most, n_spare = count_connections(limits.connections)
    if most < limits.connections:
        _logger.warning("at most %d connections: the system lets this process open no more files", most)
    connections = Connections(
        most=most, n_spare=n_spare, idle_seconds=limits.idle_seconds, answer_seconds=limits.seconds
    )
    config = uvicorn.Config(
        app,
        http=protocol_of(connections),
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=max(1, int(limits.idle_seconds)),
        # What was accepted is answered within the longest time that a request may take.
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    return Server(config, connections=connections)


class Server(uvicorn.Server):
    """A server that answers all connections that were made before it stops.

    Args:
        config: As uvicorn takes it.
        connections: Those that the protocol in ``config`` makes.
    """

    def __init__(self, config: uvicorn.Config, *, connections: Connections) -> None:
        """Listen to nothing yet."""
        super().__init__(config)
        self._connections = connections
        self._listeners: list[socket.socket] = []
        self._making: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        if sys.platform == "win32":  # its event loop cannot watch a socket that listens
            await super().startup(sockets)
            return
        await super().startup([])
        for listener in sockets or []:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._watch(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer whoever is connected, and end."""
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSES]
        for connection in self.server_state.connections:
            if isinstance(connection, BoundedProtocol):
                connection.announce_stop()
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            await self._accept_last(listener)
        await self._wait_for_requests()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order also where the terminal is closed, unless the server runs under nohup."""
        with super().capture_signals():
            before = self._handle_hang_up()
            try:
                yield
            finally:
                if before is not None:
                    signal.signal(signal.SIGHUP, before)

    def _handle_hang_up(self) -> "Callable[..., Any] | int | None":
        """Stop in order at SIGHUP; return what happened before, None where nothing changes."""
        if not hasattr(signal, "SIGHUP") or threading.current_thread() is not threading.main_thread():
            return None
        before = signal.getsignal(signal.SIGHUP)
        if before in (None, signal.SIG_IGN):
            return None
        signal.signal(signal.SIGHUP, self.handle_exit)
        return before

    def _watch(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept some connections; others are served in between."""
        try:
            self._accept_some(listener)
        except OSError as error:
            self._pause(listener, error)

    def _accept_some(self, listener: socket.socket) -> bool:
        """Accept some connections; return whether more may wait.

        Raises:
            OSError: The system has no file, or no memory, for another connection.
        """
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except ConnectionAbortedError:  # the client is gone, others may wait behind it
                continue
            self._connect(accepted)
        return True

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Accept nothing for a moment, and make room."""
        self._make_room(error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.fileno())
        loop.call_later(_PAUSE_SECONDS, self._watch, listener)

    def _make_room(self, error: OSError) -> None:
        self._connections.log.warning("connections have to wait: %s", error.strerror or error)
        for _ in range(_ACCEPTED_AT_ONCE):
            self._connections.make_room()

    def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._make_protocol, accepted))
        self._making.add(task)
        task.add_done_callback(self._end_making)

    def _make_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _end_making(self, task: "asyncio.Task[object]") -> None:
        self._making.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.debug("a connection ended before it began: %s", error)

    async def _accept_last(self, listener: socket.socket) -> None:
        """Accept what waits in the kernel, some at a time, then stop listening."""
        asyncio.get_running_loop().remove_reader(listener.fileno())
        _refuse_new(listener)
        deadline = time.monotonic() + _GRACE_SECONDS
        may_wait = True
        while may_wait and time.monotonic() < deadline:
            try:
                may_wait = self._accept_some(listener)
            except OSError as error:
                self._make_room(error)
            if may_wait:
                await asyncio.sleep(0)  # those are read before the next ones come
        listener.close()

    async def _wait_for_requests(self) -> None:
        """Give connections that have asked for nothing a moment to do so."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while (self._making or self._connections.n_idle) and time.monotonic() < deadline:
            if self.force_exit:
                return
            await asyncio.sleep(0.02)


def _refuse_new(listener: socket.socket) -> None:
    """Make the kernel refuse new connections, and keep those that wait to be accepted.

    Between the last one that is accepted and the end of the socket, others could be made, and would be reset.
    Clients that come now try again after a second, and are refused.
    """
    listener.listen(0)  # no more than one
    if sys.platform == "linux":
        # A filter of one instruction, which drops all packets to the socket (man 7 socket, SO_ATTACH_FILTER).
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET, 0 bytes of each
        program = struct.pack("HL", 1, ctypes.addressof(drop_all))
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def count_connections(wanted: int) -> tuple[int, int]:
    """Return how many connections the process may have, and how many to keep for /health.

    Each takes a file. Where fewer are allowed than that takes, the limit is raised as far as the process may.
    """
    n_needed = wanted + _MOST_SPARE + _n_open_files() + _OTHER_FILES
    n_free = _allow_files(n_needed) - (n_needed - wanted - _MOST_SPARE)
    n_spare = max(1, min(_MOST_SPARE, n_free // 4))
    return max(1, min(wanted, n_free - n_spare)), n_spare


def _allow_files(n_needed: int) -> int:
    """Return how many files the process may have open, after trying to allow as many as are needed."""
    if resource is None:
        return n_needed
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= n_needed:
        return n_needed
    wanted = n_needed if hard == resource.RLIM_INFINITY else min(n_needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted


def _n_open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(list(Path(folder).iterdir()))
        except OSError:
            continue
    return _OTHER_FILES
