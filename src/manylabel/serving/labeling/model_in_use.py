"""The process that answers for the model in use, as the labeling page sees it.

In:  a bundle; questions about photos.
Out: whether the process is ready, or why not; its answers.
"""

import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Literal, assert_never

import msgspec

from manylabel.errors import EngineError
from manylabel.live_model.pipes import close_pipes, receive_until_gone, send, start_piped
from manylabel.serving.labeling.use_messages import (
    FROM_SERVER,
    FromServer,
    Listening,
    NotServed,
    ServeOrder,
)

# -P: a file in the current folder is no module.
COMMAND = (sys.executable, "-P", "-m", "manylabel.serving.labeling.use_process")

_HOST = "127.0.0.1"
_TOKEN_BYTES = 24
_SECONDS_TO_ANSWER = 60.0
_SECONDS_TO_END = 5.0

UseState = Literal["none", "starting", "ready", "failed"]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """The model in use.

    Attributes:
        version: Number of its process; another one for every start.
        name: Name of its run; empty if no model is in use.
        backbone: Its backbone.
        state: Whether it answers.
        problem: Why it does not; null unless it failed.
    """

    version: int = 0
    name: str = ""
    backbone: str = ""
    state: UseState = "none"
    problem: str | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question about photos, as ``manylabel serve`` takes it.

    Attributes:
        method: GET or POST.
        address: Path and query.
        content: What is sent.
        kind: Its media type; empty if nothing is sent.
    """

    method: str
    address: str
    content: bytes = b""
    kind: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question.

    Attributes:
        status: Its HTTP status.
        content: What is answered.
        kind: Its media type.
        retry_seconds: When to ask again, as the header has it; None if that would not help.
    """

    status: int
    content: bytes
    kind: str
    retry_seconds: str | None


class ModelInUse:
    """A process that serves one model to the labeling page alone.

    Args:
        command: What runs the process.
    """

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._use = Use()
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._token = 0, ""

    @property
    def use(self) -> Use:
        """Return the model in use."""
        with self._lock:
            return self._use

    def start(self, name: str, backbone: str, *, bundle: str) -> None:
        """Serve a model in place of the one before; one that is served already goes on.

        Args:
            name: Name of its run.
            backbone: Its backbone.
            bundle: Absolute path of its bundle.
        """
        with self._lock:
            known = self._use
            if (known.name, known.backbone) == (name, backbone) and known.state in ("starting", "ready"):
                return
            self._end()
            self._use = Use(version=known.version + 1, name=name, backbone=backbone, state="starting")
            self._token = secrets.token_urlsafe(_TOKEN_BYTES)
            self._process = process = start_piped(self._command)
            order = ServeOrder(bundle=bundle, token=self._token)
            threading.Thread(
                target=self._follow, args=(process, order), name="model in use", daemon=True
            ).start()

    def ask(self, question: Question) -> Reply:
        """Pass a question on to the process.

        Raises:
            EngineError: No model is in use, or its process does not answer.
        """
        with self._lock:
            use, port, token = self._use, self._port, self._token
        _check_ready(use)
        headers = {"Authorization": f"Bearer {token}"}
        if question.kind:
            headers["Content-Type"] = question.kind
        connection = HTTPConnection(_HOST, port, timeout=_SECONDS_TO_ANSWER)
        try:
            connection.request(question.method, question.address, question.content or None, headers)
            with connection.getresponse() as response:
                return Reply(
                    status=response.status,
                    content=response.read(),
                    kind=response.headers.get("Content-Type", ""),
                    retry_seconds=response.headers.get("Retry-After"),
                )
        except (OSError, HTTPException) as error:
            raise EngineError("the process of the model does not answer; choose the model again") from error
        finally:
            connection.close()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()
            self._use = Use(version=self._use.version)

    def _end(self) -> None:
        """End the process, if there is one; only with the lock."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=_SECONDS_TO_END)

    def _follow(self, process: "subprocess.Popen[bytes]", order: ServeOrder) -> None:
        """Send the order, and take up what the process sends, until it ends."""
        assert process.stdin is not None, "it was started with pipes"
        assert process.stdout is not None, "it was started with pipes"
        with suppress(OSError):  # it ended; its exit code tells more
            send(process.stdin, order)
        while (message := receive_until_gone(process.stdout, FROM_SERVER)) is not None:
            with self._lock:
                if process is self._process:
                    self._take(message)
        code = process.wait()
        with self._lock:
            if process is self._process:
                self._process = None
                problem = self._use.problem or f"its process ended (exit code {code})"
                self._use = msgspec.structs.replace(self._use, state="failed", problem=problem)
        close_pipes(process)

    def _take(self, message: FromServer) -> None:
        """Note what the process sent; only with the lock."""
        match message:
            case Listening():
                self._port = message.port
                self._use = msgspec.structs.replace(self._use, state="ready")
            case NotServed():
                self._use = msgspec.structs.replace(self._use, state="failed", problem=message.problem)


def _check_ready(use: Use) -> None:
    """Check that the model in use answers.

    Raises:
        EngineError: It does not.
    """
    match use.state:
        case "ready":
            return
        case "failed":
            raise EngineError(f"the model is not in use: {use.problem}")
        case "starting":
            raise EngineError("the model is starting; try again soon")
        case "none":
            raise EngineError("no model is in use; choose one")
        case _ as never:
            assert_never(never)
