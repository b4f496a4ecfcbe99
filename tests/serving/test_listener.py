"""How connections are accepted, and how the server stops."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from manylabel.serving.listener import count_connections
from tests.serving.conftest import Address, ask, read_answer, request_of, serving, small_app

resource = pytest.importorskip("resource")
# They start servers and count resets: a busy machine needs long for each.
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

PROGRAM = """
import logging, resource, signal, sys
from manylabel.serving.listener import make_server
from manylabel.serving.listener import take_port
from manylabel.serving.limits import ServeLimits
from tests.serving.conftest import small_app
logging.basicConfig(level=logging.INFO)
signal.signal(signal.SIGHUP, {hang_up})
taken = take_port("127.0.0.1", 0)
server = make_server(small_app(), limits=ServeLimits())
{then}
print(taken.getsockname()[1], flush=True)
server.run(sockets=[taken])
"""


def start(
    log: Path, *, then: str = "", hang_up: str = "lambda *_: None"
) -> tuple[subprocess.Popen[str], Address]:
    """Serve a small app from a process."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(then=then, hang_up=hang_up)],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=ROOT,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, log.read_text(encoding="utf-8")
    return process, ("127.0.0.1", int(line))


def test_no_files_left_for_connections_fill_no_log(tmp_path: Path) -> None:
    # The limit falls after the server has counted: other parts of a process open files, too.
    few = "resource.setrlimit(resource.RLIMIT_NOFILE, (len(__import__('os').listdir('/dev/fd')) + 12, 100))"
    process, address = start(tmp_path / "log", then=few)
    try:
        with ExitStack() as opened:
            for _ in range(60):
                opened.enter_context(socket.create_connection(address, timeout=20))
            time.sleep(2)
            assert ask(address, request_of("/health")).status == 200
    finally:
        process.terminate()
        process.communicate()
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert said.count("connections have to wait: Too many open files") == 1
    assert len(said) < 3000
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_in_order(number: signal.Signals, tmp_path: Path) -> None:
    process, address = start(tmp_path / "log")
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(request_of("/length", method="POST", n_announced=100, body=b"x" * 50))
        assert ask(address, request_of("/health")).status == 200
        process.send_signal(number)
        time.sleep(0.3)
        client.sendall(b"x" * 50)
        answer = read_answer(client)
    process.communicate(timeout=20)
    assert (answer.status, answer.body, answer.headers["Connection"]) == (200, b"100", "close")


def test_a_server_that_outlives_its_terminal_goes_on(tmp_path: Path) -> None:
    process, address = start(tmp_path / "log", hang_up="signal.SIG_IGN")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert ask(address, request_of("/health")).status == 200
    process.terminate()
    process.communicate(timeout=20)


def test_a_connection_made_before_the_stop_is_answered_after_it() -> None:
    with serving(small_app()) as (server, address), socket.create_connection(address, timeout=20) as client:
        time.sleep(0.1)
        server.should_exit = True
        time.sleep(0.4)
        client.sendall(request_of("/health"))
        answer = read_answer(client)
        assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=20)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")


def test_connections_that_wait_in_the_kernel_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(small_app()) as (server, address), ExitStack() as opened:
        assert ask(address, request_of("/health")).status == 200
        # As under load: the server has not come to accept before it is told to stop.
        monkeypatch.setattr(type(server), "_accept", lambda *_: None)
        clients = [opened.enter_context(socket.create_connection(address, timeout=20)) for _ in range(50)]
        for client in clients:
            client.sendall(request_of("/health"))
        server.should_exit = True
        assert Counter(read_answer(client).status for client in clients) == {200: 50}


def test_no_connection_is_reset_while_the_server_stops() -> None:
    found: list[str] = []

    def ask_once(address: Address) -> None:
        try:
            found.append(str(ask(address, request_of("/health")).status))
        except ConnectionRefusedError:
            found.append("refused")
        except (OSError, http.client.HTTPException) as error:
            found.append(type(error).__name__)

    with serving(small_app()) as (server, address):
        threads = [threading.Thread(target=ask_once, args=(address,)) for _ in range(200)]
        for number, thread in enumerate(threads):
            if number == 100:
                server.should_exit = True
            thread.start()
        for thread in threads:
            thread.join()
    assert set(found) <= {"200", "refused"}
    assert found.count("200") >= 50


def test_a_server_without_connections_stops_at_once() -> None:
    with serving(small_app()) as (server, address):
        assert ask(address, request_of("/health")).status == 200
        started = time.monotonic()
        server.should_exit = True
        while server.server_state.connections or server._listeners:
            time.sleep(0.01)
        assert time.monotonic() - started < 0.9


@pytest.fixture
def file_limit() -> object:
    """Put the limit of open files back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_number_of_files_is_raised_for_connections(file_limit: tuple[int, int]) -> None:
    n_files = len(os.listdir("/dev/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_files + 50, file_limit[1]))
    assert count_connections(1000) == (1000, 64)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= n_files + 1064


@pytest.mark.parametrize(
    ("n_free", "expected"), [(10_000, (1000, 64)), (400, (336, 64)), (40, (30, 10)), (0, (1, 1))]
)
def test_connections_are_as_many_as_the_files_allow(
    n_free: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manylabel.serving.listener._n_open_files", lambda: 20)
    n_other = 20 + 32
    monkeypatch.setattr(
        "manylabel.serving.listener._allow_files", lambda n_needed: min(n_needed, n_other + n_free)
    )
    assert count_connections(1000) == expected
