"""Part (h): how much slower commands get while other processes compute on the same cores.

In:  the drawn sample set, the default network; a bundle and small photos to score.
Out: cases: three ways to train and one to score, beside none, one and two processes that never pause; and the
     same with threads that spin while they wait for each other, as the libraries do by themselves.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks.cases import (
    OUT,
    Case,
    Settings,
    manylabel_command,
    manylabel_environment,
    worker_command,
)
from benchmarks.study import sample_folder, write_sample_set
from benchmarks.throughput import NETWORK, PACKAGES, bundle_of, make_bundle, small_photos
from benchmarks.workers.common import read_values

TRAINING = {
    "head": ("--tune", "head"),
    "top": ("--tune", "top"),
    "full": ("--tune", "full", "--epochs", "2", "--set", "model.side_px=128"),
}
"""Ways to train: what is added to ``manylabel train PHOTOS LABELS``."""

RESTING, SPINNING = "rest", "spin"
WAITS: dict[str, dict[str, str]] = {RESTING: {}, SPINNING: {"GOMP_SPINCOUNT": "300000"}}
"""What threads do that wait for others: what manylabel lets them do, and what they do by themselves."""

NEIGHBORS = {RESTING: ("0", "1", "2"), SPINNING: ("0", "1")}
"""Processes beside the measured one."""


def list_cases(settings: Settings) -> list[Case]:
    """List every work beside every number of neighbors, then the same with threads that spin."""
    folder = sample_folder(settings)
    table = (str(folder / "images"), str(folder / "labels.csv"))
    works = {
        work: manylabel_command(settings, "train", *table, *words, "--out", f"{OUT}/bundle")
        for work, words in TRAINING.items()
    }
    works["predict"] = manylabel_command(
        settings,
        *(
            "predict",
            str(bundle_of(settings, NETWORK)),
            str(small_photos(settings)),
            "--out",
            f"{OUT}/said.csv",
        ),
    )
    return [
        _case(settings, work, words, neighbors=neighbors, waits=waits)
        for waits in WAITS
        for work, words in works.items()
        for neighbors in NEIGHBORS[waits]
    ]


def _case(settings: Settings, work: str, words: Sequence[str], *, neighbors: str, waits: str) -> Case:
    return Case(
        key={"work": work, "waits": waits, "neighbors": neighbors},
        # Behind two dashes, the options of a command are not those of the worker.
        command=[*worker_command(settings, "busy_cores", "--neighbors", neighbors), "--", *words],
        environment={**manylabel_environment(), **WAITS[waits]},
        read=read_values,
        packages=PACKAGES,
        prepare=partial(prepare, settings),
    )


def prepare(settings: Settings) -> None:
    """Draw the sample set and make a bundle to score with."""
    write_sample_set(settings)
    make_bundle(settings, NETWORK)
