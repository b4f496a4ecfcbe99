"""Every number of a run.

In:  the results of data, models and baselines.
Out: one frozen value; JSON of it and back; a data frame, and a table in notebooks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from manylabel.errors import BundleError
from manylabel.results.data import DataResults, FindingResult, NearDuplicateGroup
from manylabel.results.models import BaselineResults, Interval, LearningCurveResult, ModelResults, Number

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 3
"""It rises when a field changes its meaning or goes."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """How a run was made.

    Attributes:
        command: The command as typed, absolute folders left out; empty where Python called.
        started: Date and time of the start, ISO 8601.
        seconds: Wall time of the whole run.
        seed: Seed of every random choice.
        recipe: Name of the recipe that the settings started from; empty without one.
        versions: Version per library.
        machine: Processor, cores, memory, accelerators and system, in words.
        stage_seconds: Wall time per stage of the run, outside the training of models.
        config_toml: Every setting of the run, as TOML; empty where there is none.
    """

    command: str
    started: str
    seconds: float
    seed: int
    recipe: str
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    config_toml: str = ""


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """The photos that the metrics are computed on.

    Attributes:
        part: The test set, or all photos, each by a fit of the cross-validation that did not see it.
        n_photos: Their number.
        n_known: Those with any known label.
    """

    part: Literal["test", "out_of_fold"]
    n_photos: int
    n_known: int

    @property
    def n_evaluated(self) -> int:
        """Photos with a known label; all where no label is known."""
        return self.n_known or self.n_photos


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss function, as the settings name it.

    Attributes:
        name: Its name; None where the settings of the run are not known.
        pos_weight_cap: Largest weight of a positive; None without one.
    """

    name: str | None
    pos_weight_cap: Number


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference between two models on the same photos.

    Attributes:
        first, second: Their names.
        metric: Name of the metric.
        difference: Value of the first less that of the second; None where the metric is undefined.
        interval: Its 95 % interval.
        is_distinguishable: Whether the interval leaves 0 out.
        better: Name of the one with the better value; None where they are equal.
        n_photos, n_groups: Photos behind it, and groups of near-duplicates among these.
    """

    first: str
    second: str
    metric: str
    difference: Number
    interval: Interval
    is_distinguishable: bool
    better: str | None
    n_photos: int
    n_groups: int


@dataclass(frozen=True, kw_only=True)
class LabelIssue:
    """A given label that may be wrong.

    Attributes:
        row, name: The photo.
        label: The label.
        given: 1 present, 0 absent.
        score: Probability of the label by a fit that did not see the photo.
        quality: Probability that the given label is right.
    """

    row: int
    name: str
    label: str
    given: int
    score: float
    quality: float


@dataclass(frozen=True, kw_only=True)
class LabelIssues:
    """Given labels that are probably wrong, by out-of-fold probabilities of the best model.

    Attributes:
        n_photos: Photos that were looked at.
        n_present: Labels present on them.
        n_expected: Expected number of wrong labels.
        n_listed: Labels in ``label_issues.csv``.
        cells: At most 40, no more than 3 of a label before other labels follow.
    """

    n_photos: int
    n_present: int
    n_expected: float
    n_listed: int
    cells: tuple[LabelIssue, ...]


@dataclass(frozen=True, kw_only=True)
class ScoredLabel:
    """A label and its probability."""

    label: str
    score: float


@dataclass(frozen=True, kw_only=True)
class SimilarPhoto:
    """A training photo that looks like another one, and the labels that it carries, in words."""

    row: int
    name: str
    labels: str


@dataclass(frozen=True, kw_only=True)
class GalleryPhoto:
    """A photo of the report that shows what the best model does.

    Attributes:
        row, name: The photo.
        group: Why it is shown: every label right, a label missed, or a label given wrongly.
        right, missed, wrong, unknown: Its labels by what the model decided, with their probabilities.
        similar: Training photos that look most like it; empty where every label is right.
    """

    row: int
    name: str
    group: Literal["right", "missed", "wrong"]
    right: tuple[ScoredLabel, ...]
    missed: tuple[ScoredLabel, ...]
    wrong: tuple[ScoredLabel, ...]
    unknown: tuple[ScoredLabel, ...]
    similar: tuple[SimilarPhoto, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class RunResults:
    """Everything that a run measured.

    Attributes:
        run: How it was made.
        data: Photos, labels and split.
        findings: What the check of photos and labels found, the gravest first.
        near_duplicates: Groups of near-duplicates, at most 6, those with different labels first.
        evaluated: The photos behind the metrics.
        loss: The loss function.
        models: The ranked models, in the order given: all whose weights were found, else all.
        not_ranked: The models whose pre-trained weights are missing, where others have theirs.
        baselines: The same photos without a model, and by the nearest neighbors on the features of the best
            one.
        against_baselines: The best model less each baseline, by mAP.
        comparisons: Every two of the 8 best models, by mAP and exact match.
        label_issues: Given labels that are probably wrong; None where no photo was kept from training.
        best_index: Position in ``models`` of the best one by mAP.
        best_by: The photos that this was chosen on: "out_of_fold", or the evaluated ones themselves.
        gallery: Photos that show what the best model does, at most 24.
    """

    format_version: int = FORMAT_VERSION
    run: RunInfo
    data: DataResults
    findings: tuple[FindingResult, ...]
    near_duplicates: tuple[NearDuplicateGroup, ...]
    evaluated: EvaluationSet
    loss: Loss
    models: tuple[ModelResults, ...]
    not_ranked: tuple[ModelResults, ...]
    baselines: tuple[BaselineResults, ...]
    against_baselines: tuple[PairedDifference, ...]
    comparisons: tuple[PairedDifference, ...]
    label_issues: LabelIssues | None
    best_index: int
    best_by: Literal["out_of_fold", "evaluated"]
    gallery: tuple[GalleryPhoto, ...]

    @property
    def best(self) -> ModelResults:
        """The best model."""
        return self.models[self.best_index]

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names."""
        return tuple(label.name for label in self.data.labels)

    @property
    def learning_curve(self) -> tuple[str, LearningCurveResult] | None:
        """The learning curve of the best model and its name, else that of the first model that has one."""
        for model in (self.best, *self.models):
            if model.learning_curve is not None:
                return model.model, model.learning_curve
        return None

    def to_mapping(self) -> dict[str, object]:
        """Return the results as plain values of JSON."""
        import msgspec

        return cast("dict[str, object]", msgspec.to_builtins(self))

    def to_json(self) -> str:
        """Return the results as JSON; undefined numbers are null."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, source: Path | str = "the results") -> "RunResults":
        """Read results that ``to_json`` wrote.

        Args:
            text: The JSON.
            source: Where it comes from, for the error.

        Raises:
            BundleError: It is no such JSON.
        """
        import msgspec

        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise BundleError(
                f"{source}: these are no results of this version of manylabel: {error}"
            ) from error

    @classmethod
    def from_bundle(cls, values: Mapping[str, object]) -> "RunResults | None":
        """Return the results in the JSON of a bundle; None for one of an earlier version, or without any."""
        import msgspec

        try:
            return msgspec.convert(values, type=cls)
        except msgspec.ValidationError:
            return None

    def to_frame(self) -> "pd.DataFrame":
        """Return the table of results: a row per model and baseline, shares in [0, 1]."""
        import pandas as pd

        from manylabel.results.table import table_rows

        return pd.DataFrame([row.cells for row in table_rows(self)]).set_index("model")

    def __repr__(self) -> str:
        """Name the models and the best one's mAP."""
        score = self.best.metrics["mAP"]
        names = ", ".join(model.model for model in self.models)
        shown = "undefined" if score is None else f"{score:.3f}"
        return (
            f"RunResults({names}; best: {self.best.model}, mAP {shown}, {self.evaluated.n_evaluated} photos)"
        )

    def _repr_html_(self) -> str:
        """Show the main columns in a notebook."""
        from manylabel.results.table import main_columns

        frame = self.to_frame()
        return str(
            frame[[name for name in main_columns() if name in frame]].to_html(float_format="{:.3f}".format)
        )
