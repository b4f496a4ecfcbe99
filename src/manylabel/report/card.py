"""Write the model card of a bundle.

In:  the results of one model.
Out: Markdown for the README.md of a bundle, in the form that the Hugging Face hub reads.
"""

from collections.abc import Iterator

from manylabel.report.markdown import as_markdown
from manylabel.report.text.decisions import calibration_note
from manylabel.report.text.glossary import UNDEFINED, UNDEFINED_NOTE
from manylabel.report.text.summary import TUNED, describe_baselines
from manylabel.report.text.wording import percent_range
from manylabel.results import Interval, ModelResults, Number, RunResults

CARD_HEAD = """\
---
library_name: manylabel
pipeline_tag: image-classification
tags: [multi-label-image-classification]
---

"""
"""What the Hugging Face hub reads at the beginning of a card."""

_CARD = (
    CARD_HEAD
    + """\
# {model}: {n_labels} labels

A multi-label image classifier: each photo may carry none, one or several of {n_labels} labels.

* Model: {model} with a {head} head, {parameters:,} parameters; {tuned}. Pre-trained weights: {init_note}.
* Trained on {n_train} photos, evaluated on {evaluated_on}.
* Thresholds are in `thresholds.csv`, the preprocessing is in `config.json`.
* Probabilities: {calibration}.

## How good it is

| | this model | 95 % interval | {baselines} |
| --- | --- | --- |{rules}
{metrics_table}

{baseline_meanings}

| label | photos with it | average precision | 95 % interval | threshold |
| --- | --- | --- | --- | --- |
{labels_rows}

{undefined}Thresholds: {thresholds_origin}.

## How to use it

```
manylabel predict FOLDER_OF_THIS_FILE photos/
```

Written by manylabel {version}; every number is in results.json.
"""
)

_SHOWN_METRICS = ("mAP", "f1_macro", "exact_match", "binary_accuracy")


def model_card(results: RunResults) -> str:
    """Return the model card of the only model of a run."""
    model, baselines = results.models[0], results.baselines
    n_photos = results.evaluated.n_evaluated
    return _CARD.format(
        model=as_markdown(model.model),
        n_labels=len(results.labels),
        head=model.head,
        parameters=model.parameters,
        tuned=TUNED[model.tune],
        init_note=as_markdown(model.init_note),
        n_train=results.data.part_sizes["train"],
        evaluated_on=f"{n_photos} test photos"
        if results.evaluated.part == "test"
        else f"{n_photos} photos, each by a model that was not trained on it",
        metrics_table="\n".join(
            f"| {name} | {_percent(model.metrics[name])} | {_range(model.intervals[name])}"
            f" | {' | '.join(_percent(baseline.metrics[name]) for baseline in baselines)} |"
            for name in _SHOWN_METRICS
        ),
        baselines=" | ".join(baseline.model for baseline in baselines),
        rules=" --- |" * len(baselines),
        baseline_meanings=describe_baselines([baseline.model for baseline in baselines]),
        labels_rows="\n".join(_label_rows(results, model)),
        undefined=f"{UNDEFINED_NOTE}\n\n" if _has_undefined(model) else "",
        calibration=as_markdown(_calibration(model)),
        thresholds_origin=as_markdown(model.threshold_origin),
        version=results.run.versions.get("manylabel", ""),
    )


def _calibration(model: ModelResults) -> str:
    found = model.calibration
    return (
        "not calibrated: no photos were held out from training" if found is None else calibration_note(found)
    )


def _label_rows(results: RunResults, model: ModelResults) -> Iterator[str]:
    precisions, intervals = model.per_label["average_precision"], model.label_intervals["average_precision"]
    for column, label in enumerate(results.labels):
        precision = precisions[column]
        span = "" if precision is None else _range(intervals[column])
        yield (
            f"| {as_markdown(label)} | {model.n_positive[column]} | {_percent(precision)} | {span}"
            f" | {model.thresholds[column]:.2f} |"
        )


def _has_undefined(model: ModelResults) -> bool:
    shown = [model.metrics[name] for name in _SHOWN_METRICS]
    return None in (*shown, *model.per_label["average_precision"])


def _percent(share: Number) -> str:
    return UNDEFINED if share is None else f"{100 * share:.1f} %"


def _range(interval: Interval) -> str:
    return percent_range(interval).replace("\N{NO-BREAK SPACE}", " ")
