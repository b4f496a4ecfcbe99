"""List the models that can be used.

In:  names or patterns, a head and a number of labels.
Out: one ``ModelInfo`` per model. Nothing is downloaded and no weights are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from torch import nn

from manylabel.config import HeadName
from manylabel.errors import ConfigError, WeightsError
from manylabel.models.backbones import (
    TIMM_PREFIX,
    Backbone,
    build_backbone,
    short_names,
    source_of,
)
from manylabel.models.backbones.base import Outline
from manylabel.models.backbones.combined import member_names
from manylabel.models.heads import build_head_on
from manylabel.types import Progress, ProgressCallback, ignore_progress

_WILDCARDS = frozenset("*?[")
WeightsStatus = Literal["installed", "damaged", "downloaded"]


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model.

    Attributes:
        name: As ``build_backbone`` takes it.
        parameters: Parameters of the whole classifier where a head was given, else of the backbone.
        n_features: Features per photo that a head reads.
        side_px: Side of the square photos that its official weights were trained with.
        license: License of the official weights; some forbid commercial use.
        weights: Where pre-trained weights lie on this machine: in an "installed" package, which may be
            "damaged", or "downloaded"; None where they do not.
        weights_file: Name of their official file; None where there is none.
    """

    name: str
    parameters: int
    n_features: int
    side_px: int
    license: str
    weights: WeightsStatus | None
    weights_file: str | None


def list_models(
    patterns: Sequence[str] = (),
    *,
    head: HeadName | None = None,
    n_labels: int | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> tuple[ModelInfo, ...]:
    """List models with their sizes, licenses and weights.

    Args:
        patterns: Names, or patterns with ``*`` and ``?``. timm is asked where one starts with ``timm/``; all
            of it takes minutes. None given: every backbone with a short name.
        head: Count the parameters of this head as well.
        n_labels: Number of labels of that head.
        on_progress: Called with the progress.

    Raises:
        ConfigError: A name is unknown, a pattern fits nothing, or only one of head and n_labels is given.

    Examples:
        >>> [info.parameters for info in list_models(["vgg16", "resnet50"], head="study", n_labels=10)]
        [134301514, 48723018]
        >>> [info.name for info in list_models(["vit_b*"])]
        ['vit_b_16', 'vit_b_32']
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if (head is None) != (n_labels is None):
        raise ConfigError(
            "to count the parameters of a whole classifier, give both a head and a number of labels"
        )
    if n_labels is not None and n_labels < 1:
        raise ConfigError(f"a classifier of {n_labels} labels was asked for, expected at least 1")
    names = dict.fromkeys(name for pattern in patterns or ["*"] for name in _matches(pattern))
    found = []
    for n_done, name in enumerate(names, start=1):
        found.append(_describe(name, head=head, n_labels=n_labels))
        on_progress(Progress(subject="networks", stage="measuring", done=n_done, total=len(names)))
    return tuple(found)


def _matches(pattern: str) -> Sequence[str]:
    if _WILDCARDS.isdisjoint(pattern):
        source_of(pattern)
        return [pattern]
    matches = [name for name in _names_beside(pattern) if fnmatchcase(name, pattern)]
    if not matches:
        raise ConfigError(
            f"no model matches '{pattern}'; without a pattern all short names are listed, those of timm "
            f"match '{TIMM_PREFIX}*'"
        )
    return matches


def _names_beside(pattern: str) -> Sequence[str]:
    if not pattern.startswith(TIMM_PREFIX):
        return short_names()
    import timm

    # A pattern with a point asks for the tags of weights as well, e.g. "timm/resnet50.*".
    return [TIMM_PREFIX + name for name in timm.list_models(include_tags="." in pattern)]


def _describe(name: str, *, head: HeadName | None, n_labels: int | None) -> ModelInfo:
    source, backbone = source_of(name), _outlined(name)
    parameters = _count_parameters(backbone)
    if head is not None and n_labels is not None:
        with Outline():
            top = build_head_on(backbone, head, n_labels=n_labels)
        parameters += _count_parameters(top)
    file = source.official_file(name)
    return ModelInfo(
        name=name,
        parameters=parameters,
        n_features=backbone.n_features,
        side_px=backbone.preprocessing.side_px,
        license=source.license_of(backbone),
        weights=_join_statuses([_find_weights(one) for one in member_names(name)]),
        weights_file=None if file is None else file.name,
    )


def _join_statuses(found: Sequence[WeightsStatus | None]) -> WeightsStatus | None:
    """Return the status of the weights of several backbones: the worst."""
    worst_first: tuple[WeightsStatus | None, ...] = ("damaged", None, "downloaded", "installed")
    return min(found, key=worst_first.index)


def _find_weights(name: str) -> WeightsStatus | None:
    source = source_of(name)
    packaged, file = source.packaged_file(name), source.official_file(name)
    try:
        if packaged is not None and packaged.find() is not None:
            return "installed"
    except WeightsError:
        return "damaged"
    return "downloaded" if file is not None and file.find() is not None else None


def _outlined(name: str) -> Backbone:
    try:
        with Outline():
            return build_backbone(name)
    except RuntimeError:
        # A few hybrids of timm run their first half while they are built, which an outline cannot.
        return build_backbone(name)


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
