"""Which weights file belongs to which network."""

from pathlib import Path

import pytest

from manylabel.config import ModelConfig
from manylabel.errors import ConfigError
from manylabel.models.start import weights_files

NAMES = ("vgg16", "resnet50")


def test_each_network_gets_the_file_that_carries_its_name() -> None:
    model = ModelConfig(names=NAMES, weights=("resnet50=r.pth", "vgg16=v.pth"))

    assert weights_files(model) == {"resnet50": Path("r.pth"), "vgg16": Path("v.pth")}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (ModelConfig(names=("vgg16", "vgg16")), "vgg16 is named twice"),
        (ModelConfig(names=NAMES, weights=("r.pth",)), "say whose weights 'r.pth' are, e.g. vgg16=r.pth"),
        (ModelConfig(names=NAMES, weights=("resnet5=r.pth",)), "did you mean 'resnet50'?"),
        (ModelConfig(names=("vgg16",), weights=("vgg=r.pth",)), "did you mean 'vgg16'?"),
    ],
)
def test_a_file_of_no_network_is_told(model: ModelConfig, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        weights_files(model)
    assert problem in str(caught.value)
