"""Keep every finished fit until its run is complete, so that an interrupted run does not train it again.

In:  a training method, the photos of a fit, a folder.
Out: the fit, the same bit for bit whether it was just trained or read; a file per fit, complete or absent.

A file is found by a key of everything that decides the fit: pixels, targets, initial weights, settings, seed,
versions, kind of processor. If any of these changes, so does the name of the file.
"""

import hashlib
import json
import logging
import platform
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import PIL
import timm
import torch
import torchvision
from safetensors.torch import load, save
from torch import Tensor, nn

from manylabel import __version__
from manylabel.data.wording import count
from manylabel.engines.frozen import plan_engine
from manylabel.io.files import write_atomically
from manylabel.io.unfinished import FIT_ENDING
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision
from manylabel.processes import count_processes
from manylabel.training.distributed import bytes_from_first
from manylabel.training.features import weights_sha256
from manylabel.training.methods import Fit, FitRows, TrainingMethod, TrainingTask
from manylabel.training.methods.interpolation import Interpolation
from manylabel.trials import Epoch
from manylabel.types import FloatArray

_FORMAT_VERSION = 1
_DIGEST_BYTES = 32
_ADDRESS = re.compile(" at 0x[0-9a-f]+")
_NUMBERS, _SCORES = "numbers", "scores"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldFit:
    """The fit of a fold, without its weights, and its probabilities for the held-out photos.

    Attributes:
        fit: The fit; its classifier and module are the initial ones.
        scores: Probabilities [n_variants, n_held_out, n_labels].
    """

    fit: Fit
    scores: FloatArray


class FinishedFits:
    """The finished fits of a model.

    Attributes:
        n_read: Number of fits read from files instead of trained.

    Args:
        folder: Where they are kept; None keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._described: dict[str, object] | None = None
        self.n_read = 0

    def fold(self, method: TrainingMethod, rows: FitRows, *, score: Callable[[Fit], FloatArray]) -> FoldFit:
        """Read the fit of a fold, or train it.

        Args:
            method: Trains it.
            rows: The photos of the fit.
            score: Scores the held-out photos [n_variants, n_held_out, n_labels].
        """
        initial = method.task.initial
        path = self.path(method.task, rows)
        if (stored := self._read(path, method)) is not None:
            return FoldFit(fit=stored.restore(initial, initial), scores=stored.tensors[_SCORES].numpy())
        before = dict(method.step_seconds)
        fit = method.fit(rows)
        scores = score(fit)
        self._write(path, {_SCORES: torch.from_numpy(scores)}, _numbers_of(fit, method, before=before))
        # Only losses and seconds are read later: the weights of every fold would fill the memory.
        return FoldFit(
            fit=replace(fit, classifier=initial, module=initial, interpolation=None), scores=scores
        )

    def final(self, method: TrainingMethod, rows: FitRows) -> Fit:
        """Read the final fit with its weights, or train it.

        Args:
            method: Trains it.
            rows: Its photos.
        """
        path = self.path(method.task, rows)
        if (stored := self._read(path, method)) is not None:
            fit = stored.restore(*method.untrained())
        else:
            before = dict(method.step_seconds)
            fit = method.fit(rows)
            self._write(path, _weights_of(fit), _numbers_of(fit, method, before=before))
        if self.n_read:
            name, n_read = method.task.initial.backbone.name, count(self.n_read, "fit")
            _logger.info("%s: %s finished before, not trained again", name, n_read)
        return fit

    def describe(self, task: TrainingTask) -> dict[str, object]:
        """Return what decides the fits of the model, as ``describe_task``; computed once."""
        self._described = self._described or describe_task(task)
        return self._described

    def path(self, task: TrainingTask, rows: FitRows) -> Path | None:
        """Return the file of a fit, which need not exist; None where none are kept.

        Args:
            task: The task of the model.
            rows: The photos of the fit.
        """
        if self._folder is None:
            return None
        decides = _sha256(json.dumps(self.describe(task), sort_keys=True).encode())
        photos = [_sha256(part.tobytes()) for part in (rows.train, rows.watched, rows.val)]
        key = _sha256(json.dumps([decides, photos, rows.fold]).encode())
        return self._folder / f"{key}{FIT_ENDING}"

    def _read(self, path: Path | None, method: TrainingMethod) -> "_StoredFit | None":
        """Read a fit; processes that train together read that of the first one."""
        content = bytes_from_first(_read_checked(path))
        if content is None:
            return None
        tensors = load(content)
        numbers = msgspec.convert(json.loads(tensors.pop(_NUMBERS).numpy().tobytes()), type=_Numbers)
        for what, seconds in numbers.step_seconds.items():
            method.add_seconds(what, seconds)
        self.n_read += 1
        return _StoredFit(numbers=numbers, tensors=tensors)

    def _write(self, path: Path | None, tensors: Mapping[str, Tensor], numbers: "_Numbers") -> None:
        """Write a fit; warn and continue if the disk is full."""
        if path is None:
            return
        text = bytearray(json.dumps(asdict(numbers)).encode())
        content = save({**tensors, _NUMBERS: torch.frombuffer(text, dtype=torch.uint8)})
        try:
            write_atomically(path, hashlib.sha256(content).digest() + content)
        except OSError as error:
            self._folder = None
            _logger.warning(
                "no more finished fits of this model can be kept, so a resumed run trains them again: %s",
                error,
            )


def _read_checked(path: Path | None) -> bytes | None:
    """Return the content of a file without its checksum; a damaged file is removed with a warning."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            raise ValueError("wrong checksum")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _logger.warning("the finished fit %s cannot be used (%s) and is trained again", path.name, error)
        with suppress(OSError):
            path.unlink()
        return None
    return content[_DIGEST_BYTES:]


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """The fields of a fit besides its weights, and the seconds of its steps by kind."""

    pos_weight: tuple[float, ...]
    weight_decay: float
    history: tuple[Epoch, ...]
    seconds: float
    logit_scale: float
    alpha: float
    step_seconds: dict[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class _StoredFit:
    """The content of a file: numbers, and weights or scores by name."""

    numbers: _Numbers
    tensors: Mapping[str, Tensor]

    def restore(self, classifier: Classifier, module: nn.Module) -> Fit:
        """Load the weights into the module, if the file has any, and return the fit."""
        numbers = self.numbers
        weights, before, after = (self._group(name) for name in ("weights", "before", "after"))
        interpolation = None
        if weights:
            module.load_state_dict(weights)
        if before:
            interpolation = Interpolation.between(module, before=before, after=after)
            interpolation.set_alpha(numbers.alpha)
        return Fit(
            classifier=classifier,
            module=module,
            pos_weight=np.array(numbers.pos_weight),
            weight_decay=numbers.weight_decay,
            history=numbers.history,
            seconds=numbers.seconds,
            logit_scale=numbers.logit_scale,
            alpha=numbers.alpha,
            interpolation=interpolation,
        )

    def _group(self, name: str) -> dict[str, Tensor]:
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)
        }


