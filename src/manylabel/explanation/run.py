"""Explain what a bundle says about photos.

In:  a bundle, photos, perhaps the photos that it learned from with their labels.
Out: heat maps and the most similar photos, as values, or as PNG files and a page.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from manylabel.bundle.folder import Bundle, read_bundle
from manylabel.bundle.threshold_files import ThresholdSource
from manylabel.config import DataConfig, EngineName, PrecisionName
from manylabel.data.find import find_files
from manylabel.data.formats import read_table_as
from manylabel.data.misnamed import describe_misnamed
from manylabel.data.photos import convert_photos, open_photo
from manylabel.engines.openvino import aim_for
from manylabel.engines.registry import open_locator, open_predictor
from manylabel.engines.split_model import Locator
from manylabel.engines.stream import Predictions, predict_files
from manylabel.errors import ConfigError, EngineError, InputError, PhotoError, did_you_mean, nothing_read
from manylabel.explanation.occlusion import HeatMaps, explain_photo
from manylabel.preprocess import Box, Preprocessing, resize_photo
from manylabel.review.neighbors import find_neighbors
from manylabel.types import FloatArray, LabelTable, Progress, ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)
_MOST_VARIANTS = 256
_N_NEAREST = 5
_LONGEST_PX = 640


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """Hold a photo that looks like the one that is explained.

    Attributes:
        name: Its name in the table.
        path: Its file.
        labels: The labels that it carries.
        words: The same in words, or that nobody knows.
        cosine: How alike it is, at most 1.
    """

    name: str
    path: Path
    labels: tuple[str, ...]
    words: str
    cosine: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedLabel:
    """Hold where a network saw what speaks for a label.

    Attributes:
        label: The label.
        score: Its probability, as ``predict`` gives it.
        is_given: Whether ``predict`` gives it.
        heat: How much each place speaks for it, in logits [rows, columns].
    """

    label: str
    score: float
    is_given: bool
    heat: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """Hold why a network says what it says about a photo.

    Attributes:
        path: The photo's file.
        photo: The photo, upright, at most 640 pixels a side.
        box: The part of it that the network saw, as shares of its width and height.
        labels: What is explained.
        neighbors: The most similar photos, the most similar first.
    """

    path: Path
    photo: Image.Image
    box: Box
    labels: tuple[ExplainedLabel, ...]
    neighbors: tuple[Neighbor, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanations:
    """Hold the explanations of some photos.

    Attributes:
        photos: One per photo that could be read.
        failures: An error for each other one.
    """

    photos: tuple[Explanation, ...]
    failures: tuple[PhotoError, ...]


def explain(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Sequence[Path | str],
    *,
    labels: Sequence[str] = (),
    among: tuple[Path | str, Path | str] | None = None,
    form: DataConfig | None = None,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Explanations:
    """Explain what a bundle says about photos.

    Probabilities and decisions are those of ``predict`` for the same photos, engine, precision, thresholds.

    Args:
        bundle: Folder that training wrote.
        photos: Photo files and folders of them.
        labels: The labels to explain. None given: those that the network gives, else the most probable one.
        among: Folder and table of the photos to look for similar ones in; not given: none are looked for.
        form: How that table says its labels, as in the section "data" of a run.
        engine: What computes probabilities, as for ``predict``; maps come from OpenVINO.
        precision: Number type of the probabilities; maps are computed in 32-bit floats.
        thresholds: Thresholds of some labels in place of those of the bundle, as for ``predict``.
        on_progress: Hears of progress.

    Raises:
        InputError: The bundle, a threshold or the table cannot be used, there is no such label, or no photo
            can be read.
        EngineError: The network keeps no places of a photo.
        MissingExtraError: OpenVINO is not installed.
    """
    folders = {path: find_files(path) for path in map(Path, photos) if path.is_dir()}
    paths = [
        file for path in map(Path, photos) for file in (folders[path].photos if path in folders else [path])
    ]
    for note in describe_misnamed(list(folders.items())):
        _logger.warning("%s", note)
    if not paths:
        raise InputError(f"no photo found in {', '.join(map(str, photos)) or 'nothing'}")
    opened = read_bundle(Path(bundle))
    columns = _columns_of(labels, opened)
    locator = open_locator(opened)
    if locator is None:
        raise EngineError(f"{bundle}: this network keeps no places of a photo, so it has no heat maps")
    known = None if among is None else _look_at(opened, locator, among, form or DataConfig(), on_progress)
    predictor = open_predictor(
        Path(bundle), engine=engine, precision=precision, aim=aim_for(len(paths)), thresholds=thresholds
    )
    for change in predictor.thresholds.changes:
        _logger.info("%s", change)
    predictions = predict_files(
        predictor, paths, names=[str(path) for path in paths], on_progress=on_progress
    )
    explained, failures = [], list(predictions.failures)
    for row, path in enumerate(paths[place] for place in predictions.rows.tolist()):
        try:
            maps, shown = _draw(locator, path, opened.config.preprocessing)
        except PhotoError as error:
            # A fresh error: the caught one would keep a half-decoded photo alive through its traceback.
            failures.append(PhotoError(error.path, error.reason))
        else:
            explained.append(
                Explanation(
                    path=path,
                    photo=shown,
                    box=maps.box,
                    labels=_explain_labels(maps, predictions, row, wanted=columns),
                    neighbors=() if known is None else known.nearest(maps.features, besides=path),
                )
            )
        on_progress(Progress(subject="photos", stage="explaining", done=row + 1, total=len(predictions.rows)))
    if not explained:
        raise InputError(nothing_read(failures))
    return Explanations(photos=tuple(explained), failures=tuple(failures))


def _columns_of(labels: Sequence[str], bundle: Bundle) -> list[int]:
    """Return the columns of the wanted labels."""
    known = bundle.config.labels
    for label in labels:
        if label not in known:
            hint = did_you_mean(label, known)
            raise ConfigError(
                f"{bundle.folder}: has no label '{label}'{hint or ';'} labels: {', '.join(known)}"
            )
    return [known.index(label) for label in labels]


def _draw(locator: Locator, path: Path, preprocessing: Preprocessing) -> tuple[HeatMaps, Image.Image]:
    """Return the heat maps of a photo, and the photo as people see it."""
    # As predict reads it; and larger, for people.
    photo, shown = (open_photo(path, side_px=side) for side in (preprocessing.side_px, _LONGEST_PX))
    maps = explain_photo(locator, photo, preprocessing, most_variants=_MOST_VARIANTS)
    shown.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.LANCZOS)
    return maps, shown


def _explain_labels(
    maps: HeatMaps, predictions: Predictions, row: int, *, wanted: Sequence[int]
) -> tuple[ExplainedLabel, ...]:
    """Explain the wanted labels; where none is named, those given, else the most probable one."""
    scores, decisions = predictions.scores.values[row], predictions.decisions[row]
    ranked = [int(column) for column in np.argsort(-scores)]
    given = [column for column in ranked if decisions[column]]
    chosen = wanted if len(wanted) else (given if given else ranked[:1])
    return tuple(
        ExplainedLabel(
            label=predictions.scores.labels[column],
            score=float(scores[column]),
            is_given=bool(decisions[column]),
            heat=maps.maps[column],
        )
        for column in chosen
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _KnownPhotos:
    """Hold labelled photos, and what they look like to the network [n_photos, n_features]."""

    table: LabelTable
    features: FloatArray

    def nearest(self, features: FloatArray, *, besides: Path) -> tuple[Neighbor, ...]:
        """Return the most similar photos, the photo itself left out."""
        similar = find_neighbors(features[None], self.features, n_neighbors=_N_NEAREST + 1)
        found = [
            Neighbor(
                name=self.table.names[row],
                path=self.table.photos[row],
                labels=self.table.labels_of(row),
                words=self.table.name_labels(row),
                cosine=float(cosine),
            )
            for row, cosine in zip(similar.rows[0].tolist(), similar.similarities[0].tolist(), strict=True)
            if self.table.photos[row].resolve() != besides.resolve()
        ]
        return tuple(found[:_N_NEAREST])


def _look_at(
    bundle: Bundle,
    locator: Locator,
    among: tuple[Path | str, Path | str],
    form: DataConfig,
    on_progress: ProgressCallback,
) -> _KnownPhotos:
    """Let the network look at labelled photos; those that cannot be read are left out."""
    folder, labels = among
    table = read_table_as(form, labels, photos=folder, purpose="judging")
    preprocessing = bundle.config.preprocessing
    read = convert_photos(
        table.photos, lambda photo: resize_photo(photo, preprocessing), side_px=preprocessing.side_px
    )
    rows, features = [], []
    for row, pixels in enumerate(read):
        if not isinstance(pixels, PhotoError):
            rows.append(row)
            features.append(locator.lower(pixels[None])[1][0])
        on_progress(Progress(subject="photos", stage="comparing", done=row + 1, total=table.n_photos))
    if not rows:
        raise InputError(f"{folder}: not one photo of the table can be read")
    return _KnownPhotos(table=table.take(np.array(rows)), features=np.stack(features))
