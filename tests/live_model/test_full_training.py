"""Models trained in full from the answers of the labeling page."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.errors import ManylabelError
from manylabel.live_model.full_training import config_of, table_of, train
from manylabel.live_model.messages import FROM_TRAINER, Stage, Train
from manylabel.live_model.pipes import receive
from manylabel.results import RESULTS_FILE, RunResults
from manylabel.types import LabelTable


def order(table: LabelTable, out: Path, *, recipe: str = "quick") -> Train:
    return Train(
        out=str(out),
        photos=[str(path) for path in table.photos],
        names=list(table.names),
        labels=list(table.labels),
        targets=table.targets.astype("<f4").tobytes(),
        backbones=["efficientnet_lite0"],
        recipe=recipe,
        implies=("boat -> water",),
    )


def test_photos_without_any_answer_are_left_out_and_the_others_ordered(
    shapes_table: LabelTable, tmp_path: Path
) -> None:
    targets = shapes_table.targets.copy()
    targets[3] = np.nan
    targets[4, 0] = np.nan
    turned = replace(shapes_table, targets=targets).take(np.arange(31, -1, -1))

    table = table_of(order(turned, tmp_path))

    assert table.names == tuple(name for name in shapes_table.names if name != "03.png")
    assert np.array_equal(table.targets, np.delete(targets, 3, axis=0), equal_nan=True)


def test_settings_are_those_of_the_recipe(shapes_table: LabelTable, tmp_path: Path) -> None:
    config = config_of(order(shapes_table, tmp_path / "run", recipe="standard"))

    assert config.out == str(tmp_path / "run")
    assert config.training.tune == "top"
    assert config.model.names == ("efficientnet_lite0",)
    assert config.constraints.implies == ("boat -> water",)


def test_a_run_folder_is_written_and_its_stages_told(shapes_table: LabelTable, tmp_path: Path) -> None:
    wanted = order(shapes_table, tmp_path / "models" / "first")
    sink = io.BytesIO()

    with pytest.raises(ManylabelError, match="boat"):
        train(wanted, sink)
    assert not (tmp_path / "models" / "first").exists()

    train(order_without_constraints(wanted), sink)

    results = RunResults.from_json((tmp_path / "models" / "first" / RESULTS_FILE).read_bytes())
    assert results.best.model == "efficientnet_lite0"
    assert (tmp_path / "models" / "first" / "report.html").is_file()
    sink.seek(0)
    stages = []
    while (message := receive(sink, FROM_TRAINER)) is not None:
        assert isinstance(message, Stage)
        stages.append(message)
    assert {stage.subject for stage in stages} >= {"photos", "efficientnet_lite0"}
    assert all(stage.done <= stage.total for stage in stages)


def order_without_constraints(wanted: Train) -> Train:
    return Train(
        out=wanted.out,
        photos=wanted.photos,
        names=wanted.names,
        labels=wanted.labels,
        targets=wanted.targets,
        backbones=wanted.backbones,
        recipe=wanted.recipe,
    )
