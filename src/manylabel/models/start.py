"""Build the networks of a run, each with its weights.

In:  the model settings, the labels.
Out: classifiers before training, and where their weights came from.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from manylabel.config import ModelConfig
from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.backbones import seeded
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.models.hubs import HubAccess
from manylabel.models.weights import Provenance, load_weights, urls_to_fetch


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
    classifiers = [
        _build(name, model=model, labels=labels, tta=tta, seed=seed) for name in model.names
    ]  # all names are checked before a hub is asked
    hubs = HubAccess()
    if model.init == "official":
        hubs.ask(urls_to_fetch([name for name in model.names if name not in files]))
    starts = []
    for classifier in classifiers:
        backbone = classifier.backbone
        file = files.get(backbone.name)
        provenance = load_weights(
            backbone, init=model.init, file=file, fallback=model.fallback, seed=seed, hubs=hubs
        )
        starts.append((classifier, provenance))
    return tuple(starts)


def _build(name: str, *, model: ModelConfig, labels: Sequence[str], tta: int, seed: int) -> Classifier:
    with seeded(seed):
        classifier = build_classifier(
            name, labels=labels, head=model.head, side_px=model.side_px, fit=model.fit
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
