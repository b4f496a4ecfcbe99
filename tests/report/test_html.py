"""The report of a run: its files, its page, its plots, and what hostile names do to them."""

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.report import html
from manylabel.report.gallery import make_thumbnail
from manylabel.report.html import HeatMaps, render_page, shown_photos, write_report
from manylabel.report.plots import curves
from manylabel.report.plots.counts import conditional_shares, order_by_company
from manylabel.report.plots.learning import mean_curve, read_losses
from manylabel.report.plots.registry import PLOTS, draw_plots
from manylabel.report.text.captions import caption_average_precision, caption_co_occurrence, caption_losses
from manylabel.report.text.summary import (
    baseline_warning,
    best_result,
    headline,
    not_ranked_note,
    untrained_note,
)
from manylabel.results import History, RunInfo, RunResults
from manylabel.trials import Epoch, EvaluatedPhotos, Trial
from manylabel.types import LabelTable, Split, Thresholds, WeightsSource
from tests.report.conftest import NOTHING_MORE, results_of

RUN = RunInfo(
    command="manylabel compare photos labels.csv",
    started="2026-01-02T03:04:05",
    seconds=99.0,
    seed=3,
    recipe="quick",
    versions={"manylabel": "0.1.0"},
    machine={"cores": "2"},
    stage_seconds={"reading": 0.5},
    config_toml='[training]\nloss = "weighted_bce"\npos_weight_cap = 20.0\n',
)
ALL_PLOTS = {
    "losses", "average_precision", "precision_recall", "precision_recall_labels", "label_counts",
    "labels_per_photo", "co_occurrence", "intervals",
}  # fmt: skip
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"


def split_in_half(table: LabelTable) -> Split:
    rows = np.arange(table.n_photos)
    return Split(train=rows[::2], val=rows[:0], test=rows[1::2], origin="every second photo")


def make_trial(
    table: LabelTable,
    *,
    model: str = "tiny",
    noise: float = 0.4,
    init: WeightsSource = "official",
) -> Trial:
    rows = split_in_half(table).test
    rng = np.random.default_rng(len(model))
    truth = np.nan_to_num(table.targets[rows], nan=0.5)
    scores = np.clip(0.25 + 0.5 * truth + rng.normal(0, noise, size=truth.shape), 0, 1)
    return Trial(
        model=model,
        init=init,
        init_note=f"{init} weights: {model}.pth",
        head="linear",
        tune="head",
        parameters=1000,
        labels=table.labels,
        thresholds=Thresholds(values=np.full(table.n_labels, 0.5), origin="always 0.5"),
        pos_weight=np.linspace(1, 5, table.n_labels),
        weight_decay=0.01,
        fold_weight_decays=(),
        test=EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5),
        out_of_fold=None,
        **NOTHING_MORE,
        history=make_history(None, [0.6, 0.4, 0.3]),
        training_seconds=12.0,
        inference_seconds=0.01,
        stage_seconds={"features": 3.0, "training": 2.0},
    )


def make_history(fold: int | None, held_out: Sequence[float | None]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(fold=fold, epoch=epoch, train_loss=1 / epoch, held_out_loss=loss, learning_rate=0.1)
        for epoch, loss in enumerate(held_out, start=1)
    )


def make_results(
    table: LabelTable, trials: Sequence[Trial] | None = None, *, run: RunInfo = RUN
) -> RunResults:
    chosen = [make_trial(table), make_trial(table, model="wide", noise=0.2)] if trials is None else trials
    return results_of(table, split_in_half(table), chosen, run)


def set_page(results: RunResults) -> str:
    return render_page(results, pictures={}, thumbnails={}, small_thumbnails={}, heat_maps={})


