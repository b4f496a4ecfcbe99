"""Models that also say what they saw at each place."""

import pytest
import torch
from torch import nn

from manylabel.models.backbones import Backbone, build_backbone
from manylabel.models.classifier import Classifier
from manylabel.models.heads import build_head
from manylabel.models.split_model import locate
from manylabel.patch_grid import PatchGrid
from manylabel.preprocess import Preprocessing


def classifier_on(backbone: Backbone) -> Classifier:
    """Put a head of random weights on a backbone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = build_head(
            "mlp", backbone=backbone.name, n_features=backbone.n_features, n_labels=2, blocks=backbone.blocks
        )
    return Classifier(backbone, head, ("sea", "sky")).eval()


@pytest.mark.parametrize(
    ("name", "side_px", "grid"),
    [
        ("squeezenet1_1", 64, PatchGrid(rows=7, columns=7, layout="channels_first")),
        ("mobilenet_v2", 64, PatchGrid(rows=4, columns=4, layout="channels_first")),
        ("vgg11", 64, PatchGrid(rows=8, columns=8, layout="channels_first")),
        ("timm/test_vit", 160, PatchGrid(rows=10, columns=10, layout="tokens", n_extra_tokens=1)),
        ("timm/test_convnext", 160, PatchGrid(rows=20, columns=20, layout="channels_first")),
        ("mobilenet_v2+resnet18", 64, PatchGrid(rows=4, columns=4, layout="channels_first")),
        ("swin_t", 64, PatchGrid(rows=16, columns=16, layout="channels_last")),
    ],
)
def test_both_parts_give_what_the_whole_gives(name: str, side_px: int, grid: PatchGrid) -> None:
    classifier = classifier_on(build_backbone(name, side_px=side_px))
    located = locate(classifier)
    assert located is not None
    assert located.grid == grid
    pixels = torch.randint(256, (2, side_px, side_px, 3), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, features, activations = located(pixels.to(torch.uint8))
        torch.testing.assert_close(logits, classifier(pixels.to(torch.uint8)))
        torch.testing.assert_close(features, classifier.features(pixels.to(torch.uint8)))
        torch.testing.assert_close(located.upper(activations), logits)


def test_a_network_without_places_is_said_to_have_none() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    backbone = Backbone(
        network, name="flat", n_features=4, preprocessing=Preprocessing(side_px=16), removed=()
    )
    assert locate(classifier_on(backbone)) is None


def test_networks_without_common_places_have_none() -> None:
    assert locate(classifier_on(build_backbone("timm/test_vit+squeezenet1_1", side_px=160))) is None


def test_a_network_that_cannot_be_traced_has_none_either() -> None:
    class Choosy(nn.Module):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            return photos.mean(dim=(2, 3)) if photos.sum() > 0 else photos.amax(dim=(2, 3))

    backbone = Backbone(
        Choosy(), name="choosy", n_features=3, preprocessing=Preprocessing(side_px=16), removed=()
    )
    assert locate(classifier_on(backbone)) is None
