"""Metrics are complete entries, and a new entry is measured, compared and shown like all others."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from manylabel.metrics.bootstrap import bootstrap_metrics
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.registry import METRICS, Metric, list_metrics, measure
from manylabel.report import tables
from manylabel.report.html import render_page
from manylabel.types import FloatArray
from tests.report.conftest import results_of
from tests.report.test_collect import RUN, make_split, make_table, make_trial

TARGETS: FloatArray = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1))

OWN_METRIC = '''
from manylabel.metrics.registry import Metric
from manylabel.metrics.resamples import Resamples
from manylabel.types import FloatArray


def labels_per_photo(photos: Resamples) -> FloatArray:
    """Compute how many labels a photo is given on average."""
    return photos.mean_over_photos(photos.by_photo.given)


ENTRY = Metric(
    name="labels_per_photo",
    heading="Labels per photo",
    description="labels that a photo is given, mean over photos",
    compute=labels_per_photo,
    direction="lower",
    unit="number",
    highest="n_labels",
    rests_on="photos",
)
'''


@pytest.fixture
def own_metric(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """Register a metric of a module of its own."""
    module = ModuleType("own_metric")
    exec(OWN_METRIC, module.__dict__)
    entry = module.ENTRY
    assert isinstance(entry, Metric)
    monkeypatch.setitem(METRICS, entry.name, entry)
    return entry


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_is_described_and_best_where_its_direction_says(metric: Metric) -> None:
    assert metric.heading
    assert metric.description[0].islower() or metric.description.startswith("F1")
    assert not metric.description.endswith(".")
    if not metric.is_per_label:
        right, wrong = (
            measure(TARGETS, scores, scores == 1)[metric.name] for scores in (TARGETS, 1 - TARGETS)
        )
        assert (right > wrong) == (metric.direction == "higher")
        assert 0 <= min(right, wrong) <= max(right, wrong) <= metric.highest_value(n_labels=2)


def test_metrics_of_labels_are_apart_from_those_of_all_labels() -> None:
    overall, per_label = list_metrics(), list_metrics(is_per_label=True)
    assert [*overall, *per_label] == list(METRICS.values())
    assert [metric.name for metric in overall if metric.is_main] == [
        "binary_accuracy",
        "exact_match",
        "mAP",
        "f1_macro",
    ]
    assert [metric.name for metric in overall if metric.direction == "lower"] == [
        "hamming_loss",
        "coverage_error",
        "ranking_loss",
    ]


def test_an_own_metric_is_measured_and_compared(own_metric: Metric) -> None:
    scores = (TARGETS, np.ones_like(TARGETS))
    assert [measure(TARGETS, each, each == 1)[own_metric.name] for each in scores] == [1.0, 2.0]
    bootstrap = bootstrap_metrics(
        TARGETS,
        [(each, each == 1) for each in scores],
        groups=np.arange(len(TARGETS)),
        rng=np.random.default_rng(0),
    )
    interval = bootstrap.models[0].metrics[own_metric.name]
    assert 0 < interval.low < 1 < interval.high < 2
    (pair,) = compare_pairs(bootstrap, names=("few", "all"), metrics=(own_metric.name,))
    assert (pair.better, pair.difference, pair.is_distinguishable) == ("few", -1.0, True)


def test_an_own_metric_stands_in_the_tables(own_metric: Metric, tmp_path: Path) -> None:
    tables.write_table(results_of(make_table(), make_split(), [make_trial()], RUN), tmp_path)
    assert f"| {own_metric.heading} |" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert own_metric.name in (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()[0].split(",")


def test_the_page_marks_the_lowest_value_of_a_main_metric_that_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METRICS, "hamming_loss", replace(METRICS["hamming_loss"], is_main=True))
    worse = make_trial("worse")
    assert worse.test is not None
    worse = replace(worse, test=replace(worse.test, decisions=~worse.test.decisions))
    results = results_of(make_table(), make_split(), [make_trial("better"), worse], RUN)
    losses = {entry.model: entry.metrics["hamming_loss"] for entry in results.models}
    assert losses == {"better": pytest.approx(0.2), "worse": pytest.approx(0.8)}
    page = render_page(results, pictures={}, thumbnails={}, small_thumbnails={}, heat_maps={})
    assert f'<td data-value="{losses["better"]}" class="top">' in page


def test_a_metric_of_each_label_stands_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(METRICS["recall"], name="sensitivity", heading="Sensitivity")
    monkeypatch.setitem(METRICS, own.name, own)
    results = results_of(make_table(), make_split(), [make_trial()], RUN)
    page = render_page(results, pictures={}, thumbnails={}, small_thumbnails={}, heat_maps={})
    assert '<th scope="col">Average precision</th>' in page
    assert '<th scope="col">F1</th><th scope="col">Sensitivity</th><th scope="col">Threshold</th>' in page


@pytest.mark.parametrize("change", [{"unit": "number"}, {"is_per_label": True}])
def test_a_main_metric_that_tables_cannot_show_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="metric 'mAP': main metrics are written in percent"):
        replace(METRICS["mAP"], **change)
