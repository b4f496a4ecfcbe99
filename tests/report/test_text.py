"""What page, terminal and plots say of trust: intervals, comparisons, honesty, wrong labels, what is next."""

import html
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from manylabel.cli import console, screen
from manylabel.data.check import Check, Finding
from manylabel.report.html import SECTIONS, render_page, shown_photos, similar_photos
from manylabel.report.label_issues import collect_label_issues, list_label_issues
from manylabel.report.plots.registry import PLOTS, draw_plots
from manylabel.report.tables import write_table
from manylabel.report.text import advice, decisions
from manylabel.report.text.captions import caption_intervals, caption_learning_curve, caption_reliability
from manylabel.report.text.comparison import (
    close_models,
    comparison_sentence,
    label_certainty,
    ranking_certainty,
    sorted_comparisons,
    training_photos_apart,
)
from manylabel.report.text.decisions import describe_missed_guarantee
from manylabel.report.text.glossary import UNDEFINED_NOTE
from manylabel.report.text.summary import best_result, headline, known_note, worse_than_nothing
from manylabel.report.text.terminal import terminal_lines
from manylabel.results import Interval, PairedDifference, Reliability, RunInfo, RunResults
from manylabel.trials import CalibrationGain, EvaluatedPhotos, MissedGuarantee, Trial
from manylabel.types import FloatArray, LabelTable, Split, Thresholds
from tests.report.conftest import NOTHING_MORE, changed, make_curve, results_of, with_everything

MISSED = MissedGuarantee(label="circle", metric="recall", target=0.9, n_positive=3, n_needed=9)
HOSTILE = '<b>a|b</b> & "c" {{ 7*7 }}'
RUN = RunInfo(
    command="manylabel compare p l", started="2026-01-02T03:04:05", seconds=9.5, seed=3, recipe="quick"
)
SPACE = "\N{NO-BREAK SPACE}"


def draw_table(n_labels: int = 3, *, n_photos: int = 40, labels: Sequence[str] = ()) -> LabelTable:
    rng = np.random.default_rng(0)
    names = tuple(f"{row}.jpg" for row in range(n_photos))
    return LabelTable(
        photos=tuple(map(Path, names)),
        names=names,
        labels=(*labels, *(f"label {number}" for number in range(len(labels), n_labels))),
        targets=(rng.random((n_photos, n_labels)) < 0.4).astype(np.float64),
        parts=(None,) * n_photos,
        source="labels.csv",
    )


def split_of(table: LabelTable) -> Split:
    rows = np.arange(table.n_photos)
    return Split(train=rows[::2], val=rows[:0], test=rows[1::2])


def make_trial(table: LabelTable, model: str = "tiny", *, noise: float = 0.1, **changes: Any) -> Trial:
    rows = split_of(table).test
    truth = np.nan_to_num(table.targets[rows], nan=0.5)
    noises: FloatArray = np.random.default_rng(1).normal(0, noise, size=truth.shape)
    scores = np.clip(0.2 + 0.6 * truth + noises, 0, 1)
    given: dict[str, Any] = {
        "init": "official",
        "init_note": "official weights",
        "head": "linear",
        "tune": "head",
        "parameters": 1000,
        "labels": table.labels,
        "thresholds": Thresholds(values=np.full(table.n_labels, 0.45), origin="best F1 per label"),
        "pos_weight": np.ones(table.n_labels),
        "weight_decay": 0.01,
        "fold_weight_decays": (),
        "test": EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5),
        "out_of_fold": None,
        "history": (),
        "training_seconds": 12.0,
        "inference_seconds": 0.01,
        "stage_seconds": {},
        **NOTHING_MORE,
        **changes,
    }
    return Trial(model=model, **given)


def whole_results(table: LabelTable | None = None, **changes: Any) -> RunResults:
    """Return the results of a model of which everything is known, and a poor one."""
    table = draw_table() if table is None else table
    trial = replace(with_everything(make_trial(table), table), **changes)
    return results_of(table, split_of(table), [trial, make_trial(table, "poor", noise=2)], RUN)


