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
from benchmarks.photo_sets import NETWORKS, labels_of, photos_of, weights_option
from benchmarks.workers.common import read_values
from manylabel.data.find import find_photos

NETWORK = "mobilenet_v2"
PACKAGES = ("manylabel", "openvino", "onnxruntime", "torch", "torchvision", "numpy", "pillow")

FEW = {"256 px": 64, "12 MP": 8}
"""How many photos of each size are scored before the measured rest."""


def list_cases(settings: Settings) -> list[Case]:
    """List every way to score, on both sizes of photos; the bare engine knows no size."""
    files = {"256 px": small_photos(settings), "12 MP": _phone_photos(settings)}
    cases = [
        _case(settings, "bare engine", "ready pixels", worker="bare_engine", words=("--network", NETWORK))
    ]
    for photos, folder in files.items():
        where = ("--photos", str(folder), "--few", str(FEW[photos]))
        loop = (*where, "--network", NETWORK)
        ours = (*where, "--bundle", str(bundle_of(settings, NETWORK)))
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
    """Make the phone-size photos, and a bundle to score with."""
    make_phone_photos(_phone_photos(settings), find_photos(small_photos(settings)))
    make_bundle(settings, NETWORK)


def make_bundle(settings: Settings, network: str, *words: str) -> None:
    """Make a bundle to score with, where it is not there yet: what it learned does not matter here.

    Args:
        settings: Where everything lies.
        network: The network.
        words: More options of the training.
    """
    bundle = bundle_of(settings, network)
    if bundle.exists():
        return
    is_known = network in NETWORKS
    start = weights_option(settings, NETWORKS[network]) if is_known else ("--init", "random")
    labels = labels_of(settings, "scenes_160")
    training = manylabel_command(
        settings,
        *("train", str(photos_of(settings, "scenes_160")), str(labels), "--model", network),
        *(*start, "--recipe", "quick", "--set", "training.n_views=1", *words, "--out", str(bundle)),
    )
    environment = {**os.environ, **manylabel_environment(str(settings.work / "cache"))}
    # Exported: whoever uses it needs neither torch nor a conversion.
    for command in (training, manylabel_command(settings, "export", str(bundle), "--to", "openvino")):
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)


def small_photos(settings: Settings) -> Path:
    """Return the folder of photos of 256 pixels."""
    return photos_of(settings, "ucmerced") / "images"


def _phone_photos(settings: Settings) -> Path:
    return settings.work / "phone_photos"


def bundle_of(settings: Settings, network: str) -> Path:
    """Return the folder of the bundle to score with."""
    return settings.work / f"bundle-{network}-{source_state()}"
