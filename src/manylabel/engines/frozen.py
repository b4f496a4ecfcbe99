"""Run the part of a model that is not trained, with the fastest engine that computes the same as torch.

In:  a module that is not trained, e.g. a backbone up to its split layer; batches of pixels, or photo files.
Out: its outputs, batch by batch; scores and features of the photos that can be read.

OpenVINO runs models on CPUs faster than torch does; everywhere else, and where OpenVINO is missing or
computes something else, torch does it.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from manylabel.bundle.folder import Bundle
from manylabel.config import DeviceName, TrainingEngineName
from manylabel.engines.base import logits_to_scores, relative_error, run_batches
from manylabel.engines.conversion import pixels_to_openvino
from manylabel.engines.openvino import CompiledModel, Dtype
from manylabel.engines.openvino_models import has_openvino
from manylabel.engines.stream import FilePart, read_parts
from manylabel.engines.torch import load_classifier
from manylabel.errors import ConfigError, EngineError, MissingExtraError, PhotoError
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision, infer
from manylabel.preprocess import VIEWS_TOGETHER, PixelArray
from manylabel.types import FloatArray, IntArray, Progress, ProgressCallback, ignore_progress

_VIEWS_PER_BATCH = 32
_MAX_ERRORS = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
_MAX_RATIO = 1.5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """The engine of a frozen model.

    Attributes:
        name: "openvino" or "torch".
        version: Its version: another one may compute slightly other numbers.
        device: Where it computes.
        precision: Dtype of the forward pass.
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
        precision: Dtype of the forward pass.

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