def page_of(results: RunResults) -> str:
    return render_page(results, pictures={}, thumbnails={}, small_thumbnails={}, heat_maps={})


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def section_of(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None
    return text_of(found[0])


# --- order, and pages with little to say ---


def test_mistakes_show_what_looks_alike_but_for_what_is_gone_by_now() -> None:
    table = draw_table()
    trial = with_everything(make_trial(table, noise=2), table)
    results = results_of(table, split_of(table), [trial], RUN)
    alike = {similar.row for photo in results.gallery for similar in photo.similar}
    gone = min(alike)
    small = {row: "data:image/jpeg;base64,A" if row != gone else None for row in alike}
    page = render_page(results, pictures={}, thumbnails={}, small_thumbnails=small, heat_maps={})
    n_mistakes = sum(photo.group != "right" for photo in results.gallery)
    assert n_mistakes > 0
    assert page.count("Most similar training photos") == n_mistakes
    assert page.count("data:image/jpeg;base64,A") == n_mistakes * (len(alike) - 1)
    assert set(similar_photos(results)) == alike
    told = text_of(page)
    assert "look most like it to the backbone before training" in told


def test_the_sections_stand_in_the_order_in_which_people_ask() -> None:
    page = page_of(whole_results())
    assert re.findall(r'<section id="(\w+)"', page) == list(SECTIONS)
    asked = ["table", "labels", "gallery", "issues", "check", "calibration", "next"]
    assert list(SECTIONS)[: len(asked)] == asked


def test_every_plot_has_a_caption() -> None:
    results = whole_results()
    drawn = draw_plots(results)
    assert len(drawn) > 5
    assert all(PLOTS[name].caption(results).endswith(".") for name in drawn)


def test_new_plots_are_drawn_where_there_is_something_to_show() -> None:
    wanted = {"intervals", "reliability", "reliability_labels", "learning_curve", "learning_curve_labels"}
    assert wanted <= set(draw_plots(whole_results()))
    table = draw_table()
    little = draw_plots(results_of(table, split_of(table), [make_trial(table)], RUN))
    assert "intervals" in little
    assert not {"reliability", "reliability_labels", "learning_curve"} & set(little)


def test_a_run_without_held_out_photos_is_told_as_such() -> None:
    table = draw_table()
    page = page_of(results_of(table, split_of(table), [make_trial(table, tune="full")], RUN))
    assert "No photos were held out from training" in section_of(page, "calibration")
    assert "was not measured" in section_of(page, "next")
    assert "No problem found" in section_of(page, "check")
    assert "nearest-neighbors" not in [row.model for row in results_of(
        table, split_of(table), [make_trial(table)], RUN
    ).baselines]  # fmt: skip


@pytest.mark.parametrize("n_labels", [1, 1000])
def test_any_number_of_labels_gives_a_page_with_capped_lists(n_labels: int) -> None:
    table = draw_table(n_labels)
    rare = Finding(level="warning", kind="few_positives", text="rare", labels=tuple(range(n_labels)))
    trial = replace(with_everything(make_trial(table), table), missed_guarantees=(MISSED,) * n_labels)
    results = results_of(table, split_of(table), [trial], RUN, check=Check(findings=(rare,) * 30))
    page = page_of(results)
    assert len(re.findall("too few to guarantee", page)) == min(n_labels, 12)
    assert section_of(page, "check").count("Rare.") == decisions.MOST_FINDINGS
    assert "and 15 more, in results.json" in section_of(page, "check")
    assert len(decisions.frequent_labels(results)) == min(n_labels, 100)
    assert (f"{n_labels - 5:,} more" in section_of(page, "next")) == (n_labels == 1000)


def test_nulls_everywhere_give_a_page() -> None:
    table = draw_table()
    unknown = replace(table, targets=np.full(table.targets.shape, np.nan))
    trial = replace(
        with_everything(make_trial(unknown), unknown),
        learning_curve=replace(
            make_curve(), gain=np.nan, gain_band=np.full(2, np.nan), values=np.full(4, np.nan),
            bands=np.full((4, 2), np.nan), label_values=np.full((4, 3), np.nan),
        ),
    )  # fmt: skip
    results = results_of(unknown, split_of(unknown), [trial, make_trial(unknown, "other")], RUN)
    page = page_of(results)
    assert headline(results) == "The 2 models cannot be ranked: mAP undefined"
    assert "is unknown: too few photos carry the labels" in section_of(page, "next")
    assert "No known label was scored" in section_of(page, "issues")
    assert "cannot be compared" in section_of(page, "table")
    assert not {"intervals", "reliability", "learning_curve"} & set(draw_plots(results))
    assert " nan" not in text_of(page).lower()
    assert terminal_lines(results)[0] == "Evaluated on 20 test photos."
    lines = terminal_lines(results)
    assert lines[1].startswith("Of 20 evaluated photos x 3 labels, 0 values are known")
    assert all("undefined" in line or "cannot" in line for line in lines[3:-1])
    assert lines[-1].startswith("Thresholds: ")


def test_training_photos_apart_from_the_test_photos_are_told() -> None:
    results = whole_results()
    results = changed(results, "models.0.intervals.mAP", Interval(low=0.7, high=0.9))
    lower = changed(results, "models.0.out_of_fold", {"mAP": 0.5})
    assert "is 50.0\xa0%: below that interval" in training_photos_apart(lower)
    assert training_photos_apart(changed(results, "models.0.out_of_fold", {"mAP": 0.8})) == ""
    assert training_photos_apart(changed(results, "models.0.out_of_fold", None)) == ""


def test_the_terminal_names_promises_that_cannot_be_made() -> None:
    missed = [replace(MISSED, label=str(number)) for number in range(5)]
    line = terminal_lines(whole_results(missed_guarantees=tuple(missed)))[-1]
    assert line.startswith("Thresholds: ")
    notes = [describe_missed_guarantee(one) for one in missed[:3]]
    assert line.endswith(f"{'; '.join(notes)}; and 2 more labels.")


def test_names_stay_text_in_the_new_sections(tmp_path: Path) -> None:
    table = draw_table(labels=(HOSTILE,))
    table = replace(table, names=tuple(f"{HOSTILE}{name}" for name in table.names))
    table = replace(table, targets=np.concatenate([1 - table.targets[:8], table.targets[8:]]))
    split = replace(split_of(table), groups=np.repeat(np.arange(20), 2))
    finding = Finding(level="note", kind="copies_differ", text=HOSTILE, photos=(0, 1), labels=(0,))
    rare = Finding(level="warning", kind="few_positives", text=HOSTILE, labels=(0,))
    trial = replace(
        with_everything(make_trial(table, HOSTILE), table),
        missed_guarantees=(replace(MISSED, label=HOSTILE),),
    )
    trials = [trial, make_trial(table, f"{HOSTILE}2", noise=1)]
    results = results_of(table, split, trials, RUN, check=Check(findings=(rare, finding)))
    page = page_of(results)
    assert "<b>" not in page
    assert "&lt;b&gt;a|b&lt;/b&gt; &amp;" in page
    for name in ("table", "issues", "check", "calibration", "next"):
        found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
        assert found is not None
        assert "a|b" in found[0], name
    write_table(results, tmp_path)
    compared = [line for line in (tmp_path / "table.md").read_text("utf-8").splitlines() if line[0:2] == "* "]
    assert compared
    assert all("<" not in line and "a\\|b" in line for line in compared)


# --- who is best ---


def test_a_network_that_is_surely_ahead_is_called_the_best() -> None:
    results = whole_results()
    assert close_models(results) == []
    assert headline(results).startswith("tiny is the best of 2 models")
    assert (
        ranking_certainty(results)
        == "By mAP, tiny is better than every other model compared here by more than chance."
    )
    assert "may be chance" not in best_result(results)


def test_a_network_that_may_be_beaten_is_not_called_the_best() -> None:
    table = draw_table()
    trials = [make_trial(table, "a", noise=0.80), make_trial(table, "b", noise=0.85)]
    results = results_of(table, split_of(table), trials, RUN)
    first, second = (results.models[place].model for place in (results.best_index, 1 - results.best_index))
    assert close_models(results) == [second]
    assert headline(results).startswith(f"{first} ranks first of 2 models, but {second} may be as good: mAP")
    assert "is not better than the other model by more than chance" in ranking_certainty(results)
    section = section_of(page_of(results), "table")
    assert re.search(r"differ by [\d.]+ points of mAP \[[^]]+\]: within chance", section)
    assert "is the best" not in text_of(page_of(results))


@pytest.mark.parametrize(
    ("metric", "difference", "interval", "words"),
    [
        (
            "mAP",
            0.031,
            [-0.004, 0.068],
            "a and b differ by 3.1 points of mAP [-0.4, 6.8] on 40 photos in 36 groups: within chance.",
        ),
        (
            "mAP",
            -0.031,
            [-0.068, 0.004],
            "b and a differ by 3.1 points of mAP [-0.4, 6.8] on 40 photos in 36 groups: within chance.",
        ),
        (
            "exact_match",
            0.2,
            [0.1, 0.3],
            "a beats b by 20.0 points of exact match [10.0, 30.0] on 40 photos in 36 groups: more than"
            " chance.",
        ),
        (
            "coverage_error",
            -1.5,
            [-2, -1],
            "b beats a by 1.50 labels of coverage error [1.00, 2.00] on 40 photos",
        ),
        ("mAP", 0.0001, [-0.1, 0.1], "a and b are equal in mAP [-10.0, 10.0] on 40 photos in 36 groups."),
        ("mAP", None, [None, None], "a and b cannot be compared: mAP is undefined here"),
    ],
)
def test_a_comparison_never_contradicts_itself(
    metric: str, difference: float | None, interval: list[float | None], words: str
) -> None:
    low, high = interval
    pair = PairedDifference(
        first="a",
        second="b",
        metric=metric,
        difference=difference,
        interval=Interval(low=low, high=high),
        is_distinguishable=low is not None and high is not None and low * high > 0,
        better=None if difference is None else "a" if difference > 0 else "b",
        n_photos=40,
        n_groups=36,
    )
    assert comparison_sentence(pair).startswith(words)
    assert comparison_sentence(pair).endswith(".")


def test_decisions_that_are_worse_than_none_are_told_in_the_terminal() -> None:
    results = whole_results()
    assert not any("Predicting no label" in line for line in terminal_lines(results))
    reached, by_nothing = (
        {**entry.metrics, "exact_match": exact, "binary_accuracy": accuracy}
        for entry, exact, accuracy in ((results.best, 0.0, 0.99), (results.baselines[0], 0.125, 0.5))
    )
    results = changed(changed(results, "models.0.metrics", reached), "baselines.0.metrics", by_nothing)
    (line,) = (line for line in terminal_lines(results) if line.startswith("Predicting no label"))
    assert f"beats tiny in exact match (12.5{SPACE}% against 0.0{SPACE}%): do not rely" in line
    results = changed(results, "models.0.metrics.binary_accuracy", 0.25)
    assert f"and binary accuracy (50.0{SPACE}% against 25.0{SPACE}%)" in worse_than_nothing(results)


def test_photos_that_do_not_judge_say_which_network_comes_first() -> None:
    table = draw_table()
    rows = split_of(table).train
    good, bad = (
        EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5)
        for scores in (0.2 + 0.6 * table.targets[rows], 0.8 - 0.6 * table.targets[rows])
    )
    ahead_on_test = make_trial(table, "lucky", noise=0.01, out_of_fold=bad)
    ahead_elsewhere = make_trial(table, "steady", noise=2, out_of_fold=good)
    results = results_of(table, split_of(table), [ahead_on_test, ahead_elsewhere], RUN)
    assert (results.best.model, results.best_by) == ("steady", "out_of_fold")
    assert "lucky" in close_models(results)
    assert "points below that of lucky, which cross-validation ranked lower" in best_result(results)
    assert "the choice does not flatter its numbers" in text_of(page_of(results))

    judging = results_of(
        table, split_of(table), [replace(ahead_on_test, out_of_fold=None), ahead_elsewhere], RUN
    )
    assert (judging.best.model, judging.best_by) == ("lucky", "evaluated")
    assert "which flatters its numbers" in text_of(page_of(judging))


