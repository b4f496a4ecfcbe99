"""Join a backbone and a head to a classifier of photos.

In:  pixels [n, side_px, side_px, 3] from 0 to 255, as ``preprocess.resize_photo`` gives them.
Out: logits [n, n_labels]. Mean and standard deviation of the pixels are applied inside.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.config import FitName, HeadName
from manylabel.models.backbones import Backbone, build_backbone
from manylabel.models.heads import Standardise, build_head
from manylabel.preprocess import Preprocessing
from manylabel.types import FloatArray


class Classifier(nn.Module):
    """Turn pixels into one logit per label.

    Args:
        backbone: Turns photos into features.
        head: Turns features into logits; its first module is a ``Standardise``, its last a linear layer, as
            ``build_head`` gives it.
        labels: The label names, one per logit.

    Raises:
        ValueError: The sizes do not fit together.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, backbone: Backbone, head: nn.Sequential, labels: Sequence[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.labels = tuple(labels)
        if self._output_layer.out_features != len(self.labels):
            raise ValueError(
                f"a head of {self._output_layer.out_features} logits for {len(self.labels)} labels"
            )
        # They follow the module to its device and stay out of its file: the preprocessing is saved beside it.
        mean, std = torch.tensor([self.preprocessing.mean, self.preprocessing.std]).mul(255)
        self.register_buffer("pixel_mean", mean, persistent=False)
        self.register_buffer("pixel_std", std, persistent=False)

    @property
    def preprocessing(self) -> Preprocessing:
        """Say how a photo becomes the pixels that ``forward`` takes."""
        return self.backbone.preprocessing

    @property
    def n_features(self) -> int:
        """Count the features per photo."""
        return self.backbone.n_features

    @property
    def n_parameters(self) -> int:
        """Count the parameters, learning or frozen."""
        return sum(parameter.numel() for parameter in self.parameters())

    def features(self, pixels: Tensor) -> Tensor:
        """Return features [n, n_features] of pixels [n, side_px, side_px, 3], uint8 or float in [0, 255]."""
        features: Tensor = self.backbone(self.normalise(pixels))
        return features

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return what the backbone takes [n, 3, side_px, side_px] of pixels as for ``features``."""
        return ((pixels - self.pixel_mean) / self.pixel_std).permute(0, 3, 1, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [n, n_labels] of pixels [n, side_px, side_px, 3], uint8 or float in [0, 255]."""
        logits: Tensor = self.head(self.features(pixels))
        return logits

    def standardise_features(self, features: Tensor) -> None:
        """Let the head see features of mean 0 and standard deviation 1 over all of them.

        Args:
            features: Features of training photos [n, n_features].
        """
        self._standardise.measure(features)

    @torch.no_grad()
    def start_at_prior(self, targets: FloatArray, *, pos_weight: FloatArray) -> None:
        """Let every logit start near the one that fits the frequency of its label best.

        Without it, the first steps of training go into learning the frequencies (Lin et al. 2017, "Focal
        loss for dense object detection", section 3.3).

        Args:
            targets: Targets of the training photos [n_photos, n_labels], NaN where unknown.
            pos_weight: Weight of a positive in the loss [n_labels], above 0.
        """
        self._output_layer.bias.copy_(torch.as_tensor(prior_log_odds(targets) + np.log(pos_weight)))

    @torch.no_grad()
    def set_output(self, *, weights: Tensor, bias: Tensor) -> None:
        """Set what the last layer computes.

        Args:
            weights: [n_features of that layer, n_labels].
            bias: [n_labels].
        """
        self._output_layer.weight.copy_(weights.T)
        self._output_layer.bias.copy_(bias)

    @torch.no_grad()
    def scale_output(self, scale: float) -> None:
        """Multiply all logits.

        Args:
            scale: Above 0, so that the order of photos stays.
        """
        self._output_layer.weight.mul_(scale)
        self._output_layer.bias.mul_(scale)

    @torch.no_grad()
    def calibrate(self, *, slopes: FloatArray, offsets: FloatArray) -> None:
        """Multiply the logits and add to them.

        Args:
            slopes: What each label's logits are multiplied with [n_labels], above 0.
            offsets: What is then added [n_labels].
        """
        layer = self._output_layer
        slope, offset = (torch.as_tensor(values).to(layer.bias) for values in (slopes, offsets))
        layer.weight.mul_(slope[:, None])
        layer.bias.mul_(slope).add_(offset)

    @torch.no_grad()
    def undo_loss_weight(self, pos_weight: FloatArray) -> None:
        """Make probabilities honest again after a training with weighted positives.

        A weight w of the positives multiplies the odds that a network learns by w, so log w is taken from
        its logits.

        Args:
            pos_weight: Weight of a positive that the loss used [n_labels], above 0.
        """
        bias = self._output_layer.bias
        bias.sub_(torch.as_tensor(np.log(pos_weight)).to(bias))

    @property
    def _standardise(self) -> Standardise:
        first = self.head[0]
        if not isinstance(first, Standardise):
            raise ValueError("the first module of a head standardises the features; use build_head")
        return first

    @property
    def _output_layer(self) -> nn.Linear:
        last = self.head[-1]
        if not isinstance(last, nn.Linear):
            raise ValueError("the last module of a head is a linear layer that gives logits; use build_head")
        return last


def prior_log_odds(targets: FloatArray) -> FloatArray:
    """Return the log odds of each label [n_labels] that fit its frequency best.

    Args:
        targets: [n_photos, n_labels], NaN where unknown.

    Examples:
        >>> prior_log_odds(np.array([[1.0, 0.0], [0.0, np.nan]])).round(1)
        array([ 0. , -1.1])
    """
    # Half a photo more on each side keeps the odds of a label without positives or negatives finite.
    odds = ((targets == 1).sum(axis=0) + 0.5) / ((targets == 0).sum(axis=0) + 0.5)
    return np.asarray(np.log(odds))


def build_classifier(
    name: str,
    *,
    labels: Sequence[str],
    head: HeadName = "linear",
    side_px: int | None = None,
    fit: FitName = "squash",
    seed: int | None = 0,
) -> Classifier:
    """Build a classifier; its head and its backbone have random weights.

    Args:
        name: Name of the backbone, as ``build_backbone`` takes it.
        labels: The label names.
        head: What stands on the backbone.
        side_px: Side of the square photos. Not given: what the official weights were trained with.
        fit: How a photo becomes square.
        seed: Seed of the weights of the backbone, as ``build_backbone`` takes it.

    Raises:
        ConfigError: The name is unknown, or the network cannot take photos of that side.

    Examples:
        >>> classifier = build_classifier("squeezenet1_1", labels=["beach", "boat"], side_px=64)
        >>> classifier(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape
        torch.Size([1, 2])
    """
    backbone = build_backbone(name, side_px=side_px, seed=seed)
    backbone.preprocessing = replace(backbone.preprocessing, fit=fit)
    features = backbone.n_features
    return Classifier(
        backbone, build_head(head, backbone=name, n_features=features, n_labels=len(labels)), labels
    )
