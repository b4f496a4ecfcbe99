"""The process of the model in use: ``python -m manylabel.serving.labeling.use_process``.

In:  one message at standard input: the bundle, and a token. It ends with its input.
Out: one message at standard output: the port, or why nothing is served; answers of ``manylabel serve``.
"""

import os
import signal
import threading
from contextlib import suppress
from typing import IO
from urllib.parse import urlsplit

from manylabel.errors import ManylabelError
from manylabel.live_model.pipes import receive, send, take_pipes
from manylabel.serving.app import serve
from manylabel.serving.labeling.use_messages import TO_SERVER, Listening, NotServed


def main() -> None:
    """Serve what the message asks for, until the page is gone."""
    source, sink = take_pipes()
    with suppress(OSError, KeyboardInterrupt):  # the page is gone
        order = receive(source, TO_SERVER)
        if order is None:
            return
        threading.Thread(target=_end_with, args=(source,), name="page", daemon=True).start()

        def tell(address: str) -> None:
            send(sink, Listening(port=urlsplit(address).port or 0))

        try:
            serve([order.bundle], host="127.0.0.1", port=0, token=order.token, on_start=tell)
        except ManylabelError as error:
            send(sink, NotServed(problem=str(error)))


def _end_with(source: IO[bytes]) -> None:
    """End this process as soon as nobody can write to its input."""
    # Not through its buffer: this thread may hold the lock of that when Python ends.
    with suppress(OSError):
        while os.read(source.fileno(), 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