def test_numbers_that_are_fixed_have_no_width() -> None:
    nothing, prior = whole_results().baselines[:2]
    assert nothing.intervals["f1_macro"] == Interval(low=0, high=0)
    assert nothing.label_intervals["f1"] == (Interval(low=0, high=0),) * 3
    assert prior.intervals["auroc_macro"] == Interval(low=0.5, high=0.5)
    interval, value = nothing.intervals["binary_accuracy"], nothing.metrics["binary_accuracy"]
    assert interval.low is not None
    assert interval.high is not None
    assert value is not None
    assert interval.low < value < interval.high


def test_thresholds_that_are_not_used_gain_nothing() -> None:
    table = draw_table()
    half = Thresholds(values=np.full(3, 0.5), origin="0.5 for every label; those of best F1 did worse")
    assert whole_results(table, thresholds=half).models[0].threshold_gain is None


def test_many_rivals_are_counted() -> None:
    table = draw_table()
    trials = [make_trial(table, f"net{number}", noise=0.3 + number / 100) for number in range(5)]
    results = results_of(table, split_of(table), trials, RUN)
    assert "ranks first of 5 models, but 4 of them may be as good" in headline(results)
    assert "any of the 4 other models" in ranking_certainty(results)


def test_comparisons_of_the_first_network_come_first() -> None:
    table = draw_table()
    trials = [make_trial(table, "b", noise=2), make_trial(table, "c", noise=1), make_trial(table, "a")]
    pairs = sorted_comparisons(results_of(table, split_of(table), trials, RUN))
    assert ["a" in (pair.first, pair.second) for pair in pairs] == 4 * [True] + 2 * [False]
    assert [pair.metric for pair in pairs[:4]] == ["mAP", "mAP", "exact_match", "exact_match"]


