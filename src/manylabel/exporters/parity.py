"""Compare exported models with the model that they were made from; what every exporter takes and returns.

In:  the model in torch; predictors of the exported model; photos, or drawn pictures, and noise.
Out: how much their probabilities differ; too much is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from manylabel.bundle.folder import Bundle
from manylabel.config import DataConfig
from manylabel.constraints import decide_with_constraints
from manylabel.data.find import find_photos
from manylabel.data.photos import convert_photos
from manylabel.data.sample import sample_photos
from manylabel.engines.base import PixelPredictor, score_pixels
from manylabel.engines.openvino import parts_difference
from manylabel.engines.openvino_models import has_openvino, read_model
from manylabel.engines.torch import TorchPredictor
from manylabel.errors import EngineError, InputError, PhotoError, nothing_read
from manylabel.models.classifier import Classifier
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.types import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    import openvino

MAX_DIFFERENCE = 1e-3
"""Usual limit: the largest difference of two probabilities that 32-bit sums in another order may make."""

_N_PHOTOS = 24
_N_DRAWN = 12
_N_NOISE = 4


@dataclass(frozen=True, kw_only=True)
class ExportJob:
    """The work of an exporter.

    Attributes:
        bundle: The model to export.
        photos: Folder of photos like those that will be scored; None where none is given.
        labels: Table of their labels; None where none is given.
        form: How the table is read; its paths are not used.
        max_difference: Largest difference of a probability from torch's that is accepted; None: the usual
            one of the exporter.
        on_progress: Called as the work goes on.
    """

    bundle: Bundle
    photos: Path | None = None
    labels: Path | None = None
    form: DataConfig = field(default_factory=DataConfig)
    max_difference: float | None = None
    on_progress: ProgressCallback = ignore_progress


@dataclass(frozen=True, kw_only=True)
class ParityRow:
    """The probabilities of one engine beside those of torch.

    Attributes:
        engine: The engine and its precision.
        max_difference: Largest difference of two probabilities, in [0, 1].
        mean_difference: Mean difference of probabilities.
        n_changed: Decisions about photos that differ; noise is left out.
    """

    engine: str
    max_difference: float
    mean_difference: float
    n_changed: int


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The probabilities of exported models beside those of torch.

    Attributes:
        rows: One per engine.
        n_decisions: Photos times labels, without noise.
        evaluated_on: Which photos these were, in words.
    """

    rows: tuple[ParityRow, ...]
    n_decisions: int
    evaluated_on: str

    def to_dict(self) -> Mapping[str, object]:
        """Return plain values for JSON."""
        return {
            "evaluated_on": self.evaluated_on,
            "n_decisions": self.n_decisions,
            "engines": {
                row.engine: {
                    "max_difference": row.max_difference,
                    "mean_difference": row.mean_difference,
                    "n_changed": row.n_changed,
                }
                for row in self.rows
            },
        }


