"""Real photos, real pre-trained weights: bounds a little below what docs/results.md reports.

In:  the folders named by MANYLABEL_TEST_DATA and MANYLABEL_TEST_WEIGHTS; skipped without them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from manylabel.bundle.folder import read_bundle
from manylabel.data.formats import read_table
from manylabel.data.sample import write_sample
from manylabel.engines.registry import open_split_model
from manylabel.explanation.occlusion import explain_photo
from manylabel.pipeline import compare
from manylabel.recipes import apply_settings, load_recipe
from manylabel.results import RunResults
from manylabel.review.label_issues import find_label_issues
from tools.postcards.postcard import draw_postcard

pytestmark = pytest.mark.real


@dataclass(frozen=True, kw_only=True)
class RealRuns:
    """Run manylabel on a real photo set."""

    data: Path
    weights: Path
    out: Path

    def results(
        self, labels: str | Path, *settings: str, networks: dict[str, str], recipe: str = "quick"
    ) -> RunResults:
        """Return the results of a run: a table below the data folder, settings, a file per model."""
        table = self.data / labels
        files = ",".join(f"{name}={self.weights / file}" for name, file in networks.items())
        config = apply_settings(
            load_recipe(recipe),
            [
                f"data.photos={table.parent}",
                f"data.labels={table}",
                f"model.names={','.join(networks)}",
                f"model.weights={files}",
                f"out={self.out}",
                *settings,
            ],
        )
        return compare(config).results


MOBILENET = {"mobilenet_v2": "mobilenet_v2.safetensors"}


@pytest.fixture
def real_runs(
    real_data: Path, real_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RealRuns:
    """Return runs on real photos, with a feature cache of their own."""
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    return RealRuns(data=real_data, weights=real_weights, out=tmp_path / "run")


def metrics_of(results: RunResults, model: str) -> dict[str, float]:
    """Return the metrics of one model."""
    metrics = next(entry.metrics for entry in results.models if entry.model == model)
    return {name: value for name, value in metrics.items() if value is not None}


def test_160_photos_of_scenes_and_a_frozen_body_reach_the_documented_scores(real_runs: RealRuns) -> None:
    results = real_runs.results(
        "scenes/labels_160.csv", "split.folds=5", "training.tune=head", networks=MOBILENET, recipe="standard"
    )

    evaluated = metrics_of(results, "mobilenet_v2")
    assert evaluated["mAP"] >= 0.925
    assert evaluated["exact_match"] >= 0.64
    out_of_fold = results.models[0].out_of_fold
    assert out_of_fold is not None
    assert (out_of_fold["mAP"] or 0) >= 0.87


def test_160_photos_of_scenes_and_a_tuned_top_reach_the_documented_scores(real_runs: RealRuns) -> None:
    results = real_runs.results(
        "scenes/labels_160.csv", "evaluation.tta=4", networks=MOBILENET, recipe="standard"
    )

    evaluated = metrics_of(results, "mobilenet_v2")
    assert evaluated["mAP"] >= 0.94
    assert evaluated["exact_match"] >= 0.75


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings", "least"),
    [
        ("standard", ("model.side_px=256", "model.orientation=any", "evaluation.tta=8"), 0.955),
        (
            "quick",
            (
                "model.side_px=256",
                "training.n_views=4",
                "training.learning_rate=1e-3",
                "evaluation.tta=5",
            ),
            0.94,
        ),
        (
            "quick",
            (
                "training.tune=full",
                "training.epochs=5",
                "training.loss=bce",
                "training.body_learning_rate=3e-4",
            ),
            0.955,
        ),
    ],
    ids=["top", "head", "full"],
)
def test_aerial_photos_reach_the_documented_score(
    recipe: str, settings: tuple[str, ...], least: float, real_runs: RealRuns
) -> None:
    results = real_runs.results("ucmerced/labels.csv", *settings, networks=MOBILENET, recipe=recipe)

    assert metrics_of(results, "mobilenet_v2")["mAP"] >= least


def test_planted_label_errors_are_found(real_runs: RealRuns, tmp_path: Path) -> None:
    table = read_table(real_runs.data / "scenes/labels.csv", photos=real_runs.data / "scenes")
    table = table.take(np.flatnonzero([part == "train" for part in table.parts]))
    n_planted = table.targets.size // 20
    is_planted = np.zeros(table.targets.shape, dtype=np.bool_)
    places = np.random.default_rng(0).choice(table.targets.size, n_planted, replace=False)
    is_planted.flat[places] = True
    given = np.where(is_planted, 1 - table.targets, table.targets)
    with (tmp_path / "flipped.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *table.labels])
        writer.writerows(
            [name, *row] for name, row in zip(table.names, given.astype(int).tolist(), strict=True)
        )

    real_runs.results(
        tmp_path / "flipped.csv",
        f"data.photos={real_runs.data / 'scenes'}",
        "split.folds=5",
        "training.n_views=1",
        networks=MOBILENET,
    )

    with (real_runs.out / "predictions" / "mobilenet_v2.csv").open(newline="", encoding="utf-8") as file:
        said = {
            line["image"]: [float(line[label]) for label in table.labels] for line in csv.DictReader(file)
        }
    errors = find_label_issues(given, np.array([said[name] for name in table.names]))
    found = is_planted[errors.rows[:n_planted], errors.columns[:n_planted]]
    assert found.mean() >= 0.7
    assert 0.75 * n_planted <= errors.n_expected <= 1.25 * n_planted


def test_a_vision_transformer_and_a_squeezenet_learn_scenes(real_runs: RealRuns) -> None:
    vit, squeezenet = "timm/vit_tiny_patch16_224", "squeezenet1_1"
    networks = {vit: "vit_tiny_patch16_224.safetensors", squeezenet: "squeezenet1_1.safetensors"}
    results = real_runs.results("scenes/labels.csv", "training.n_views=1", networks=networks)

    assert metrics_of(results, vit)["mAP"] >= 0.90
    assert metrics_of(results, squeezenet)["mAP"] >= 0.85


def test_heat_maps_find_the_things(real_runs: RealRuns, tmp_path: Path) -> None:
    """Compare the strongest place with the centre of the picture: docs/explain.md."""
    table = write_sample(tmp_path / "postcards", n_photos=160)
    real_runs.results(table, "training.n_views=2", networks=MOBILENET)
    bundle = read_bundle(real_runs.out / "models" / "mobilenet_v2")
    locator = open_split_model(bundle)
    assert locator is not None
    in_box, in_centre = list[bool](), list[bool]()
    for number in range(40):
        card = draw_postcard(np.random.default_rng([1, number]))
        width, height = card.image.size
        maps = explain_photo(locator, card.image, bundle.config.preprocessing, max_groups=64)
        for label in card.labels:
            heat = maps.maps[bundle.config.labels.index(label)]
            row, column = np.unravel_index(heat.argmax(), heat.shape)
            place = ((column + 0.5) / heat.shape[1] * width, (row + 0.5) / heat.shape[0] * height)
            for found, (x, y) in ((in_box, place), (in_centre, (width / 2, height / 2))):
                found.append(any(a <= x <= c and b <= y <= d for a, b, c, d in card.boxes[label]))
    assert np.mean(in_box) >= 0.6
    assert np.mean(in_box) >= 2 * np.mean(in_centre)
