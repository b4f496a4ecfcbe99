"""Time one photo, from pixels to probabilities.

In:  a network of the study, an engine.
Out: milliseconds.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.workers.common import median_milliseconds, worker_parser, write_values
from benchmarks.workers.engines import (
    Engine,
    build_network,
    openvino_engine,
    quantised,
    to_openvino,
    torch_engine,
)
from benchmarks.workers.engines import random_pixels as draw

ENGINES: dict[str, Callable[[str, Path], Engine]] = {
    "torch fp32": lambda network, work: torch_engine(
        build_network(network, head="study"), precision=torch.float32
    ),
    "torch bf16": lambda network, work: torch_engine(
        build_network(network, head="study"), precision=torch.bfloat16
    ),
    "OpenVINO": lambda network, work: _openvino(network),
    "OpenVINO int8": lambda network, work: _openvino_int8(network, work),
}
"""How each engine is built for a network; the folder keeps what takes long to make."""


def _openvino(network: str) -> Engine:
    model = to_openvino(build_network(network, head="study"), batch_size=1)
    return _call(openvino_engine(model, hint="LATENCY"))


def _openvino_int8(network: str, work: Path) -> Engine:
    model = to_openvino(build_network(network, head="study"), batch_size=1)
    file = work / "int8" / f"{network}.xml"
    small = quantised(model, is_transformer=network.startswith("vit_"), file=file)
    return _call(openvino_engine(small, hint="LATENCY"))


def _call(compiled: Engine) -> Engine:
    return lambda pixels: compiled(pixels)


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--network", required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    engine = ENGINES[given.engine](given.network, given.work)
    pixels = draw(1)
    write_values(given.out, median_milliseconds(lambda: engine(pixels)))


if __name__ == "__main__":
    main()
