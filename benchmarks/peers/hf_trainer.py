"""Hugging Face Trainer, as its guide and its example script for image classification use it.

In:  photos, labels, weights; see ``common.read_job``.
Out: scores of the test photos, seconds.

A network of timm inside ``TimmWrapperForImageClassification`` with
``problem_type="multi_label_classification"``; batch, epochs and learning rate of the README of
``run_image_classification.py``, crops and flips of the script itself.
"""

import torch
from PIL import Image
from timm.models import load_checkpoint
from torch.utils.data import Dataset
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    ToTensor,
)
from transformers import (
    TimmWrapperConfig,
    TimmWrapperForImageClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

from common import N_WORKERS, Job, Row, Stopwatch, read_job, write_scores

EPOCHS, BATCH_SIZE, LEARNING_RATE = 5, 8, 2e-5


class Photos(Dataset):
    """Photos and targets of some rows, under the names that the networks of transformers take."""

    def __init__(self, job: Job, rows: list[Row], transform: Compose) -> None:
        self.paths = [job.path(row) for row in rows]
        self.targets = torch.from_numpy(job.targets(rows))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        with Image.open(self.paths[index]) as photo:
            return {"pixel_values": self.transform(photo.convert("RGB")), "labels": self.targets[index]}


def main() -> None:
    """Train, score, write."""
    watch = Stopwatch()
    job = read_job(epochs=EPOCHS, learning_rate=LEARNING_RATE)
    set_seed(0)
    last = [ToTensor(), Normalize(*job.mean_std)]
    flips = [RandomHorizontalFlip(), *([RandomVerticalFlip()] if job.from_above else [])]
    augment = Compose([RandomResizedCrop(job.side_px), *flips, *last])
    plain = Compose([Resize(job.side_px), CenterCrop(job.side_px), *last])
    trainer = Trainer(
        model=build_model(job),
        args=training_arguments(job),
        train_dataset=Photos(job, job.part("train"), augment),
        eval_dataset=Photos(job, job.part("val"), plain),
    )
    watch.lap("setup")
    trainer.train()
    watch.lap("training")
    logits = trainer.predict(Photos(job, job.part("test"), plain)).predictions
    watch.lap("scoring")
    write_scores(job, torch.from_numpy(logits).double().sigmoid(), watch)


def build_model(job: Job) -> TimmWrapperForImageClassification:
    """Build the network with its pre-trained weights and a fresh layer for the labels."""
    config = TimmWrapperConfig(
        architecture=job.network,
        num_labels=len(job.labels),
        id2label=dict(enumerate(job.labels)),
        label2id={name: number for number, name in enumerate(job.labels)},
        problem_type="multi_label_classification",
    )
    model = TimmWrapperForImageClassification(config)
    load_checkpoint(model.timm_model, str(job.weights), strict=False)
    return model


def training_arguments(job: Job) -> TrainingArguments:
    """Return the arguments; the "val" part is looked at once per epoch where there is one."""
    return TrainingArguments(
        output_dir=str(job.out / "trainer"),
        remove_unused_columns=False,
        learning_rate=job.learning_rate,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=BATCH_SIZE,
        dataloader_num_workers=N_WORKERS,
        eval_strategy="epoch" if job.part("val") else "no",
        save_strategy="no",
        report_to="none",
        seed=0,
        use_cpu=True,
    )


if __name__ == "__main__":
    main()
