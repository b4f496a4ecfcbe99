"""Compare models by full fine-tuning on a Ray cluster of some nodes, all on this machine.

In:  photos, labels, names of models, the number of nodes.
Out: the seconds of the comparison, without the start of the cluster; a digest of the predictions.
"""

import hashlib
import time
from pathlib import Path

from benchmarks.workers.common import worker_parser, write_values
from benchmarks.workers.scoring import started_nodes
from manylabel.cluster.ray_training import compare_on_ray
from manylabel.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig

SIDE_PX, N_FOLDS, N_EPOCHS = 64, 5, 2


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    config = RunConfig(
        out=str(given.out / "run"),
        data=DataConfig(photos=str(given.photos), labels=str(given.labels)),
        model=ModelConfig(names=tuple(given.models.split(",")), init="random", side_px=SIDE_PX),
        split=SplitConfig(folds=N_FOLDS),
        training=TrainingConfig(tune="full", epochs=N_EPOCHS, device="cpu", precision="fp32"),
    )
    with started_nodes(given.nodes):
        began = time.perf_counter()
        result = compare_on_ray(config)
        seconds = time.perf_counter() - began
    found = hashlib.sha256()
    for path in sorted((result.out / "predictions").glob("*.csv")):
        found.update(path.read_bytes())
    write_values(given.out, {"comparison_seconds": seconds, "digest": int(found.hexdigest()[:8], 16)})


if __name__ == "__main__":
    main()
