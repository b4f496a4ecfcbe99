"""Classifiers of photos, and the initial ones of a run with the right weights for each."""

import copy
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from manylabel.config import ModelConfig, RunConfig
from manylabel.errors import ConfigError, MissingWeightsError
from manylabel.models.backbones import Backbone, build_backbone
from manylabel.models.classifier import (
    MISSING,
    Classifier,
    build_classifier,
    build_initial_classifiers,
    settings_for,
    weights_files,
)
from manylabel.models.heads import Standardize, build_head
from manylabel.models.weights import Provenance
from manylabel.preprocess import Preprocessing

LABELS = ("beach", "boat", "tree")


class MeanColour(nn.Module):
    """Give the mean of each channel as features."""

    def forward(self, photos: Tensor) -> Tensor:
        return photos.mean(dim=(2, 3))


def tiny_classifier() -> Classifier:
    preprocessing = Preprocessing(side_px=4, mean=(0.1, 0.2, 0.3), std=(0.5, 0.4, 0.2))
    backbone = Backbone(MeanColour(), name="tiny", n_features=3, preprocessing=preprocessing, removed=())
    head = nn.Sequential(Standardize(3, has_unit_length=False), nn.Linear(3, 3))
    return Classifier(backbone, head, LABELS).eval()


def output_bias(classifier: Classifier) -> Tensor:
    last = classifier.head[-1]
    assert isinstance(last, nn.Linear)
    return last.bias


def drawn_pixels() -> Tensor:
    return torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_those_of_normalised_photos() -> None:
    pixels = drawn_pixels()
    colors = pixels.double().mean(dim=(1, 2)) / 255
    expected = (colors - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.4, 0.2])
    assert torch.allclose(tiny_classifier().features(pixels).double(), expected, atol=1e-5)


def test_pixels_may_be_whole_numbers_or_not() -> None:
    classifier = tiny_classifier()
    assert torch.equal(classifier(drawn_pixels()), classifier(drawn_pixels().float()))


def test_logits_are_the_head_on_the_features() -> None:
    classifier = tiny_classifier()
    logits = classifier(drawn_pixels())
    assert logits.shape == (2, 3)
    assert torch.equal(logits, classifier.head(classifier.features(drawn_pixels())))


def test_normalisation_stays_out_of_the_saved_weights() -> None:
    assert sorted(tiny_classifier().state_dict()) == [
        "head.0.mean",
        "head.0.std",
        "head.1.bias",
        "head.1.weight",
    ]


def test_saved_weights_give_the_same_logits() -> None:
    classifier, again = tiny_classifier(), tiny_classifier()
    classifier.standardize_features(classifier.features(drawn_pixels()))
    again.load_state_dict(classifier.state_dict())
    assert torch.equal(again(drawn_pixels()), classifier(drawn_pixels()))


def test_standardized_features_reach_the_head() -> None:
    classifier = tiny_classifier()
    features = classifier.features(drawn_pixels())
    classifier.standardize_features(features)
    assert torch.allclose(classifier.head[0](features).mean(dim=0), torch.zeros(3), atol=1e-5)


def test_undoing_the_loss_weight_divides_the_odds() -> None:
    classifier = tiny_classifier()
    before = classifier(drawn_pixels()).sigmoid()
    classifier.undo_loss_weight(np.array([1.0, 4.0, 20.0]))
    after = classifier(drawn_pixels()).sigmoid()
    ratio = (before / (1 - before)) / (after / (1 - after))
    assert torch.allclose(ratio, torch.tensor([1.0, 4.0, 20.0]).expand(2, 3), rtol=1e-3)


def test_logits_start_at_the_frequencies_of_the_known_cells() -> None:
    classifier = tiny_classifier()
    column = [1.0] * 20 + [0.0] * 60 + [np.nan] * 120
    targets = np.stack([column, np.zeros(200), np.full(200, np.nan)], axis=1)
    classifier.set_prior_bias(targets, pos_weight=np.ones(3))
    prior = output_bias(classifier).sigmoid()
    assert prior[0].item() == pytest.approx(20.5 / 81)
    assert 0 < prior[1].item() < 0.01
    assert prior[2].item() == pytest.approx(0.5)


def test_undoing_the_weights_of_a_start_leaves_the_plain_frequencies() -> None:
    plain, weighted = tiny_classifier(), tiny_classifier()
    targets = np.eye(3)
    pos_weight = np.array([2.0, 2.0, 7.0])
    plain.set_prior_bias(targets, pos_weight=np.ones(3))
    weighted.set_prior_bias(targets, pos_weight=pos_weight)
    assert not torch.allclose(output_bias(weighted), output_bias(plain))
    weighted.undo_loss_weight(pos_weight)
    assert torch.allclose(output_bias(weighted), output_bias(plain), atol=1e-6)


def test_a_copy_learns_on_its_own() -> None:
    classifier = tiny_classifier()
    before = classifier(drawn_pixels())
    copy.deepcopy(classifier).undo_loss_weight(np.full(3, 5.0))
    assert torch.equal(classifier(drawn_pixels()), before)


