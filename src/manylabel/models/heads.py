"""Build the heads of classifiers.

In:  the name of a head, the backbone, the number of its features and of the labels.
Out: a model from features [n, n_features] to logits [n, n_labels].

A new head is one function of the shape ``HeadBuilder``, one entry in ``HEADS``, and its name in
``config.HeadName``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from manylabel.config import HeadName
from manylabel.models.backbones import Backbone, timm_name
from manylabel.models.backbones.combined import member_names

HeadBuilder = Callable[[str, int, int], list[nn.Module]]
"""Returns the layers of a head for the name of a backbone, n_features and n_labels; the last is linear."""


@dataclass(frozen=True, kw_only=True)
class HeadEntry:
    """A head that can be chosen.

    Attributes:
        name: Value of ``--head``.
        title: The head in words.
        help: Its layers, in one sentence.
        build: Makes its layers.
        has_unit_length: Whether the features of every photo are brought to the same length first.
    """

    name: HeadName
    title: str
    help: str
    build: HeadBuilder
    has_unit_length: bool = True


_MLP_WIDTH = 512
_STUDY_WIDTHS = (4096, 4096)
_STUDY_WIDTHS_OF_TRANSFORMERS = (2048, 1024)
_DROPOUT = 0.5


class Standardize(nn.Module):
    """A layer that brings the features of a photo to a common scale.

    First, by default, to the same length for every photo (sqrt(n_features), so that a feature is
    about 1): photos differ in contrast and clutter more than in what they show. Then the mean of the training
    photos is taken off and everything divided by one standard deviation. One number for all features keeps
    their relative sizes: features that hardly vary are mostly noise, and dividing each by its own deviation
    would blow them up. docs/results.md gives what this is worth. The features of several backbones are
    brought to a common scale block by block: in the head, none drowns another.

    Until ``measure`` is called, no mean is taken off. Both statistics are saved with the weights; they are no
    parameters.

    Args:
        n_features: Number of features.
        has_unit_length: Whether every photo's features are brought to the same length.
        blocks: Number of features of each backbone; not given: there is one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int, *, has_unit_length: bool = True, blocks: Sequence[int] = ()) -> None:
        super().__init__()
        self.has_unit_length = has_unit_length
        self.blocks = tuple(blocks) or (n_features,)
        self.register_buffer("mean", torch.zeros(n_features))
        # One number; of several backbones a number per feature, the same within a block.
        self.register_buffer("std", torch.ones(() if len(self.blocks) == 1 else (n_features,)))

    def extra_repr(self) -> str:
        """Describe what is neither a parameter nor a buffer."""
        return f"has_unit_length={self.has_unit_length}"

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Take mean and standard deviation from features [n, n_features] of training photos.

        Examples:
            >>> standardize = Standardize(2, has_unit_length=False)
            >>> standardize.measure(torch.tensor([[1.0, 7.0], [3.0, 9.0]]))
            >>> standardize(torch.tensor([[3.0, 8.0]]))
            tensor([[1., 0.]])
        """
        lengthened = self._lengthen(features).cpu().double()  # MPS has no float64
        deviations = torch.split(lengthened.std(dim=0, correction=0), [*self.blocks])
        stds = torch.stack([deviation.mean() for deviation in deviations])
        stds = torch.where(stds > 1e-6, stds, 1.0)
        self.mean.copy_(lengthened.mean(dim=0))
        self.std.copy_(stds[0] if len(stds) == 1 else stds.repeat_interleave(torch.tensor(self.blocks)))

    def forward(self, features: Tensor) -> Tensor:
        """Return standardized features [n, n_features]."""
        return (self._lengthen(features) - self.mean) / self.std

    def _lengthen(self, features: Tensor) -> Tensor:
        if not self.has_unit_length:
            return features
        # In float32 also under autocast: a length is a sum over thousands of squares.
        blocks = torch.split(features.float(), [*self.blocks], dim=-1)
        scaled = [functional.normalize(block, dim=-1) * math.sqrt(block.shape[-1]) for block in blocks]
        return scaled[0] if len(scaled) == 1 else torch.cat(scaled, dim=-1)


def build_head(
    name: HeadName, *, backbone: str, n_features: int, n_labels: int, blocks: Sequence[int] = ()
) -> nn.Sequential:
    """Build a head with random weights from torch's generator.

    Args:
        name: Which head.
        backbone: Name of the backbone; the heads of the study differ by it.
        n_features: Features per photo that the backbone gives.
        n_labels: Number of labels.
        blocks: Features of each of several backbones.

    Returns:
        A ``Standardize`` and the layers of the head, the last of them linear.

    Examples:
        >>> build_head("linear", backbone="resnet50", n_features=2048, n_labels=10)[-1]
        Linear(in_features=2048, out_features=10, bias=True)
    """
    entry = HEADS[name]
    standardize = Standardize(n_features, has_unit_length=entry.has_unit_length, blocks=blocks)
    return nn.Sequential(standardize, *entry.build(backbone, n_features, n_labels))


def build_head_on(backbone: Backbone, name: HeadName, *, n_labels: int) -> nn.Sequential:
    """Build a head for the features of a backbone, as ``build_head`` does."""
    return build_head(
        name,
        backbone=backbone.name,
        n_features=backbone.n_features,
        n_labels=n_labels,
        blocks=backbone.blocks,
    )


def _linear(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    layer = nn.Linear(n_features, n_labels)
    # From zero, steps move all weights along the data; random weights are noise that a few hundred photos
    # take long to remove.
    nn.init.zeros_(layer.weight)
    return [layer]


def _mlp(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    return _layers(n_features, _MLP_WIDTH, n_labels)


def _study(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    """Build the head of the study, down to its number of parameters.

    VGG keeps the hidden layers of its own classifier; a vision transformer has a pooler first, as BERT has;
    every other model, and several joined ones, get the head of GoogLeNet and ResNet50.
    """
    is_joined = len(member_names(backbone)) > 1
    match "" if is_joined else timm_name(backbone) or backbone:
        case vgg if vgg.startswith("vgg"):
            return _layers(n_features, n_labels)
        case vit if vit.startswith("vit_"):
            pooler = [nn.Linear(n_features, n_features), nn.Tanh()]
            return [*pooler, *_layers(n_features, *_STUDY_WIDTHS_OF_TRANSFORMERS, n_labels)]
    return _layers(n_features, *_STUDY_WIDTHS, n_labels)


def _layers(*widths: int) -> list[nn.Module]:
    """Build linear layers from one width to the next, with ReLU and dropout between them."""
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU(), nn.Dropout(_DROPOUT)]
    return layers[:-2]


HEADS: dict[str, HeadEntry] = {
    entry.name: entry
    for entry in (
        HeadEntry(
            name="linear", title="linear head", help="One linear layer, which starts at zero.", build=_linear
        ),
        HeadEntry(
            name="mlp", title="hidden layer", help="One hidden layer of 512 units, with dropout.", build=_mlp
        ),
        HeadEntry(
            name="study",
            title="head of the study",
            help="The layers that the study used with each of its four models.",
            build=_study,
            has_unit_length=False,
        ),
    )
}
"""Heads by ``model.head``."""