def test_the_first_network_is_compared_with_the_baselines() -> None:
    results = whole_results()
    assert "beats every baseline by more than chance" in caption_intervals(results)
    close = replace(
        results.against_baselines[2],
        difference=0.02,
        interval=Interval(low=-0.01, high=0.05),
        is_distinguishable=False,
    )
    results = changed(results, "against_baselines.2", close)
    assert "not certain that training beats nearest-neighbors" in caption_intervals(results)
    assert "2.0 points [-1.0, 5.0]" in caption_intervals(results)
    results = changed(results, "against_baselines.2.difference", -0.02)
    assert "nearest-neighbors is ahead of tiny, though not by more than chance" in caption_intervals(results)


# --- intervals ---


def test_every_main_metric_has_its_interval_on_the_page() -> None:
    results = whole_results()
    section = section_of(page_of(results), "table")
    entries = [*results.models, *results.baselines]
    for entry in entries:
        for name in ("binary_accuracy", "exact_match", "mAP", "f1_macro"):
            low, high = entry.intervals[name].low, entry.intervals[name].high
            assert low is not None
            assert high is not None
            assert f"{100 * low:.1f}\N{EN DASH}{100 * high:.1f}" in section
    assert "nearest-neighbors" in section


def test_the_rarest_and_the_most_frequent_label_show_how_sure_labels_are() -> None:
    results = whole_results()
    intervals = tuple(Interval(low=low, high=high) for low, high in ((0.2, 0.8), (0.7, 0.8), (0.0, 1.0)))
    results = changed(results, "models.0.n_positive", (2, 30, 0))
    results = changed(results, "models.0.label_intervals.average_precision", intervals)
    assert label_certainty(results) == (
        "95 % intervals of the average precision, for the rarest and the most frequent label among the"
        f" evaluated photos: “label 0” on 2 photos: 20.0 to 80.0{SPACE}%; “label 1” on 30 photos: 70.0 to"
        f" 80.0{SPACE}%."
    )
    one = draw_table(1)
    assert label_certainty(results_of(one, split_of(one), [make_trial(one)], RUN)) is None


