"""Compare exported models with the network that they were made from.

In:  the network in torch; predictors of the exported model; photos, or drawn pictures, and noise.
Out: how far probabilities lie apart; too far is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from manylabel.bundle.folder import Bundle
from manylabel.constraints import respect
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

if TYPE_CHECKING:
    import openvino

MAX_DIFFERENCE = 1e-3
"""Usual limit: the largest difference of two probabilities that 32-bit sums in another order may make."""

_N_PHOTOS = 24
_N_DRAWN = 12
_N_NOISE = 4


@dataclass(frozen=True, kw_only=True)
class ParityRow:
    """Hold how an engine's probabilities compare with torch's.

    Attributes:
        engine: What computed, and in which numbers.
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
    """Hold how exported models compare with torch.

    Attributes:
        rows: One per engine.
        n_decisions: Photos times labels, without noise.
        judged_on: Which photos these were, in words.
    """

    rows: tuple[ParityRow, ...]
    n_decisions: int
    judged_on: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ParityPhotos:
    """Hold what models are compared on.

    Attributes:
        pixels: Views of the photos and of noise [(n_photos + n_noise) * n_views, side_px, side_px, 3].
        n_photos: Photos among them; noise comes last.
        origin: Which photos these are, in words.
    """

    pixels: PixelArray
    n_photos: int
    origin: str


def choose_parity_photos(preprocessing: Preprocessing, *, photos: Path | None) -> ParityPhotos:
    """Take photos of a folder, else drawn pictures, and noise.

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
    """Take photos and noise.

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
        engines: Predictors of what was exported.
        bundle: What it was made from.
        classifier: Its network, on the CPU.
        on: What to score.
    """
    torch_engine = TorchPredictor(classifier, thresholds=bundle.thresholds, precision=torch.float32)
    expected = score_pixels(torch_engine, on.pixels)
    decided = respect(bundle.config.rules, expected, bundle.thresholds)
    rows = []
    n_views = bundle.config.preprocessing.n_views
    for engine in engines:
        # The last photo comes alone: for single ones OpenVINO has a form of its own.
        pieces = (on.pixels[:-n_views], on.pixels[-n_views:])
        scores = np.concatenate([score_pixels(engine, piece) for piece in pieces])
        changed = respect(bundle.config.rules, scores, bundle.thresholds) != decided
        rows.append(
            ParityRow(
                engine=engine.engine,
                max_difference=float(np.abs(scores - expected).max()),
                mean_difference=float(np.abs(scores - expected).mean()),
                n_changed=int(changed[: on.n_photos].sum()),
            )
        )
    n_decisions = on.n_photos * decided.shape[1]
    return Parity(rows=tuple(rows), n_decisions=n_decisions, judged_on=on.origin)


def check_parity(
    parity: Parity, *, bundle: Path, form: str, limit: float | None = None, advice: str = ""
) -> None:
    """Refuse a model that does not say what torch says.

    Decisions are not looked at: only where a probability lies nearer to its threshold than the limit can one
    differ.

    Args:
        parity: What was measured.
        bundle: Names the bundle in errors.
        form: Names the form in errors.
        limit: Largest difference that is accepted; not given: ``MAX_DIFFERENCE``.
        advice: Sentences that end an error.

    Raises:
        EngineError: A difference is above it, or no number.
    """
    limit = MAX_DIFFERENCE if limit is None else limit
    for row in parity.rows:
        if not row.max_difference <= limit:  # also where it is no number
            raise EngineError(
                f"{bundle}: {form} ({row.engine}) does not compute this network as torch does: "
                f"probabilities differ by up to {row.max_difference:.2g}, at most {limit:g} is accepted "
                f"(--max-difference); nothing was written{advice and '. '}{advice}"
            )


def check_parts(model: "openvino.Model | Path", *, bundle: Path, pixels: PixelArray) -> None:
    """Refuse a model whose two parts do not give together what it gives as a whole: heat maps rest on them.

    Args:
        model: The exported model, or its file. Where OpenVINO is not installed, nothing is checked.
        bundle: Names the bundle in errors.
        pixels: What to compare on [n, side_px, side_px, 3].

    Raises:
        EngineError: They do not.
    """
    difference = parts_difference(read_model(model), pixels) if has_openvino() else None
    if difference is not None and not difference <= MAX_DIFFERENCE:
        raise EngineError(
            f"{bundle}: the exported network cannot be taken apart for heat maps: its parts differ from the "
            f"whole by {difference:.1e}; nothing was written"
        )


def as_facts(parity: Parity) -> Mapping[str, object]:
    """Return plain values for JSON."""
    return {
        "judged_on": parity.judged_on,
        "n_decisions": parity.n_decisions,
        "engines": {
            row.engine: {
                "max_difference": row.max_difference,
                "mean_difference": row.mean_difference,
                "n_changed": row.n_changed,
            }
            for row in parity.rows
        },
    }