def _weights_of(fit: Fit) -> dict[str, Tensor]:
    """Return the weights of a fit, or those before and after it if validation photos choose between them."""
    groups: dict[str, Mapping[str, Tensor]] = {"weights": fit.module.state_dict()}
    if fit.interpolation is not None:
        groups = {"before": fit.interpolation.before, "after": fit.interpolation.after}
    return {
        f"{group}.{name}": tensor.detach().cpu().contiguous().clone()  # some modules share tensors
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def _numbers_of(fit: Fit, method: TrainingMethod, *, before: Mapping[str, float]) -> _Numbers:
    spent = method.step_seconds
    return _Numbers(
        pos_weight=tuple(fit.pos_weight.tolist()),
        weight_decay=float(fit.weight_decay),
        history=fit.history,
        seconds=fit.seconds,
        logit_scale=float(fit.logit_scale),
        alpha=float(fit.alpha),
        step_seconds={what: seconds - before.get(what, 0.0) for what, seconds in spent.items()},
    )


def describe_task(task: TrainingTask) -> dict[str, object]:
    """Return everything that decides the fits of a model, apart from which photos each is trained on."""
    training, initial, groups = task.training, task.initial, task.groups
    device = choose_device(training.device)
    precision = choose_precision(training.precision, device)
    engine = plan_engine(training.engine, device=device, precision=precision)
    is_cuda = device.type == "cuda"
    return {
        "backbone": initial.backbone.name,
        "modules": _sha256(_ADDRESS.sub("", repr(initial)).encode()),
        "labels": [*initial.labels],
        "preprocessing": initial.preprocessing.to_dict(),
        "weights": weights_sha256(initial),
        "photos": _sha256("".join(task.store.hashes).encode()),
        "targets": _sha256(task.targets.tobytes()),
        "groups": None if groups is None else _sha256(groups.tobytes()),
        "training": asdict(training),
        "augmentation": asdict(task.augmentation),
        "seed": task.seed,
        "is_cross_validated": task.is_cross_validated,
        "engine": [engine.name, engine.version, engine.device.type, str(engine.precision)],
        "precision": str(precision),
        "device": device.type,
        "processor": torch.cuda.get_device_name(device) if is_cuda else _describe_cpu(),
        "n_processes": count_processes(),
        "n_threads": torch.get_num_threads(),  # sums depend on it in their last digits
        "versions": {
            "format of fits": _FORMAT_VERSION,
            "manylabel": __version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }


def _describe_cpu() -> str:
    """Return the model of the processor, where the system tells it, and its instructions."""
    name = platform.processor()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
