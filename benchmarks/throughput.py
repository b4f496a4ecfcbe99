"""Part (b): photos per second, from JPEG files to probabilities.

In:  small photos (256 px) and phone-size ones (12 MP).
Out: cases: manylabel's ``predict``, a DataLoader loop, and the bare engine on ready pixels.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.cases import (
    ROOT,
    Case,
    Settings,
    manylabel_command,
    manylabel_environment,
    worker_command,
)
from benchmarks.drawn_photos import make_phone_photos
from benchmarks.machine import source_state
from benchmarks.photo_sets import NETWORKS, labels_of, photos_of
from benchmarks.workers.common import read_values
from manylabel.data.find import find_photos

NETWORK = "mobilenet_v2"
PACKAGES = ("manylabel", "openvino", "onnxruntime", "torch", "torchvision", "numpy", "pillow")

FEW = {"256 px": 64, "12 MP": 8}
"""How many photos of each size are scored before the measured rest."""


def list_cases(settings: Settings) -> list[Case]:
    """List every way to score, on both sizes of photos; the bare engine knows no size."""
    files = {"256 px": _small_photos(settings), "12 MP": _phone_photos(settings)}
    cases = [
        _case(settings, "bare engine", "ready pixels", worker="bare_engine", words=("--network", NETWORK))
    ]
    for photos, folder in files.items():
        where = ("--photos", str(folder), "--few", str(FEW[photos]))
        loop = (*where, "--network", NETWORK)
        ours = (*where, "--bundle", str(_bundle(settings)))
        cases += [
            _case(settings, "DataLoader loop", photos, worker="dataloader_loop", words=loop),
            _case(settings, "manylabel", photos, worker="manylabel_files", words=ours),
        ]
    return cases


def _case(settings: Settings, tool: str, photos: str, *, worker: str, words: tuple[str, ...]) -> Case:
    return Case(
        key={"photos": photos, "network": NETWORK, "tool": tool},
        command=worker_command(settings, worker, *words),
        environment=manylabel_environment(),
        read=read_values,
        packages=PACKAGES,
        prepare=partial(prepare, settings),
    )


def prepare(settings: Settings) -> None:
    """Make the phone-size photos, and a bundle to score with: what it learned does not matter here."""
    make_phone_photos(_phone_photos(settings), find_photos(_small_photos(settings)))
    bundle = _bundle(settings)
    if bundle.exists():
        return
    labels = labels_of(settings, "scenes_160")
    command = manylabel_command(
        settings,
        *("train", str(photos_of(settings, "scenes_160")), str(labels), "--model", NETWORK),
        *("--weights", str(settings.weights / NETWORKS[NETWORK].file)),
        *("--recipe", "quick", "--set", "training.n_views=1", "--out", str(bundle)),
    )
    environment = manylabel_environment(str(settings.work / "cache"))
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, stdout=sys.stderr)


def _small_photos(settings: Settings) -> Path:
    return photos_of(settings, "ucmerced") / "images"


def _phone_photos(settings: Settings) -> Path:
    return settings.work / "phone_photos"


def _bundle(settings: Settings) -> Path:
    return settings.work / f"bundle-{source_state()}"