# --- honesty ---


def test_the_reliability_diagram_counts_honest_groups_before_and_after() -> None:
    results = whole_results()
    after = Reliability(
        mean_score=(0.1, 0.9), share_present=(0.1, 0.9), n_cells=(9, 9), low=(0.0, 0.8), high=(0.5, 1.0)
    )
    results = changed(results, "models.0.calibration.after.reliability", after)
    results = changed(results, "models.0.calibration.before.reliability", replace(after, low=(0.3, 0.8)))
    assert "in 2 of 2 groups, before calibration in 1 of 2." in caption_reliability(results)


def test_a_calibration_that_was_left_out_shows_what_is_kept() -> None:
    results = whole_results(
        is_calibrated=False,
        calibration=CalibrationGain(outcome="worse", log_loss_before=0.1, log_loss_after=0.2),
    )
    section = section_of(page_of(results), "calibration")
    assert section.startswith(
        "Are the probabilities calibrated? Calibration left out: it would have made the log loss worse"
    )
    assert "before calibration" not in caption_reliability(results)
    assert "Brier score, after" not in section
    assert "Brier score, after" in section_of(page_of(whole_results()), "calibration")


def test_thresholds_say_what_they_gain_and_what_they_cannot_promise() -> None:
    results = whole_results()
    section = section_of(page_of(results), "calibration")
    assert "Best F1 per label. Thresholds" in section
    assert "on photos they were not chosen on" in section
    assert "Label 'circle': 3 positives are too few to guarantee 90 % recall; 9 are needed." in section
    assert "What cannot be guaranteed" not in section_of(
        page_of(whole_results(missed_guarantees=())), "calibration"
    )


