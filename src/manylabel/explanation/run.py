"""Explain the predictions of a bundle.

In:  a bundle, photos, perhaps its training photos with their labels.
Out: heat maps and the most similar photos, as values, or as a folder: a PNG per photo and label, and
     index.html, which opens offline and also shows the plain photos.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from PIL import Image

from manylabel.bundle.folder import Bundle, read_bundle
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import DataConfig, EngineName, PrecisionName
from manylabel.data.find import describe_misnamed, find_files
from manylabel.data.formats import read_table_as
from manylabel.data.photos import convert_photos, data_uri, open_photo, to_jpeg
from manylabel.engines.openvino import SplitModel, workload_of
from manylabel.engines.registry import open_predictor, open_split_model
from manylabel.engines.stream import Predictions, predict_files
from manylabel.errors import ConfigError, EngineError, InputError, PhotoError, did_you_mean, nothing_read
from manylabel.explanation.occlusion import HeatMaps, explain_photo
from manylabel.explanation.overlay import draw_overlay, scale_colors
from manylabel.io.files import printable
from manylabel.io.folders import check_free, new_folder
from manylabel.preprocess import Box, Preprocessing, resize_photo
from manylabel.review.neighbors import find_neighbors
from manylabel.types import FloatArray, LabelTable, Progress, ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)
_MAX_GROUPS = 256
_N_NEAREST = 5
_LONGEST_PX = 640
_NEIGHBOR_PX = 160
_JPEG_QUALITY = 85
_OWN_FILES = re.compile(r"index\.html|\d{3,}\.[^/]*\.png")


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """A photo that looks like the one that is explained.

    Attributes:
        name: Its name in the table.
        path: Its file.
        labels: The labels that it carries.
        words: The same in words, or that they are unknown.
        cosine: Cosine similarity, at most 1.
    """

    name: str
    path: Path
    labels: tuple[str, ...]
    words: str
    cosine: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedLabel:
    """The explanation of one label.

    Attributes:
        label: The label.
        score: Its probability, as ``predict`` gives it.
        is_given: Whether ``predict`` gives it.
        heat: How much each patch speaks for it, in logits [rows, columns].
    """

    label: str
    score: float
    is_given: bool
    heat: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """The explanation of the predictions for a photo.

    Attributes:
        path: The photo's file.
        photo: The photo, upright, at most 640 pixels a side.
        box: The part of it that the network saw, as shares of its width and height.
        labels: The labels that are explained.
        neighbors: The most similar photos, the most similar first.
    """

    path: Path
    photo: Image.Image
    box: Box
    labels: tuple[ExplainedLabel, ...]
    neighbors: tuple[Neighbor, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanations:
    """The explanations of some photos.

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
    """Explain the predictions of a bundle for photos.

    Probabilities and decisions are those of ``predict`` for the same photos, engine, precision, thresholds.

    Args:
        bundle: Folder that training wrote.
        photos: Photo files and folders of them.
        labels: The labels to explain. None given: those that the network gives, else the most probable one.
        among: Folder and table of the photos to look for similar ones in; not given: none are looked for.
        form: How that table is read, as in the section "data" of a run.
        engine: The engine of the probabilities, as for ``predict``; maps come from OpenVINO.
        precision: Dtype of the probabilities; maps are computed in 32-bit floats.
        thresholds: Thresholds of some labels in place of those of the bundle, as for ``predict``.
        on_progress: Called after every photo.

    Raises:
        InputError: The bundle, a threshold or the table cannot be used, there is no such label, or no photo
            can be read.
        EngineError: The network has no patch grid.
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
    model = open_split_model(opened)
    if model is None:
        raise EngineError(f"{bundle}: this network has no patch grid inside, so it has no heat maps")
    known = (
        None if among is None else _compute_features(opened, model, among, form or DataConfig(), on_progress)
    )
    predictor = open_predictor(
        Path(bundle),
        engine=engine,
        precision=precision,
        workload=workload_of(len(paths)),
        thresholds=thresholds,
    )
    for change in predictor.thresholds.changes:
        _logger.info("%s", change)
    predictions = predict_files(
        predictor, paths, names=[str(path) for path in paths], on_progress=on_progress
    )
    explained, failures = [], list(predictions.failures)
    for row, path in enumerate(paths[number] for number in predictions.rows.tolist()):
        try:
            maps, shown = _explain_file(model, path, opened.config.preprocessing)
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
    """Labelled photos, and their features [n_photos, n_features]."""

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
    among: tuple[Path | str, Path | str],
    form: DataConfig,
    on_progress: ProgressCallback,
) -> _KnownPhotos:
    """Compute the features of labelled photos; those that cannot be read are left out."""
    folder, labels = among
    table = read_table_as(form, labels, photos=folder, purpose="evaluation")
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


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder may be written; call it before long work.

    Raises:
        OutputError: It has something in it that must not be replaced.
    """
    check_free(folder, replaces=_OWN_FILES if overwrite else None)


def write_explanations(folder: Path, explanations: Explanations, *, overwrite: bool = False) -> None:
    """Write all heat maps.

    Args:
        folder: Folder to make.
        explanations: What to write.
        overwrite: Replace what an earlier call wrote there.

    Raises:
        OutputError: The folder is taken or cannot be written to.
    """
    with new_folder(folder, replaces=_OWN_FILES if overwrite else None) as unfinished:
        described = [
            _write_photo(unfinished, number, photo)
            for number, photo in enumerate(explanations.photos, start=1)
        ]
        failures = [f"{printable(str(failure.path))}: {failure.reason}" for failure in explanations.failures]
        page = _template().render(photos=described, failures=failures, scale=scale_colors())
        (unfinished / "index.html").write_text(page, encoding="utf-8")


def _write_photo(folder: Path, number: int, explained: Explanation) -> dict[str, Any]:
    """Write the pictures of a photo, and return what the page shows of it."""
    labels = []
    for order, label in enumerate(explained.labels, start=1):
        # Numbered: "C++" and "C#" have the same letters.
        name = f"{number:03}.{order}.{_as_file_name(label.label)}.png"
        draw_overlay(explained.photo, label.heat, box=explained.box).save(folder / name)
        labels.append(
            {
                "name": label.label,
                "score": label.score,
                "is_given": label.is_given,
                "file": name,
                "speaks": bool(label.heat.max() > 0),
            }
        )
    return {
        "name": printable(explained.path.name),
        "photo": _as_uri(explained.photo),
        "size": explained.photo.size,
        "labels": labels,
        "neighbors": [_describe_neighbor(neighbor) for neighbor in explained.neighbors],
    }


def _describe_neighbor(neighbor: Neighbor) -> dict[str, Any]:
    try:
        photo = open_photo(neighbor.path, side_px=_NEIGHBOR_PX)
        photo.thumbnail((_NEIGHBOR_PX, _NEIGHBOR_PX), Image.Resampling.LANCZOS)
        picture = _as_uri(photo)
    except PhotoError:
        picture = ""
    return {"name": neighbor.name, "words": neighbor.words, "cosine": neighbor.cosine, "photo": picture}


def _as_file_name(label: str) -> str:
    """Return the letters and digits of a label.

    Examples:
        >>> _as_file_name("sea / lake")
        'sea-lake'
    """
    return re.sub(r"\W+", "-", label).strip("-")[:60] or "label"


def _as_uri(photo: Image.Image) -> str:
    return data_uri(to_jpeg(photo, quality=_JPEG_QUALITY), kind="image/jpeg")


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("manylabel.explanation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("explain.html.j2")
