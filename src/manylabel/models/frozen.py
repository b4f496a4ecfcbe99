"""Compile a frozen part of a network for this machine.

In:  a module that is not trained, e.g. a backbone up to a cut; batches of pixels.
Out: its outputs, batch by batch, through the fastest engine that computes the same as torch.

OpenVINO runs networks on CPUs faster than torch does; everywhere else, and where OpenVINO is missing or
computes something else, torch does it.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from manylabel.config import TrainingEngineName
from manylabel.errors import ConfigError, MissingExtraError
from manylabel.models.device import infer
from manylabel.models.openvino_model import pixels_to_openvino
from manylabel.preprocess import VIEWS_TOGETHER, PixelArray, fill_up
from manylabel.quiet_imports import has_openvino, import_openvino

if TYPE_CHECKING:
    import openvino

_MAX_ERRORS = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
_MAX_RATIO = 1.5

_logger = logging.getLogger(__name__)


class FrozenEngine(Protocol):
    """Run a frozen module; one class per engine."""

    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs of batch after batch; the next batches are asked for while one is computed."""


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """Say which engine is going to run.

    Attributes:
        name: "openvino" or "torch".
        version: Its version: another one may compute slightly other numbers.
        device: Where it computes.
        precision: Number type of the forward pass.
    """

    name: TrainingEngineName
    version: str
    device: torch.device
    precision: torch.dtype


