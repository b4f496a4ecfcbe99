"""Bodies that are too large, too slow or cut off, and requests that fail."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from manylabel.errors import EngineError
from manylabel.serving.limits import ServeLimits
from manylabel.serving.middleware import BoundedRequests
from tests.serving.conftest import ask, listening, read_answer, request_of, small_app

MB = 1_000_000


def test_bytes_that_are_announced_take_no_room_before_they_come() -> None:
    limits = ServeLimits(request_mb=1, body_mb=2)
    with listening(small_app(limits=limits), limits=limits) as address:
        waiting = [socket.create_connection(address) for _ in range(8)]
        for client in waiting:
            client.sendall(request_of("/length", method="POST", body=b"x", n_announced=MB))
        time.sleep(0.3)  # what was sent has to arrive
        answer = ask(address, request_of("/length", method="POST", body=b"x" * 500_000))
        for client in waiting:
            client.close()
    assert (answer.status, answer.body) == (200, b"500000")


def test_bytes_that_came_are_counted_until_their_answer() -> None:
    limits = ServeLimits(request_mb=1, body_mb=1)
    with listening(small_app(limits=limits), limits=limits) as address:
        with socket.create_connection(address) as first:
            first.sendall(request_of("/length", method="POST", body=b"x" * 600_000, n_announced=MB))
            time.sleep(0.3)
            refused = ask(address, request_of("/length", method="POST", body=b"x" * 600_000))
        time.sleep(0.3)
        accepted = ask(address, request_of("/length", method="POST", body=b"x" * 600_000))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert refused.detail == "1 MB are being received already; try again soon"
    assert accepted.status == 200


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_not_read_to_its_end(is_chunked: bool) -> None:
    limits = ServeLimits(request_mb=1)
    head = request_of("/length", method="POST", n_announced=200 * MB)
    piece = b"x" * 65_536
    if is_chunked:
        head = head.replace(b"Content-Length: 200000000", b"Transfer-Encoding: chunked")
        piece = b"10000\r\n" + piece + b"\r\n"
    with (
        listening(small_app(limits=limits), limits=limits) as address,
        socket.create_connection(address, timeout=20) as client,
    ):
        client.sendall(head)
        n_sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while n_sent < 200 * MB:
                n_sent += client.send(piece)
    assert n_sent < 50 * MB  # what the kernel keeps, not what the client would like to send


@pytest.mark.parametrize("n_sent", [0, 5000, 900_000, 1_500_000])
def test_a_client_reads_why_its_body_is_too_large(n_sent: int) -> None:
    limits = ServeLimits(request_mb=1)
    with listening(small_app(limits=limits), limits=limits) as address:
        for _ in range(5):
            answer = ask(
                address, request_of("/length", method="POST", body=b"x" * n_sent, n_announced=2 * MB)
            )
            assert (answer.status, answer.headers["Connection"]) == (413, "close")
            assert answer.detail == "a request may have at most 1 MB; send fewer or smaller photos"


def test_a_connection_is_used_again_after_a_body_that_was_read() -> None:
    with listening(small_app()) as address, socket.create_connection(address) as client:
        for n_bytes in (0, 10, 200_000):
            client.sendall(request_of("/length", method="POST", body=b"x" * n_bytes))
            answer = read_answer(client)
            assert (answer.status, answer.body) == (200, str(n_bytes).encode())


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    limits = ServeLimits(idle_seconds=0.4)
    with (
        listening(small_app(limits=limits), limits=limits) as address,
        socket.create_connection(address, timeout=20) as client,
    ):
        client.sendall(request_of("/length", method="POST", n_announced=MB))
        started = time.monotonic()
        client.settimeout(0.05)
        said = b""
        while not said and time.monotonic() < started + 20:
            client.sendall(b"x")  # a byte now and then is not enough
            with suppress(TimeoutError):
                said = client.recv(12)
        seconds = time.monotonic() - started
    assert said == b"HTTP/1.1 408"
    assert 0.3 < seconds < 5


def test_a_body_that_comes_fast_enough_may_take_longer_than_a_pause() -> None:
    limits = ServeLimits(idle_seconds=0.2)
    with (
        listening(small_app(limits=limits), limits=limits) as address,
        socket.create_connection(address, timeout=20) as client,
    ):
        client.sendall(request_of("/length", method="POST", n_announced=10_000))
        for _ in range(10):
            time.sleep(0.08)
            client.sendall(b"x" * 1000)
        answer = read_answer(client)
    assert (answer.status, answer.body) == (200, b"10000")


@pytest.mark.parametrize(
    ("body", "is_chunked", "said"),
    [
        (b"x" * 100, False, "the body is cut off after 100 of 229 bytes; send it again"),
        (b"", False, "the body is cut off after 0 of 229 bytes; send it again"),
        (b"40\r\n" + b"x" * 30, True, "the body is cut off after 30 bytes; send it again"),
        (b"2\r\nxx\r\n", True, "the body is cut off after 2 bytes; send it again"),
    ],
)
def test_a_body_that_is_cut_off_is_told(body: bytes, is_chunked: bool, said: str) -> None:
    request = request_of("/length", method="POST", body=body, n_announced=229)
    if is_chunked:
        request = request.replace(b"Content-Length: 229", b"Transfer-Encoding: chunked")
    with listening(small_app()) as address:
        answer = ask(address, request, ends=True)
    assert (answer.status, answer.detail) == (400, said)


def test_a_client_that_has_sent_everything_may_say_so() -> None:
    with listening(small_app()) as address:
        answer = ask(address, request_of("/length", method="POST", body=b"xyz"), ends=True)
    assert (answer.status, answer.body) == (200, b"3")


def failing(error: Exception, *, path: str = "/") -> Iterator[TestClient]:
    async def fail(_: Request) -> Response:
        raise error

    app = Starlette(routes=[Route(path, fail)])
    app.add_middleware(BoundedRequests, limits=ServeLimits())
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            507,
            "a disk of the server, or its temporary folder, is full",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            503,
            "the server has too many files open; try again soon",
        ),
        (MemoryError(), 503, "the server has no memory left for this"),
        (EngineError("the network gives no numbers"), 500, "the network gives no numbers"),
        (ValueError("secret"), 500, "the server failed; its log tells why"),
        (OSError(errno.EIO, "secret"), 500, "the server failed; its log tells why"),
    ],
)
def test_what_fails_is_answered_in_words(
    error: Exception, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "manylabel"):
        for client in failing(error):
            answer = client.get("/")
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(said)
    (record,) = caplog.records
    assert record.name == "manylabel.serving.middleware"


def test_a_request_that_the_end_of_the_server_interrupts_is_answered() -> None:
    async def interrupted(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    app = BoundedRequests(interrupted, limits=ServeLimits())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == 503
    assert b"the server is shutting down" in sent[1]["body"]


@pytest.mark.parametrize("announced", ["\xb2", "9" * 5000, "-1", "x"])
def test_odd_numbers_of_bytes_are_no_failure(announced: str) -> None:
    with TestClient(small_app()) as client:
        answer = client.post("/length", headers={b"Content-Length": announced.encode("latin-1")})
    assert answer.status_code in (200, 413)
