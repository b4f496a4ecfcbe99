"""The classifier in scikit-learn's manner."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict

from manylabel import MultiLabelClassifier
from manylabel.errors import ConfigError, InputError, MissingExtraError, TableError, WeightsError
from manylabel.estimator import check_learnable, read_targets
from manylabel.types import LabelTable, Progress

QUICK = ("model.init=random", "model.side_px=64", "training.epochs=2", "training.n_views=2")


def small(*settings: str, **changes: Any) -> MultiLabelClassifier:
    """Return a classifier that learns in no time."""
    return MultiLabelClassifier("squeezenet1_1", settings=[*QUICK, *settings], **changes)


def open_all(table: LabelTable) -> list[Image.Image]:
    """Open the photos of a table."""
    return [Image.open(path).convert("RGB") for path in table.photos]


def test_settings_can_be_read_changed_and_cloned() -> None:
    classifier = small(head="mlp", random_state=3)

    twin = clone(classifier)

    assert twin.get_params() == classifier.get_params()
    assert twin.get_params()["head"] == "mlp"
    assert twin.set_params(tune="full").tune == "full"
    assert classifier.tune == "top"


def test_a_clone_of_a_trained_classifier_is_untrained(shapes_table: LabelTable) -> None:
    trained = small().fit(shapes_table.photos, shapes_table.targets)

    with pytest.raises(NotFittedError):
        clone(trained).predict_proba(shapes_table.photos)


def test_files_images_and_arrays_give_the_same_scores(shapes_table: LabelTable) -> None:
    images = open_all(shapes_table)
    forms: tuple[Any, ...] = (
        shapes_table.photos,
        [str(path) for path in shapes_table.photos],
        images,
        [np.asarray(image) for image in images],
    )

    first, *others = (small().fit(photos, shapes_table.targets).predict_proba(photos) for photos in forms)

    for other in others:
        np.testing.assert_array_equal(first, other)
    assert first.shape == (32, 3)
    assert first.std(axis=0).min() > 0


def test_a_fit_tells_how_far_it_is(shapes_table: LabelTable) -> None:
    heard: list[Progress] = []
    small().fit(shapes_table.photos, shapes_table.targets, on_progress=heard.append)
    assert {step.subject for step in heard} == {"squeezenet1_1"}
    assert heard[-1].done == heard[-1].total > 0


def test_a_label_counts_as_present_from_its_threshold_on(shapes_table: LabelTable) -> None:
    classifier = small().fit(shapes_table.photos, shapes_table.targets)

    scores, decisions = (
        classifier.predict_proba(shapes_table.photos),
        classifier.predict(shapes_table.photos),
    )

    assert classifier.thresholds_.shape == (3,)
    np.testing.assert_array_equal(decisions, scores >= classifier.thresholds_)
    assert decisions.dtype == np.int64
    assert classifier.score(shapes_table.photos, shapes_table.targets) == pytest.approx(
        (decisions == shapes_table.targets).all(axis=1).mean()
    )


def test_a_label_that_no_photo_carries_is_refused(shapes_table: LabelTable) -> None:
    targets = np.c_[shapes_table.targets, np.zeros(32)]

    with pytest.raises(TableError, match="y: no photo carries 3, so nothing can be learned of it; leave it"):
        small().fit(shapes_table.photos, targets)


def test_decisions_obey_constraints(shapes_table: LabelTable) -> None:
    labels = [
        {label for label, value in zip(shapes_table.labels, row, strict=True) if value}
        for row in shapes_table.targets
    ]
    free, obedient = (
        small(*constraints).fit(shapes_table.photos, labels).predict(shapes_table.photos)
        for constraints in ((), ("constraints.exclusive=circle | square | triangle",))
    )

    assert free.sum(axis=1).max() > 1
    assert obedient.sum(axis=1).max() == 1


def test_it_learns(shapes_table: LabelTable) -> None:
    classifier = small(
        "training.epochs=60",
        "training.learning_rate=0.01",
        "evaluation.thresholds=half",
        head="mlp",
        tune="head",
    )

    classifier.fit(shapes_table.photos, shapes_table.targets)

    right = classifier.predict(shapes_table.photos) == shapes_table.targets
    assert right.mean() > 0.9


def test_the_random_state_decides(shapes_table: LabelTable) -> None:
    first, second, third = (
        small(random_state=seed)
        .fit(shapes_table.photos, shapes_table.targets)
        .predict_proba(shapes_table.photos)
        for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_unknown_cells_are_borne(shapes_table: LabelTable) -> None:
    targets = shapes_table.targets.copy()
    targets[::2, 1] = np.nan

    scores = small().fit(shapes_table.photos, targets).predict_proba(shapes_table.photos)

    assert np.isfinite(scores).all()


def test_it_works_with_the_tools_of_scikit_learn(shapes_table: LabelTable) -> None:
    photos = np.array([str(path) for path in shapes_table.photos])

    decisions = cross_val_predict(small(), photos, shapes_table.targets.astype(int), cv=2)

    assert decisions.shape == (32, 3)


def test_names_of_columns_become_the_classes(shapes_table: LabelTable) -> None:
    frame = pd.DataFrame(shapes_table.targets, columns=["kreis", "quadrat", "dreieck"])

    classifier = small().fit(shapes_table.photos, frame)

    assert classifier.classes_.tolist() == ["kreis", "quadrat", "dreieck"]
    assert classifier.predictor_.labels == ("kreis", "quadrat", "dreieck")


@pytest.mark.parametrize(
    ("y", "names", "targets"),
    [
        ([[1, 0], [0, 1]], [0, 1], [[1, 0], [0, 1]]),
        (np.array([[True, False], [False, True]]), [0, 1], [[1, 0], [0, 1]]),
        ([[1, np.nan], [0, 1]], [0, 1], [[1, np.nan], [0, 1]]),
        ([{"sea", "sky"}, set()], ["sea", "sky"], [[1, 1], [0, 0]]),
        ([["sky"], ("sea", "sun")], ["sea", "sky", "sun"], [[0, 1, 0], [1, 0, 1]]),
        (pd.DataFrame({"sea": [1, 0], "sky": [0, None]}), ["sea", "sky"], [[1, 0], [0, np.nan]]),
        (pd.DataFrame({1980: [1, 0], 1990: [0, 1]}), [1980, 1990], [[1, 0], [0, 1]]),
    ],
)
def test_labels_may_come_in_many_forms(y: Any, names: list[Any], targets: list[list[float]]) -> None:
    read_names, read = read_targets(y, n_photos=2)

    assert read_names.tolist() == names
    np.testing.assert_array_equal(read, targets)


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        ([[1, 0]], r"y has shape \(1, 2\), expected \(2, number of labels\)"),
        ([1, 0], r"y has shape \(2,\), expected \(2, number of labels\)"),
        ([[], []], r"y has shape \(2, 0\), expected \(2, number of labels\)"),
        ([[1, 2], [0, 1]], "y holds values other than 1"),
        ([[1, 0.5], [0, 1]], "y holds values other than 1"),
        ([[1, 0], [1]], "y: expected an indicator matrix of 1, 0 and NaN, or the label names of each photo"),
        ([{1, 2}, {2}], "y: expected an indicator matrix"),
        (["sea", "sky"], "y: expected an indicator matrix"),
        ([{"sea"}, None], "y: expected an indicator matrix"),
        (pd.DataFrame({"sea": ["yes", "no"]}), "y: expected an indicator matrix"),
    ],
)
def test_labels_that_cannot_be_understood_are_told(y: Any, problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        read_targets(y, n_photos=2)


def test_one_photo_alone_is_no_list(shapes_table: LabelTable) -> None:
    trained = small().fit(shapes_table.photos, shapes_table.targets)
    for photo in (str(shapes_table.photos[0]), shapes_table.photos[0], open_all(shapes_table)[0]):
        with pytest.raises(TableError, match=r"put a single photo into a list: \[photo\]"):
            trained.predict(photo)  # type: ignore[arg-type]


def test_a_file_that_cannot_be_read_is_told(shapes_table: LabelTable) -> None:
    shapes_table.photos[3].write_bytes(b"no photo")

    with pytest.raises(TableError, match=r"03\.png: it is not a photo in a known format"):
        small().fit(shapes_table.photos, shapes_table.targets)


@pytest.mark.parametrize("photo", ["a.png", np.zeros((8, 8, 3)), np.zeros((8, 8, 8), dtype=np.uint8), None])
def test_a_photo_of_another_kind_is_told_by_its_place(photo: Any) -> None:
    photos = [Image.new("RGB", (64, 64)), photo]

    with pytest.raises(TableError, match=r"X\[1\]: expected a Pillow image or a uint8 array"):
        small().fit(photos, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("classifier", "problem"),
    [
        (MultiLabelClassifier("squeezenet1_2"), "unknown model 'squeezenet1_2'; did you mean"),
        (small("training.epoch=3"), "unknown key 'training.epoch'; did you mean 'epochs'?"),
        (small("training.epochs=0"), "training.epochs: given 0, expected a whole number, at least 1"),
        (small(head="round"), "model.head: given 'round', expected one of 'linear'"),
        (small(tune="tail"), "training.tune: given 'tail', expected one of"),
        (small(random_state=-1), "seed: given -1"),
    ],
)
def test_a_setting_that_does_not_exist_is_told(classifier: MultiLabelClassifier, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        classifier.fit([Image.new("RGB", (64, 64))] * 2, [[1, 0], [0, 1]])


def test_missing_weights_are_told(tmp_path: Path) -> None:
    classifier = MultiLabelClassifier("squeezenet1_1", weights=tmp_path / "gone.pth")

    with pytest.raises(WeightsError, match=r"gone\.pth"):
        classifier.fit([Image.new("RGB", (64, 64))] * 2, [[1, 0], [0, 1]])


def test_targets_of_pandas_are_read() -> None:
    frame = pd.DataFrame({"a": [True, None], "b": [False, True]}, dtype="boolean")
    names, targets = read_targets(frame, n_photos=2)
    assert names.tolist() == ["a", "b"]
    np.testing.assert_array_equal(targets, [[1, 0], [np.nan, 1]])
    names, targets = read_targets(pd.Series([["a"], [], ["b", "a"]]), n_photos=3)
    assert (names.tolist(), targets.tolist()) == (["a", "b"], [[1, 0], [0, 0], [1, 1]])


def test_two_columns_of_one_name_are_told() -> None:
    with pytest.raises(TableError, match="y: more than one column is called 'a'"):
        check_learnable(np.array(["a", "a", "b"]), np.eye(3))


@pytest.mark.parametrize("photos", [None, pd.DataFrame({"photo": ["a.jpg"]})])
def test_photos_that_are_no_list_are_told(photos: Any) -> None:
    with pytest.raises(InputError, match=r"X: given .*, expected photo files"):
        small().fit(photos, [[1, 0]])


def test_predicting_needs_a_trained_classifier() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        small().predict([Image.new("RGB", (64, 64))])


def test_a_missing_torch_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "manylabel.models.classifier", None)

    with pytest.raises(MissingExtraError, match=r"pip install '\.\[train\]'"):
        small().fit([Image.new("RGB", (64, 64))], [[1]])


# The other checks of scikit-learn feed tables of numbers; here a row is a photo.
@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
        "check_do_not_raise_errors_in_init_or_set_params",
    ],
)
def test_the_checks_of_scikit_learn_that_apply_are_passed(name: str) -> None:
    from sklearn.utils import estimator_checks

    getattr(estimator_checks, name)("MultiLabelClassifier", MultiLabelClassifier())


def test_scikit_learn_is_told_what_the_classifier_takes() -> None:
    tags = MultiLabelClassifier().__sklearn_tags__()
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_label
    assert not tags.classifier_tags.multi_class
    assert not tags.input_tags.two_d_array
    assert tags.no_validation