# --- wrong labels, copies ---


def test_suspicious_labels_are_shown_with_what_the_table_and_the_network_say() -> None:
    table = draw_table()
    trial = with_everything(make_trial(table), table)
    assert trial.calibration_set is not None
    row = int(trial.calibration_set.evaluated.rows[1])
    targets = table.targets.copy()
    targets[row, 0] = 1 - targets[row, 0]
    results = results_of(replace(table, targets=targets), split_of(table), [trial], RUN)
    assert results.label_issues is not None
    assert results.label_issues.cells[0].row == row
    says = "yes" if targets[row, 0] else "no"
    name = table.names[row]
    section = section_of(page_of(results), "issues")
    assert f"{name} label 0 : the table says {says}, tiny" in section
    assert f"label_issues.csv, beside this report, lists {results.label_issues.n_listed} labels" in section
    assert len(decisions.issue_photos(results)) <= decisions.MOST_ISSUE_PHOTOS


def test_suspicious_labels_are_spread_over_labels_where_they_are_shown() -> None:
    table = draw_table()
    trial = with_everything(make_trial(table), table)
    assert trial.calibration_set is not None
    targets = table.targets.copy()
    rows = trial.calibration_set.evaluated.rows
    targets[rows[:8], 0] = 1 - targets[rows[:8], 0]
    targets[rows[8:10], 1] = 1 - targets[rows[8:10], 1]
    wrong = replace(table, targets=targets)

    issues = list_label_issues(wrong, trial)
    suspects = collect_label_issues(wrong, trial)

    assert issues is not None
    assert suspects is not None
    shown = suspects.cells
    assert [cell.label for cell in issues[:4]] == 4 * ["label 0"]
    assert [cell.label for cell in shown[:4]] == [*3 * ["label 0"], "label 1"]
    assert [cell.quality for cell in issues] == sorted(cell.quality for cell in issues)
    is_wrong = [cell.quality < 0.5 for cell in shown]
    assert is_wrong == sorted(is_wrong, reverse=True)
    assert sorted(cell.quality for cell in shown)[:8] == [cell.quality for cell in issues[:8]]


@pytest.mark.parametrize(
    ("n_expected", "words", "advised"),
    [
        (0.3, "Hardly any given label looks wrong", None),
        (1.2, "About 1 given label is probably wrong", "About 1 given label is probably wrong"),
        (2.4, "About 2 given labels are probably wrong", "About 2 given labels are probably wrong"),
        (1234.4, "How many given labels are wrong cannot be estimated", None),
    ],
)
def test_the_number_of_wrong_labels_is_told_in_words(
    n_expected: float, words: str, advised: str | None
) -> None:
    results = changed(whole_results(), "label_issues.n_expected", n_expected)
    assert decisions.describe_label_issues(results).startswith(words)
    assert advice.labels_to_look_at(results) == advised


