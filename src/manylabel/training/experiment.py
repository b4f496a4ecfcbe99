"""What all networks of a run share, and which photos play which part in a fit.

In:  photos, targets, split and settings.
Out: the experiment; the rows of a fit.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manylabel.config import RunConfig
from manylabel.constraints import LabelRules
from manylabel.data.stratify import stratified_holdout
from manylabel.training.methods import FitRows
from manylabel.training.photo_store import PhotoStore
from manylabel.types import FloatArray, IntArray, ProgressCallback, Split


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """Hold what all networks of a run share.

    Attributes:
        store: The photos, one per row of ``targets``.
        targets: [n_photos, n_labels], NaN unknown.
        split: Which photos train, choose and judge.
        config: The settings.
        cache: Folder of the feature cache; None for no cache.
        on_progress: Hears of progress.
        rules: What decisions obey; None where there are no rules.
    """

    store: PhotoStore
    targets: FloatArray
    split: Split
    config: RunConfig
    cache: Path | None
    on_progress: ProgressCallback
    rules: LabelRules | None = None

    @property
    def scores_training_photos(self) -> bool:
        """Say whether photos that one fit learns from may be scored by another."""
        return bool(self.split.folds) or (self.config.evaluation.inner_folds and not len(self.split.val))

    def groups_of(self, rows: IntArray) -> IntArray | None:
        """Return the group of each of some photos; None where every photo stands for itself."""
        return None if self.split.groups is None else self.split.groups[rows]

    def fit_rows(self, train: IntArray, watched: IntArray, *, fold: int | None) -> FitRows:
        """Say which photos a fit learns from, and which choose; early stopping may take some.

        Args:
            train: Photos to learn from.
            watched: Photos whose loss is drawn.
            fold: Number of the fold; None for the fit that is kept.
        """
        if len(self.split.val) or self.config.training.patience is None:
            return FitRows(train=train, watched=watched, val=self.split.val, fold=fold)
        rng = np.random.default_rng([self.config.seed, 2, 0 if fold is None else 1 + fold])
        groups = self.groups_of(train)
        if groups is not None and len(np.unique(groups)) < 2:
            groups = None  # copies of one photo are all there is
        rest, held_out = stratified_holdout(
            self.targets[train], fraction=self.config.split.val_fraction, rng=rng, groups=groups
        )
        return FitRows(train=train[rest], watched=watched, val=train[held_out], fold=fold)
