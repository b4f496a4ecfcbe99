"""Ask a server of manylabel for many photos, with several clients at the same time.

In:  a bundle, a folder of photos, how many clients ask for how many photos at once.
Out: photos per second, how long a client waits, and the memory of the server early and late.

Clients run on the same cores as the server: what they cost is in the numbers.
"""

import http.client
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.cases import MANYLABEL
from benchmarks.runner import tree_mib
from benchmarks.workers.common import worker_parser, write_values
from manylabel.data.find import find_photos

_BOUNDARY = "manylabel-benchmark"
_SHARE_EARLY = 0.1


@contextmanager
def running(bundle: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a bundle; yield the process, and host and port."""
    process = subprocess.Popen(
        [sys.executable, "-u", *MANYLABEL, "serve", str(bundle), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise ValueError("the server did not start")
        yield process, urlsplit(found[0]).netloc
    finally:
        process.terminate()
        process.communicate()


def form_of(photos: Sequence[Path]) -> bytes:
    """Return the body of a request with some photos."""
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="photos"; filename="%s"\r\n\r\n%s\r\n'
        % (_BOUNDARY.encode(), photo.name.encode(), photo.read_bytes())
        for photo in photos
    ]
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


class Load:
    """Let clients send bodies in turn until all requests are answered.

    Args:
        netloc: Host and port of the server.
        bodies: What is sent, over and over.
    """

    def __init__(self, netloc: str, bodies: list[bytes]) -> None:
        """Begin with nothing sent."""
        self.milliseconds: list[float] = []
        self._netloc = netloc
        self._bodies = bodies
        self._n_left = 0
        self._lock = threading.Lock()

    def run(self, n_requests: int, *, n_clients: int) -> float:
        """Send requests; return the seconds until the last answer."""
        self._n_left = n_requests
        threads = [threading.Thread(target=self._ask) for _ in range(n_clients)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._netloc)
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        while True:
            with self._lock:
                if not self._n_left:
                    return
                self._n_left -= 1
                body = self._bodies[self._n_left % len(self._bodies)]
            started = time.perf_counter()
            connection.request("POST", "/predict", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise ValueError(f"the server answered {answer.status}")
            self.milliseconds.append(1000 * (time.perf_counter() - started))


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    for name in ("--clients", "--photos-per-request", "--requests"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    photos = find_photos(given.photos)[:512]
    size = given.photos_per_request
    bodies = [form_of(photos[start : start + size]) for start in range(0, len(photos) - size + 1, size)]
    n_early = int(_SHARE_EARLY * given.requests)
    with running(given.bundle) as (server, netloc):
        load = Load(netloc, bodies)
        load.run(n_early, n_clients=given.clients)
        early_mib = tree_mib(server.pid)
        load.milliseconds.clear()
        n_late = given.requests - n_early
        seconds = load.run(n_late, n_clients=given.clients)
        late_mib = tree_mib(server.pid)
    if len(load.milliseconds) != n_late:
        raise ValueError(f"{n_late - len(load.milliseconds)} of {n_late} requests failed")
    write_values(
        given.out,
        {
            "photos_per_second": n_late * size / seconds,
            "p50_ms": statistics.median(load.milliseconds),
            "p99_ms": statistics.quantiles(load.milliseconds, n=100)[98],
            "early_mib": early_mib,
            "late_mib": late_mib,
        },
    )


if __name__ == "__main__":
    main()
