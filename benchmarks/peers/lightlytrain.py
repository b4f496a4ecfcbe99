"""LightlyTrain, as its page on image classification shows it for ``classification_task="multilabel"``.

In:  photos, labels, weights; see ``common.read_job``.
Out: scores of the test photos, seconds.

Four settings depart from its defaults, each in its favour: 100,000 steps become epochs, the warm-up of 500
steps becomes a tenth of all, bf16 is used only on processors that compute in it, and photos from above are
mirrored top to bottom too. It requires a "val" part: where the table has none, it is shown one batch of
training photos and the last weights are kept, else the best on "val".
"""

import csv
from pathlib import Path
from typing import Any

import lightly_train
import torch
from lightly_train._models.timm import timm as timm_wrapper
from safetensors.torch import load_file

from common import N_WORKERS, Job, Row, Stopwatch, read_job, write_scores

EPOCHS, BATCH_SIZE, LEARNING_RATE = 10, 16, 3e-4


def main() -> None:
    """Train, score, write."""
    watch = Stopwatch()
    job = read_job(epochs=EPOCHS, learning_rate=LEARNING_RATE)
    train_csv = write_table(job, "train.csv", job.part("train"))
    val_csv = write_table(job, "val.csv", job.part("val") or job.part("train")[:BATCH_SIZE])
    watch.lap("setup")
    train(job, {"train": str(train_csv), "val": str(val_csv)})
    watch.lap("training")
    kept = "exported_best.pt" if job.part("val") else "exported_last.pt"
    scores = score(job, job.out / "run" / "exported_models" / kept)
    watch.lap("scoring")
    write_scores(job, scores, watch)


def write_table(job: Job, name: str, rows: list[Row]) -> Path:
    """Write rows in the form that LightlyTrain reads; it leaves out photos without a label."""
    path = job.out / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image_path", "label"])
        writer.writerows([job.path(row), ";".join(row.labels)] for row in rows)
    return path


def train(job: Job, tables: dict[str, str]) -> None:
    """Train the whole network."""
    if job.network.startswith(("mobilenet", "tf_efficientnet")):
        # LightlyTrain 0.18 takes these networks by name and stops in the first step: its wrapper of timm
        # leaves out the last convolution. The way below is the wrapper's own for older versions of timm.
        timm_wrapper._get_forward_features_fn = lambda model: timm_wrapper._forward_features
    weights = job.out / "weights.pt"
    torch.save(load_file(job.weights), weights)
    steps = max(1, job.epochs * len(job.part("train")) // BATCH_SIZE)
    mean, std = job.mean_std
    lightly_train.train_image_classification(
        out=str(job.out / "run"),
        model=f"timm/{job.network}",
        classification_task="multilabel",
        data={**tables, "classes": dict(enumerate(job.labels)), "label_delimiter": ";"},
        steps=steps,
        batch_size=BATCH_SIZE,
        num_workers=N_WORKERS,
        precision=precision(),
        model_args={
            "backbone_weights": str(weights),
            "lr": job.learning_rate,
            "lr_warmup_steps": steps // 10,
        },
        transform_args={
            "image_size": (job.side_px, job.side_px),
            "normalize": {"mean": mean, "std": std},
            "random_flip": {"horizontal_prob": 0.5, "vertical_prob": 0.5 if job.from_above else 0.0},
        },
    )


def precision() -> str:
    """Return LightlyTrain's default where the processor computes in bf16, else float32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    is_native = any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return "bf16-mixed" if is_native else "32-true"


def score(job: Job, exported: Path) -> torch.Tensor:
    """Return probabilities [n_test, n_labels]; a threshold below 0 gives every label."""
    model = lightly_train.load_model(str(exported))
    paths = [str(job.path(row)) for row in job.part("test")]
    batches = [paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE)]
    given = [photo["scores"] for batch in batches for photo in model.predict_batch(batch, threshold=-1.0)]
    return torch.stack(given)


if __name__ == "__main__":
    main()
