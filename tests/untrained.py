"""Bundles of models that have learned nothing.

In:  the name of a model and of its head.
Out: a bundle of random weights, the same each time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from manylabel.bundle.folder import BundleConfig, write_bundle
from manylabel.config import HeadName
from manylabel.constraints import parse_constraints
from manylabel.engines.torch import save_weights
from manylabel.models.classifier import build_classifier
from manylabel.types import Thresholds


def write_untrained(
    folder: Path, name: str, *, labels: Sequence[str], head: HeadName, side_px: int | None = None
) -> Path:
    """Write a bundle of random weights; every threshold is 0.5."""
    labels = tuple(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = build_classifier(name, labels=labels, head=head, side_px=side_px).eval()
    write_bundle(
        folder,
        config=BundleConfig(
            backbone=name,
            head=head,
            labels=labels,
            preprocessing=classifier.preprocessing,
            constraints=parse_constraints(labels=labels),
        ),
        thresholds=Thresholds(values=np.full(len(labels), 0.5), origin="half"),
        facts={},
        card="",
        write_weights=lambda path: save_weights(classifier, path),
    )
    return folder
