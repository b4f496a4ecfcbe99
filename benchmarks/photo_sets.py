"""The real photos and weights that the benchmarks use.

In:  folders that the user names.
Out: photo sets, networks, and their weights under the names of timm.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import Settings


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """Name a set of labeled photos below the data folder.

    Attributes:
        folder: Its folder.
        labels: Its table in that folder: columns image, labels, split.
        side_px: Side of the squares that convolutional networks see: that of the photos where they are small.
        is_from_above: Whether its photos have no upper side; every tool is told so that can be told.
    """

    folder: str
    labels: str
    side_px: int = 224
    is_from_above: bool = False


@dataclass(frozen=True, kw_only=True)
class Network:
    """Name a network and its weights.

    Attributes:
        manylabel: What manylabel calls it.
        timm: What timm, and so every peer, calls it.
        file: Its weights below the weights folder; None where an installed package has them.
        side_px: The side that it is made for; None where it takes any.
    """

    manylabel: str
    timm: str
    file: str | None
    side_px: int | None = None


SETS = {
    "scenes_160": PhotoSet(folder="scenes", labels="labels_160.csv"),
    "ucmerced": PhotoSet(folder="ucmerced", labels="labels.csv", side_px=256, is_from_above=True),
}

NETWORKS = {
    "efficientnet_lite0": Network(manylabel="efficientnet_lite0", timm="tf_efficientnet_lite0", file=None),
    "mobilenet_v2": Network(
        manylabel="mobilenet_v2", timm="mobilenetv2_100", file="mobilenet_v2.safetensors"
    ),
    "vit_tiny_patch16_224": Network(
        manylabel="timm/vit_tiny_patch16_224",
        timm="vit_tiny_patch16_224",
        file="vit_tiny_patch16_224.safetensors",
        side_px=224,
    ),
}


def photos_of(settings: Settings, name: str) -> Path:
    """Return the folder of a set's photos and table."""
    return settings.data / SETS[name].folder


def labels_of(settings: Settings, name: str) -> Path:
    """Return the table of a set."""
    return photos_of(settings, name) / SETS[name].labels


def side_of(photo_set: str, network: str) -> int:
    """Return the side in pixels of the squares that a network sees of a set."""
    made_for = NETWORKS[network].side_px
    return SETS[photo_set].side_px if made_for is None else made_for


def weights_option(settings: Settings, network: Network) -> tuple[str, ...]:
    """Return the option that names the weights file of a network; nothing where a package has them."""
    return () if network.file is None else ("--weights", str(settings.weights / network.file))


def timm_weights(settings: Settings, network: Network) -> Path:
    """Return where ``convert_weights`` puts the weights of a network under timm's names."""
    return settings.work / "weights" / f"{network.timm}.safetensors"


def convert_weights(settings: Settings, network: Network) -> None:
    """Write the weights of a network's body under timm's names, so that every peer loads the same numbers.

    timm and torchvision define the same layers in the same order: only the names differ.
    """
    from safetensors.torch import save_file

    target = timm_weights(settings, network)
    if target.is_file():
        return
    if network.file is None:
        weights = _installed_weights(network.manylabel)
    else:
        weights = _weights_of_file(settings.weights / network.file, network)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, target.with_suffix(".partial"))
    target.with_suffix(".partial").replace(target)


def _installed_weights(name: str) -> dict[str, Any]:
    from manylabel.models.backbones import build_backbone
    from manylabel.models.weights import load_weights

    backbone = build_backbone(name)
    load_weights(backbone)
    return backbone.network.state_dict()


def _weights_of_file(file: Path, network: Network) -> dict[str, Any]:
    import timm
    from safetensors.torch import load_file

    weights = load_file(file)
    own = timm.create_model(network.timm, num_classes=0).state_dict()
    given = list(own)
    if not set(own) <= set(weights):
        given = _torchvision_names(network.manylabel, set(weights))
    return {name: weights[old] for name, old in zip(own, given, strict=True)}


def _torchvision_names(network: str, present: set[str]) -> list[str]:
    """List the names of a file in the order of the layers."""
    from torchvision import models

    return [name for name in models.get_model(network).state_dict() if name in present]
