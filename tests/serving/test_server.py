"""A server as a process: how it starts, answers, and stops."""

import io
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from PIL import Image

from manylabel.errors import ConfigError
from manylabel.serving.app import create_app, name_bundles, serve
from manylabel.serving.limits import ServeLimits
from manylabel.serving.listener import take_port
from manylabel.serving.served import ServedBundle
from tests.serving.conftest import ask as answer_of
from tests.serving.conftest import converted, listening, request_of, running

pytest.importorskip("openvino")


def ask(url: str, data: bytes | None = None, *, token: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=data, headers={"Authorization": f"Bearer {token}"})
    if data is not None:
        request.add_header("Content-Type", "image/png")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def png(side_px: int) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((side_px, side_px), 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


def test_what_was_accepted_is_answered_before_the_server_stops(shapes_bundle: Path) -> None:
    with running(converted(shapes_bundle)) as (process, url):
        assert ask(f"{url}/health")[0] == 200
        found: list[int] = []
        content = png(1500)
        threads = [
            threading.Thread(target=lambda: found.append(ask(f"{url}/predict", content)[0])) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        # Stop while photos are being read: metrics say when.
        deadline = time.monotonic() + 20
        while b"manylabel_photos_waiting 0.0" in ask(f"{url}/metrics")[1] and not found:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        n_answered = found.count(200)
        assert process.wait(30) in (0, -signal.SIGTERM)
    # Those that had not been accepted when the server stopped listening fail to connect; none is lost midway.
    assert n_answered == len(found)
    assert n_answered >= 1


def test_a_second_ctrl_c_stops_at_once_and_says_so_in_a_line(shapes_bundle: Path) -> None:
    with running(converted(shapes_bundle)) as (process, url):
        host, port = url.removeprefix("http://").split(":")
        assert process.stderr is not None
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
            ask(f"{url}/health")
            process.send_signal(signal.SIGINT)
            said: list[str] = []
            while not said or "Waiting for connections to close" not in said[-1]:
                said.append(process.stderr.readline())
                assert said[-1]
            process.send_signal(signal.SIGINT)
            assert process.wait(10) in (0, 130)
        said += process.stderr.readlines()

    assert "stopped at once: requests under way got 503, or no answer" in "".join(said)
    assert "Traceback" not in "".join(said)


def test_a_token_comes_from_the_environment(shapes_bundle: Path) -> None:
    with running(converted(shapes_bundle), MANYLABEL_TOKEN="pass") as (_, url):
        assert ask(f"{url}/labels")[0] == 401
        assert ask(f"{url}/labels", token="pass")[0] == 200


def test_an_option_allows_names_and_a_network_its_addresses(shapes_bundle: Path) -> None:
    words = ("--host", "0.0.0.0", "--allow-host", "photos.lan", "--allow-host", "other.lan")
    with running(converted(shapes_bundle), *words) as (_, url):
        port = int(url.rpartition(":")[2])
        hosts = ("photos.lan", f"other.lan:{port}", f"127.0.0.1:{port}", "192.168.1.5", "evil.example")
        found = [answer_of(("127.0.0.1", port), request_of("/labels", Host=host)).status for host in hosts]
    assert found == [200, 200, 200, 200, 421]


def test_a_name_that_is_none_is_told_before_the_bundle_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--allow-host http://photos"):
        serve([tmp_path / "missing"], port=0, allow_hosts=["http://photos.lan"])


def test_a_port_that_is_taken_is_told(shapes_bundle: Path) -> None:
    with create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"cannot listen on 127\.0\.0\.1, port {port}: .*choose another port"
        ):
            serve([shapes_bundle], port=port)


def test_a_folder_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "rate=0.1"
    folder.mkdir()
    assert name_bundles([folder, f"small={folder}"]) == {"rate=0.1": folder, "small": folder}


def test_answers_do_not_wait_for_more_to_send() -> None:
    with take_port("127.0.0.1", 0) as taken:
        # What asyncio looks at before it switches Nagle's algorithm off.
        assert taken.proto == socket.IPPROTO_TCP


def test_a_connection_that_asks_for_nothing_is_closed(shapes_bundle: Path) -> None:
    app = create_app([ServedBundle("shapes", shapes_bundle)])
    with (
        listening(app, limits=ServeLimits(idle_seconds=0.3)) as address,
        socket.create_connection(address) as silent,
        socket.create_connection(address) as half,
    ):
        half.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        silent.settimeout(10)
        half.settimeout(10)
        assert silent.recv(1) == half.recv(1) == b""
        with socket.create_connection(address) as other:
            other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert other.recv(15) == b"HTTP/1.1 200 OK"
            while not other.recv(4096).endswith(b"}"):
                pass
            other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            other.settimeout(10)
            assert other.recv(1) == b""


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"seconds": float("inf")}, "limit seconds: expected a number above 0"),
        ({"photos": 0}, "limit photos"),
        ({"request_mb": 1e-9}, "less than a byte"),
        ({"photos": 9, "waiting": 8}, "limit waiting: 8 of all requests is less than photos, 9 of one"),
        ({"request_mb": 600}, "limit body_mb"),
    ],
)
def test_limits_that_let_nothing_in_are_told(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ServeLimits(**limits)


def test_the_numbers_to_compute_in_may_be_chosen(shapes_bundle: Path) -> None:
    bundle = ServedBundle("shapes", shapes_bundle, engine="openvino", precision="fp32")
    assert bundle.engine == "OpenVINO, fp32"
    bundle.close()


def test_bundles_of_the_same_name_are_told() -> None:
    with pytest.raises(ConfigError, match="two bundles are called 'net'; name them: net=a/net other=b/net"):
        name_bundles(["a/net", "b/net"])
    with pytest.raises(ConfigError, match="no bundle is given"):
        name_bundles([])
