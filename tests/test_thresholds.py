"""The thresholds of a trained bundle, shown and chosen anew."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from manylabel.apply import predict
from manylabel.bundle.folder import find_out_of_fold, read_bundle
from manylabel.bundle.tables import read_thresholds
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.errors import BundleError, ConfigError
from manylabel.thresholds import (
    choose_new_thresholds,
    describe_source,
    keep_thresholds,
    parse_objective,
    save_thresholds,
)
from manylabel.types import LabelTable


@pytest.fixture
def bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle that may be changed."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def test_a_bundle_keeps_what_chose_its_thresholds(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    kept = find_out_of_fold(read_bundle(shapes_bundle))

    rows = [shapes_table.names.index(name) for name in kept.names]
    assert len(rows) >= 20
    np.testing.assert_array_equal(kept.targets, shapes_table.targets[rows])
    assert len(kept.fold_rows) == 5


def test_out_of_fold_predictions_that_were_lost_are_told(bundle: Path) -> None:
    (bundle / "out_of_fold.csv").unlink()

    with pytest.raises(BundleError, match=r"out_of_fold\.csv: is missing; copy the bundle again"):
        find_out_of_fold(read_bundle(bundle))


def test_the_same_objective_chooses_the_same_thresholds(shapes_bundle: Path) -> None:
    new = choose_new_thresholds(shapes_bundle, "f1")

    trained = read_bundle(shapes_bundle).thresholds
    if not trained.origin.startswith("0.5"):
        np.testing.assert_allclose(new.thresholds.values, trained.values, atol=1e-7)
    assert new.n_photos == len(find_out_of_fold(read_bundle(shapes_bundle)).names)


def test_new_thresholds_are_kept_and_used(bundle: Path, shapes_table: LabelTable) -> None:
    new = choose_new_thresholds(bundle, "recall=0.8")
    keep_thresholds(new)

    assert read_bundle(bundle).thresholds.changes == ()
    assert "80 % recall" in read_bundle(bundle).thresholds.origin
    said = predict(bundle, shapes_table.photos[:3])
    np.testing.assert_array_equal(said.thresholds, new.thresholds.values)


def test_new_thresholds_are_saved_for_predict(
    shapes_bundle: Path, shapes_table: LabelTable, tmp_path: Path
) -> None:
    new = choose_new_thresholds(
        shapes_bundle, ThresholdObjective(method="cost", cost_missed=9.0, cost_false=1.0)
    )
    save_thresholds(tmp_path / "t.csv", new.bundle, new.thresholds)

    said = predict(shapes_bundle, shapes_table.photos[:3], thresholds=tmp_path / "t.csv")

    np.testing.assert_array_equal(said.thresholds, new.thresholds.values)


def test_an_edited_threshold_is_shown_as_such(bundle: Path) -> None:
    values = read_bundle(bundle).thresholds.values
    rows = f"label,threshold\ncircle,0.875\nsquare,{values[1]}\ntriangle,{values[2]}\n"
    (bundle / "thresholds.csv").write_text(rows, encoding="utf-8")

    assert describe_source(read_bundle(bundle)) == [f"edited, was {values[0]:.3f}", "chosen", "chosen"]
    save_thresholds(bundle / "copy.csv", read_bundle(bundle))
    assert read_thresholds(bundle / "copy.csv", ("circle", "square", "triangle"))[0] == 0.875


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("precision=0.9", ThresholdObjective(method="precision", target=0.9)),
        ("recall=0.5", ThresholdObjective(method="recall", target=0.5)),
        ("f-beta=2", ThresholdObjective(method="f1", beta=2)),
        ("f1", ThresholdObjective(method="f1")),
        ("accuracy", ThresholdObjective(method="accuracy")),
        ("half", ThresholdObjective(method="half")),
        ("cost=1:5", ThresholdObjective(method="cost", cost_false=1, cost_missed=5)),
    ],
)
def test_an_objective_is_read(text: str, objective: ThresholdObjective) -> None:
    assert parse_objective(text) == objective


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("recal=0.9", "unknown objective 'recal'; did you mean 'recall'? Known: precision=0.9"),
        ("recall=90%", "'90%' is no number; expected e.g. precision=0.9"),
        ("speed", "unknown objective 'speed'; known: precision=0.9"),
        ("precision", "'' is no number"),
        ("precision=90", "need a target between 0 and 1; given: 90"),
        ("cost=5", "a cost is FALSE:MISSED"),
        ("cost=1:0", "need a cost_missed above 0"),
        ("f1=3", "'f1' takes no number"),
    ],
)
def test_an_objective_that_cannot_be_understood_is_told(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_objective(text)
    assert problem in str(caught.value)