@dataclass(frozen=True, kw_only=True)
class EngineRow:
    """The quality and speed of one engine.

    Attributes:
        mAP: Mean average precision in [0, 1]; None where it is undefined.
        exact_match: Share of photos with every known label right; None where it is undefined.
        ms_per_photo: Wall time from pixels to scores in milliseconds, many photos at a time.
    """

    mAP: float | None
    exact_match: float | None
    ms_per_photo: float


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The mAP that one engine loses against another, on the same photos.

    Attributes:
        mAP: What is lost, in [-1, 1]; below 0 where something is gained.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n_groups: Photos that it rests on, near-duplicates counted as one.
    """

    mAP: float
    low: float
    high: float
    n_groups: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Engines that should agree, compared on the same photos.

    Attributes:
        engines: A row per engine, by name.
        loss: What the last engine loses against the first; None where mAP is undefined.
        n_photos: Photos that they were evaluated on.
        evaluated_on: Which these were, in words.
        notes: What the user should know, one sentence each.
    """

    engines: dict[str, EngineRow]
    loss: Loss | None
    n_photos: int
    evaluated_on: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an exporter made.

    Attributes:
        path: The new file or folder.
        parity: Its probabilities beside those of torch.
        comparison: Its quality and speed beside those of the original; None where not measured.
        n_calibration: Photos that set the ranges of 8-bit integers; None where there are no ranges.
        failures: An error for each photo that could not be read.
    """

    path: Path
    parity: Parity
    comparison: Comparison | None = None
    n_calibration: int | None = None
    failures: tuple[PhotoError, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ParityPhotos:
    """The photos that models are compared on.

    Attributes:
        pixels: Views of the photos and of noise [(n_photos + n_noise) * n_views, side_px, side_px, 3].
        n_photos: Photos among them; noise comes last.
        origin: Which photos these are, in words.
    """

    pixels: PixelArray
    n_photos: int
    origin: str


def choose_parity_photos(preprocessing: Preprocessing, *, photos: Path | None) -> ParityPhotos:
    """Read photos of a folder, else drawn pictures, and add noise.

    Args:
        preprocessing: How they become pixels.
        photos: A folder; up to 24 of its photos are taken. Not given: 12 of the sample set.

    Raises:
        InputError: The folder has no photo that can be read.
    """
    if photos is None:
        return read_parity_photos(sample_photos(_N_DRAWN), preprocessing, kind="drawn picture")
    found = find_photos(photos)
    if not found:
        raise InputError(f"no photo found in {photos}; give a folder of photos like those to be scored")
    chosen = np.sort(np.random.default_rng(0).permutation(len(found))[:_N_PHOTOS])
    return read_parity_photos([found[row] for row in chosen], preprocessing)


def read_parity_photos(
    paths: Sequence[Path], preprocessing: Preprocessing, *, kind: str = "photo"
) -> ParityPhotos:
    """Read photos and add noise.

    Args:
        paths: The photos.
        preprocessing: How they become pixels.
        kind: What they are, for ``ParityPhotos.origin``.

    Raises:
        InputError: Not one photo can be read.
    """
    read = list(
        convert_photos(paths, lambda photo: resize_views(photo, preprocessing), side_px=preprocessing.side_px)
    )
    views = [photo for photo in read if not isinstance(photo, PhotoError)]
    if not views:
        raise InputError(nothing_read([photo for photo in read if isinstance(photo, PhotoError)]))
    origin = f"{len(views)} {kind}{'' if len(views) == 1 else 's'}"
    return _add_noise(views, preprocessing, origin=origin)


def _add_noise(views: Sequence[PixelArray], preprocessing: Preprocessing, *, origin: str) -> ParityPhotos:
    side_px, n_views = preprocessing.side_px, preprocessing.n_views
    shape = (_N_NOISE * n_views, side_px, side_px, 3)
    noise = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    return ParityPhotos(
        pixels=np.concatenate([*views, noise]),
        n_photos=len(views),
        origin=f"{origin} and {_N_NOISE} of noise",
    )


def compare_with_torch(
    engines: Sequence[PixelPredictor],
    bundle: Bundle,
    classifier: Classifier,
    *,
    on: ParityPhotos,
) -> Parity:
    """Score the same pixels with torch in 32-bit floats and with every engine.

    Args:
        engines: Predictors of the exported model.
        bundle: What it was made from.
        classifier: Its model, on the CPU.
        on: What to score.
    """
    torch_engine = TorchPredictor(classifier, thresholds=bundle.thresholds, precision=torch.float32)
    expected = score_pixels(torch_engine, on.pixels)
    decided = decide_with_constraints(bundle.config.constraints, expected, bundle.thresholds)
    rows = []
    n_views = bundle.config.preprocessing.n_views
    for engine in engines:
        # The last photo comes alone: OpenVINO compiles a model of its own for single ones.
        pieces = (on.pixels[:-n_views], on.pixels[-n_views:])
        scores = np.concatenate([score_pixels(engine, piece) for piece in pieces])
        changed = decide_with_constraints(bundle.config.constraints, scores, bundle.thresholds) != decided
        rows.append(
            ParityRow(
                engine=engine.engine,
                max_difference=float(np.abs(scores - expected).max()),
                mean_difference=float(np.abs(scores - expected).mean()),
                n_changed=int(changed[: on.n_photos].sum()),
            )
        )
    n_decisions = on.n_photos * decided.shape[1]
    return Parity(rows=tuple(rows), n_decisions=n_decisions, evaluated_on=on.origin)


def check_parity(
    parity: Parity, *, bundle: Path, name: str, limit: float | None = None, advice: str = ""
) -> None:
    """Refuse a model whose probabilities are not those of torch.

    Decisions are not compared: they can differ only where a probability is nearer to its threshold than the
    limit.

    Args:
        parity: What was measured.
        bundle: The bundle, for errors.
        name: What was exported, for errors.
        limit: Largest difference that is accepted; not given: ``MAX_DIFFERENCE``.
        advice: Sentences that end an error.

    Raises:
        EngineError: A difference is above it, or NaN.
    """
    limit = MAX_DIFFERENCE if limit is None else limit
    for row in parity.rows:
        if not row.max_difference <= limit:  # also where it is NaN
            raise EngineError(
                f"{bundle}: {name} ({row.engine}) does not compute this model as torch does: "
                f"probabilities differ by up to {row.max_difference:.2g}, at most {limit:g} is accepted "
                f"(--max-difference); nothing was written{advice and '. '}{advice}"
            )


def check_parts(model: "openvino.Model | Path", *, bundle: Path, pixels: PixelArray) -> None:
    """Refuse a model whose two parts do not give what the whole gives: heat maps need both.

    Args:
        model: The exported model, or its file. Where OpenVINO is not installed, nothing is checked.
        bundle: The bundle, for errors.
        pixels: What to compare on [n, side_px, side_px, 3].

    Raises:
        EngineError: They do not.
    """
    difference = parts_difference(read_model(model), pixels) if has_openvino() else None
    if difference is not None and not difference <= MAX_DIFFERENCE:
        raise EngineError(
            f"{bundle}: the exported model cannot be split for heat maps: its parts differ from the "
            f"whole by {difference:.1e}; nothing was written"
        )
