"""Part (e): how time and memory grow with the number of photos.

In:  the drawn sample set, cut into as many different photos as wanted.
Out: cases, one per number of photos.
"""

from functools import partial
from pathlib import Path

from benchmarks.cases import OUT, Case, Settings, manylabel_command, manylabel_environment
from benchmarks.drawn_photos import make_table
from benchmarks.photo_sets import NETWORKS, weights_option
from benchmarks.study import read_stages, sample_folder, write_sample_set

NETWORK = "mobilenet_v2"
SETTINGS = ("--recipe", "quick", "--set", "training.n_views=2")
"""Fewer views than usual, the same for every size: 20,000 photos then take minutes, not hours."""


def list_cases(settings: Settings) -> list[Case]:
    """List the sizes."""
    return [_case(settings, n_photos) for n_photos in settings.sizes]


def prepare(settings: Settings, n_photos: int) -> None:
    """Make the photos of one size."""
    write_sample_set(settings)
    make_table(_folder(settings, n_photos), sample_folder(settings), n_photos=n_photos)


def _folder(settings: Settings, n_photos: int) -> Path:
    return settings.work / f"photos-{n_photos}"


def _case(settings: Settings, n_photos: int) -> Case:
    folder = _folder(settings, n_photos)
    return Case(
        key={"size": str(n_photos)},
        command=manylabel_command(
            settings,
            *("compare", str(folder / "images"), str(folder / "labels.csv"), "--models", NETWORK),
            *weights_option(settings, NETWORKS[NETWORK]),
            *SETTINGS,
            *("--out", f"{OUT}/run"),
        ),
        environment=manylabel_environment(),
        read=read_stages,
        packages=("manylabel", "openvino", "torch", "torchvision", "numpy", "pillow"),
        prepare=partial(prepare, settings, n_photos),
    )
