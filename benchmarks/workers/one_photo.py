"""Time one photo, from pixels to probabilities.

In:  a network of the study, an engine.
Out: milliseconds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.workers.common import median_milliseconds, worker_parser, write_values
from benchmarks.workers.engines import SIDE_PX, Engine, Pixels, build_network, torch_engine
from benchmarks.workers.engines import random_pixels as draw
from manylabel.engines.conversion import pixels_to_openvino
from manylabel.engines.openvino import choose_dtype, compile_model
from manylabel.engines.openvino_models import import_openvino, read_model
from manylabel.exporters.int8 import has_attention, quantize

_N_CALIBRATION_PHOTOS = 16

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
    """Convert and compile a network as manylabel's own predictor does."""
    model = pixels_to_openvino(build_network(network, head="study"), side_px=SIDE_PX)
    return _call(model)


def _openvino_int8(network: str, work: Path) -> Engine:
    """Quantise a network as ``manylabel export --to int8`` does, once, and keep it in a file."""
    file = work / "int8" / f"{network}.xml"
    if not file.is_file():
        model = pixels_to_openvino(build_network(network, head="study"), side_px=SIDE_PX)
        photos = draw(_N_CALIBRATION_PHOTOS)
        samples = [photos[row : row + 1] for row in range(len(photos))]
        small = quantize(model, samples, has_attention=has_attention(model))
        file.parent.mkdir(parents=True, exist_ok=True)
        import_openvino().save_model(small, file)
    return _call(read_model(file))


def _call(model: Any) -> Engine:
    """Compile a model for one photo at a time."""
    model.reshape([1, SIDE_PX, SIDE_PX, 3])
    request = compile_model(model, dtype=choose_dtype("auto"), hint="LATENCY").create_infer_request()

    def run(pixels: Pixels) -> Any:
        return request.infer({0: pixels}, share_inputs=True)

    return run


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