def plan_engine(wish: TrainingEngineName, *, device: torch.device, precision: torch.dtype) -> EnginePlan:
    """Choose the engine, without loading it.

    Args:
        wish: "auto" takes OpenVINO on CPUs where it is installed, else torch.
        device: Where to compute; OpenVINO is used on CPUs only.
        precision: Number type of the forward pass.

    Raises:
        ConfigError: OpenVINO was asked for on another device than a CPU.
        MissingExtraError: It was asked for and is not installed.
    """
    if wish == "openvino" and device.type != "cpu":
        raise ConfigError(
            f"training.engine: 'openvino' computes on the CPU, this run computes on '{device.type}'; 'auto' "
            "takes torch there, and training.device=cpu stays on the CPU"
        )
    is_there = has_openvino()
    if wish == "openvino" and not is_there:
        raise MissingExtraError("training.engine=openvino", "openvino")
    name: TrainingEngineName = (
        "openvino" if wish != "torch" and is_there and device.type == "cpu" else "torch"
    )
    return EnginePlan(name=name, version=_version(name), device=device, precision=precision)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def compile_frozen(module: nn.Module, plan: EnginePlan, *, sample: PixelArray) -> FrozenEngine:
    """Compile a module.

    Args:
        module: In inference mode, on the device of the plan; takes pixels, gives one tensor, photos first.
        plan: Which engine to use.
        sample: Pixels of a few photos [n, side_px, side_px, 3]. The engine has to give what torch gives for
            them in 32 bits, up to a relative error of 0.001, in bf16 of 5 % or half as much again as torch
            errs in bf16: else torch is taken and a warning says so.
    """
    with_torch = _TorchEngine(module, plan)
    if plan.name == "torch":
        return with_torch
    try:
        engine = _OpenVinoEngine(module, plan, side_px=sample.shape[1])
        error, bound = _error_and_bound(engine, with_torch, sample)
    except (ImportError, RuntimeError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        _logger.warning("OpenVINO cannot run this network (%s); torch does it, more slowly", reason)
        return with_torch
    if not error <= bound:
        _logger.warning(
            "OpenVINO computes something else than torch (relative error %.2g); torch does it, more slowly",
            error,
        )
        return with_torch
    return engine


def _error_and_bound(
    engine: FrozenEngine, with_torch: "_TorchEngine", sample: PixelArray
) -> tuple[float, float]:
    """Return how far an engine is from exact outputs, and how far it may be."""
    plan = with_torch.plan
    # In 32 bits: two engines that both round to 16 bits differ by more than either errs.
    exactly = _TorchEngine(with_torch.module, replace(plan, precision=torch.float32))
    exact = next(exactly.run([sample]))
    error = relative_error(next(engine.run([sample])), exact)
    bound = _MAX_ERRORS[plan.precision]
    if error > bound and plan.precision != torch.float32:
        # Some photos suffer more from 16 bits than others, whatever computes.
        rounded = next(with_torch.run([sample]))
        bound = max(bound, _MAX_RATIO * relative_error(rounded, exact))
    return error, bound


def relative_error(values: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Return the length of the difference as a share of the length of what was expected.

    Examples:
        >>> relative_error(np.array([3.0, 4.5], np.float32), np.array([3.0, 4.0], np.float32))
        0.1
    """
    length = float(np.linalg.norm(expected.ravel()))
    return float(np.linalg.norm((values - expected).ravel())) / max(length, 1e-12)


class _TorchEngine:
    """Run a module through torch."""

    def __init__(self, module: nn.Module, plan: EnginePlan) -> None:
        self.module, self.plan = module, plan

    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield outputs in float32."""
        for batch in batches:
            yield self._infer(batch)

    @torch.inference_mode()
    def _infer(self, batch: PixelArray) -> NDArray[np.float32]:
        pixels = torch.from_numpy(batch)
        outputs = infer(self.module, pixels, device=self.plan.device, precision=self.plan.precision)
        return outputs.float().cpu().numpy()


class _OpenVinoEngine:
    """Run a module through OpenVINO, as many batches at a time as keep it busy, all of one size.

    What computes one size only is up to a third faster. Photos of several batches are computed together, and
    the last ones are filled up.
    """

    def __init__(self, module: nn.Module, plan: EnginePlan, *, side_px: int) -> None:
        openvino = import_openvino()
        numbers = "bf16" if plan.precision == torch.bfloat16 else "f32"
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": numbers}
        model = pixels_to_openvino(module, side_px=side_px)
        model.reshape([VIEWS_TOGETHER, side_px, side_px, 3])
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        # One more than can run: it begins the moment that another ends.
        n_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
        self._requests = [compiled.create_infer_request() for _ in range(n_requests)]

    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield outputs in float32."""
        sizes = deque[int]()
        computed: list[NDArray[np.float32]] = []
        for outputs in self._compute(_regroup(batches, sizes)):
            computed.append(outputs)
            while sizes and sum(map(len, computed)) >= sizes[0]:
                whole = computed[0] if len(computed) == 1 else np.concatenate(computed)
                n_rows = sizes.popleft()
                yield whole[:n_rows]
                computed = [whole[n_rows:]]

    def _compute(self, pieces: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs of pieces of at most ``VIEWS_TOGETHER`` photos."""
        idle = deque(self._requests)
        # The engine reads the arrays in place: they live until it is done.
        busy: deque[tuple[openvino.InferRequest, PixelArray, int]] = deque()
        try:
            for piece in pieces:
                if not idle:
                    yield self._take(busy, idle)
                request, filled = idle.popleft(), fill_up(piece, n_rows=VIEWS_TOGETHER)
                request.start_async({0: filled}, share_inputs=True)
                busy.append((request, filled, len(piece)))
            while busy:
                yield self._take(busy, idle)
        finally:
            # Whoever stops early leaves requests that cannot be started again before they are done.
            for request, _, _ in busy:
                request.wait()

    def _take(
        self,
        busy: "deque[tuple[openvino.InferRequest, PixelArray, int]]",
        idle: "deque[openvino.InferRequest]",
    ) -> NDArray[np.float32]:
        request, _, n_rows = busy[0]
        request.wait()
        busy.popleft()
        outputs = np.array(request.get_output_tensor(0).data[:n_rows], dtype=np.float32)
        idle.append(request)
        return outputs


def _regroup(batches: Iterable[PixelArray], sizes: deque[int]) -> Iterator[PixelArray]:
    """Yield the photos of all batches, ``VIEWS_TOGETHER`` at a time; note how many each batch had."""
    waiting = list[PixelArray]()
    for batch in batches:
        sizes.append(len(batch))
        waiting.append(batch)
        while sum(map(len, waiting)) >= VIEWS_TOGETHER:
            whole = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            yield whole[:VIEWS_TOGETHER]
            waiting = [whole[VIEWS_TOGETHER:]]
    if sum(map(len, waiting)):
        yield np.concatenate(waiting)
