"""Connections whose clients speak no HTTP, stop in the middle, or ask for what is not there."""

import logging
import re
import socket
from typing import Any

import pytest

from manylabel.serving.settings import ServeLimits
from tests.serving.conftest import ask, listening, request_of, small_app


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
