"""Build what stands on a backbone.

In:  the name of a head, the backbone, the number of its features and of the labels.
Out: a network from features [n, n_features] to logits [n, n_labels].

A new head is one function of the shape ``HeadBuilder`` and one entry in ``HEADS``.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from manylabel.config import HeadName
from manylabel.models.backbones import TIMM_PREFIX

HeadBuilder = Callable[[str, int, int], list[nn.Module]]
"""Returns the layers of a head for the name of a backbone, n_features and n_labels; the last is linear."""

_MLP_WIDTH = 512
_STUDY_WIDTHS = (4096, 4096)
_STUDY_WIDTHS_OF_TRANSFORMERS = (2048, 1024)
_DROPOUT = 0.5


class Standardise(nn.Module):
    """Bring every feature to mean 0 and standard deviation 1 over the training photos.

    Until ``measure`` is called, features pass unchanged. Both statistics are saved with the weights; they
    are no parameters.

    Args:
        n_features: Number of features.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Take mean and standard deviation from features [n, n_features] of training photos.

        Examples:
            >>> standardise = Standardise(2)
            >>> standardise.measure(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
            >>> standardise(torch.tensor([[3.0, 7.0]]))
            tensor([[1., 0.]])
        """
        mean, std = features.double().mean(dim=0), features.double().std(dim=0, correction=0)
        # What is left of a constant feature is rounding noise, which dividing by it would blow up.
        is_constant = std <= 1e-6 * mean.abs()
        self.mean.copy_(mean)
        self.std.copy_(std.masked_fill(is_constant, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return standardised features [n, n_features]."""
        return (features - self.mean) / self.std


def build_head(name: HeadName, *, backbone: str, n_features: int, n_labels: int) -> nn.Sequential:
    """Build a head with random weights from torch's generator.

    Args:
        name: Which head.
        backbone: Name of the backbone; the heads of the study differ by it.
        n_features: Features per photo that the backbone gives.
        n_labels: Number of labels.

    Returns:
        A ``Standardise`` and the layers of the head, the last of them linear.

    Examples:
        >>> build_head("linear", backbone="resnet50", n_features=2048, n_labels=10)[-1]
        Linear(in_features=2048, out_features=10, bias=True)
    """
    return nn.Sequential(Standardise(n_features), *HEADS[name](backbone, n_features, n_labels))


def _linear(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    return [nn.Linear(n_features, n_labels)]


def _mlp(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    return _layers(n_features, _MLP_WIDTH, n_labels)


def _study(backbone: str, n_features: int, n_labels: int) -> list[nn.Module]:
    """Build the head of the study, down to its number of parameters.

    VGG keeps the hidden layers of its own classifier; a vision transformer has a pooler first, as BERT has;
    every other network gets the head of GoogLeNet and ResNet50.
    """
    match backbone.removeprefix(TIMM_PREFIX):
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


HEADS: dict[HeadName, HeadBuilder] = {"linear": _linear, "mlp": _mlp, "study": _study}
"""Every head by its name."""
