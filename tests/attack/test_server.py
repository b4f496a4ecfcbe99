"""Thousands of requests that nobody would send on purpose: none fails, and nothing of them is left behind.

``pytest --log-cli-level=INFO -m slow`` shows the figures of the large run.
"""

import logging
import re
import socket
import statistics
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from manylabel.serving.app import create_app
from manylabel.serving.limits import ServeLimits
from manylabel.serving.served import ServedBundle
from tests.attack.requests import Attack, draw_attack
from tests.serving.conftest import Address, ask, converted, listening, request_of, running

pytest.importorskip("openvino")

N_FEW, N_MANY = 200, 6000
N_CLIENTS = 6
LIMITS = ServeLimits(megapixels=1, request_mb=1, body_mb=4, photos=8, waiting=16, seconds=20, idle_seconds=1)
WORDS = (
    "--max-megapixels",
    "1",
    "--max-request-mb",
    "1",
    "--max-body-mb",
    "4",
    "--max-photos",
    "8",
    "--max-waiting",
    "16",
)
KNOWN = {200, 304, 400, 401, 403, 404, 405, 408, 413, 421, 422, 503}

_logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def address(shapes_bundle: Path) -> Iterator[Address]:
    """Serve a bundle in this process."""
    app = create_app([ServedBundle("first", shapes_bundle, limits=LIMITS)], limits=LIMITS)
    with listening(app, limits=LIMITS) as address:
        yield address


def send(address: Address, attack: Attack) -> bytes:
    """Send a request as its client would; return all that comes back."""
    said = b""
    with socket.create_connection(address, timeout=0.3 if attack.end == "waits" else 20) as client:
        with suppress(OSError):  # the server has answered and closed
            size = -(-len(attack.request) // attack.n_pieces) or 1
            for start in range(0, len(attack.request), size):
                client.sendall(attack.request[start : start + size])
            if attack.end == "goes":
                return b""
            if attack.end == "sends no more":
                client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while piece := client.recv(65_536):
                said += piece
    return said


def check(said: bytes, attack: Attack) -> list[int]:
    """Return the statuses of the answers in a connection, after seeing that none is wrong."""
    heads = re.findall(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n", said)
    assert bool(heads) == bool(said), (said[:200], attack)
    statuses = [int(status) for status, _ in heads if status != b"100"]
    assert set(statuses) <= KNOWN, (statuses, said[:500], attack)
    for status, head in heads:
        assert status == b"100" or {b"nosniff", b"content-security-policy"} <= set(
            re.split(rb": |\r\n", head.lower())
        ), (
            head,
            attack,
        )
    return statuses


def attack_in_turn(
    address: Address, seeds: Sequence[int], found: Counter[int], failed: list[BaseException]
) -> None:
    """Send the requests of some seeds one after another."""
    try:
        for seed in seeds:
            attack = draw_attack(seed)
            found.update(check(send(address, attack), attack))
    except BaseException as error:  # noqa: BLE001 - told by the test, in its own thread
        failed.append(error)


def attack_together(address: Address, seeds: range) -> Counter[int]:
    """Send the requests of some seeds from several clients; return how often each status came."""
    found, failed = Counter[int](), list[BaseException]()
    threads = [
        threading.Thread(target=attack_in_turn, args=(address, seeds[number::N_CLIENTS], found, failed))
        for number in range(N_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def test_a_few_requests_that_nobody_would_send_are_answered_or_refused(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    found = attack_together(address, range(N_FEW))
    assert ask(address, request_of("/health")).status == 200
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    assert min(found[status] for status in (200, 400, 404, 405, 422)) >= 3


def memory_mb(pid: int) -> float:
    """Return how much memory a process has, in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1000


@pytest.mark.slow
def test_many_requests_that_nobody_would_send_leave_nothing_behind(
    shapes_bundle: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of a process is read from /proc")
    log = tmp_path / "log"
    found, memory = Counter[int](), []
    with running(converted(shapes_bundle), *WORDS, log=log) as (process, url):
        host, port = url.removeprefix("http://").split(":")
        address = (host, int(port))
        n_once = N_MANY // 20
        for start in range(1_000_000, 1_000_000 + N_MANY, n_once):
            found += attack_together(address, range(start, start + n_once))
            assert ask(address, request_of("/health")).status == 200
            memory.append(memory_mb(process.pid))
        said = ask(address, request_of("/metrics")).body
    early, late = statistics.median(memory[4:8]), statistics.median(memory[-4:])
    _logger.info("%d requests, answers %s, MB of memory %s", N_MANY, sorted(found.items()), memory)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in text
    assert b"manylabel_photos_waiting 0.0" in said
    assert len(text) < 300 * N_MANY
    assert late < early + 25
