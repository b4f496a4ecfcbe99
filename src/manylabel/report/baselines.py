"""Let the baselines answer the photos of a run.

In:  the table, the split, and the model whose photos and features they share.
Out: scores and decisions by the name of the baseline: "all-negative", "label-prior", and "nearest-neighbors"
     where features are known.

The neighbors answer a photo of a fold without that fold, and so does the prior decide; it scores by all
training photos.
"""

from collections.abc import Sequence

import numpy as np

from manylabel.metrics.comparison import Baseline, all_negative, label_prior
from manylabel.trials import EvaluatedPhotos, Trial
from manylabel.types import FloatArray, IntArray, LabelTable, Split

Answers = dict[str, EvaluatedPhotos]


def answer_evaluated(table: LabelTable, split: Split, trial: Trial) -> Answers:
    """Predict the photos that a model is evaluated on.

    Args:
        table: The truth.
        split: Which photos trained.
        trial: The model.
    """
    return _answer(table, split, trial, rows=trial.evaluated.rows, neighbors=trial.neighbors)


def answer_out_of_fold(table: LabelTable, split: Split, trial: Trial) -> Answers:
    """Predict the out-of-fold photos of a model that is evaluated on test photos.

    Args:
        table: The truth.
        split: Which photos trained.
        trial: The model.

    Returns:
        Nothing where no such photos are known, or where they are the evaluated ones.
    """
    if trial.test is None or trial.out_of_fold is None:
        return {}
    return _answer(table, split, trial, rows=trial.out_of_fold.rows, neighbors=trial.neighbors_out_of_fold)


def _answer(
    table: LabelTable, split: Split, trial: Trial, *, rows: IntArray, neighbors: EvaluatedPhotos | None
) -> Answers:
    nothing = all_negative(n_photos=len(rows), n_labels=table.n_labels)
    prior = _prior_of_others(table.targets, split.train, trial.folds, rows)
    answers = {
        baseline.name: EvaluatedPhotos(rows=rows, scores=baseline.scores, decisions=baseline.decisions)
        for baseline in (nothing, prior)
    }
    return answers if neighbors is None else {**answers, "nearest-neighbors": neighbors}


def _prior_of_others(
    targets: FloatArray, train: IntArray, folds: Sequence[IntArray], rows: IntArray
) -> Baseline:
    """Answer each photo with the prevalences of the training photos.

    Those of a photo's own fold take no part in decisions. In scores they do: a fold with fewer positives has
    others with more, so that scores by fold would rank photos against the truth.
    """
    prior = label_prior(targets[train], n_photos=len(rows))
    decisions = prior.decisions.copy()
    for fold in folds:
        is_held_out = np.isin(rows, fold)
        others = np.setdiff1d(train, fold)
        decisions[is_held_out] = label_prior(targets[others], n_photos=int(is_held_out.sum())).decisions
    return Baseline(name=prior.name, scores=prior.scores, decisions=decisions)
