"""Explain the predictions of a bundle.

In:  a bundle, photos, perhaps its training photos with their labels.
Out: heat maps and the most similar photos.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from manylabel.bundle.folder import Bundle, read_bundle
from manylabel.bundle.tables import ThresholdSource, change_thresholds
from manylabel.config import DataConfig, EngineName, PrecisionName
from manylabel.data.find import describe_misnamed, find_files
from manylabel.data.formats import read_table_as
from manylabel.data.photos import convert_photos, open_photo
from manylabel.engines.base import PixelPredictor
from manylabel.engines.openvino import SplitModel, Workload, workload_of
from manylabel.engines.registry import EngineOptions, open_bundle, open_split_model
from manylabel.engines.stream import Predictions, predict_files
from manylabel.errors import ConfigError, EngineError, InputError, PhotoError, did_you_mean, nothing_read
from manylabel.explanation.explained import ExplainedLabel, Explanation, Explanations, Neighbor
from manylabel.explanation.occlusion import HeatMaps, explain_photo
from manylabel.preprocess import Preprocessing, resize_photo
from manylabel.review.neighbors import find_neighbors
from manylabel.types import FloatArray, LabelTable, Progress, ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)
_MAX_GROUPS = 256
_N_NEAREST = 5
_LONGEST_PX = 640


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
    """Explain the predictions of a bundle for photos.

    Probabilities and decisions are those of ``predict`` for the same photos, engine, precision, thresholds.

    Args:
        bundle: Folder that training wrote.
        photos: Photo files and folders of them.
        labels: The labels to explain. None given: those that the model gives, else the most probable one.
        among: Folder and table of the photos to look for similar ones in; not given: none are looked for.
        form: How that table is read, as in the section "data" of a run.
        engine: The engine of the probabilities, as for ``predict``; maps come from OpenVINO.
        precision: Dtype of the probabilities; maps are computed in 32-bit floats.
        thresholds: Thresholds of some labels in place of those of the bundle, as for ``predict``.
        on_progress: Called after every photo.

    Raises:
        InputError: The bundle, a threshold or the table cannot be used, there is no such label, or no photo
            can be read.
        EngineError: The model has no patch grid.
        MissingExtraError: OpenVINO is not installed.
    """
    opened = read_bundle(Path(bundle))
    if thresholds is not None:
        changed = change_thresholds(opened.thresholds, opened.config.labels, thresholds)
        opened = replace(opened, thresholds=changed)
    table = None
    if among is not None:
        folder, given = among
        table = read_table_as(form or DataConfig(), given, photos=folder, purpose="evaluation")

    def open_engine(workload: Workload) -> PixelPredictor:
        options = EngineOptions(precision=precision, workload=workload)
        return open_bundle(opened, engine, options)

    return explain_paths(
        opened,
        photos,
        labels=labels,
        among=table,
        model=open_split_model(opened),
        open_engine=open_engine,
        on_progress=on_progress,
    )


def explain_paths(  # noqa: PLR0913 - the parts of an open model
    bundle: Bundle,
    photos: Sequence[Path | str],
    *,
    labels: Sequence[str],
    among: LabelTable | None,
    model: SplitModel | None,
    open_engine: Callable[[Workload], PixelPredictor],
    on_progress: ProgressCallback,
) -> Explanations:
    """Explain photos with an open model; arguments and errors as for ``explain``.

    Args:
        bundle: The model.
        photos: Photo files and folders of them.
        labels: The labels to explain; empty: those that are given.
        among: Photos to look for similar ones in.
        model: Both parts of the model; None where it has no patch grid.
        open_engine: Returns the engine of the probabilities.
        on_progress: Called after every photo.
    """
    folders = {path: find_files(path) for path in map(Path, photos) if path.is_dir()}
    paths = [
        file
        for path in map(Path, photos)
        for file in (folders[path].photos_and_broken_links if path in folders else [path])
    ]
    for note in describe_misnamed(list(folders.items())):
        _logger.warning("%s", note)
    if not paths:
        where = f"no photo in {', '.join(map(str, photos))}" if photos else "given none"
        raise InputError(f"photos: {where}, expected photo files or a folder of them")
    columns = _columns_of(labels, bundle)
    if model is None:
        raise EngineError(f"{bundle.folder}: this model has no patch grid inside, so it has no heat maps")
    known = None if among is None else _compute_features(bundle, model, among, on_progress)
    predictor = open_engine(workload_of(len(paths)))
    for change in predictor.thresholds.changes:
        _logger.info("%s", change)
    predictions = predict_files(
        predictor, paths, names=[str(path) for path in paths], on_progress=on_progress
    )
    explained, failures = [], list(predictions.failures)
    for row, path in enumerate(paths[number] for number in predictions.rows.tolist()):
        try:
            maps, shown = _explain_file(model, path, bundle.config.preprocessing)
        except PhotoError as error:
            # A fresh error: the caught one would keep a half-decoded photo alive through its traceback.
            failures.append(PhotoError(error.name, error.reason))
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


def _explain_file(
    model: SplitModel, path: Path, preprocessing: Preprocessing
) -> tuple[HeatMaps, Image.Image]:
    """Return the heat maps of a photo, and the photo to show."""
    # As predict reads it; and larger, to show.
    photo, shown = (open_photo(path, side_px=side) for side in (preprocessing.side_px, _LONGEST_PX))
    maps = explain_photo(model, photo, preprocessing, max_groups=_MAX_GROUPS)
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
    """Labeled photos, and their features [n_photos, n_features]."""

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


def _compute_features(
    bundle: Bundle,
    model: SplitModel,
    table: LabelTable,
    on_progress: ProgressCallback,
) -> _KnownPhotos:
    """Compute the features of labeled photos; those that cannot be read are left out."""
    preprocessing = bundle.config.preprocessing
    read = convert_photos(
        table.photos, lambda photo: resize_photo(photo, preprocessing), side_px=preprocessing.side_px
    )
    rows, features, failures = [], [], list[PhotoError]()
    for row, pixels in enumerate(read):
        if isinstance(pixels, PhotoError):
            failures.append(pixels)
        else:
            rows.append(row)
            features.append(model.lower(pixels[None])[1][0])
        on_progress(Progress(subject="photos", stage="comparing", done=row + 1, total=table.n_photos))
    if not rows:
        raise InputError(nothing_read(failures, purpose=" to compare with"))
    return _KnownPhotos(table=table.take(np.array(rows)), features=np.stack(features))