class FrozenModel:
    """A model that is not trained, compiled when its first batch comes.

    Args:
        module: In inference mode, on the device of the plan; takes pixels, gives one tensor, photos first.
        plan: The engine to use.
    """

    def __init__(self, module: nn.Module, plan: EnginePlan) -> None:
        """Compile nothing yet: it may not be needed."""
        self._module, self._plan = module, plan
        self._runner: _Runner | None = None

    def run(self, batches: Iterator[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs of batches of pixels [batch, side_px, side_px, 3]."""
        first = next(batches, None)
        if first is None:
            return
        if self._runner is None:
            # From both ends of the batch: neighbors may be views of one photo.
            self._runner = compile_frozen(self._module, self._plan, sample=first[[0, -1]])
        yield from self._runner.run(chain([first], batches))


class _Runner(Protocol):
    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs of batch after batch; the next batches are read while one is computed."""


def compile_frozen(module: nn.Module, plan: EnginePlan, *, sample: PixelArray) -> _Runner:
    """Compile a module.

    Args:
        module: As for ``FrozenModel``.
        plan: The engine to use.
        sample: Pixels of a few photos [n, side_px, side_px, 3]. The engine has to give what torch gives for
            them in 32 bits, up to a relative error of 0.001, in bf16 of 5 % or 1.5 times the error of torch
            in bf16: else torch is used, with a warning.
    """
    with_torch = _TorchRunner(module, plan)
    if plan.name == "torch":
        return with_torch
    try:
        runner = _OpenVinoRunner(module, plan, side_px=sample.shape[1])
        error, bound = _error_and_bound(runner, with_torch, sample)
    except (EngineError, ImportError, RuntimeError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        _logger.warning("OpenVINO cannot run this model (%s); torch does it, more slowly", reason)
        return with_torch
    if not error <= bound:
        _logger.warning(
            "OpenVINO's result differs from torch's (relative error %.2g); torch does it, more slowly",
            error,
        )
        return with_torch
    return runner


def _error_and_bound(runner: _Runner, with_torch: "_TorchRunner", sample: PixelArray) -> tuple[float, float]:
    """Return how far a runner is from exact outputs, and how far it may be."""
    plan = with_torch.plan
    # In 32 bits: two engines that both round to 16 bits differ by more than the error of either.
    in_32_bits = _TorchRunner(with_torch.module, replace(plan, precision=torch.float32))
    exact = next(in_32_bits.run([sample]))
    error = relative_error(next(runner.run([sample])), exact)
    bound = _MAX_ERRORS[plan.precision]
    if error > bound and plan.precision != torch.float32:
        # Some photos suffer more from 16 bits than others, whatever computes.
        rounded = next(with_torch.run([sample]))
        bound = max(bound, _MAX_RATIO * relative_error(rounded, exact))
    return error, bound


class _TorchRunner:
    """A module that torch runs."""

    def __init__(self, module: nn.Module, plan: EnginePlan) -> None:
        self.module, self.plan = module, plan

    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        for batch in batches:
            yield self._infer(batch)

    @torch.inference_mode()
    def _infer(self, batch: PixelArray) -> NDArray[np.float32]:
        pixels = torch.from_numpy(batch)
        outputs = infer(self.module, pixels, device=self.plan.device, precision=self.plan.precision)
        return outputs.float().cpu().numpy()


class _OpenVinoRunner:
    """A module that OpenVINO runs, a fixed number of photos at a time.

    Photos of several batches are computed together, and the last ones are filled up.
    """

    def __init__(self, module: nn.Module, plan: EnginePlan, *, side_px: int) -> None:
        model = pixels_to_openvino(module, side_px=side_px)
        model.reshape([VIEWS_TOGETHER, side_px, side_px, 3])
        # Where the processor has no bf16, OpenVINO computes in 32-bit floats.
        dtype: Dtype = "bf16" if plan.precision == torch.bfloat16 else "f32"
        self._network = CompiledModel(model, n_rows=VIEWS_TOGETHER, dtype=dtype, hint="THROUGHPUT")
        self._network.create_requests(self._network.n_parallel)

    def run(self, batches: Iterable[PixelArray]) -> Iterator[NDArray[np.float32]]:
        sizes = deque[int]()
        pieces = _regroup(batches, sizes)
        computed: list[NDArray[np.float32]] = []
        for outputs in run_batches(self._network.start, pieces, n_parallel=self._network.n_parallel):
            computed.append(outputs)
            while sizes and sum(map(len, computed)) >= sizes[0]:
                whole = computed[0] if len(computed) == 1 else np.concatenate(computed)
                n_rows = sizes.popleft()
                yield whole[:n_rows]
                computed = [whole[n_rows:]]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureScores:
    """Scores and features of some photos.

    Attributes:
        rows: Which of the given files could be read [n_photos].
        scores: Probabilities [n_photos, n_labels].
        features: Output of the backbone for each photo as it is [n_photos, n_features].
        failures: An error for each file that could not be read.
    """

    rows: IntArray
    scores: FloatArray
    features: NDArray[np.float32]
    failures: tuple[PhotoError, ...]


def score_with_features(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    names: Sequence[str],
    device: DeviceName = "auto",
    on_progress: ProgressCallback = ignore_progress,
) -> FeatureScores:
    """Score photo files; each batch passes the backbone once.

    Args:
        bundle: The model.
        paths: The files.
        names: What to call them.
        device: Where to compute.
        on_progress: Called after every few photos.

    Raises:
        BundleError: The weights do not fit.
        ConfigError: The wanted device is not there.
    """
    where = choose_device(device)
    classifier = load_classifier(bundle)
    preprocessing = classifier.preprocessing
    n_views, size = preprocessing.n_views, max(1, _VIEWS_PER_BATCH // preprocessing.n_views)
    plan = plan_engine("auto", device=where, precision=choose_precision("auto", where))
    network = FrozenModel(_Features(classifier).to(where).eval(), plan)
    parts: list[FilePart] = []

    def read_pixels(read: Iterator[FilePart]) -> Iterator[PixelArray]:
        n_done = 0
        for part in read:
            parts.append(part)
            n_done += part.n_files
            on_progress(Progress(subject="photos", stage="scoring", done=n_done, total=len(names)))
            if part.rows:
                yield part.take_pixels()

    features = [np.empty((0, classifier.n_features), dtype=np.float32)]
    logits = [np.empty((0, len(classifier.labels)))]
    with closing(read_parts(paths, preprocessing, size=size, n_ahead=2 * _VIEWS_PER_BATCH)) as read:
        for values in network.run(read_pixels(read)):  # [n_photos * n_views, n_features]
            features.append(values[::n_views])
            logits.append(_run_head(classifier, values))
    rows = [row for part in parts for row in part.rows]
    return FeatureScores(
        rows=np.array(rows, dtype=np.int64),
        scores=logits_to_scores(
            np.concatenate(logits),
            n_rows=n_views * len(rows),
            n_labels=len(classifier.labels),
            n_views=n_views,
        ),
        features=np.concatenate(features),
        failures=tuple(failure for part in parts for failure in part.named_failures(names)),
    )


class _Features(nn.Module):
    """A classifier without its head."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features [n, n_features] of pixels [n, side_px, side_px, 3]."""
        return self.classifier.features(pixels)


@torch.inference_mode()
def _run_head(classifier: Classifier, features: NDArray[np.float32]) -> FloatArray:
    """Return the logits [n, n_labels] of features, in 32 bits."""
    where = next(classifier.parameters()).device
    logits: Tensor = classifier.head(torch.from_numpy(features).to(where))
    return np.asarray(logits.cpu().double().numpy())