def test_labels_and_logits_have_to_fit() -> None:
    classifier = tiny_classifier()
    with pytest.raises(ValueError, match="a head of 3 logits for 2 labels"):
        Classifier(classifier.backbone, classifier.head, LABELS[:2])


def test_a_head_without_its_parts_is_refused() -> None:
    backbone = tiny_classifier().backbone
    with pytest.raises(ValueError, match="the last module of a head is a linear layer"):
        Classifier(backbone, nn.Sequential(nn.Linear(3, 3), nn.ReLU()), LABELS)


def test_a_classifier_is_built_from_its_settings() -> None:
    classifier = build_classifier("squeezenet1_1", labels=LABELS, head="mlp", side_px=64, fit="crop").eval()
    assert (classifier.preprocessing.side_px, classifier.preprocessing.fit) == (64, "crop")
    assert (classifier.labels, classifier.n_features) == (LABELS, 512)
    body = sum(parameter.numel() for parameter in build_backbone("squeezenet1_1").parameters())
    assert classifier.n_parameters == body + 512 * 512 + 512 + 512 * 3 + 3
    assert classifier(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 3)


def test_only_head_and_backbone_hold_parameters() -> None:
    head = build_head("linear", backbone="tiny", n_features=3, n_labels=3)
    classifier = Classifier(tiny_classifier().backbone, head, LABELS)
    assert {name.partition(".")[0] for name, _ in classifier.named_parameters()} == {"head"}
    assert classifier.n_parameters == 3 * 3 + 3


NAMES = ("vgg16", "resnet50")


def test_each_network_gets_the_file_that_carries_its_name() -> None:
    model = ModelConfig(names=NAMES, weights=("resnet50=r.pth", "vgg16=v.pth"))

    assert weights_files(model) == {"resnet50": Path("r.pth"), "vgg16": Path("v.pth")}


def test_each_backbone_of_several_gets_its_file() -> None:
    model = ModelConfig(names=("vgg16+resnet50", "resnet50"), weights=("resnet50=r.pth",))

    assert weights_files(model) == {"resnet50": Path("r.pth")}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (ModelConfig(names=("vgg16+resnet50",), weights=("r.pth",)), "e.g. vgg16=r.pth"),
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


def start(model: ModelConfig) -> tuple[tuple[Classifier, Provenance], ...]:
    return build_initial_classifiers(model, labels=("beach", "boat"), tta=4, seed=1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Put every hub out of reach; return the addresses that were asked for."""
    asked = list[str]()

    def fail(request: Request, **kwargs: object) -> None:
        asked.append(request.full_url)
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("manylabel.models.hubs.urlopen", fail)
    return asked


def test_missing_weights_let_a_small_random_network_go_on(asked: list[str]) -> None:
    names = ("efficientnet_lite0", "squeezenet1_1", "mnasnet0_5")
    starts = start(ModelConfig(names=names, fallback="random"))
    assert [provenance.init for _, provenance in starts] == ["package", "missing", "missing"]
    assert [classifier.preprocessing.side_px for classifier, _ in starts] == [224, 64, 64]
    assert [classifier.preprocessing.n_views for classifier, _ in starts] == [4, 1, 1]
    assert len(asked) == 1  # both models have the same hub


def test_a_network_that_takes_no_small_photos_keeps_its_side(asked: list[str]) -> None:
    ((classifier, provenance),) = start(ModelConfig(names=("maxvit_t",), fallback="random"))
    assert provenance.init == "missing"
    assert classifier.preprocessing.side_px == 224


def test_missing_weights_are_an_error_unless_random_ones_may_do(asked: list[str]) -> None:
    with pytest.raises(MissingWeightsError, match="use a backbone whose weights come with the installation"):
        start(ModelConfig(names=("squeezenet1_1",)))


@pytest.mark.usefixtures("asked")
def test_random_weights_that_were_asked_for_are_not_missing() -> None:
    ((classifier, provenance),) = start(ModelConfig(names=("squeezenet1_1",), init="random"))
    assert provenance.init == "random"
    assert classifier.preprocessing.side_px == 224


def test_no_hub_is_asked_for_weights_that_are_here(asked: list[str]) -> None:
    start(ModelConfig(names=("efficientnet_lite0",)))
    start(ModelConfig(names=("squeezenet1_1",), init="random"))
    assert asked == []


def test_an_unknown_name_is_told_before_a_hub_is_asked(asked: list[str]) -> None:
    with pytest.raises(ConfigError, match="unknown model 'rasnet50'"):
        start(ModelConfig(names=("squeezenet1_1", "rasnet50")))
    assert asked == []


def test_a_network_of_missing_weights_costs_little() -> None:
    quick = settings_for(MISSING, RunConfig())
    assert (quick.training.n_views, quick.evaluation.tta) == (1, 1)
    assert not quick.evaluation.inner_folds
    assert not quick.evaluation.learning_curve
