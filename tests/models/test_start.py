"""In: the settings of networks. Out: networks with their weights, the right file for each."""

from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from manylabel.config import ModelConfig, RunConfig
from manylabel.errors import ConfigError, MissingWeightsError
from manylabel.models.classifier import Classifier
from manylabel.models.start import MISSING, settings_for, start_classifiers, weights_files
from manylabel.models.weights import Provenance

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


def start(model: ModelConfig) -> tuple[tuple[Classifier, Provenance], ...]:
    return start_classifiers(model, labels=("beach", "boat"), tta=4, seed=1)


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
    assert len(asked) == 1  # both networks have the same hub


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
    with pytest.raises(ConfigError, match="unknown network 'rasnet50'"):
        start(ModelConfig(names=("squeezenet1_1", "rasnet50")))
    assert asked == []


def test_a_network_of_missing_weights_costs_little() -> None:
    quick = settings_for(MISSING, RunConfig())
    assert (quick.training.n_views, quick.evaluation.tta) == (1, 1)
    assert not quick.evaluation.inner_folds
    assert not quick.evaluation.learning_curve
