"""Label photos as the page suggests, with the truth as the person, and count what it costs.

In:  photos, their true labels, which of them are test photos.
Out: after some labeled photos, for each order: mAP of the head on the test photos, and clicks or keys by each
     way to answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.workers.common import worker_parser, write_values
from manylabel.data.formats import read_table
from manylabel.io.cache import default_cache
from manylabel.live_model.head import fit_head
from manylabel.live_model.learning import learn
from manylabel.live_model.photos import PhotoFeatures
from manylabel.metrics.registry import measure
from manylabel.types import FloatArray, IntArray

ORDERS = ("random", "suggested")
WAYS = ("keys", "keys_suggested", "grid_suggested")
"""A key per present label, and Enter; a key per wrong suggestion, and Enter; a screen of 20 photos label by
label, a click per wrong suggestion and one for the rest."""
N_FIRST, N_STEP, N_GRID = 20, 5, 20
CHECKPOINTS = (20, 40, 60, 80, 120, 160)
_N_SEEDS = 3
_LIKELY = 0.5
_N_TEST = 60  # where the table names no test photos


@dataclass(frozen=True, eq=False, kw_only=True)
class Labeling:
    """Photos with the truth about them.

    Attributes:
        features: Their features.
        truth: [n_photos, n_labels], 1 or 0.
        pool: Rows of the photos to label.
        test: Rows of the test photos; they lie in the folder, without labels.
        groups: Number of the group of near-duplicates of each photo.
        labels: The labels.
    """

    features: PhotoFeatures
    truth: FloatArray
    pool: IntArray
    test: IntArray
    groups: IntArray
    labels: list[str]


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    labeling = read_photos(given.photos, given.labels)
    values: dict[str, float] = {"n_pool": len(labeling.pool), "n_test": len(labeling.test)}
    for order in ORDERS:
        runs = [simulate(labeling, order, seed=seed) for seed in range(_N_SEEDS)]
        values |= {
            f"{order} {name}": float(np.mean([run[name] for run in runs]))
            for name in runs[0]
            if all(name in run for run in runs)
        }
    write_values(given.out, values)


def read_photos(photos: Path, labels: Path) -> Labeling:
    """Read photos, truth and features."""
    table = read_table(labels, photos=photos)
    features = PhotoFeatures(table.photos, model=None, cache=default_cache())
    for _ in features.read(lambda n_done: None):
        pass
    is_test = np.array([part == "test" for part in table.parts])
    if not is_test.any():
        is_test[np.random.default_rng(0).permutation(len(is_test))[:_N_TEST]] = True
    return Labeling(
        features=features,
        truth=table.targets,
        pool=np.flatnonzero(~is_test),
        test=np.flatnonzero(is_test),
        groups=features.find_groups(),
        labels=list(table.labels),
    )


def simulate(labeling: Labeling, order: str, *, seed: int) -> dict[str, float]:
    """Label the whole pool in an order; the first photos are random in any order."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(labeling.pool)
    known, rest = list(shuffled[:N_FIRST]), list(shuffled[N_FIRST:])
    clicks = dict.fromkeys(WAYS, 0.0)
    for row in known:  # nothing is suggested yet
        n_present = labeling.truth[row].sum()
        clicks = {way: n_clicks + 1 + n_present for way, n_clicks in clicks.items()}
    values: dict[str, float] = {}
    while True:
        probabilities = scores_of_all(labeling, known)
        if len(known) in CHECKPOINTS:
            values[f"mAP {len(known)}"] = measure_test(labeling, probabilities)
            values |= {f"{way} {len(known)}": n_clicks for way, n_clicks in clicks.items()}
        if not rest:
            return values
        if len(known) % N_GRID == 0:  # another screen of the grid, answered label by label
            shown = probabilities
            clicks["grid_suggested"] += len(labeling.labels)
        batch = choose(labeling, known, rest, order)
        truth = labeling.truth[batch]
        clicks["keys"] += len(batch) + truth.sum()
        clicks["keys_suggested"] += len(batch) + count_wrong(truth, probabilities[batch])
        clicks["grid_suggested"] += count_wrong(truth, shown[batch])
        known += batch
        rest = [row for row in rest if row not in set(batch)]


def choose(labeling: Labeling, known: Sequence[int], rest: Sequence[int], order: str) -> list[int]:
    """Return the photos to label next."""
    if order == "random":
        return list(rest[:N_STEP])
    pool = sorted([*known, *rest])
    targets = np.full((len(pool), len(labeling.labels)), np.nan)
    row_of = {row: at for at, row in enumerate(pool)}
    for row in known:
        targets[row_of[row]] = labeling.truth[row]
    scores = learn(_Part(labeling, pool), labeling.labels, targets, groups=labeling.groups[pool], revision=0)
    return [pool[at] for at in scores.suggested[:N_STEP]]


class _Part:
    """The photos of the pool alone: test photos are not suggested."""

    def __init__(self, labeling: Labeling, rows: Sequence[int]) -> None:
        self.values = labeling.features.values[rows]
        self.is_known = labeling.features.is_known[rows]
        self.labels: Sequence[str] = ()
        self.probabilities = np.empty((len(rows), 0))


def scores_of_all(labeling: Labeling, known: Sequence[int]) -> FloatArray:
    """Return the probabilities of a head that learned from some photos."""
    targets = np.full(labeling.truth.shape, np.nan)
    targets[known] = labeling.truth[known]
    head = fit_head(labeling.features.values, targets, groups=labeling.groups)
    assert head is not None, "20 photos are enough"
    return head.probabilities


def measure_test(labeling: Labeling, probabilities: FloatArray) -> float:
    """Return the mAP of the test photos."""
    scores = probabilities[labeling.test]
    return measure(labeling.truth[labeling.test], scores, scores >= _LIKELY)["mAP"]


def count_wrong(truth: FloatArray, probabilities: FloatArray) -> int:
    """Count the suggestions that are wrong: a key or a click each.

    Args:
        truth: Of some photos [n_photos, n_labels].
        probabilities: The same shape.
    """
    return int(((probabilities >= _LIKELY) != (truth == 1)).sum())


if __name__ == "__main__":
    main()
