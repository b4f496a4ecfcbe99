"""Build the networks of a run, each with its weights.

In:  the model settings, the labels.
Out: classifiers before training, and where their weights came from.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from manylabel.config import ModelConfig, RunConfig
from manylabel.errors import ConfigError, MissingWeightsError, did_you_mean
from manylabel.models.backbones import check_name, seeded
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.models.hubs import HubAccess
from manylabel.models.weights import Provenance, find_weights, urls_to_fetch

_logger = logging.getLogger(__name__)

_SMALL_SIDE_PX = 64

MISSING = Provenance(
    init="missing",
    note="random weights, because pre-trained ones are not on this machine; "
    f"one view per photo, of {_SMALL_SIDE_PX} pixels if the network allows it",
    sha256=None,
)
"""Where the weights of a network came from that could not get any, and that the settings let go on."""


def start_classifiers(
    model: ModelConfig, *, labels: Sequence[str], tta: int, seed: int
) -> tuple[tuple[Classifier, Provenance], ...]:
    """Build every network that the settings name.

    Args:
        model: Names, head, weights.
        labels: The label names.
        tta: Views of a photo whose logits are averaged.
        seed: Seed of random weights; torch's own generator is left as it was.

    Raises:
        ConfigError: A name is unknown or given twice, or a weights file belongs to no network.
        WeightsError: Weights are missing or do not fit.
    """
    files = weights_files(model)
    for name in model.names:  # all of them before a hub is asked
        check_name(name)
    hubs = HubAccess()
    if model.init == "official":
        hubs.ask(urls_to_fetch([name for name in model.names if name not in files]))
    starts = []
    for name in model.names:
        try:
            load = find_weights(name, init=model.init, file=files.get(name), seed=seed, hubs=hubs)
            classifier = _build(name, model=model, labels=labels, tta=tta, seed=seed, is_loaded=True)
            provenance = load(classifier.backbone)
        except MissingWeightsError as error:
            if model.fallback == "error":
                raise
            _logger.debug("%s", error)
            classifier, provenance = _build_small(name, model=model, labels=labels, seed=seed), MISSING
        starts.append((classifier, provenance))
    return tuple(starts)


def settings_for(provenance: Provenance, config: RunConfig) -> RunConfig:
    """Return the settings of a run for one network: where its weights are missing, it should cost little."""
    if provenance.init != "missing":
        return config
    return replace(
        config,
        training=replace(config.training, n_views=1, engine="torch"),  # compiling takes longer than running
        evaluation=replace(config.evaluation, tta=1, inner_folds=False, learning_curve=False),
    )


def _build_small(name: str, *, model: ModelConfig, labels: Sequence[str], seed: int) -> Classifier:
    """Build a network of random weights that sees small photos; of its usual side where it takes no other."""
    side_px = _SMALL_SIDE_PX if model.side_px is None else min(model.side_px, _SMALL_SIDE_PX)
    try:
        return _build(name, model=replace(model, side_px=side_px), labels=labels, tta=1, seed=seed)
    except ConfigError:
        return _build(name, model=model, labels=labels, tta=1, seed=seed)


def _build(
    name: str, *, model: ModelConfig, labels: Sequence[str], tta: int, seed: int, is_loaded: bool = False
) -> Classifier:
    """Build a classifier; of a backbone that is loaded next, no weights are drawn."""
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
    """Return the weights file of each network that has one.

    Examples:
        >>> weights_files(ModelConfig(names=("resnet50",), weights=("r.pth",)))["resnet50"].name
        'r.pth'
        >>> weights_files(ModelConfig(names=("vgg16", "resnet50"), weights=("vgg16=v.pth",)))["vgg16"].name
        'v.pth'

    Raises:
        ConfigError: A network is named twice, or a file belongs to none or to an unclear one.
    """
    names = model.names
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"model.names: {', '.join(sorted(twice))} is named twice")
    files = {}
    for given in model.weights:
        name, equals, file = given.partition("=")
        if equals and name in names:
            files[name] = Path(file)
        elif len(names) == 1 and not (equals and not Path(given).exists()):
            files[names[0]] = Path(given)
        elif equals:
            raise ConfigError(
                f"model.weights: '{given}' names no network of this run{did_you_mean(name, names)} "
                f"The networks are: {', '.join(names)}"
            )
        else:
            raise ConfigError(f"model.weights: say whose weights '{given}' are, e.g. {names[0]}={given}")
    return files
