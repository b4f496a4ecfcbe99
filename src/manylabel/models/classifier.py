"""Join backbones and heads to classifiers of photos, and build the initial ones of a run.

In:  pixels [n, side_px, side_px, 3] from 0 to 255, as ``preprocess.resize_photo`` returns them.
Out: logits [n, n_labels]. Mean and standard deviation of the pixels are applied inside.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.config import FitName, HeadName, ModelConfig, RunConfig
from manylabel.errors import ConfigError, MissingWeightsError, did_you_mean
from manylabel.models.backbones import Backbone, build_backbone, seeded, source_of
from manylabel.models.backbones.combined import member_names
from manylabel.models.heads import Standardize, build_head_on
from manylabel.models.hubs import HubAccess
from manylabel.models.weights import Provenance, find_weights, urls_to_fetch
from manylabel.preprocess import Preprocessing
from manylabel.types import FloatArray

_logger = logging.getLogger(__name__)

_SMALL_SIDE_PX = 64

MISSING = Provenance(
    init="missing",
    note="random weights, because pre-trained ones are not on this machine; "
    f"one view per photo, of {_SMALL_SIDE_PX} pixels if the model allows it",
    sha256=None,
)
"""Where the weights of a model came from that could not get any, and that the settings let go on."""


class Classifier(nn.Module):
    """A backbone and a head: pixels in, one logit per label out.

    Args:
        backbone: Turns photos into features.
        head: Turns features into logits; its first module is a ``Standardize``, its last a linear layer, as
            ``build_head`` returns it.
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
        """Return how a photo becomes the pixels that ``forward`` takes."""
        return self.backbone.preprocessing

    @property
    def n_features(self) -> int:
        """Count the features per photo."""
        return self.backbone.n_features

    @property
    def n_parameters(self) -> int:
        """Count the parameters, trained or frozen."""
        return sum(parameter.numel() for parameter in self.parameters())

    def features(self, pixels: Tensor) -> Tensor:
        """Return features [n, n_features] of pixels [n, side_px, side_px, 3], uint8 or float in [0, 255]."""
        features: Tensor = self.backbone(self.normalize(pixels))
        return features

    def normalize(self, pixels: Tensor) -> Tensor:
        """Return what the backbone takes [n, 3, side_px, side_px] of pixels as for ``features``."""
        return ((pixels - self.pixel_mean) / self.pixel_std).permute(0, 3, 1, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [n, n_labels] of pixels [n, side_px, side_px, 3], uint8 or float in [0, 255]."""
        logits: Tensor = self.head(self.features(pixels))
        return logits

    def standardize_features(self, features: Tensor) -> None:
        """Measure mean and standard deviation of features, which the head takes off.

        Args:
            features: Features of training photos [n, n_features].
        """
        self._standardize.measure(features)

    @torch.no_grad()
    def set_prior_bias(self, targets: FloatArray, *, pos_weight: FloatArray) -> None:
        """Set the bias of every logit to the frequency of its label.

        Without it, the first steps of training only fit the frequencies (Lin et al. 2017, "Focal
        loss for dense object detection", section 3.3).

        Args:
            targets: Targets of the training photos [n_photos, n_labels], NaN where unknown.
            pos_weight: Weight of a positive in the loss [n_labels], above 0.
        """
        self._output_layer.bias.copy_(torch.as_tensor(prior_log_odds(targets) + np.log(pos_weight)))

    @torch.no_grad()
    def set_output(self, *, weights: Tensor, bias: Tensor) -> None:
        """Set weights and bias of the last layer.

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
            scale: Above 0, so that the ranking of photos stays.
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
        """Undo what weighted positives did to probabilities in training.

        A weight w of the positives multiplies the predicted odds by w, so log w is taken from the logits.

        Args:
            pos_weight: Weight of a positive that the loss used [n_labels], above 0.
        """
        bias = self._output_layer.bias
        bias.sub_(torch.as_tensor(np.log(pos_weight)).to(bias))

    @property
    def _standardize(self) -> Standardize:
        first = self.head[0]
        if not isinstance(first, Standardize):
            raise ValueError("the first module of a head standardizes the features; use build_head")
        return first

    @property
    def _output_layer(self) -> nn.Linear:
        last = self.head[-1]
        if not isinstance(last, nn.Linear):
            raise ValueError(
                "the last module of a head is a linear layer that returns logits; use build_head"
            )
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
        head: Name of the head.
        side_px: Side of the square photos. Not given: what the official weights were trained with.
        fit: How a photo becomes square.
        seed: Seed of the weights of the backbone, as ``build_backbone`` takes it.

    Raises:
        ConfigError: The name is unknown, or the model cannot take photos of that side.

    Examples:
        >>> classifier = build_classifier("squeezenet1_1", labels=["beach", "boat"], side_px=64)
        >>> classifier(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape
        torch.Size([1, 2])
    """
    backbone = build_backbone(name, side_px=side_px, seed=seed)
    backbone.preprocessing = replace(backbone.preprocessing, fit=fit)
    return Classifier(backbone, build_head_on(backbone, head, n_labels=len(labels)), labels)


def build_initial_classifiers(
    model: ModelConfig, *, labels: Sequence[str], tta: int, seed: int
) -> tuple[tuple[Classifier, Provenance], ...]:
    """Build every model that the settings name, with its initial weights.

    Args:
        model: Names, head, weights.
        labels: The label names.
        tta: Views of a photo whose logits are averaged.
        seed: Seed of random weights; torch's own generator is left as it was.

    Raises:
        ConfigError: A name is unknown or given twice, or a weights file belongs to no model.
        WeightsError: Weights are missing or do not fit.
    """
    files = weights_files(model)
    for name in model.names:  # checks all names before a hub is asked
        source_of(name)
    hubs = HubAccess()
    if model.init == "official":
        singles = [one for name in model.names for one in member_names(name)]
        hubs.ask(urls_to_fetch([name for name in singles if name not in files]))
    initial = []
    for name in model.names:
        try:
            load = find_weights(
                name, init=model.init, file=files.get(name), files=files, seed=seed, hubs=hubs
            )
            classifier = _build(name, model=model, labels=labels, tta=tta, seed=seed, is_loaded=True)
            provenance = load(classifier.backbone)
        except MissingWeightsError as error:
            if model.fallback == "error":
                raise
            _logger.debug("%s", error)
            classifier, provenance = _build_small(name, model=model, labels=labels, seed=seed), MISSING
        initial.append((classifier, provenance))
    return tuple(initial)


def settings_for(provenance: Provenance, config: RunConfig) -> RunConfig:
    """Return the settings of a run for one model: cheap ones where its weights are missing."""
    if provenance.init != "missing":
        return config
    return replace(
        config,
        training=replace(config.training, n_views=1, engine="torch"),  # compiling takes longer than running
        evaluation=replace(config.evaluation, tta=1, inner_folds=False, learning_curve=False),
    )


def _build_small(name: str, *, model: ModelConfig, labels: Sequence[str], seed: int) -> Classifier:
    """Build a model with random weights for small photos, or of its default side where it takes no other."""
    side_px = _SMALL_SIDE_PX if model.side_px is None else min(model.side_px, _SMALL_SIDE_PX)
    try:
        return _build(name, model=replace(model, side_px=side_px), labels=labels, tta=1, seed=seed)
    except ConfigError:
        return _build(name, model=model, labels=labels, tta=1, seed=seed)


def _build(
    name: str, *, model: ModelConfig, labels: Sequence[str], tta: int, seed: int, is_loaded: bool = False
) -> Classifier:
    """Build a classifier; no weights are drawn for a backbone whose weights are loaded next."""
    with seeded(seed):
        classifier = build_classifier(
            name,
            labels=labels,
            head=model.head,
            side_px=model.side_px,
            fit=model.fit,
            seed=None if is_loaded else 0,
        )
    backbone = classifier.backbone
    backbone.preprocessing = replace(backbone.preprocessing, n_views=tta, orientation=model.orientation)
    return classifier


def weights_files(model: ModelConfig) -> dict[str, Path]:
    """Return the weights file of each backbone that has one.

    Examples:
        >>> weights_files(ModelConfig(names=("resnet50",), weights=("r.pth",)))["resnet50"].name
        'r.pth'
        >>> weights_files(ModelConfig(names=("vgg16", "resnet50"), weights=("vgg16=v.pth",)))["vgg16"].name
        'v.pth'

    Raises:
        ConfigError: A model is named twice, or a file belongs to none or to an unclear one.
    """
    names = model.names
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"model.names: {', '.join(sorted(twice))} is named twice")
    files = {}
    singles = [single for name in names for single in member_names(name)]
    for given in model.weights:
        name, equals, file = given.partition("=")
        if equals and name in singles:
            files[name] = Path(file)
        elif len(names) == len(singles) == 1 and not (equals and not Path(given).exists()):
            files[names[0]] = Path(given)
        elif equals:
            raise ConfigError(
                f"model.weights: '{given}' names no model of this run{did_you_mean(name, singles) or '.'} "
                f"The models are: {', '.join(dict.fromkeys(singles))}"
            )
        else:
            raise ConfigError(f"model.weights: say whose weights '{given}' are, e.g. {singles[0]}={given}")
    return files
