"""The process that serves one model to the labeling page."""

import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from manylabel.live_model.pipes import receive, send
from manylabel.serving.labeling.model_in_use import COMMAND
from manylabel.serving.labeling.use_messages import FROM_SERVER, Listening, NotServed, ServeOrder

TOKEN = "t0ken"


def start(bundle: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    send(process.stdin, ServeOrder(bundle=str(bundle), token=TOKEN))
    return process


def labels_status(port: int, token: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/labels", headers={"Authorization": f"Bearer {token}"})
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows is ended without a signal")
def test_a_bundle_is_served_to_whoever_has_the_token_until_the_page_is_gone(shapes_bundle: Path) -> None:
    with start(shapes_bundle) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = receive(process.stdout, FROM_SERVER)
        assert isinstance(told, Listening)
        assert labels_status(told.port, TOKEN) == 200
        assert labels_status(told.port, "wrong") == 401

        process.stdin.close()  # as when the page is killed

        end = time.monotonic() + 20
        while process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_what_is_no_bundle_is_told(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        told = receive(process.stdout, FROM_SERVER)
        assert isinstance(told, NotServed)
        assert str(tmp_path) in told.problem
        assert process.wait(30) == 0
