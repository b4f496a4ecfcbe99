"""Models of torchvision and their official weights."""

from torchvision import models

from manylabel.models.backbones.torchvision import official_weights


def test_the_first_official_weights_are_preferred_to_the_newest() -> None:
    assert official_weights("resnet50") is models.ResNet50_Weights.IMAGENET1K_V1
    assert official_weights("resnet50") is not models.ResNet50_Weights.DEFAULT
