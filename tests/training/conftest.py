"""Give tests of training a model that is trained in no time.

In:  nothing.
Out: a classifier whose body is two convolutions, with weights that are always the same.
"""

import pytest
import torch
from torch import nn

from manylabel.models.backbones import Backbone
from manylabel.models.classifier import Classifier
from manylabel.models.heads import build_head
from manylabel.preprocess import Preprocessing

N_FEATURES = 8
LABELS = ("circle", "square", "triangle")


@pytest.fixture
def tiny_classifier() -> Classifier:
    """Return a classifier of photos of 16 x 16 pixels for the labels of ``shapes_table``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, N_FEATURES, 3, stride=2),
            nn.BatchNorm2d(N_FEATURES),
            nn.ReLU(),
            nn.Conv2d(N_FEATURES, N_FEATURES, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        head = build_head("linear", backbone="tiny", n_features=N_FEATURES, n_labels=len(LABELS))
    backbone = Backbone(
        network, name="tiny", n_features=N_FEATURES, preprocessing=Preprocessing(side_px=16), removed=()
    )
    return Classifier(backbone, head, LABELS)
