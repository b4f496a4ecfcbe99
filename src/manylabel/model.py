"""A trained model.

In:  the folder or hub repository of a trained model.
Out: ``Model``, which predicts, evaluates, explains, suggests, exports, saves and pushes itself.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from manylabel.apply import Evaluation, evaluate_table, find_given_photos, predict_paths
from manylabel.bundle.folder import Bundle, read_bundle, replace_thresholds
from manylabel.bundle.tables import ThresholdSource, change_thresholds
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.constraints import decide_with_constraints
from manylabel.data.evaluation_set import PartChoice, choose_evaluation_photos, find_learned
from manylabel.data.given_photos import as_photo, list_given, list_given_files
from manylabel.data.remote import Photo as PhotoFile
from manylabel.data.split import SPLIT_FILE
from manylabel.dataset import Dataset, table_of
from manylabel.engines.base import PixelPredictor
from manylabel.engines.model_files import BUNDLE_FILES, OWN_FILES
from manylabel.engines.openvino import SplitModel, Workload, workload_of
from manylabel.engines.registry import EngineOptions, find_engine, open_bundle, open_split_model
from manylabel.engines.stream import Predictions, join_predictions
from manylabel.errors import BundleError, ConfigError, InputError, kind_of, needs_extra
from manylabel.explanation.explained import Explanations
from manylabel.explanation.run import explain_paths
from manylabel.io.folders import new_folder
from manylabel.labeling import Suggestions, suggest
from manylabel.results import RunResults
from manylabel.thresholds import choose_new_thresholds
from manylabel.types import FloatArray, ProgressCallback, Scores, Thresholds, ignore_progress

if TYPE_CHECKING:
    from manylabel.exporters.parity import Exported

_PROBLEMS_SHOWN = 10

Photo = Path | str | Image.Image | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
"""A photo file, a Pillow image, or a uint8 array [height, width, 3]."""


class Model:
    """A trained model.

    It keeps its engine open: what was compiled for the first photos serves the next ones. Models that were
    exported need no torch.

    Args:
        bundle: The model on disk; ``Model.load`` and ``train`` make one.
        engine: What computes: "auto", "openvino", "torch", "int8" or "onnxruntime".
        device: Where to compute.
        precision: What to compute in.
        keep: Kept as long as the model, e.g. a temporary folder that holds it.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        precision: PrecisionName = "auto",
        keep: object = None,
    ) -> None:
        if not isinstance(bundle, Bundle):
            raise BundleError(f"Model: given {kind_of(bundle)}, expected a Bundle; Model.load opens a folder")
        find_engine(engine)
        self._bundle = bundle
        self._engine = engine
        self._options = EngineOptions(device=device, precision=precision)
        self._open: dict[Workload, PixelPredictor] = {}
        self._keep = keep

    @classmethod
    def load(
        cls,
        name: Path | str,
        *,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        precision: PrecisionName = "auto",
    ) -> "Model":
        """Open a model.

        Args:
            name: Its folder, or its repository on the Hugging Face hub, which is then downloaded.
            engine: As for ``Model``.
            device: Where to compute.
            precision: What to compute in.

        Raises:
            BundleError: There is none, or a file is damaged.
        """
        folder = Path(name)
        if not folder.is_dir():
            with needs_extra(f"'{name}' is not a local folder; looking for it on the hub", "train"):
                from manylabel.pretrained import find_bundle

            folder = find_bundle(name).folder
        return cls(read_bundle(folder), engine=engine, device=device, precision=precision)

    @property
    def folder(self) -> Path:
        """Where the model is on disk."""
        return self._bundle.folder

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names."""
        return self._bundle.config.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """The decision threshold of each label."""
        return dict(zip(self.labels, self._bundle.thresholds.values.tolist(), strict=True))

    @cached_property
    def results(self) -> RunResults | None:
        """What training measured; None where the model was written without results."""
        return RunResults.from_bundle(self._bundle.facts)

    def predict(
        self,
        photos: Dataset | Iterable[Photo] | Photo,
        *,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Predictions:
        """Predict labels, with probabilities.

        Args:
            photos: Files and folders; or Pillow images and uint8 arrays [height, width, 3]; or a dataset.
                A file that is given twice is scored twice, unless a folder is given as well.
            on_progress: Called with the progress.

        Returns:
            Predictions for the photos that can be read; ``failures`` lists the others.

        Raises:
            InputError: No photo can be read.
        """
        if isinstance(photos, Dataset):
            return self._predict_files(photos.table.photos, photos.table.names, on_progress=on_progress)
        given = list_given(photos)
        if all(isinstance(photo, Path | str) for photo in given):
            paths, names = find_given_photos(given, keeps_repeated=True)
            return self._predict_files(paths, names, on_progress=on_progress)
        return self._predict_images(given)

    def _predict_files(
        self, paths: Sequence[PhotoFile], names: Sequence[str], *, on_progress: ProgressCallback
    ) -> Predictions:
        predictor = self._predictor(workload_of(len(paths)))
        return join_predictions(list(predict_paths(predictor, paths, names=names, on_progress=on_progress)))

    def _predict_images(self, given: Sequence[object]) -> Predictions:
        predictor = self._predictor(workload_of(len(given)))
        side_px = predictor.preprocessing.side_px
        images = [as_photo(photo, where=f"photos[{row}]", side_px=side_px) for row, photo in enumerate(given)]
        values = predictor.predict_proba(images)
        return Predictions(
            scores=Scores(names=tuple(map(str, range(len(images)))), labels=predictor.labels, values=values),
            decisions=decide_with_constraints(predictor.constraints, values, self._bundle.thresholds),
            thresholds=self._bundle.thresholds.values,
            rows=np.arange(len(images)),
            failures=(),
            failure_rows=np.empty(0, dtype=np.int64),
        )

    def predict_proba(self, photos: Dataset | Iterable[Photo] | Photo) -> FloatArray:
        """Return probabilities [n_photos, n_labels], a row for each photo.

        Args:
            photos: As for ``predict``.

        Raises:
            InputError: A photo cannot be read; ``predict`` leaves it out.
        """
        predictions = self.predict(photos)
        failures = predictions.failures
        if failures:
            problems = "\n".join(map(str, failures[:_PROBLEMS_SHOWN]))
            n_photos = len(predictions) + len(failures)
            raise InputError(
                f"{len(failures)} of {n_photos} photos cannot be read and would have no row; predict skips"
                f" them and lists them in .failures. The first problems:\n{problems}"
            )
        return predictions.scores.values

    def evaluate(
        self,
        data: Dataset,
        *,
        part: PartChoice = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Evaluation:
        """Evaluate the model on labeled photos, with intervals.

        Args:
            data: Photos and labels.
            part: Part of the dataset's own split, else of the model's training, to evaluate on; "all" takes
                every photo. Not given: the test part of the dataset where it has one, else the photos that
                the model was not trained on, else all; a note says which and why.
            on_progress: Called with the progress.

        Raises:
            InputError: The dataset shares no label with the model, or no photo can be read.
        """
        given = table_of(data, name="data")
        learned = find_learned(self.folder, given.names, folder=data.folder)
        table = choose_evaluation_photos(given, part, learned=learned)
        predictor = self._predictor(workload_of(table.n_photos))
        return evaluate_table(predictor, table, folder=self.folder, on_progress=on_progress)

    def explain(
        self,
        photos: Sequence[Path | str] | Path | str,
        *,
        labels: Sequence[str] = (),
        among: Dataset | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Explanations:
        """Show which parts of photos led to their labels.

        Args:
            photos: Photo files and folders.
            labels: The labels to explain; not given: those that the model gives.
            among: Labeled photos to look for similar ones in.
            on_progress: Called with the progress.

        Raises:
            InputError: There is no such label, or no photo can be read.
            EngineError: The model has no patch grid.
        """
        return explain_paths(
            self._bundle,
            list_given_files(photos),
            labels=[labels] if isinstance(labels, str) else labels,
            among=None if among is None else table_of(among, name="among"),
            model=self._split_model,
            open_engine=self._predictor,
            on_progress=on_progress,
        )

    @cached_property
    def _split_model(self) -> SplitModel | None:
        return open_split_model(self._bundle)

    def suggest(
        self,
        photos: Path | str,
        *,
        labeled: Dataset | None = None,
        n: int = 20,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Suggestions:
        """Choose the photos that are most worth labeling next.

        Args:
            photos: Folder of photos.
            labeled: Those that are labeled already; not given: those of training.
            n: How many.
            on_progress: Called with the progress.

        Raises:
            InputError: There is no unlabeled photo.
        """
        table = None if labeled is None else table_of(labeled, name="labeled")
        return suggest(self.folder, photos, table, n=n, device=self._options.device, on_progress=on_progress)

    def set_thresholds(self, thresholds: Mapping[str, float] | ThresholdSource | str) -> None:
        """Change decision thresholds; ``save`` keeps them.

        Args:
            thresholds: Thresholds of some labels, a CSV file of them, or an objective to choose them for on
                the out-of-fold probabilities that the model keeps: ``"precision=0.9"``, ``"recall=0.9"``,
                ``"f-beta=2"``, ``"cost=1:5"``, ``"f1"``, ``"accuracy"`` or ``"half"``.

        Raises:
            ConfigError: A label, a value or the objective is unknown.
        """
        if isinstance(thresholds, str) and not thresholds.endswith(".csv"):
            changed: Thresholds = choose_new_thresholds(self.folder, thresholds).thresholds
        else:
            changed = change_thresholds(self._bundle.thresholds, self.labels, thresholds)
        self._bundle = replace(self._bundle, thresholds=changed)
        self._open.clear()

    def export(
        self,
        to: str,
        *,
        photos: Path | str | None = None,
        labels: Path | str | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> "Exported":
        """Write the model in another format into its folder, compared with the original.

        Args:
            to: "onnx", "openvino" or "int8".
            photos: Folder of typical photos; int8 requires it.
            labels: Table of their labels, to measure what int8 costs.
            on_progress: Called with the progress.

        Raises:
            ConfigError: There is no such format, or thresholds were changed and not saved.
            InputError: The photos or labels cannot be used.
            MissingExtraError: A library is not installed.
        """
        from manylabel.exporters.registry import export

        self._check_saved()
        exported = export(self.folder, to, photos=photos, labels=labels, on_progress=on_progress)
        self._open.clear()
        return exported

    def save(self, folder: Path | str, *, overwrite: bool = False) -> Path:
        """Write the model, with its exports and thresholds, into a folder.

        Args:
            folder: Folder to make; it may exist empty.
            overwrite: Replace a model in the folder.

        Returns:
            The folder.

        Raises:
            OutputError: The folder is taken, or cannot be written to.
        """
        with new_folder(Path(folder), replaces=OWN_FILES if overwrite else None) as partial:
            for name in (*BUNDLE_FILES, SPLIT_FILE):
                source, target = self.folder / name, partial / name
                if source.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
            copied = read_bundle(partial)
            if not np.array_equal(copied.thresholds.values, self._bundle.thresholds.values):
                replace_thresholds(copied, self._bundle.thresholds)
        self._bundle, self._keep = replace(read_bundle(Path(folder))), None
        self._open.clear()
        return Path(folder)

    def push(self, repository: str, *, is_private: bool = False) -> str:
        """Copy the model to the Hugging Face hub; return its address.

        Args:
            repository: USER/NAME; it is made where it is missing.
            is_private: Whether a new repository can be seen by its owner alone.

        Raises:
            ConfigError: Thresholds were changed and not saved.
            InputError: The hub refuses.
            MissingExtraError: torch or the hub's library is not installed.
        """
        with needs_extra("Copying to the hub", "train"):
            from manylabel.pretrained import push

        self._check_saved()
        return push(self.folder, repository, is_private=is_private)

    def _check_saved(self) -> None:
        """Check that the folder has the thresholds of the model."""
        if not np.array_equal(read_bundle(self.folder).thresholds.values, self._bundle.thresholds.values):
            raise ConfigError("thresholds: changed and not saved; call model.save(FOLDER) first")

    def _predictor(self, workload: Workload) -> PixelPredictor:
        """Return the open engine for a number of photos."""
        if workload not in self._open:
            options = replace(self._options, workload=workload)
            self._open[workload] = open_bundle(self._bundle, self._engine, options)
        return self._open[workload]

    def __getstate__(self) -> dict[str, object]:
        """Leave the open engines behind: a copy opens its own."""
        closed = {"_open": dict[Workload, PixelPredictor]()}
        return {name: value for name, value in self.__dict__.items() if name != "_split_model"} | closed

    def __repr__(self) -> str:
        """Name the backbone, the labels and the folder."""
        labels = ", ".join(self.labels[:5]) + (", ..." if len(self.labels) > 5 else "")
        return f"Model({self._bundle.config.backbone}, {len(self.labels)} labels: {labels}; {self.folder})"
