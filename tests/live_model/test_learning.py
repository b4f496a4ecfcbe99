"""What is learned from answers: probabilities, how good they are, probable mistakes, photos to label next."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from manylabel.live_model.learning import find_similar, learn
from manylabel.live_model.messages import Scores
from manylabel.types import FloatArray

N_PHOTOS = 80
LABELS = ["beach", "boat"]


@dataclass
class Photos:
    """Photos whose first features decide their labels."""

    values: NDArray[np.float32]
    is_known: NDArray[np.bool_]
    labels: Sequence[str] = ()
    probabilities: FloatArray = field(default_factory=lambda: np.empty((N_PHOTOS, 0)))


def draw() -> tuple[Photos, FloatArray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (N_PHOTOS, 2)).astype(np.float64)
    values = rng.normal(size=(N_PHOTOS, 20))
    values[:, :2] += 6 * truth
    return Photos(values=values.astype(np.float32), is_known=np.ones(N_PHOTOS, dtype=np.bool_)), truth


def ask(photos: Photos, targets: FloatArray, labels: list[str] | None = None) -> tuple[Scores, FloatArray]:
    labels = LABELS if labels is None else labels
    scores = learn(photos, labels, targets, groups=np.arange(N_PHOTOS), revision=7)
    values = np.frombuffer(scores.probabilities, dtype="<f4").reshape(targets.shape)
    return scores, values.astype(np.float64)


def test_answers_teach_probabilities_and_how_good_they_are() -> None:
    photos, truth = draw()
    targets = truth.copy()
    targets[40:] = np.nan

    scores, probabilities = ask(photos, targets)

    assert (scores.revision, scores.labels) == (7, LABELS)
    assert ((probabilities[40:] >= 0.5) == (truth[40:] == 1)).mean() > 0.95
    estimate = scores.estimate
    assert estimate is not None
    assert estimate.n_photos == 40
    assert estimate.low < estimate.mean_average_precision <= estimate.high
    assert estimate.label_prior < estimate.nearest_neighbors <= 1


def test_answers_that_were_turned_round_are_issues() -> None:
    photos, targets = draw()
    turned = [(3, 0), (30, 1)]
    for cell in turned:
        targets[cell] = 1 - targets[cell]

    scores, _ = ask(photos, targets)

    found = {(issue.row, LABELS.index(issue.label)): issue for issue in scores.issues[: len(turned)]}
    assert set(found) == set(turned)  # the most suspicious come first
    assert len(scores.issues) < 20
    for cell, issue in found.items():
        assert issue.given == targets[cell]
        assert abs(issue.given - issue.probability) > 0.5
        assert len(issue.neighbors) == 3
        assert issue.row not in issue.neighbors


def test_photos_without_all_answers_are_suggested_and_none_twice() -> None:
    photos, targets = draw()
    targets[50:] = np.nan
    targets[10, 0] = np.nan

    scores, _ = ask(photos, targets)

    assert sorted(scores.suggested) == [10, *range(50, N_PHOTOS)]


def test_before_anything_is_labeled_different_photos_are_suggested() -> None:
    photos, targets = draw()

    scores, probabilities = ask(photos, np.full_like(targets, np.nan))

    assert scores.estimate is None
    assert np.isnan(probabilities).all()
    assert len(scores.suggested) == N_PHOTOS
    assert len({tuple(targets[row]) for row in scores.suggested[:4]}) > 2


def test_a_trained_model_answers_for_its_labels_and_the_head_for_the_others() -> None:
    photos, targets = draw()
    photos.labels, photos.probabilities = ["boat", "car"], np.full((N_PHOTOS, 2), 0.25)

    _, probabilities = ask(photos, targets)

    assert (probabilities[:, 1] == 0.25).all()
    assert ((probabilities[:, 0] >= 0.5) == (targets[:, 0] == 1)).mean() > 0.95


def test_photos_that_were_not_read_yet_are_not_known() -> None:
    photos, targets = draw()
    photos.is_known[60:] = False

    scores, probabilities = ask(photos, targets)

    assert np.isnan(probabilities[60:]).all()
    assert np.isfinite(probabilities[:60]).all()
    assert scores.estimate is not None
    assert scores.estimate.n_photos == 60
    assert find_similar(photos, 70) == []


def test_without_labels_nothing_is_learned() -> None:
    photos, targets = draw()

    scores, _ = ask(photos, targets[:, :0], labels=[])

    assert (scores.estimate, scores.issues, scores.suggested) == (None, [], [])


def test_one_label_that_all_photos_have_gives_no_estimate() -> None:
    photos, _ = draw()

    scores, _ = ask(photos, np.ones((N_PHOTOS, 1)), labels=["beach"])

    assert scores.estimate is None


def test_the_most_similar_photos_come_first() -> None:
    photos, _ = draw()
    photos.values[5] = photos.values[40]

    assert find_similar(photos, 40)[:2] in ([5, 40], [40, 5])
    assert sorted(find_similar(photos, 40)) == list(range(N_PHOTOS))
