"""How many connections a server has, and which of them make room; clients that speak no HTTP or stop."""

import asyncio
import logging
import re
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest

from manylabel.serving.connections import Connections, RateLimitedLog, Room
from manylabel.serving.limits import ServeLimits
from tests.serving.conftest import Address, ask, listening, read_answer, request_of, serving, small_app


class Named:
    """A connection that keeps how it ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self) -> None:
        self.ended.append("end")

    def abort(self) -> None:
        self.ended.append("abort")


async def add(connections: Connections, n: int, *, at_work: bool = False) -> list[tuple[Named, Room]]:
    """Add connections, which ask for something or rest."""
    added = []
    for _ in range(n):
        connection = Named()
        added.append((connection, connections.add(connection)))
        if at_work:
            connections.mark_busy(connection)
    return added


def pool_of(
    most: int = 3, *, n_spare: int = 2, idle_seconds: float = 10, answer_seconds: float = 60
) -> Connections:
    return Connections(most=most, n_spare=n_spare, idle_seconds=idle_seconds, answer_seconds=answer_seconds)


def test_the_connection_that_rested_longest_makes_room() -> None:
    async def fill() -> None:
        connections = pool_of(3)
        first, second, third = [connection for connection, _ in await add(connections, 3)]
        connections.mark_busy(first)
        connections.mark_idle(first)
        ((_, room),) = await add(connections, 1)
        assert room is Room.EVERYTHING
        assert (first.ended, second.ended, third.ended) == ([], ["abort"], [])

    asyncio.run(fill())


def test_beyond_those_at_work_a_few_may_ask_for_health_and_no_more() -> None:
    async def fill() -> None:
        connections = pool_of(3, n_spare=2)
        assert {room for _, room in await add(connections, 3, at_work=True)} == {Room.EVERYTHING}
        rooms = [room for _, room in await add(connections, 4, at_work=True)]
        assert rooms == [Room.HEALTH, Room.HEALTH, Room.NOTHING, Room.NOTHING]

    asyncio.run(fill())


def test_connections_that_close_make_room_too() -> None:
    async def fill() -> None:
        connections = pool_of(1, n_spare=1)
        ((closing, _),) = await add(connections, 1, at_work=True)
        connections.mark_closing(closing, lingers=True)
        ((_, room),) = await add(connections, 1)
        assert (room, closing.ended) == (Room.EVERYTHING, ["abort"])

    asyncio.run(fill())


def test_a_client_has_so_long_to_ask_and_so_long_to_read() -> None:
    async def wait() -> None:
        connections = pool_of(9, idle_seconds=0.1, answer_seconds=0.2)
        (idle, _), (closing, _), (busy, _) = await add(connections, 3)
        connections.mark_busy(busy)
        connections.mark_closing(closing, lingers=False)
        await asyncio.sleep(0.6)
        assert idle.ended[0] == "end"
        assert (closing.ended, busy.ended) == (["abort"], [])

    asyncio.run(wait())


def test_a_warning_is_logged_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RateLimitedLog()
    with caplog.at_level(logging.WARNING, "manylabel"):
        for number in range(1000):
            log.warning("number %d", number)
        log.warning("another")
        monkeypatch.setattr(RateLimitedLog, "_PAUSE_SECONDS", 0.0)
        log.warning("number %d", 1000)
    assert [record.getMessage() for record in caplog.records] == [
        "number 0",
        "another",
        "number 1000 (999 times more since the last such line)",
    ]


def open_busy(address: Address, n: int, opened: ExitStack) -> list[socket.socket]:
    """Open connections that have begun to send a body."""
    clients = [opened.enter_context(socket.create_connection(address, timeout=20)) for _ in range(n)]
    for client in clients:
        client.sendall(request_of("/length", method="POST", n_announced=100))
    time.sleep(0.3)
    return clients


def test_a_server_with_all_connections_at_work_says_that_it_is_well() -> None:
    limits = ServeLimits(connections=5)
    with listening(small_app(), limits=limits) as address, ExitStack() as opened:
        busy = open_busy(address, 5, opened)
        for _ in range(100):
            assert ask(address, request_of("/health")).status == 200
        refused = ask(address, request_of("/length", method="POST", body=b"x"))
        busy[0].sendall(b"x" * 100)
        assert read_answer(busy[0]).body == b"100"
        accepted = ask(address, request_of("/length", method="POST", body=b"x"))
    assert (refused.status, refused.headers["Retry-After"], refused.headers["Connection"]) == (
        503,
        "1",
        "close",
    )
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert refused.detail == "the server has no free connection; try again soon"
    assert accepted.status == 200


def test_connections_that_ask_for_nothing_stop_nobody() -> None:
    with listening(small_app(), limits=ServeLimits(connections=10)) as address, ExitStack() as opened:
        for _ in range(50):
            opened.enter_context(socket.create_connection(address, timeout=20))
        for _ in range(20):
            assert ask(address, request_of("/length", method="POST", body=b"x")).status == 200


def test_beyond_all_room_a_connection_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manylabel.serving.listener.count_connections", lambda wanted: (wanted, 0))
    with listening(small_app(), limits=ServeLimits(connections=4)) as address, ExitStack() as opened:
        open_busy(address, 4, opened)
        with socket.create_connection(address, timeout=20) as client:
            answer = read_answer(client)
    assert (answer.status, answer.headers["Content-Security-Policy"][:18]) == (503, "default-src 'none'")


def test_a_client_that_reads_nothing_is_not_waited_for_forever() -> None:
    limits = ServeLimits(seconds=0.5, idle_seconds=0.2)

    async def send_much(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})  # type: ignore[operator]

    with (
        serving(send_much, limits=limits) as (server, address),
        socket.create_connection(address, timeout=20) as client,
    ):
        client.sendall(request_of("/"))
        deadline = time.monotonic() + 10
        while not server.server_state.connections:
            assert time.monotonic() < deadline
        while server.server_state.connections:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 500 * b"\x00",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + 100_000 * b"x",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9" + 5000 * b"9" + b"\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n",
    ],
)
def test_what_is_no_request_is_told(request_bytes: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with listening(small_app()) as address:
        answer = ask(address, request_bytes)
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert answer.detail == "this is not a request of HTTP/1.1"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not [record for record in caplog.records if record.exc_info]


def test_requests_may_follow_each_other_without_waiting() -> None:
    requests = [request_of("/length", method="POST", body=b"x" * n) for n in (3, 0, 70_000)]
    with listening(small_app()) as address, socket.create_connection(address, timeout=20) as client:
        client.sendall(b"".join(requests))
        client.shutdown(socket.SHUT_WR)
        said = b""
        while piece := client.recv(65_536):
            said += piece
    assert re.findall(rb"\r\n\r\n(\d+)", said) == [b"3", b"0", b"70000"]


def test_an_upgrade_is_answered_as_if_none_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    upgrade: dict[str, Any] = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "x",
        "Sec_WebSocket_Version": "13",
    }
    with caplog.at_level(logging.INFO), listening(small_app()) as address:
        answer = ask(address, request_of("/health", **upgrade))
    assert (answer.status, answer.body) == (200, b"ok")
    assert "pgrade" not in caplog.text


def test_a_client_that_goes_in_the_middle_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    with listening(small_app(), limits=ServeLimits(connections=4)) as address:
        for n_sent in (0, 10, 60, 100_000):
            with socket.create_connection(address, timeout=20) as client:
                client.sendall(request_of("/length", method="POST", body=b"x" * 200_000)[:n_sent])
        for _ in range(10):
            assert ask(address, request_of("/health")).status == 200
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
