"""The models that were trained on the labeling page, kept by name.

In:  the folder that holds a run folder per name.
Out: what each run measured, and where its report and bundles are.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from manylabel.data.split import SPLIT_FILE, read_split_lines
from manylabel.errors import BundleError, InputError, TableError
from manylabel.report.trial_files import file_name
from manylabel.results import RESULTS_FILE, RunResults

REPORT_FILE = "report.html"
_BUNDLES = "models"
_LONGEST_NAME = 60


def models_folder(photos: Path) -> Path:
    """Return the folder of the models that are trained on a folder of photos: beside it.

    Not in it: plots of reports are no photos.

    Examples:
        >>> models_folder(Path("trip/photos")).as_posix()
        'trip/photos.models'
    """
    folder = photos.resolve() if photos.name in ("", ".", "..") else photos
    return folder.parent / f"{folder.name}.models"


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a run.

    Attributes:
        name: Name of the run.
        backbone: Its backbone.
        is_best: It is the best one of its run.
        started: When training began, ISO 8601.
        n_train: Training photos.
        n_test: Photos behind the metrics.
        part: Which photos those are: the test set, or all by cross-validation.
        tested_on: The same for models that were tested on the same photos and labels; empty if not known.
        metrics: mAP, exact_match and f1_macro, from 0 to 1; null where undefined.
        low: Lower end of the 95 % interval of the mAP.
        high: Upper end.
        labels: The labels.
    """

    name: str
    backbone: str
    is_best: bool
    started: str
    n_train: int
    n_test: int
    part: str
    tested_on: str
    metrics: dict[str, float | None]
    low: float | None
    high: float | None
    labels: list[str]


_SHOWN = ("mAP", "exact_match", "f1_macro")


@dataclass(frozen=True, kw_only=True)
class _Read:
    """The models of a run, as they were read at some time."""

    modified_ns: int
    models: list[TrainedModel]


class TrainedModels:
    """The models in a folder.

    Args:
        folder: Holds a run folder per name; may not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, _Read] = {}

    def listed(self) -> list[TrainedModel]:
        """Return the models of all runs, the newest run first; runs that cannot be read are left out."""
        runs = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        found = [self._models_of(run) for run in runs if not run.name.startswith(".")]
        found.sort(key=lambda models: models[0].started if models else "", reverse=True)
        return [model for models in found for model in models]

    def check_new(self, name: str) -> str:
        """Return the name of a new run without spaces around it.

        Raises:
            InputError: It cannot be the name of a folder, or there is one of that name.
        """
        clean = name.strip()
        if not clean or len(clean) > _LONGEST_NAME or clean.startswith(".") or not _is_plain(clean):
            raise InputError(
                f"name: give 1 to {_LONGEST_NAME} letters, digits, spaces, dots, '-' or '_', not first a dot"
            )
        if (self.folder / clean).exists():
            raise InputError(f"there is a model '{clean}' already; choose another name")
        return clean

    def report(self, name: str) -> Path:
        """Return the report of a run.

        Raises:
            InputError: There is no such run.
        """
        path = self._run(name) / REPORT_FILE
        if not path.is_file():
            raise InputError(f"'{name}' has no report")
        return path

    def bundle(self, name: str, backbone: str) -> Path:
        """Return the bundle of a model.

        Raises:
            InputError: There is no such model.
        """
        if any(one.backbone == backbone for one in self._models_of(self._run(name))):
            folder = self._run(name) / _BUNDLES / file_name(backbone)
            if folder.is_dir():
                return folder
        raise InputError(f"'{name}' has no model '{backbone}'")

    def _run(self, name: str) -> Path:
        """Return the folder of a run; only one that is listed, whatever else a name may point to.

        Raises:
            InputError: There is no such run.
        """
        if name.startswith(".") or not _is_plain(name) or not (self.folder / name).is_dir():
            raise InputError(f"there is no model '{name}'")
        return self.folder / name

    def _models_of(self, run: Path) -> list[TrainedModel]:
        try:
            modified_ns = (run / RESULTS_FILE).stat().st_mtime_ns
            known = self._read.get(run.name)
            if known is None or known.modified_ns != modified_ns:
                results = RunResults.from_json((run / RESULTS_FILE).read_bytes(), source=run)
                known = _Read(modified_ns=modified_ns, models=_sum_up(run, results))
                self._read[run.name] = known
        except (OSError, BundleError):
            return []
        return known.models


def _is_plain(name: str) -> bool:
    return all(sign.isalnum() or sign in " .-_" for sign in name)


def _sum_up(run: Path, results: RunResults) -> list[TrainedModel]:
    tested_on = hash_of_tested(run, part=results.evaluated.part, labels=results.labels)
    return [
        TrainedModel(
            name=run.name,
            backbone=model.model,
            is_best=model is results.best,
            started=results.run.started,
            n_train=results.data.part_sizes.get("train", 0),
            n_test=results.evaluated.n_evaluated,
            part=results.evaluated.part,
            tested_on=tested_on,
            metrics={metric: model.metrics.get(metric) for metric in _SHOWN},
            low=model.intervals["mAP"].low,
            high=model.intervals["mAP"].high,
            labels=list(results.labels),
        )
        for model in results.models
    ]


def hash_of_tested(run: Path, *, part: str, labels: Sequence[str]) -> str:
    """Return a hash of the labels and photos that a run was tested on; empty if they are not known."""
    try:
        lines = read_split_lines(run / SPLIT_FILE)
    except TableError:
        return ""
    names = sorted(line["image"] for _, line in lines if part in ("out_of_fold", line["part"]))
    return hashlib.sha256(json.dumps([*labels, "", *names]).encode()).hexdigest()[:16]
