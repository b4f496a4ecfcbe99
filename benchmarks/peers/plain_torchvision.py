"""A plain script, as PyTorch's transfer-learning tutorial and torchvision's references write it.

In:  photos, labels, weights; see ``common.read_job``.
Out: scores of the test photos, seconds.

Whole network, random resized crops and flips, AdamW under a cosine, binary cross-entropy. The body learns ten
times more slowly than the fresh layer: with one rate for both, either of them is badly off.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from common import N_WORKERS, Job, Row, Stopwatch, read_job, timm_network, write_scores

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 10, 32, 3e-3, 0.05
SMALL_BATCH_SIZE, FEW_PHOTOS = 16, 640


class Photos(Dataset):
    """Photos and targets of some rows."""

    def __init__(self, job: Job, rows: list[Row], transform: v2.Transform) -> None:
        self.paths = [str(job.path(row)) for row in rows]
        self.targets = torch.from_numpy(job.targets(rows))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(decode_image(self.paths[index], ImageReadMode.RGB)), self.targets[index]


def main() -> None:
    """Train, score, write."""
    watch = Stopwatch()
    job = read_job(epochs=EPOCHS, learning_rate=LEARNING_RATE)
    torch.manual_seed(0)
    last = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(*job.mean_std)]
    flips = [v2.RandomHorizontalFlip(), *([v2.RandomVerticalFlip()] if job.from_above else [])]
    augment = v2.Compose([v2.RandomResizedCrop(job.side_px, antialias=True, scale=(0.35, 1)), *flips, *last])
    plain = v2.Compose([v2.Resize((job.side_px, job.side_px), antialias=True), *last])
    batch_size = SMALL_BATCH_SIZE if len(job.part("train")) < FEW_PHOTOS else BATCH_SIZE
    loaded = {"num_workers": N_WORKERS, "persistent_workers": True, "batch_size": batch_size}
    training = DataLoader(Photos(job, job.part("train"), augment), shuffle=True, drop_last=True, **loaded)
    model = timm_network(job)
    watch.lap("setup")
    train(model, training, epochs=job.epochs, learning_rate=job.learning_rate)
    watch.lap("training")
    scores = score(model, DataLoader(Photos(job, job.part("test"), plain), **loaded))
    watch.lap("scoring")
    write_scores(job, scores, watch)


def train(model: nn.Module, batches: DataLoader, *, epochs: int, learning_rate: float) -> None:
    """Train the whole network."""
    head = {id(parameter) for parameter in model.get_classifier().parameters()}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in head], "lr": learning_rate / 10},
        {"params": [p for p in model.parameters() if id(p) in head], "lr": learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(batches))
    criterion = nn.BCEWithLogitsLoss()
    model.train()
    for epoch in range(epochs):
        for photos, targets in batches:
            loss = criterion(model(photos), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)


@torch.inference_mode()
def score(model: nn.Module, batches: DataLoader) -> torch.Tensor:
    """Return probabilities [n_photos, n_labels]."""
    model.eval()
    return torch.cat([model(photos).double().sigmoid() for photos, _ in batches])


if __name__ == "__main__":
    main()
