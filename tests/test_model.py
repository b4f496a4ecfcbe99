"""The Python interface: train, compare, and what a model does."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import manylabel as ml
from manylabel.engines import registry
from manylabel.errors import BundleError, ConfigError, InputError, OutputError, TableError
from manylabel.keywords import RunSettings, settings_from_keywords
from manylabel.recipes import all_settings
from tests.conftest import _draw_table

TINY = "timm/test_resnet.r160_in1k"
FAST: RunSettings = {
    "folds": 2,
    "init": "random",
    "side_px": 32,
    "tune": "head",
    "n_views": 1,
    "learning_curve": False,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ml.Dataset:
    """Return 32 drawn photos."""
    folder = tmp_path_factory.mktemp("shapes")
    _draw_table(folder)
    return ml.Dataset.read(folder / "images", folder / "labels.csv")


@pytest.fixture(scope="module")
def model(data: ml.Dataset) -> ml.Model:
    """Train a tiny model on them."""
    return ml.train(data, TINY, **FAST)


def test_a_trained_model_knows_its_labels_and_results(model: ml.Model, data: ml.Dataset) -> None:
    assert model.labels == data.labels
    assert model.results is not None
    assert model.results.best.model == TINY
    assert model.results.data.n_photos == 32
    assert repr(model).startswith(f"Model({TINY}, 3 labels: circle, square, triangle")


def test_files_images_and_arrays_get_the_same_probabilities(model: ml.Model, data: ml.Dataset) -> None:
    paths = [*data.table.photos[:3]]
    images = [Image.open(path) for path in paths]
    arrays = [np.asarray(image.convert("RGB")) for image in images]
    of_files = model.predict_proba(paths)
    np.testing.assert_allclose(model.predict_proba(images), of_files, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(arrays), of_files, atol=1e-5)


def test_predictions_show_themselves_as_a_frame(model: ml.Model, data: ml.Dataset) -> None:
    frame = model.predict(data.folder).to_frame()
    assert list(frame.index) == list(data.table.names)
    assert list(frame.columns) == [*data.labels]
    assert ((frame >= 0) & (frame <= 1)).all().all()


def test_files_and_images_cannot_be_mixed(model: ml.Model, data: ml.Dataset) -> None:
    with pytest.raises(TableError, match=r"photos\[0\]: expected a Pillow image or a uint8 array"):
        model.predict([data.table.photos[0], Image.new("RGB", (8, 8))])


def test_each_given_photo_has_a_row_of_probabilities(
    model: ml.Model, data: ml.Dataset, tmp_path: Path
) -> None:
    first, second = data.table.photos[:2]
    twice = model.predict_proba([second, first, second])
    np.testing.assert_allclose(twice, model.predict_proba([first, second])[[1, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(np.array([str(second), str(first)])), twice[:2], atol=1e-6)
    assert len(model.predict([data.folder, first])) == 32


def test_probabilities_of_an_unreadable_photo_are_refused(
    model: ml.Model, data: ml.Dataset, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no photo")
    given = [data.table.photos[0], tmp_path / "bad.png", data.table.photos[1]]
    with pytest.raises(InputError, match="1 of 3 photos cannot be read and would have no row") as caught:
        model.predict_proba(given)
    assert "bad.png: it is not a photo" in str(caught.value)
    predictions = model.predict(given)
    assert (predictions.rows.tolist(), predictions.failure_rows.tolist()) == ([0, 2], [1])


def test_a_dataset_is_predicted_with_its_names(model: ml.Model, data: ml.Dataset) -> None:
    predictions = model.predict(data)
    assert predictions.names == data.table.names
    assert predictions.labels == data.labels
    assert len(predictions) == 32


def test_a_second_prediction_compiles_nothing(
    model: ml.Model, data: ml.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.predict(data.table.photos[0])
    monkeypatch.setattr("manylabel.model.open_bundle", lambda *_: pytest.fail("opened again"))
    model.predict(data.table.photos[1])


def test_a_model_is_evaluated_on_a_dataset(model: ml.Model, data: ml.Dataset) -> None:
    evaluation = model.evaluate(data, part="all")
    assert evaluation.n_photos == 32
    assert set(evaluation.metrics) == set(evaluation.intervals)
    assert "trained on all of them" in " ".join(model.evaluate(data).notes)


def test_an_evaluation_shows_labels_and_notes(model: ml.Model, data: ml.Dataset) -> None:
    evaluation = model.evaluate(data, part="all")
    frame = evaluation.to_frame("labels")
    assert frame.index.tolist() == [*data.labels]
    np.testing.assert_array_equal(frame["n_known"], [32, 32, 32])
    assert repr(evaluation).startswith("Evaluation(32 photos, mAP ")
    assert "<p>evaluated on all 32 photos, as requested" in evaluation._repr_html_()


def test_thresholds_are_changed_and_saved(model: ml.Model, data: ml.Dataset, tmp_path: Path) -> None:
    other = ml.Model.load(model.folder)
    other.set_thresholds({"circle": 0.0})
    assert other.thresholds["circle"] == 0.0
    assert other.predict(data.table.photos[:4]).decisions[:, 0].all()
    other.save(tmp_path / "kept")
    assert ml.Model.load(tmp_path / "kept").thresholds["circle"] == 0.0
    assert model.thresholds["circle"] > 0
    with pytest.raises(ConfigError, match="unknown objective 'recal'"):
        other.set_thresholds("recal=0.9")


def test_a_saved_model_gives_the_same_probabilities(
    model: ml.Model, data: ml.Dataset, tmp_path: Path
) -> None:
    again = ml.Model.load(model.folder)
    folder = again.save(tmp_path / "model")
    expected = model.predict_proba(data.table.photos[:3])
    np.testing.assert_array_equal(ml.Model.load(folder).predict_proba(data.table.photos[:3]), expected)
    assert ml.verify(folder).files


def test_a_saved_model_can_be_replaced_by_itself_and_others(
    model: ml.Model, data: ml.Dataset, tmp_path: Path
) -> None:
    again = ml.Model.load(ml.Model.load(model.folder).save(tmp_path / "model"))
    assert (again.folder / "split.csv").is_file()
    again.set_thresholds({"circle": 0.25})
    again.save(again.folder, overwrite=True)
    assert ml.Model.load(tmp_path / "model").thresholds["circle"] == 0.25
    ml.Model.load(model.folder).save(tmp_path / "model", overwrite=True)
    assert ml.Model.load(tmp_path / "model").thresholds == model.thresholds
    assert again.predict(data.table.photos[0]).scores.values.shape == (1, 3)


def test_changed_thresholds_are_saved_before_an_export(model: ml.Model, tmp_path: Path) -> None:
    other = ml.Model.load(model.folder)
    other.set_thresholds({"circle": 0.25})
    for act in (lambda: other.export("onnx"), lambda: other.push("me/shapes")):
        with pytest.raises(ConfigError, match=r"thresholds: changed and not saved; call model\.save"):
            act()


def test_a_used_model_is_copied_and_pickled(model: ml.Model, data: ml.Dataset, tmp_path: Path) -> None:
    saved = ml.Model.load(ml.Model.load(model.folder).save(tmp_path / "model"))
    expected = saved.predict_proba(data.table.photos[:2])
    for again in (copy.deepcopy(saved), copy.copy(model), pickle.loads(pickle.dumps(saved))):
        np.testing.assert_allclose(again.predict_proba(data.table.photos[:2]), expected, atol=1e-6)
    assert copy.deepcopy(model).folder.is_dir()
    with pytest.raises(OutputError, match="is a temporary folder; save the model before you pickle it"):
        pickle.dumps(model)


def test_a_model_explains_and_suggests(model: ml.Model, data: ml.Dataset) -> None:
    explained = model.explain(data.table.photos[0], labels="circle", among=data)
    assert [label.label for label in explained.photos[0].labels] == ["circle"]
    assert explained.photos[0].neighbors
    assert ([*explained], len(explained)) == ([*explained.photos], 1)
    assert repr(explained) == "Explanations(1 photo, 1 heat map)"
    train, _ = data.split(test=0.5)
    suggested = model.suggest(data.folder, labeled=train, n=3)
    assert len(suggested.scores.names) == 3
    assert not set(suggested.scores.names) & set(train.table.names)
    assert suggested.to_frame().columns.tolist() == ["uncertainty", *data.labels]
    assert repr(suggested) == "Suggestions(3 photos of 16 unlabeled)"
    assert "<p>16 photos are labeled by labels.csv" in suggested._repr_html_()


def test_an_exported_model_needs_no_torch(model: ml.Model, data: ml.Dataset, tmp_path: Path) -> None:
    other = ml.Model.load(ml.Model.load(model.folder).save(tmp_path / "model"))
    other.export("openvino")
    program = (
        "import sys; sys.modules['torch'] = None; import manylabel as ml; "
        "model = ml.Model.load(sys.argv[1]); print(model.predict(sys.argv[2]).scores.values.shape); "
        "print(ml.Model.load(model.save(sys.argv[3])).folder.name)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(other.folder), str(data.table.photos[0]), str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split("\n") == ["(1, 3)", "kept", ""], ran.stderr


def test_models_are_compared(data: ml.Dataset, tmp_path: Path) -> None:
    comparison = ml.compare(data, [TINY, "squeezenet1_1"], out=tmp_path / "run", **FAST)
    assert list(comparison.to_frame().index)[:2] == [TINY, "squeezenet1_1"]
    assert comparison.best.labels == data.labels
    assert comparison.report().is_file()
    assert comparison["squeezenet1_1"].predict(data.table.photos[0]).scores.values.shape == (1, 3)


def test_a_comparison_is_a_collection_of_open_models(data: ml.Dataset, tmp_path: Path) -> None:
    comparison = ml.compare(data, TINY, out=tmp_path / "run", **FAST)
    assert ([*comparison], len(comparison)) == ([TINY], 1)
    assert TINY in comparison
    assert "resnet" not in comparison
    comparison.best.set_thresholds({"circle": 0.25})
    assert comparison[TINY] is comparison.best
    assert comparison.best.thresholds["circle"] == 0.25
    with pytest.raises(ConfigError, match="the comparison has no model 'resnet'; models: timm/test_resnet"):
        comparison["resnet"]


@pytest.mark.parametrize("given", [None, "images", np.zeros((2, 3)), pd.DataFrame({"circle": [1]})])
def test_what_is_no_dataset_is_told(model: ml.Model, given: Any) -> None:
    uses: list[Callable[[], object]] = [
        lambda: ml.train(given),
        lambda: ml.compare(given),
        lambda: model.evaluate(given),
    ]
    for use in uses:
        with pytest.raises(
            InputError, match=r"data: given .*, expected a Dataset; make one with Dataset.read"
        ):
            use()


def test_wrong_arguments_of_training_are_told(data: ml.Dataset) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"backbone": ["resnet50"]}, "backbone: given list, expected a name; to train several, use compare"),
        ({"config": "quick"}, "config: given str, expected a RunConfig, e.g. load_recipe"),
        ({"label_columns": ["circle"]}, "'label_columns' is an option of Dataset.read, not of training"),
        ({"names": ["resnet50"]}, "no setting 'names'; settings: alpha"),
    ]
    for arguments, problem in wrong:
        with pytest.raises(ConfigError, match=problem):
            ml.train(data, **arguments)


def test_wrong_choices_are_told_when_a_model_is_opened(model: ml.Model, data: ml.Dataset) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"engine": "tensorrt"}, "engine: unknown engine 'tensorrt'"),
        ({"device": "gpu"}, "device: given 'gpu', expected one of 'auto', 'cpu'"),
        ({"precision": "int4"}, "precision: given 'int4', expected one of"),
    ]
    for arguments, problem in wrong:
        with pytest.raises(ConfigError, match=problem):
            ml.Model.load(model.folder, **arguments)
    with pytest.raises(ConfigError, match="part: given 'dev', expected one of 'train', 'val', 'test', 'all'"):
        model.evaluate(data, part="dev")  # type: ignore[arg-type]
    folder: Any = model.folder
    with pytest.raises(
        BundleError, match=r"Model: given .*Path, expected a Bundle; Model.load opens a folder"
    ):
        ml.Model(folder)


def test_numbers_of_numpy_paths_and_single_texts_are_settings() -> None:
    given = {"epochs": np.int64(5), "weights": Path("a.pth"), "exclusive": "circle|square"}
    config = settings_from_keywords(ml.RunConfig(), given)
    assert config.training.epochs == 5
    assert config.model.weights == ("a.pth",)
    assert config.constraints.exclusive == ("circle|square",)


def test_every_setting_is_a_keyword() -> None:
    keys = {key for key in all_settings() if not key.startswith("data.")}
    names = {key.rpartition(".")[2] for key in keys} - {"names", "out"}
    assert set(RunSettings.__annotations__) == names
    assert len({key.rpartition(".")[2] for key in all_settings()}) == len(all_settings())


def test_an_unknown_keyword_is_named_with_the_likely_one(data: ml.Dataset) -> None:
    with pytest.raises(ConfigError, match=r"^no setting 'epoch'; did you mean 'epochs'\?$"):
        ml.train(data, TINY, epoch=3)  # type: ignore[call-arg]


def test_every_public_name_can_be_loaded() -> None:
    for name in ml.__all__:
        assert getattr(ml, name) is not None
    assert registry.ENGINES
