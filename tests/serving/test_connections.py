"""How many connections a server has, and which of them make room for others."""

import asyncio
import logging
import socket
import time
from contextlib import ExitStack

import pytest

from manylabel.serving.connections import Connections, Room, SeldomLog
from manylabel.serving.settings import ServeLimits
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
            connections.note_request(connection)
    return added


def pool_of(
    most: int = 3, *, n_spare: int = 2, idle_seconds: float = 10, answer_seconds: float = 60
) -> Connections:
    return Connections(most=most, n_spare=n_spare, idle_seconds=idle_seconds, answer_seconds=answer_seconds)


def test_the_connection_that_rested_longest_makes_room() -> None:
    async def fill() -> None:
        connections = pool_of(3)
        first, second, third = [connection for connection, _ in await add(connections, 3)]
        connections.note_request(first)
        connections.note_idle(first)
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
        connections.note_closing(closing, lingers=True)
        ((_, room),) = await add(connections, 1)
        assert (room, closing.ended) == (Room.EVERYTHING, ["abort"])

    asyncio.run(fill())


def test_a_client_has_so_long_to_ask_and_so_long_to_read() -> None:
    async def wait() -> None:
        connections = pool_of(9, idle_seconds=0.1, answer_seconds=0.2)
        (idle, _), (closing, _), (busy, _) = await add(connections, 3)
        connections.note_request(busy)
        connections.note_closing(closing, lingers=False)
        await asyncio.sleep(0.6)
        assert idle.ended[0] == "end"
        assert (closing.ended, busy.ended) == (["abort"], [])

    asyncio.run(wait())


def test_a_warning_is_logged_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SeldomLog()
    with caplog.at_level(logging.WARNING, "manylabel"):
        for number in range(1000):
            log.tell("number %d", number)
        log.tell("another")
        monkeypatch.setattr(SeldomLog, "_PAUSE_SECONDS", 0.0)
        log.tell("number %d", 1000)
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
    assert refused.detail == "the server has as many connections as it may; try again soon"
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
