"""Cut a backbone in two: a part that stays as it is, and a part that learns.

In:  a backbone, and where to cut it; not given: below the last stage or stages.
Out: the part below the cut, photos in, activations out; the part above it, activations in, features out.

A cut is possible behind every module whose output is all that the rest of the network reads.
"""

import math
from dataclasses import dataclass

import torch
from torch import fx

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.attention import lighten
from manylabel.models.backbones import Backbone
from manylabel.models.trace import Passage, Trace, UpperPart, nesting

_AIM = 0.25
_SHARES = (0.08, 0.45)
_MUCH = 0.5
_NESTING_COST = 0.3
_SIZE_COST = 0.4


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitBackbone:
    """Hold the two parts of a backbone; they share its weights, in modules of the same names.

    Attributes:
        below: Normalised photos [n, 3, side_px, side_px] in, activations [n, *cut.shape] out.
        above: Activations in, features [n, n_features] out.
        cut: Where it was cut.
    """

    below: fx.GraphModule
    above: UpperPart
    cut: Passage


def caution(cut: Passage) -> str | None:
    """Return what to say of a cut above which more learns than a few hundred photos can teach.

    Measured on 160 photos with MobileNetV2: behind ``features.7`` learning lost 3.4 mAP against the head
    alone, behind ``features.0`` 36.8, where the usual cut gained 1.6.
    """
    if cut.share_above <= _MUCH:
        return None
    return (
        f"training.cut: {cut.share_above:.0%} of the network's multiplications lie above "
        f"'{cut.name}', usually about {_AIM:.0%}; with few photos so much of it can end up worse "
        "than a head alone (--tune head): compare the two"
    )


def find_cut(backbone: Backbone, cut: str | None = None) -> Passage:
    """Say where ``split_backbone`` would cut, without cutting; arguments and errors are the same."""
    return _find_cut(Trace(backbone), cut)


def split_backbone(backbone: Backbone, cut: str | None = None) -> SplitBackbone:
    """Cut a backbone in two.

    Args:
        backbone: Stays as it is; the parts use its modules.
        cut: Path of a module, e.g. ``"layer3"``; the cut lies behind it. Not given: ``choose_cut``.

    Raises:
        ConfigError: The network cannot be traced, or cannot be cut there.

    Examples:
        >>> import torch
        >>> from manylabel.models.backbones import build_backbone
        >>> parts = split_backbone(build_backbone("squeezenet1_1", side_px=64), "features.10")
        >>> parts.cut.shape
        (384, 3, 3)
        >>> activations = parts.below.eval()(torch.zeros(2, 3, 64, 64))  # [2, 384, 3, 3]
        >>> parts.above.eval()(activations).shape
        torch.Size([2, 512])
    """
    trace = Trace(backbone)
    found = _find_cut(trace, cut)
    below, above = trace.split(found.name)
    weight = next(backbone.network.parameters())
    example = torch.randn(2, *found.shape, generator=torch.Generator().manual_seed(0)).to(weight)
    above = UpperPart(lighten(above.network, example))
    return SplitBackbone(below=below, above=above, cut=found)


def _find_cut(trace: Trace, cut: str | None) -> Passage:
    cuts = {cut.name: cut for cut in _possible_cuts(trace)}
    network = trace.backbone.name
    if not cuts:
        raise ConfigError(f"{network} cannot be cut: no module passes all on; use tune=head or full")
    name = choose_cut(list(cuts.values())).name if cut is None else cut
    if name not in cuts:
        near = sorted(cuts.values(), key=lambda cut: (nesting(cut.name), abs(cut.share_above - _AIM)))
        known = ", ".join(cut.name for cut in near[:8])
        hint = did_you_mean(name, list(cuts))
        raise ConfigError(
            f"training.cut: {network} cannot be cut behind '{name}'{hint or ';'} "
            f"possible, among others: {known}"
        )
    return cuts[name]


def list_cuts(backbone: Backbone) -> tuple[Passage, ...]:
    """List the places where a backbone can be cut, in the order in which a photo passes them.

    Raises:
        ConfigError: The network cannot be traced.
    """
    return tuple(_possible_cuts(Trace(backbone)))


def _possible_cuts(trace: Trace) -> list[Passage]:
    """Return the passages above which anything is left to learn."""
    return [passage for passage in trace.passages() if passage.share_above > 0]


def choose_cut(cuts: list[Passage]) -> Passage:
    """Choose the cut above which about a quarter of the multiplications lie.

    Of cuts that come near, whole stages are preferred to modules inside them, and small activations to large
    ones, because activations are kept on disk for many views of every photo.

    Args:
        cuts: All of a network, at least one.

    Examples:
        >>> choose_cut([Passage(name="layer2", share_above=0.46, shape=(512, 28, 28)),
        ...     Passage(name="layer3", share_above=0.2, shape=(1024, 14, 14)),
        ...     Passage(name="layer4.1", share_above=0.05, shape=(2048, 7, 7))]).name
        'layer3'
    """
    near = [cut for cut in cuts if _SHARES[0] <= cut.share_above <= _SHARES[1]] or cuts
    smallest = min(math.prod(cut.shape) for cut in near)

    def cost(cut: Passage) -> float:
        distance = abs(math.log(max(cut.share_above, 1e-6) / _AIM))
        size = math.log2(math.prod(cut.shape) / smallest)
        return distance + _SIZE_COST * size + _NESTING_COST * nesting(cut.name)

    return min(near, key=cost)