class PageReader(HTMLParser):
    """Collects what a page loads, links to and describes, and whether its elements are closed."""

    VOID = ("meta", "img", "link", "br", "input", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for _, attributes in self.elements if attribute in attributes]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of two models and one that is not pre-trained, on 12 plain photos."""
    folder = tmp_path_factory.mktemp("report")
    names = tuple(f"{row}.jpg" for row in range(12))
    for row, name in enumerate(names):
        Image.new("RGB", (60, 40), (20 * row, 90, 120)).save(folder / name)
    table = LabelTable(
        photos=tuple(folder / name for name in names),
        names=names,
        labels=("circle", "square", "triangle"),
        targets=np.array([[row >> 2 & 1, row >> 1 & 1, row & 1] for row in range(12)], dtype=np.float64),
        parts=(None,) * 12,
        source="labels.csv",
    )
    trials = [
        make_trial(table),
        make_trial(table, model="wide"),
        make_trial(table, model="rough", init="missing"),
    ]
    return write_report(make_results(table, trials), table, out=folder / "run").parent


@pytest.fixture(scope="module")
def page(run_folder: Path) -> str:
    return (run_folder / "report.html").read_text(encoding="utf-8")


def test_a_report_is_a_page_tables_facts_and_plots(run_folder: Path) -> None:
    written = {path.relative_to(run_folder).as_posix() for path in run_folder.rglob("*") if path.is_file()}
    plots = {f"plots/{name}.png" for name in ALL_PLOTS}
    assert written == {"report.html", "results.json", "table.csv", "table.md"} | plots
    for plot in plots:
        with Image.open(run_folder / plot) as picture:
            picture.load()
            assert min(picture.size) > 80


def test_the_results_of_a_report_are_those_that_it_shows(run_folder: Path, page: str) -> None:
    results = RunResults.from_json((run_folder / "results.json").read_bytes())
    assert f"<h1>{headline(results)}</h1>" in page
    reader = PageReader(page)
    shown = {
        attributes["alt"] for tag, attributes in reader.elements if attributes.get("decoding") == "async"
    }
    assert shown == {f"{row}.jpg" for row in shown_photos(results)}


def test_a_page_loads_nothing_from_anywhere(page: str) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "@import" not in page
    reader = PageReader(page)
    assert all(source.startswith("data:image/") for source in reader.all("src"))
    assert all(link.startswith("#") for link in reader.all("href"))
    assert "link" not in {tag for tag, _ in reader.elements}


def test_a_page_is_well_formed_and_describes_its_pictures(page: str) -> None:
    reader = PageReader(page)
    assert reader.open == []
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert len(pictures) > len(ALL_PLOTS)
    assert all(attributes.get("alt") for attributes in pictures)
    ids = reader.all("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in reader.all("href")} <= set(ids)


def test_a_page_allows_its_own_script_only(page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_hostile_names_stay_text_everywhere(shapes_table: LabelTable) -> None:
    labels = (HOSTILE, "square", "triangle")
    table = replace(
        shapes_table,
        labels=labels,
        names=tuple(f"{HOSTILE}{name}" for name in shapes_table.names),
        source=HOSTILE,
        notes=(HOSTILE,),
    )
    trial = make_trial(table, model=HOSTILE, init="random")
    trial = replace(trial, thresholds=replace(trial.thresholds, origin=HOSTILE), stage_seconds={HOSTILE: 1.0})
    run = replace(
        RUN, command=HOSTILE, recipe=HOSTILE, machine={HOSTILE: HOSTILE}, versions={"numpy": HOSTILE}
    )
    results = make_results(table, [trial], run=run)
    reader = PageReader(render_page(results, pictures={}, thumbnails={}, small_thumbnails={}, heat_maps={}))
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert "x" not in reader.all("src")
    assert "onerror" not in {name for _, attributes in reader.elements for name in attributes}
    assert reader.text.count(HOSTILE) > 10


def test_networks_that_are_not_ranked_stand_in_a_group_of_their_own(page: str) -> None:
    text = " ".join(PageReader(page).text.split())
    assert text.index("all-negative") < text.index("Not pre-trained on this machine rough")
    assert "rough is not ranked, because its pre-trained weights are not on this machine" in text
    assert '<span class="badge">random weights</span>' not in page


def test_a_page_without_random_weights_does_not_speak_of_them(shapes_table: LabelTable) -> None:
    assert "random weights" not in set_page(make_results(shapes_table))


def test_a_second_report_replaces_the_first_says_what_is_gone_and_leaves_other_files(
    shapes_table: LabelTable, tmp_path: Path
) -> None:
    for name in ("config.toml", "report.html", "results.json"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    results = make_results(shapes_table)
    shapes_table.photos[results.gallery[0].row].unlink()
    page = write_report(results, shapes_table, out=tmp_path).read_text("utf-8")
    assert "could not be read any more" in page
    assert page.count('class="lost"') < page.count('decoding="async"')
    assert RunResults.from_json((tmp_path / "results.json").read_bytes()) == results
    assert (tmp_path / "config.toml").read_text("utf-8") == "old"
    assert not list(tmp_path.rglob("*.tmp"))


def test_heat_maps_are_drawn_while_plots_are_and_their_failure_leaves_nothing_behind(
    shapes_table: LabelTable, tmp_path: Path
) -> None:
    results = make_results(shapes_table)
    row = results.gallery[0].row

    def fail() -> HeatMaps:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        write_report(results, shapes_table, out=tmp_path / "run", draw_heat_maps=fail)
    assert not (tmp_path / "run").exists()

    page = write_report(
        results, shapes_table, out=tmp_path / "run", draw_heat_maps=lambda: {row: ("square", b"drawn")}
    ).read_text("utf-8")
    assert "ZHJhd24=" in page  # the picture, in Base64


def test_unknown_labels_and_labels_without_positives_are_shown(shapes_table: LabelTable) -> None:
    targets = shapes_table.targets.copy()
    targets[:, 0] = 0
    targets[::3, 1] = np.nan
    targets[:, 2] = np.nan
    results = make_results(replace(shapes_table, targets=targets))
    assert set(draw_plots(results)) == ALL_PLOTS - {"co_occurrence"}
    assert PageReader(set_page(results)).open == []
    assert "finds “square” best" in caption_average_precision(results)


def test_a_run_whose_judged_photos_are_all_unknown_is_told_as_such(shapes_table: LabelTable) -> None:
    targets = shapes_table.targets.copy()
    targets[split_in_half(shapes_table).test] = np.nan
    results = make_results(replace(shapes_table, targets=targets))
    assert set(draw_plots(results)) == ALL_PLOTS - {
        "precision_recall",
        "precision_recall_labels",
        "intervals",
    }
    text = PageReader(set_page(results)).text
    assert "no decision can be called right or wrong" in text
    assert "there is no curve" in text


def test_a_single_model_with_a_single_label_and_no_history_is_shown(shapes_table: LabelTable) -> None:
    table = replace(shapes_table, labels=("circle",), targets=shapes_table.targets[:, :1].copy())
    results = make_results(table, [replace(make_trial(table), history=())])
    assert set(draw_plots(results)) == ALL_PLOTS - {"losses", "precision_recall_labels", "co_occurrence"}
    text = PageReader(set_page(results)).text
    assert "No losses were recorded" in text
    assert "The best value of a column" not in text


def test_cross_validation_is_told_as_such(shapes_table: LabelTable) -> None:
    rows = np.arange(shapes_table.n_photos)
    split = Split(train=rows, val=rows[:0], test=rows[:0], folds=(rows[::2], rows[1::2]))
    scores = np.full((len(rows), 3), 0.4)
    evaluated = EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5)
    history = make_history(0, [0.6, 0.5]) + make_history(1, [0.7, 0.4]) + make_history(None, [None, None])
    trial = replace(make_trial(shapes_table), test=None, out_of_fold=evaluated, history=history)
    results = results_of(shapes_table, split, [trial], RUN)
    assert "all 32 photos by 2-fold cross-validation" in PageReader(set_page(results)).text
    assert "averaged over the folds" in caption_losses(results)


@pytest.mark.parametrize(("n_labels", "n_models"), [(2, 9), (31, 1)])
def test_plots_take_any_number_of_labels_and_models_and_any_name(
    shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch, n_labels: int, n_models: int
) -> None:
    monkeypatch.setattr(curves, "MAX_PANELS", 4)  # thirty small plots take seconds
    rng = np.random.default_rng(0)
    names = tuple(
        f"{number} costs $5 or $6, 湖 \N{LOTUS}, and a long name\n_{{x^" for number in range(n_labels)
    )
    targets = rng.integers(0, 2, size=(shapes_table.n_photos, n_labels)).astype(np.float64)
    table = replace(shapes_table, labels=names, targets=targets)
    trials = [make_trial(table, model=f"timm/network_number_{number}") for number in range(n_models)]
    pictures = draw_plots(make_results(table, trials))
    assert set(pictures) == ALL_PLOTS
    for picture in pictures.values():
        with Image.open(io.BytesIO(picture.png)) as opened:
            assert opened.size == picture.size


def test_a_thumbnail_keeps_the_shape_of_its_photo(tmp_path: Path) -> None:
    Image.new("RGB", (2000, 500), "teal").save(tmp_path / "wide.jpg")
    with Image.open(io.BytesIO(make_thumbnail(tmp_path / "wide.jpg"))) as small:
        assert (small.format, small.size) == ("JPEG", (320, 80))


def test_losses_are_those_of_the_kept_fit_or_else_of_the_folds() -> None:
    def read(history: tuple[Epoch, ...]) -> list[list[float]]:
        names = ("fold", "epoch", "train_loss", "held_out_loss")
        columns = {name: tuple(getattr(epoch, name) for epoch in history) for name in names}
        held_out = read_losses(History(**columns)).held_out
        return [fit.tolist() for fit in held_out]

    folds = make_history(0, [0.6, 0.5]) + make_history(1, [0.7])
    assert read(folds + make_history(None, [0.9, 0.8])) == [[0.9, 0.8]]
    by_fold = read(folds + make_history(None, [None, None]))
    np.testing.assert_equal(by_fold, [[0.6, 0.5], [0.7, np.nan]])
    np.testing.assert_allclose(mean_curve(np.array(by_fold)), [0.65, np.nan])


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        ([0.9, 0.5, 0.3, 0.35, 0.4], "rises again after epoch 3"),
        ([0.9, 0.7, 0.5, 0.4, 0.3], "still falls at the end"),
        ([0.9, 0.4, 0.3, 0.3, 0.301], "is flat at the end"),
        ([0.9, 0.4, 0.3], "has only 3 points: too few to see a trend"),
    ],
)
def test_the_caption_of_the_losses_says_how_they_end(
    shapes_table: LabelTable, held_out: list[float], words: str
) -> None:
    trial = replace(make_trial(shapes_table), history=make_history(None, held_out))
    assert words in caption_losses(make_results(shapes_table, [trial]))


def test_captions_name_the_labels_that_stand_out(shapes_table: LabelTable) -> None:
    targets = shapes_table.targets.copy()
    targets[:, 1] = np.maximum(targets[:, 0], targets[:, 1])  # no circle without a square
    targets[:, 2] = np.arange(len(targets)) % 4 == 1
    table = replace(shapes_table, targets=targets)
    rows = split_in_half(table).test
    scores = np.stack([targets[rows, 0], 0.5 + 0 * rows, 1 - targets[rows, 2]], axis=1)
    evaluated = EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5)
    results = make_results(table, [replace(make_trial(table), test=evaluated)])
    assert "“circle”, 100\N{NO-BREAK SPACE}% also have “square”" in caption_co_occurrence(results)
    assert "“circle” best (100\N{NO-BREAK SPACE}%) and “triangle” worst" in caption_average_precision(results)


def test_the_headline_says_who_is_best_by_how_much_and_on_how_many_photos(shapes_table: LabelTable) -> None:
    trials = [
        make_trial(shapes_table, noise=0.01),
        make_trial(shapes_table, model="wide", noise=3),
    ]
    results = make_results(shapes_table, trials)
    assert headline(results) == "tiny is the best of 2 models: mAP 100.0\N{NO-BREAK SPACE}%"
    assert "every label right on 16 of 16 photos (100.0\N{NO-BREAK SPACE}%)" in best_result(results)
    assert "points above that of wide" in best_result(results)
    assert "changes this share by 6.2 points" in best_result(results)
    assert "already reaches 33.3\N{NO-BREAK SPACE}%" in baseline_warning(results)
    assert untrained_note(results) == not_ranked_note(results) == ""


def test_networks_whose_weights_are_missing_are_not_ranked(shapes_table: LabelTable) -> None:
    trials = [
        make_trial(shapes_table, model="wide", noise=0.01, init="missing"),
        make_trial(shapes_table, noise=3),
        make_trial(shapes_table, model="deep", noise=0.01, init="missing"),
    ]
    results = make_results(shapes_table, trials)
    assert [model.model for model in results.models] == ["tiny"]
    assert [model.model for model in results.not_ranked] == ["wide", "deep"]
    assert (results.best_index, results.comparisons) == (0, ())
    assert all(model.intervals["mAP"].is_defined for model in results.not_ranked)
    assert headline(results).startswith("tiny reaches mAP")
    assert untrained_note(results) == ""
    assert not_ranked_note(results) == (
        "wide and deep are not ranked, because their pre-trained weights are not on this machine: connect to"
        " the internet once, or give --weights NAME=FILE."
    )


def test_networks_of_random_weights_as_asked_for_are_ranked(shapes_table: LabelTable) -> None:
    trials = [make_trial(shapes_table), make_trial(shapes_table, model="wide", init="random")]
    results = make_results(shapes_table, trials)
    assert [model.model for model in results.models] == ["tiny", "wide"]
    assert [model.is_pretrained for model in results.models] == [True, False]
    assert (results.not_ranked, not_ranked_note(results)) == ((), "")


@pytest.mark.parametrize(
    ("init", "way_out"), [("random", "leave --init random out"), ("missing", "connect to the internet once")]
)
def test_the_way_to_learned_weights_fits_why_they_are_random(
    shapes_table: LabelTable, init: WeightsSource, way_out: str
) -> None:
    assert way_out in untrained_note(make_results(shapes_table, [make_trial(shapes_table, init=init)]))


def test_a_page_of_random_networks_says_so_first(shapes_table: LabelTable) -> None:
    results = make_results(shapes_table, [make_trial(shapes_table, init="random")])
    assert [model.model for model in results.models] == ["tiny"]
    note = untrained_note(results)
    assert note.startswith("No model here is pre-trained: tiny started from random weights.")
    page = set_page(results)
    assert 0 < page.index(note.partition(":")[0]) < page.index("<h1>")


def test_a_network_worse_than_saying_nothing_is_called_so(shapes_table: LabelTable) -> None:
    rows = split_in_half(shapes_table).test
    scores = 1 - shapes_table.targets[rows]
    evaluated = EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5)
    results = make_results(shapes_table, [replace(make_trial(shapes_table), test=evaluated)])
    assert "Predicting no label for any photo beats tiny" in baseline_warning(results)


def test_shares_are_conditional_on_the_row_and_neighbors_keep_company() -> None:
    counts = np.array([[10, 1, 5, 0], [1, 9, 0, 0], [5, 0, 5, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(conditional_shares(counts)[2], [1.0, 0.0, np.nan, 0.0])
    np.testing.assert_equal(conditional_shares(counts)[3], np.full(4, np.nan))
    assert order_by_company(counts) == [0, 2, 1]


def test_the_heat_map_keeps_the_most_frequent_labels() -> None:
    assert sorted(order_by_company(np.diag(np.arange(1, 71)))) == list(range(10, 70))


def test_the_labels_with_most_positives_get_plots_of_their_own() -> None:
    n_positive = [0, *range(1, 40), 39]
    chosen = curves.choose_labels(n_positive)
    assert chosen == list(range(11, 41))


def test_every_plot_stands_in_a_section() -> None:
    sections = Path(html.__file__).parent / "templates" / "sections"
    text = "\n".join(template.read_text(encoding="utf-8") for template in sections.iterdir())
    assert set(re.findall(r'plot\("(\w+)"\)', text)) == set(PLOTS)


def test_every_section_has_a_template() -> None:
    sections = Path(html.__file__).parent / "templates" / "sections"
    names = {template.name.removesuffix(".html.j2") for template in sections.iterdir()}
    assert names == {"headline", *html.SECTIONS}
