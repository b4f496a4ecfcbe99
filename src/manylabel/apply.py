"""Use a trained model: predict labels, evaluate it.

In:  a bundle and photos, with or without labels.
Out: predictions, or metrics.
"""

import json
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from manylabel.bundle.folder import read_training_counts
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import DataConfig, DeviceName, EngineName, PrecisionName
from manylabel.data.duplicates import group_duplicates
from manylabel.data.evaluation_set import PartChoice, align_targets, choose_evaluation_photos, find_learned
from manylabel.data.find import describe_misnamed, find_files
from manylabel.data.formats import read_table_as
from manylabel.data.photo_list import is_photo_list, open_photo_list
from manylabel.data.remote import Photo
from manylabel.data.wording import count
from manylabel.engines.base import PixelPredictor
from manylabel.engines.openvino import workload_of
from manylabel.engines.registry import open_predictor
from manylabel.engines.stream import Predictions, join_predictions, stream_files
from manylabel.errors import InputError, PhotoError, nothing_read
from manylabel.io.files import absolute_path, printable, write_output
from manylabel.metrics.bootstrap import Interval, bootstrap_metrics
from manylabel.metrics.comparison import Baseline, all_negative, label_prior_of_counts
from manylabel.metrics.registry import measure, measure_labels
from manylabel.types import FloatArray, LabelTable, ProgressCallback, ignore_progress

if TYPE_CHECKING:
    import pandas as pd

_PROBLEMS_SHOWN = 10
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Evaluation:
    """How good a model is on labeled photos.

    Attributes:
        labels: The label names of the bundle.
        metrics: Name to value, as ``metrics.registry.measure`` returns them.
        baselines: The same metrics of baselines: "all-negative", which never gives a label, and
            "label-prior", which goes by the shares among the training photos, where the bundle has them.
        intervals: The 95 % interval of each metric; near-duplicates count as one photo.
        per_label: Name to values [n_labels], as ``metrics.registry.measure_labels`` returns them.
        n_photos: Photos that were evaluated.
        engine: What computed the probabilities, and its dtype.
        notes: Remarks on the photos and labels, one sentence each.
        failures: An error for each photo that could not be read.
    """

    labels: tuple[str, ...]
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    intervals: dict[str, Interval]
    per_label: dict[str, FloatArray]
    n_photos: int
    engine: str
    notes: tuple[str, ...]
    failures: tuple[PhotoError, ...]

    def to_frame(self, rows: Literal["metrics", "labels"] = "metrics") -> "pd.DataFrame":
        """Return the metrics, a row each: value, both ends of its 95 % interval, and the baselines.

        Args:
            rows: "labels" returns a row per label, a column per metric of single labels.
        """
        import pandas as pd

        if rows == "labels":
            return pd.DataFrame(self.per_label, index=pd.Index(self.labels, name="label"))
        metrics = {
            name: {
                "value": value,
                "low": self.intervals[name].low,
                "high": self.intervals[name].high,
                **{baseline: metrics[name] for baseline, metrics in self.baselines.items()},
            }
            for name, value in self.metrics.items()
        }
        return pd.DataFrame.from_dict(metrics, orient="index")

    def __repr__(self) -> str:
        """Describe the evaluation in one line."""
        return f"Evaluation({count(self.n_photos, 'photo')}, mAP {self.metrics['mAP']:.3f}; {self.engine})"

    def _repr_html_(self) -> str:
        """Show the notes and the metrics in a notebook."""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"{notes}{self.to_frame().to_html(float_format='{:.3f}'.format)}"


