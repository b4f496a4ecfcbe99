"""Part (a): train on real photos, manylabel beside its peers.

In:  photo sets, pre-trained weights.
Out: cases; each gives test mAP, exact match, seconds and peak memory.

Peers get the training part of the table, look at its "val" part where there is one, and score the test part.
Every test score goes through the same judge.
"""

import json
from functools import partial
from pathlib import Path

from benchmarks.cases import (
    OUT,
    ROOT,
    Case,
    Settings,
    Values,
    manylabel_command,
    manylabel_environment,
)
from benchmarks.judge import judge
from benchmarks.peers.common import SCORES_FILE, SECONDS_FILE
from benchmarks.photo_sets import (
    NETWORKS,
    SETS,
    convert_weights,
    labels_of,
    photos_of,
    side_of,
    timm_weights,
    weights_option,
)
from manylabel.results import RESULTS_FILE, RunResults

MANYLABEL_VARIANTS: dict[str, tuple[str, ...]] = {
    "manylabel quick": ("--recipe", "quick"),
    "manylabel top": ("--tune", "top", "--set", "evaluation.tta=4"),
}
"""Ways to run manylabel: what is added to ``manylabel compare ... --models NAME --weights FILE``."""

PEERS: dict[str, tuple[str, ...]] = {
    "torchvision": ("plain_torchvision.py",),
    "fastai": ("fastai_vision.py",),
    "hf_trainer": ("hf_trainer.py",),
    "hf_trainer 5e-4": ("hf_trainer.py", "--learning-rate", "5e-4"),
    "lightly_train": ("lightlytrain.py",),
}
"""Peers: a script of ``benchmarks/peers`` and what is added to its command."""

_PEER_PACKAGES = (
    *("fastai", "transformers", "accelerate", "lightly-train", "pytorch-lightning"),
    *("timm", "torch", "torchvision", "numpy", "pillow"),
)
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "LIGHTLY_TRAIN_EVENTS_DISABLED": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "agg",
}


def list_cases(settings: Settings) -> list[Case]:
    """List every tool on every photo set with every network."""
    return [
        case
        for photo_set in SETS
        for network in NETWORKS
        for case in (
            *(_manylabel_case(settings, tool, photo_set, network) for tool in MANYLABEL_VARIANTS),
            *(_peer_case(settings, tool, photo_set, network) for tool in PEERS),
        )
    ]


def _manylabel_case(settings: Settings, tool: str, photo_set: str, network: str) -> Case:
    command = manylabel_command(
        settings,
        *("compare", str(photos_of(settings, photo_set)), str(labels_of(settings, photo_set))),
        *("--models", NETWORKS[network].manylabel),
        *weights_option(settings, NETWORKS[network]),
        *MANYLABEL_VARIANTS[tool],
        *("--set", f"model.side_px={side_of(photo_set, network)}"),
        *(("--set", "model.orientation=any") if SETS[photo_set].is_from_above else ()),
        *("--out", f"{OUT}/run"),
    )
    return Case(
        key={"set": photo_set, "network": network, "tool": tool},
        command=command,
        environment=manylabel_environment(),
        read=partial(_read_manylabel, labels=labels_of(settings, photo_set)),
        packages=("manylabel", "openvino", "timm", "torch", "torchvision", "numpy", "pillow"),
    )


def _peer_case(settings: Settings, tool: str, photo_set: str, network: str) -> Case:
    script, *words = PEERS[tool]
    entry = NETWORKS[network]
    command = [
        *(str(settings.peers_python), str(ROOT / "benchmarks" / "peers" / script)),
        *("--photos", str(photos_of(settings, photo_set))),
        *("--labels", str(labels_of(settings, photo_set))),
        *("--network", entry.timm, "--weights", str(timm_weights(settings, entry))),
        *("--side-px", str(side_of(photo_set, network))),
        *(("--from-above",) if SETS[photo_set].is_from_above else ()),
        *words,
        *("--out", OUT),
    ]
    return Case(
        key={"set": photo_set, "network": network, "tool": tool},
        command=command,
        environment=_OFFLINE,
        read=partial(_read_peer, labels=labels_of(settings, photo_set)),
        packages=_PEER_PACKAGES,
        prepare=partial(convert_weights, settings, entry),
    )


def _read_manylabel(out: Path, *, labels: Path) -> Values:
    (scores,) = (out / "run" / "predictions").glob("*.csv")
    results = RunResults.from_json((out / "run" / RESULTS_FILE).read_bytes())
    return {"training_seconds": results.models[0].training_seconds, **judge(scores, labels)}


def _read_peer(out: Path, *, labels: Path) -> Values:
    seconds = json.loads((out / SECONDS_FILE).read_text(encoding="utf-8"))
    return {"training_seconds": seconds["training_seconds"], **judge(out / SCORES_FILE, labels)}
