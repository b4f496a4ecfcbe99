"""fastai, as its multi-label tutorial and its page on the vision learner show it.

In:  photos, labels, weights; see ``common.read_job``.
Out: scores of the test photos, seconds.

``DataBlock`` with a ``MultiCategoryBlock``, ``aug_transforms``, ``vision_learner`` with a network of timm,
``fine_tune``: one epoch of the frozen body, then the whole network. fastai passes ``pretrained_cfg_overlay``
on to timm. Its batch of 64 would give 160 photos two steps per epoch; fewer than 640 photos get batches of
16, in its favour.
"""

import warnings

import pandas as pd
from fastai.vision.all import (
    ColReader,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    Learner,
    MultiCategoryBlock,
    Normalize,
    Resize,
    aug_transforms,
    set_seed,
    vision_learner,
)

from common import N_WORKERS, Job, Stopwatch, read_job, write_scores

EPOCHS = 5
RESIZE = 256 / 224
BATCH_SIZE, SMALL_BATCH_SIZE, FEW_PHOTOS = 64, 16, 640


def main() -> None:
    """Train, score, write."""
    watch = Stopwatch()
    job = read_job(epochs=EPOCHS, learning_rate=None)
    set_seed(0)
    learner = build_learner(job)
    watch.lap("setup")
    rates = {} if job.learning_rate is None else {"base_lr": job.learning_rate}
    learner.fine_tune(job.epochs, **rates)
    watch.lap("training")
    batches = learner.dls.test_dl([job.path(row) for row in job.part("test")], num_workers=N_WORKERS)
    probabilities, _ = learner.get_preds(dl=batches)
    columns = [list(learner.dls.vocab).index(name) for name in job.labels]
    watch.lap("scoring")
    write_scores(job, probabilities.numpy()[:, columns], watch)


def build_learner(job: Job) -> Learner:
    """Build data and network; the "val" part, where there is one, is only looked at."""
    rows = [*job.part("train"), *job.part("val")]
    table = pd.DataFrame(
        {"photo": [str(job.path(row)) for row in rows], "labels": [";".join(row.labels) for row in rows]}
    )
    block = DataBlock(
        blocks=(ImageBlock, MultiCategoryBlock(vocab=list(job.labels))),
        splitter=IndexSplitter(range(len(job.part("train")), len(rows))),
        get_x=ColReader("photo"),
        get_y=ColReader("labels", label_delim=";"),
        item_tfms=Resize(round(job.side_px * RESIZE)),
        batch_tfms=[
            *aug_transforms(size=job.side_px, flip_vert=job.from_above),
            Normalize.from_stats(*job.mean_std, cuda=False),
        ],
    )
    batch_size = SMALL_BATCH_SIZE if len(job.part("train")) < FEW_PHOTOS else BATCH_SIZE
    data = block.dataloaders(table, bs=batch_size, num_workers=N_WORKERS)
    return vision_learner(
        data, job.network, normalize=False, pretrained_cfg_overlay={"file": str(job.weights)}
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main()
