"""Give tests of the server a running one.

In:  an app.
Out: its host and port while a block lasts.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


@contextmanager
def listening(app: FastAPI, **options: Any) -> Iterator[tuple[str, int]]:
    """Serve an app from a thread of this process; yield host and port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        server.should_exit = True
        thread.join()
