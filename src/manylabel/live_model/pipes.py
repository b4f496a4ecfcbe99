"""Send messages to another process, and receive them.

In:  messages.
Out: the same messages at the other end of a pipe, each behind its length.
"""

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, TypeVar

import msgspec

_LENGTH = struct.Struct("<Q")
_MOST_BYTES = 2**32
_SECONDS_TO_END = 10.0

Message = TypeVar("Message")

_encoder = msgspec.msgpack.Encoder()


def send(pipe: IO[bytes], message: object) -> None:
    """Send a message.

    Raises:
        OSError: The other end is gone.
    """
    content = _encoder.encode(message)
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def receive(pipe: IO[bytes], decoder: msgspec.msgpack.Decoder[Message]) -> Message | None:
    """Wait for a message; None once the other end is gone.

    Raises:
        ValueError: This is no such message.
    """
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (n_bytes,) = _LENGTH.unpack(header)
    if n_bytes > _MOST_BYTES:
        raise ValueError(f"a message of {n_bytes} bytes")
    content = pipe.read(n_bytes)
    return decoder.decode(content) if len(content) == n_bytes else None


def receive_until_gone(pipe: IO[bytes], decoder: msgspec.msgpack.Decoder[Message]) -> Message | None:
    """Wait for a message; None once the other end is gone, also if it was killed in the middle of one."""
    try:
        return receive(pipe, decoder)
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def start_piped(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a process with a pipe to it and one from it.

    In a session of its own, Ctrl-C in the terminal does not reach it: whoever started it ends it.
    """
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def end_gently(process: "subprocess.Popen[Any]", *, by: signal.Signals) -> None:
    """End a process by a signal, so that it can keep or remove what it has; kill it if it does not end."""
    with suppress(OSError):
        process.send_signal(by)
    try:
        process.wait(timeout=_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def close_pipes(process: "subprocess.Popen[bytes]") -> None:
    """Close the pipes of a process that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent yet
                pipe.close()


def take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return standard input and output; what libraries print from now on goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, sink
