"""Run OpenVINO alone on ready pixels: what no reading of files can beat.

In:  a network.
Out: photos per second with the best of a few batch sizes.
"""

import time
from typing import Any

from benchmarks.workers.common import worker_parser, write_values
from benchmarks.workers.engines import (
    Probabilities,
    build_network,
    openvino_engine,
    random_pixels,
    to_openvino,
)
from manylabel.engines.openvino_models import import_openvino

BATCH_SIZES = (1, 4, 8, 32)
_LEAST_SECONDS = 5.0


def rate(network: Probabilities, *, batch_size: int) -> float:
    """Return photos per second with several requests in flight."""
    openvino = import_openvino()
    compiled = openvino_engine(to_openvino(network, batch_size=batch_size), hint="THROUGHPUT")
    queue: Any = openvino.AsyncInferQueue(compiled)
    pixels = random_pixels(batch_size)
    _fill(queue, pixels, n_batches=4)
    n_batches, started = 0, time.perf_counter()
    while time.perf_counter() - started < _LEAST_SECONDS:
        _fill(queue, pixels, n_batches=16)
        n_batches += 16
    return n_batches * batch_size / (time.perf_counter() - started)


def _fill(queue: Any, pixels: Any, *, n_batches: int) -> None:
    for _ in range(n_batches):
        queue.start_async({0: pixels})
    queue.wait_all()


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--network", required=True)
    given = parser.parse_args()
    network = build_network(given.network, head="linear")
    rates = {batch_size: rate(network, batch_size=batch_size) for batch_size in BATCH_SIZES}
    best = max(rates, key=lambda batch_size: rates[batch_size])
    write_values(given.out, {"photos_per_second": rates[best], "batch_size": best})


if __name__ == "__main__":
    main()
