"""The process of the model in use, as the page sees it: a short stand-in takes its place."""

import sys
import textwrap
import time
from collections.abc import Callable

import psutil
import pytest

from manylabel.errors import EngineError
from manylabel.serving.labeling.model_in_use import ModelInUse, Question, Use

SECONDS = 20

BEGIN = """
import sys
from manylabel.live_model.pipes import receive, send
from manylabel.serving.labeling.use_messages import *
source, sink = sys.stdin.buffer, sys.stdout.buffer
order = receive(source, TO_SERVER)
"""

SERVE = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Authorization"] == f"Bearer {order.token}" else 401)
        self.end_headers()
        self.wfile.write(f"{order.bundle} {self.path}".encode())

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Echo)
send(sink, Listening(port=server.server_port))
server.serve_forever()
"""

HEALTH = Question(method="GET", address="/health?")


def make(script: str) -> ModelInUse:
    return ModelInUse(command=(sys.executable, "-c", BEGIN + textwrap.dedent(script)))


def wait(model: ModelInUse, until: Callable[[Use], object]) -> Use:
    end = time.monotonic() + SECONDS
    while not until(model.use):
        assert time.monotonic() < end, model.use
        time.sleep(0.01)
    return model.use


def test_a_model_answers_once_it_is_ready() -> None:
    model = make("import time\ntime.sleep(0.3)\n" + SERVE)
    with pytest.raises(EngineError, match="no model is in use; choose one"):
        model.ask(HEALTH)
    model.start("first", "small", bundle="/models/first")
    with pytest.raises(EngineError, match="the model is starting"):
        model.ask(HEALTH)

    use = wait(model, lambda use: use.state == "ready")

    assert (use.name, use.backbone, use.problem) == ("first", "small", None)
    reply = model.ask(HEALTH)
    assert (reply.status, reply.content) == (200, b"/models/first /health?")
    asked = Question(method="POST", address="/predict?", content=b"\0photo", kind="image/jpeg")
    reply = model.ask(asked)
    assert (reply.status, reply.content, reply.kind) == (503, b"\0photo", "image/jpeg")
    assert reply.retry_seconds == "1"
    model.close()


def test_another_model_ends_the_one_before_and_the_same_goes_on() -> None:
    model = make(SERVE)
    model.start("first", "small", bundle="/models/first")
    wait(model, lambda use: use.state == "ready")
    first = _child()
    model.start("first", "small", bundle="/models/first")
    assert (model.use.state, _child()) == ("ready", first)

    model.start("second", "small", bundle="/models/second")

    assert not psutil.pid_exists(first.pid)
    use = wait(model, lambda use: use.state == "ready")
    assert (use.name, use.version) == ("second", 2)
    assert model.ask(HEALTH).content == b"/models/second /health?"
    model.close()
    assert not _children()
    assert model.use.state == "none"


def test_a_process_that_dies_is_told_and_can_be_started_again() -> None:
    model = make(SERVE)
    model.start("first", "small", bundle="/models/first")
    wait(model, lambda use: use.state == "ready")

    _child().kill()

    use = wait(model, lambda use: use.state == "failed")
    assert use.problem == "its process ended (exit code -9)"
    with pytest.raises(EngineError, match=r"the model is not in use: its process ended"):
        model.ask(HEALTH)
    model.start("first", "small", bundle="/models/first")
    assert wait(model, lambda use: use.state == "ready").version == 2
    model.close()


def test_why_a_model_cannot_be_served_is_told() -> None:
    model = make('send(sink, NotServed(problem="a file is missing"))')
    model.start("first", "small", bundle="/models/first")

    assert wait(model, lambda use: use.state == "failed").problem == "a file is missing"
    model.close()


def test_a_process_that_breaks_off_an_answer_does_not_hang_the_page() -> None:
    model = make(
        """
        import os, socket
        with socket.create_server(("127.0.0.1", 0)) as server:
            send(sink, Listening(port=server.getsockname()[1]))
            server.accept()[0].recv(100)
            os._exit(1)
        """
    )
    model.start("first", "small", bundle="/models/first")
    wait(model, lambda use: use.state == "ready")

    with pytest.raises(EngineError, match="does not answer"):
        model.ask(HEALTH)

    assert wait(model, lambda use: use.state == "failed").problem == ("its process ended (exit code 1)")
    model.close()


def _children() -> list[psutil.Process]:
    """Return the stand-ins; the browser of other tests may be a child of this process, too."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and BEGIN in "".join(child.cmdline())
    ]


def _child() -> psutil.Process:
    (child,) = _children()
    return child
