"""Turn some labels round, go through the queue of probable mistakes with the truth, see what that gives.

In:  photos, their true labels, which of them are test photos.
Out: mAP and exact match on the test photos with true labels, with turned ones, and after the queue.
"""

from pathlib import Path

import numpy as np

from benchmarks.workers.common import worker_parser, write_values
from benchmarks.workers.labeling_order import Labeling, read_photos
from manylabel.live_model.head import fit_head
from manylabel.live_model.learning import learn
from manylabel.metrics.registry import measure
from manylabel.types import FloatArray

SHARE_TURNED = 0.05
N_DECIDED, N_PER_FIT = 60, 5
_N_SEEDS = 5


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    labeling = read_photos(given.photos, given.labels)
    runs = [repair(labeling, seed=seed) for seed in range(_N_SEEDS)]
    write_values(given.out, {name: float(np.mean([run[name] for run in runs])) for name in runs[0]})


def repair(labeling: Labeling, *, seed: int) -> dict[str, float]:
    """Turn cells of the pool round, and go through the queue."""
    rng = np.random.default_rng(seed)
    n_cells = len(labeling.pool) * len(labeling.labels)
    turned = rng.choice(n_cells, size=round(SHARE_TURNED * n_cells), replace=False)
    rows, columns = labeling.pool[turned // len(labeling.labels)], turned % len(labeling.labels)
    targets = np.full(labeling.truth.shape, np.nan)
    targets[labeling.pool] = labeling.truth[labeling.pool]
    values = {f"true {name}": value for name, value in evaluate(labeling, targets).items()}
    targets[rows, columns] = 1 - targets[rows, columns]
    values |= {f"turned {name}": value for name, value in evaluate(labeling, targets).items()}

    decided: set[tuple[int, str]] = set()
    while len(decided) < N_DECIDED:
        scores = learn(
            labeling.features, labeling.labels, targets, groups=labeling.groups, revision=len(decided)
        )
        asked = [one for one in scores.issues if (one.row, one.label) not in decided][:N_PER_FIT]
        if not asked:
            break
        for issue in asked:
            column = labeling.labels.index(issue.label)
            targets[issue.row, column] = labeling.truth[issue.row, column]
            decided.add((issue.row, issue.label))
    values |= {f"repaired {name}": value for name, value in evaluate(labeling, targets).items()}
    n_right = int((targets[rows, columns] == labeling.truth[rows, columns]).sum())
    return values | {"n_turned": len(turned), "n_decided": len(decided), "n_found": n_right}


def evaluate(labeling: Labeling, targets: FloatArray) -> dict[str, float]:
    """Return what a head that learned from targets is worth on the test photos."""
    head = fit_head(labeling.features.values, targets, groups=labeling.groups)
    assert head is not None, "there are enough photos"
    scores = head.probabilities[labeling.test]
    measured = measure(labeling.truth[labeling.test], scores, scores >= 0.5)
    return {name: measured[name] for name in ("mAP", "exact_match")}


if __name__ == "__main__":
    main()