def predict(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Sequence[Path | str] | Path | str,
    *,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    photo_column: str | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Predictions:
    """Score photos with a bundle; arguments and errors as for ``predict_batches``, all scores at once."""
    parts = predict_batches(
        bundle,
        photos,
        engine=engine,
        device=device,
        precision=precision,
        thresholds=thresholds,
        photo_column=photo_column,
        on_progress=on_progress,
    )
    return join_predictions(list(parts))


def predict_batches(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Sequence[Path | str] | Path | str,
    *,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    photo_column: str | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Generator[Predictions, None, None]:
    """Score photos with a bundle, a few at a time; memory stays small, however many they are.

    Args:
        bundle: Folder that training wrote.
        photos: Photo files and folders, which are searched with their subfolders, and lists of photos: text
            files with a path or address per line, CSV and Parquet files with a column of them.
        engine: What computes: "auto" takes OpenVINO on a CPU, else torch.
        device: Where to compute.
        precision: Number type of the forward pass.
        thresholds: Thresholds of some labels in place of those of the bundle: a mapping from labels to
            numbers from 0 to 1, a CSV file with the columns label and threshold, or several of them, of
            which the later ones win.
        photo_column: Column of the photos in a list; not given: it is found by its name.
        on_progress: Called with the progress.

    Yields:
        Scores and decisions for the next photos, in their order; those that cannot be read are listed.

    Raises:
        InputError: The bundle or a threshold cannot be used, or there is no photo that can be read.
        MissingExtraError: The engine is not installed.
    """
    paths, names = find_given_photos(photos, column=photo_column)
    predictor = open_predictor(
        Path(bundle),
        engine=engine,
        device=device,
        precision=precision,
        workload=workload_of(len(paths)),
        thresholds=thresholds,
    )
    for change in predictor.thresholds.changes:
        _logger.info("%s", change)
    yield from predict_paths(predictor, paths, names=names, on_progress=on_progress)


def find_given_photos(
    photos: Sequence[Path | str] | Path | str, *, keeps_repeated: bool = False, column: str | None = None
) -> tuple[list[Photo], list[str]]:
    """Return photo files, each once but for those of lists, and what to call them.

    Args:
        photos: Files, folders, which are searched with their subfolders, and lists of photos.
        keeps_repeated: Whether a file that is given twice stays twice, where no folder or list is given.
        column: Column of the photos in a list.

    Raises:
        InputError: There is no photo.
    """
    given = [photos] if isinstance(photos, Path | str) else list(photos)
    if not given or "" in given:
        what = "an empty name" if given else "none"
        raise InputError(f"photos: given {what}, expected photo files or a folder of them")
    files = [Path(path) for path in given]
    if keeps_repeated and not any(path.is_dir() or is_photo_list(path) for path in files):
        return [*files], [printable(path.as_posix()) for path in files]
    paths, names, misnamed = _list_photos(files, column)
    if not paths:
        where = ", ".join(map(str, given))
        raise InputError(
            "; ".join([f"no photo found in {where}", *misnamed, "give photo files or a folder of them"])
        )
    for note in misnamed:
        _logger.warning("%s", note)
    return paths, names


def predict_paths(
    predictor: PixelPredictor,
    paths: Sequence[Photo],
    *,
    names: Sequence[str],
    on_progress: ProgressCallback = ignore_progress,
) -> Generator[Predictions, None, None]:
    """Yield the predictions of an open model, part by part.

    Raises:
        InputError: After the last part, where no photo could be read.
    """
    yield from _check_readable(stream_files(predictor, paths, names=names, on_progress=on_progress))


def evaluate(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Path | str,
    labels: Path | str | None = None,
    *,
    form: DataConfig | None = None,
    part: PartChoice = None,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Evaluation:
    """Evaluate a model on labeled photos.

    Args:
        bundle: Folder that training wrote.
        photos: Folder of the photos.
        labels: Table of labels; not given: the photo folder tells them.
        form: How the table is read; its paths are not used.
        part: Part of the table's own split, else of the model's training, by the names of the photos;
            "all" takes every photo. Not given: the table's test part where it has one, else the photos
            that the model was not trained on, else all. A note says which and why.
        engine: What computes: "auto" takes OpenVINO on a CPU, else torch.
        precision: Number type of the forward pass.
        thresholds: As for ``predict_batches``.
        on_progress: Called with the progress.

    Raises:
        InputError: The bundle, a threshold or the table cannot be used, or they share no label.
        MissingExtraError: The engine is not installed.
    """
    form = DataConfig() if form is None else form
    table = read_table_as(form, labels, photos=photos, purpose="evaluation")
    learned = find_learned(Path(bundle), table.names, folder=Path(photos))
    table = choose_evaluation_photos(table, part, learned=learned)
    predictor = open_predictor(
        Path(bundle),
        engine=engine,
        precision=precision,
        workload=workload_of(table.n_photos),
        thresholds=thresholds,
    )
    return evaluate_table(predictor, table, folder=Path(bundle), on_progress=on_progress)


def evaluate_table(
    predictor: PixelPredictor,
    table: LabelTable,
    *,
    folder: Path,
    on_progress: ProgressCallback = ignore_progress,
) -> Evaluation:
    """Evaluate an open model on the photos of a table.

    Args:
        predictor: The model.
        table: The photos and their labels.
        folder: The bundle, which counts the labels of its training set.
        on_progress: Called with the progress.

    Raises:
        InputError: The table shares no label with the model, or no photo can be read.
    """
    targets, notes = align_targets(table, predictor.labels)
    parts = stream_files(predictor, table.photos, names=table.names, on_progress=on_progress)
    predictions = join_predictions(list(_check_readable(parts)))
    evaluated = targets[predictions.rows]
    groups = group_duplicates([table.photos[row] for row in predictions.rows])
    n_groups = len(np.unique(groups))
    if n_groups < len(groups):
        notes = [
            *notes,
            f"intervals count near-duplicates as one: {len(groups)} photos, {n_groups} groups",
        ]
    bootstrap = bootstrap_metrics(
        evaluated,
        [(predictions.scores.values, predictions.decisions)],
        groups=groups,
        rng=np.random.default_rng(0),
    )
    return Evaluation(
        labels=predictor.labels,
        metrics=measure(evaluated, predictions.scores.values, predictions.decisions),
        baselines={
            baseline.name: measure(evaluated, baseline.scores, baseline.decisions)
            for baseline in _list_baselines(folder, predictor.labels, n_photos=len(evaluated))
        },
        intervals=bootstrap.models[0].metrics,
        per_label=measure_labels(evaluated, predictions.scores.values, predictions.decisions),
        n_photos=len(evaluated),
        engine=predictor.engine,
        notes=(*table.notes, *notes, *predictor.thresholds.changes),
        failures=predictions.failures,
    )


def _list_baselines(bundle: Path, labels: Sequence[str], *, n_photos: int) -> list[Baseline]:
    counts = read_training_counts(bundle, labels)
    nothing = all_negative(n_photos=n_photos, n_labels=len(labels))
    return [nothing] if counts is None else [nothing, label_prior_of_counts(*counts, n_photos=n_photos)]


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write the metrics as JSON; what is undefined is null.

    Raises:
        OutputError: The file cannot be written.
    """
    per_label = {
        label: {name: _number(values[column]) for name, values in evaluation.per_label.items()}
        for column, label in enumerate(evaluation.labels)
    }
    whole = {
        "n_photos": evaluation.n_photos,
        "engine": evaluation.engine,
        "metrics": _numbers(evaluation.metrics),
        "baselines": {name: _numbers(metrics) for name, metrics in evaluation.baselines.items()},
        "intervals": {
            name: [_number(interval.low), _number(interval.high)]
            for name, interval in evaluation.intervals.items()
        },
        "labels": per_label,
        "notes": evaluation.notes,
        "unreadable": [{"image": failure.name, "error": failure.reason} for failure in evaluation.failures],
    }
    write_output(path, (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())


def _numbers(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in metrics.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _list_photos(given: Sequence[Path], column: str | None) -> tuple[list[Photo], list[str], list[str]]:
    """Return the files, each once, and what to call them: as given, or relative to the only given folder.

    Also what to say of photos in the folders that are not taken for photos.
    """
    named = dict[str, tuple[Photo, str]]()
    folders = {path: find_files(path) for path in given if path.is_dir()}
    for path in given:
        if path in folders:
            for file in folders[path].photos_and_broken_links:
                below = file.relative_to(path)
                whole = below if len(given) == 1 else path / below
                named.setdefault(absolute_path(file), (file, whole.as_posix()))
        elif is_photo_list(path):
            photos = open_photo_list(path, column=column)
            for row, name in enumerate(photos.names()):  # each as often as it is listed
                named[f"{path}\0{row}"] = photos.find(name), name
        else:
            named.setdefault(absolute_path(path), (path, path.as_posix()))
    paths = [path for path, _ in named.values()]
    return paths, [printable(name) for _, name in named.values()], describe_misnamed(list(folders.items()))


def _check_readable(parts: Iterable[Predictions]) -> Generator[Predictions, None, None]:
    """Pass predictions on, and raise an error after the last one where there was no photo at all."""
    n_read, problems = 0, list[PhotoError]()
    for part in parts:
        n_read += len(part.rows)
        problems += part.failures[: _PROBLEMS_SHOWN - len(problems)]
        yield part
    if not n_read:
        raise InputError(nothing_read(problems))