def test_a_photo_with_two_suspicious_labels_is_shown_once() -> None:
    results = whole_results()
    assert results.label_issues is not None
    first_cell, *others = results.label_issues.cells
    cells = (first_cell, replace(first_cell, label="label 2"), *others)
    results = changed(results, "label_issues.cells", cells)
    first = decisions.issue_photos(results)[0]
    assert [cell.label for cell in first.cells][1] == "label 2"
    rows = shown_photos(results)
    assert len(rows) == len(set(rows))


def test_copies_are_shown_with_their_part_and_what_differs() -> None:
    table = draw_table()
    targets = table.targets.copy()
    targets[0], targets[1] = [1, 0, 0], [0, 0, 0]
    groups = np.arange(40)
    groups[1] = 0
    split = replace(split_of(table), groups=groups)
    finding = Finding(level="warning", kind="copies_differ", text="copies", photos=(0, 1))
    trial = make_trial(table)
    results = results_of(
        replace(table, targets=targets), split, [trial], RUN, check=Check(findings=(finding,))
    )
    section = section_of(page_of(results), "check")
    assert "0.jpg training photo has label 0 This" in section
    assert "1.jpg test photo lacks label 0" in section
    assert {0, 1} <= set(shown_photos(results))


# --- what to do next ---


@pytest.mark.parametrize(
    ("gain", "low", "high", "words"),
    [
        (
            0.03,
            0.01,
            0.05,
            "frozen tiny by 3.0 points [1.0, 5.0], so more photos are likely to help",
        ),
        (0.03, -0.01, 0.05, "This may be chance, so it is unknown whether more photos would help"),
        (0.001, -0.004, 0.006, "more photos of this kind would change little"),
        (
            -0.02,
            -0.05,
            -0.01,
            "lowered the mAP of a linear head on the frozen tiny by 2.0 points [-5.0, -1.0], so more",
        ),
        (
            0.01,
            -0.0001,
            0.02,
            "frozen tiny by 1.0 points [0.0, 2.0]. This may be chance",
        ),
    ],
)
def test_the_gain_of_the_last_doubling_says_whether_more_photos_help(
    gain: float, low: float, high: float, words: str
) -> None:
    results = whole_results(learning_curve=make_curve(gain=gain, low=low, high=high))
    assert advice.more_photos(results).startswith("Training on 160 photos instead of 80")
    assert words in advice.more_photos(results)


def test_the_labels_that_gain_most_are_named() -> None:
    results = whole_results()
    assert f"“label 2” (80 to 90{SPACE}%). Single labels vary" in str(advice.labels_that_gain(results))
    unsure = replace(make_curve(), label_gain_bands=np.tile([-0.01, 0.2], (3, 1)))
    assert advice.labels_that_gain(whole_results(learning_curve=unsure)) is None
    flat = replace(make_curve(), label_values=np.full((4, 3), 0.8))
    assert advice.labels_that_gain(whole_results(learning_curve=flat)) is None
    table = draw_table(1)
    assert advice.labels_that_gain(whole_results(table)) is None


def test_the_caption_of_the_learning_curve_names_its_ends() -> None:
    words = f"mAP 70.0{SPACE}% with 40, 83.0{SPACE}% with 160 photos"
    assert words in caption_learning_curve(whole_results())


def test_rare_labels_are_told_once_at_length_and_once_by_name() -> None:
    table = draw_table()
    rare = Finding(level="warning", kind="few_positives", text="label 'label 1': 3 positives", labels=(1,))
    other = Finding(level="note", kind="sizes_differ", text="sizes differ")
    results = results_of(
        table, split_of(table), [make_trial(table)], RUN, check=Check(findings=(rare, other))
    )
    page = page_of(results)
    assert "Label 'label 1': 3 positives." in section_of(page, "labels")
    assert "sizes differ" not in section_of(page, "labels").lower()
    assert "Photos with rare labels are needed most: “label 1”." in section_of(page, "next")
    assert "warning Label 'label 1': 3 positives. note Sizes differ." in section_of(page, "check")


