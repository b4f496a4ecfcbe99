"""Split a classifier into two parts for heat maps.

In:  a classifier.
Out: the same network in two parts that share its weights: pixels to logits, features and activations that
     still have rows and columns; such activations to logits.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.models.backbones import members_of
from manylabel.models.classifier import Classifier
from manylabel.models.device import evaluating
from manylabel.models.graph import SplitLayer, Trace, nesting
from manylabel.models.splitting import split_traces
from manylabel.patch_grid import PatchGrid, find_grid, group_patches, occlude_patches

_N_TRIED = 4
_LEAST_CHANGE = 1e-5

_TARGET_SHARE, _LEAST_SHARE = 0.25, 0.01
_ROWS = 14
_COARSE_COST, _NESTING_COST = 0.5, 0.1


class UpperClassifier(nn.Module):
    """The upper part of a classifier: activations with rows and columns in, logits out."""

    def __init__(self, above: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.above = above
        self.head = head

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits [n, n_labels] of activations [n, *shape]."""
        logits: Tensor = self.head(self.above(activations))
        return logits


class SplitClassifier(nn.Module):
    """A classifier in two parts: pixels in, logits and the activations below them out.

    Attributes:
        classifier: The whole; what lies below and above shares its modules.
        upper: Turns such activations into logits.
        grid: Where the places of a photo stand in them.
    """

    def __init__(
        self, classifier: Classifier, *, below: nn.Module, upper: UpperClassifier, grid: PatchGrid
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.below = below
        self.upper = upper
        self.grid = grid

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at pixels [n, side_px, side_px, 3].

        Returns:
            Logits [n, n_labels], features [n, n_features], activations [n, *shape].
        """
        activations = self.below(self.classifier.normalize(pixels))
        features = self.upper.above(activations)
        return self.upper.head(features), features, activations


def locate(classifier: Classifier) -> SplitClassifier | None:
    """Take a classifier apart where its activations have places, about a quarter of its work before the end.

    Further up, a place has seen nearly the whole photo: with MobileNetV2 on drawn pictures, the strongest
    place lay inside the thing in 50 % behind the last convolution, in 81 % a quarter of the work before.

    Args:
        classifier: In inference mode; the parts share its weights.

    Returns:
        Both parts; None where the model cannot be traced, or occluding a patch changes nothing anywhere.
    """
    try:
        traces = [Trace(member) for member in members_of(classifier.backbone)]
    except ConfigError:
        return None
    with evaluating(classifier):
        for layers in _candidates(traces):
            parts = split_traces(classifier.backbone, traces, layers, is_lightened=False)
            grid = find_grid(parts.layer.shape)
            if grid is None:
                continue
            upper = UpperClassifier(parts.above, classifier.head)
            split = SplitClassifier(classifier, below=parts.below, upper=upper, grid=grid).eval()
            if _responds(split, side_px=classifier.preprocessing.side_px):
                return split
    return None


def _candidates(traces: Sequence[Trace]) -> Iterator[list[SplitLayer]]:
    """Yield a layer of each backbone, the best of the first one first; the others have the same patches."""
    first, *others = [sorted(trace.split_layers(), key=_cost) for trace in traces]
    for layer in first:
        same = [[one for one in layers if one.shape[1:] == layer.shape[1:]] for layers in others]
        if all(same):
            yield [layer, *(layers[0] for layers in same)]


def _cost(layer: SplitLayer) -> float:
    """Rate a layer, 0 at best: far from the target, inside modules, or with few places costs."""
    grid = find_grid(layer.shape)
    n_rows = 1 if grid is None else grid.rows
    distance = abs(math.log(max(layer.share_above, _LEAST_SHARE) / _TARGET_SHARE))
    return distance + _NESTING_COST * nesting(layer.name) + _COARSE_COST * max(0.0, math.log2(_ROWS / n_rows))


@torch.inference_mode()
def _responds(split: SplitClassifier, *, side_px: int) -> bool:
    """Tell whether occluding patches changes the features behind them."""
    noise = np.random.default_rng(0).integers(256, size=(1, side_px, side_px, 3), dtype=np.uint8)
    weight = next(split.parameters())
    activations = split(torch.from_numpy(noise).to(weight.device))[2]
    blocks = group_patches(split.grid, max_groups=_N_TRIED)
    batch = next(occlude_patches(activations[0].cpu().numpy(), split.grid, blocks, batch_size=_N_TRIED))
    above = split.upper.above
    whole, occluded = above(activations), above(torch.from_numpy(batch).to(weight.device))
    return bool((occluded - whole).abs().max() > _LEAST_CHANGE * whole.abs().max())
