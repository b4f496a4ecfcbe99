"""A classifier that also gives what it saw at each place.

In:  a classifier.
Out: the same network in two parts that share its weights: pixels to logits and activations that still have
     rows and columns; such activations to logits.
"""

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.models.classifier import Classifier
from manylabel.models.modes import evaluating
from manylabel.models.trace import Trace
from manylabel.places import PlaceGrid, blocks_of, find_grid, silence_places

_N_TRIED = 4
_LEAST_CHANGE = 1e-5


class UpperClassifier(nn.Module):
    """Turn activations that have places into logits, as the whole classifier would."""

    def __init__(self, above: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.above = above
        self.head = head

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits [n, n_labels] of activations [n, *shape]."""
        logits: Tensor = self.head(self.above(activations))
        return logits


class LocatedClassifier(nn.Module):
    """Turn pixels into logits, and into the activations that these come from.

    Attributes:
        upper: Turns such activations into logits.
        grid: Where the places of a photo stand in them.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self, classifier: Classifier, *, below: nn.Module, upper: UpperClassifier, grid: PlaceGrid
    ) -> None:
        super().__init__()
        self.below = below
        self.upper = upper
        self.grid = grid
        self.register_buffer("pixel_mean", classifier.pixel_mean)
        self.register_buffer("pixel_std", classifier.pixel_std)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [n, n_labels] and activations [n, *shape] of pixels [n, side_px, side_px, 3]."""
        normalised = ((pixels - self.pixel_mean) / self.pixel_std).permute(0, 3, 1, 2)
        activations = self.below(normalised)
        return self.upper(activations), activations


def locate(classifier: Classifier) -> LocatedClassifier | None:
    """Take a classifier apart where its activations have places for the last time.

    That is the last place where each of them still changes what the network says: behind the last block of a
    transformer that reads its class token alone, the others no longer count.

    Args:
        classifier: In inference mode; the parts share its weights.

    Returns:
        Both parts; None where the network cannot be traced or has no such place.
    """
    try:
        trace = Trace(classifier.backbone)
    except ConfigError:
        return None
    with evaluating(classifier):
        for passage in reversed(list(trace.passages())):
            grid = find_grid(passage.shape)
            if grid is None:
                continue
            below, above = trace.split(passage.name)
            upper = UpperClassifier(above, classifier.head)
            located = LocatedClassifier(classifier, below=below, upper=upper, grid=grid).eval()
            if _is_heard(located, side_px=classifier.preprocessing.side_px):
                return located
    return None


@torch.inference_mode()
def _is_heard(located: LocatedClassifier, *, side_px: int) -> bool:
    """Say whether silencing places changes the features behind them."""
    noise = np.random.default_rng(0).integers(256, size=(1, side_px, side_px, 3), dtype=np.uint8)
    weight = next(located.parameters())
    activations = located(torch.from_numpy(noise).to(weight.device))[1]
    blocks = blocks_of(located.grid, most_variants=_N_TRIED)
    batch = next(silence_places(activations[0].cpu().numpy(), located.grid, blocks, batch_size=_N_TRIED))
    above = located.upper.above
    whole, silenced = above(activations), above(torch.from_numpy(batch).to(weight.device))
    return bool((silenced - whole).abs().max() > _LEAST_CHANGE * whole.abs().max())