def test_the_way_to_label_more_is_always_told() -> None:
    table = draw_table()
    results = results_of(table, split_of(table), [make_trial(table)], RUN)
    assert "manylabel suggest" in section_of(page_of(results), "next")


# --- the terminal ---


def test_the_terminal_says_what_the_table_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(
        console, "stdout", Console(file=file, force_terminal=True, width=80, color_system=None)
    )
    screen.show_results(whole_results())
    lines = re.sub(r"\x1b\[[\d;]*m", "", file.getvalue()).splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    assert names[2:8] == ["tiny", "poor", "all-negative", "label-prior", "neighbors", "mAP:"]
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert re.search(
        r"95 % intervals of tiny: mAP [\d.]+ to [\d.]+ %, exact match [\d.]+ to [\d.]+ %\.", text
    )
    assert "tiny beats poor by" in text
    assert "points of exact match [" in text
    assert "By mAP, tiny beats every baseline by more than chance." in text


def test_how_many_answers_are_known_is_told_where_some_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    table = draw_table()
    targets = np.where(table.targets == 0, np.nan, 1.0)
    targets[:6] = table.targets[:6]
    targets[:, 2] = table.targets[:, 2]
    unknown = replace(table, targets=targets)
    results = results_of(unknown, split_of(unknown), [make_trial(unknown)], RUN)
    evaluated = targets[split_of(unknown).test]
    n_known, n_present = int((~np.isnan(evaluated)).sum()), int((evaluated == 1).sum())
    note = known_note(results)
    assert note == (
        f"Of 20 evaluated photos x 3 labels, {n_known} values are known: {n_present} present, "
        f"{n_known - n_present} absent. Fewer than 5 photos are known to lack label 0 and label 1: false "
        "alarms there cannot be measured."
    )
    screen.show_results(results)
    assert note in " ".join(capsys.readouterr().out.split())
    assert known_note(results_of(table, split_of(table), [make_trial(table)], RUN)) == ""


def test_the_terminal_explains_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    table = draw_table()
    targets = table.targets.copy()
    targets[split_of(table).test] = np.nan
    unknown = replace(table, targets=targets)
    screen.show_results(results_of(unknown, split_of(unknown), [make_trial(unknown)], RUN))
    text = capsys.readouterr().out
    assert re.search(r"^tiny +(\N{EN DASH} +){4}", text, re.MULTILINE)
    assert UNDEFINED_NOTE in " ".join(text.split())


def test_the_terminal_shows_three_comparisons_at_most() -> None:
    table = draw_table()
    trials = [make_trial(table, name, noise=noise) for name, noise in (("a", 0.1), ("b", 1), ("c", 2))]
    lines = terminal_lines(results_of(table, split_of(table), trials, RUN))
    assert len(lines) == 3 + 3
    assert all(line.startswith("a beats") for line in lines[3:])
    alone = terminal_lines(results_of(table, split_of(table), trials[:1], RUN))
    assert len(alone) == 3


def test_the_terminal_groups_networks_that_are_not_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    table = draw_table()
    trials = [make_trial(table, "wide", init="missing"), make_trial(table, "tiny")]
    screen.show_results(results_of(table, split_of(table), trials, RUN))
    text = capsys.readouterr().out
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert lines.index("tiny") < lines.index("all-negative") < lines.index("wide")
    assert re.search(r"^Not pre-trained: *\nwide ", text, re.MULTILINE)
    assert "wide is not ranked, because its pre-trained weights are not on this machine" in " ".join(
        text.split()
    )


def test_the_terminal_says_first_that_nothing_is_pretrained(capsys: pytest.CaptureFixture[str]) -> None:
    table = draw_table()
    screen.show_results(results_of(table, split_of(table), [make_trial(table, init="random")], RUN))
    assert capsys.readouterr().out.startswith("No model here is pre-trained: tiny started from random")
