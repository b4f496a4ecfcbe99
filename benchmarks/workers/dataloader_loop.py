"""Score photo files as a plain torchvision script does: DataLoader with workers, torch in fp32.

In:  a folder of photos.
Out: photos per second.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import models
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from benchmarks.peers.common import IMAGENET_MEAN, IMAGENET_STD
from benchmarks.workers.common import marginal_rate, worker_parser, write_values
from manylabel.data.find import find_photos

N_LABELS, SIDE_PX, BATCH_SIZE, N_WORKERS = 10, 224, 32, 2


class Photos(Dataset[Tensor]):
    """Photos as the network takes them, float32 [3, 224, 224]."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._transform = v2.Compose(
            [
                v2.Resize((SIDE_PX, SIDE_PX), antialias=True),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        photo: Tensor = self._transform(decode_image(str(self._paths[index]), ImageReadMode.RGB))
        return photo


@torch.inference_mode()
def score(paths: Sequence[Path], *, network: str) -> Tensor:
    """Return probabilities [n_photos, n_labels]."""
    model = models.get_model(network, num_classes=N_LABELS).eval()
    batches = DataLoader(Photos(paths), batch_size=BATCH_SIZE, num_workers=N_WORKERS)
    return torch.cat([model(batch).sigmoid() for batch in batches])


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--few", type=int, required=True)
    given = parser.parse_args()
    paths = find_photos(given.photos)
    rate = marginal_rate(lambda few: score(few, network=given.network), paths, n_few=given.few)
    write_values(given.out, rate)


if __name__ == "__main__":
    main()
