"""Write the model card of a bundle.

In:  the facts of one network.
Out: Markdown for the README.md of a bundle, in the form that the Hugging Face hub reads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from manylabel.report import trust_words
from manylabel.report.markdown import as_markdown
from manylabel.report.tables import UNDEFINED, UNDEFINED_NOTE
from manylabel.report.words import LEARNED, n_judged, what_to_beat

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

* Network: {model} with a {head} head, {parameters:,} parameters; {learned}. Start: {init_note}.
* Learned from {n_train} photos, evaluated on {n_judged} {judged_part}.
* Thresholds stand in `thresholds.csv`, the preprocessing in `config.json`.
* Probabilities: {calibration}.

## How good it is

| | this network | 95 % interval | {baselines} |
| --- | --- | --- |{rules}
{metrics_table}

{baselines_meaning}

| label | positives evaluated on | average precision | 95 % interval | threshold |
| --- | --- | --- | --- | --- |
{labels_rows}

{undefined}Thresholds: {thresholds_origin}.

## How to use it

```
manylabel predict FOLDER_OF_THIS_FILE photos/
```

Written by manylabel {version}; every number stands in facts.json.
"""
)

_SHOWN_METRICS = ("mAP", "f1_macro", "exact_match", "binary_accuracy")


def model_card(facts: Mapping[str, Any]) -> str:
    """Return the model card of the only network in some facts.

    Args:
        facts: What ``collect_facts`` returned for one trial.
    """
    model, data = facts["models"][0], facts["data"]
    baselines = facts["baselines"]
    rows = zip(data["labels"], _columns(model), model["thresholds"]["values"], strict=True)
    return _CARD.format(
        model=as_markdown(model["model"]),
        n_labels=len(data["labels"]),
        head=model["head"],
        parameters=model["parameters"],
        learned=LEARNED[model["tune"]],
        init_note=as_markdown(model["init_note"]),
        n_train=data["parts"]["train"],
        n_judged=n_judged(facts),
        judged_part={"test": "test photos", "out_of_fold": "photos, each by a network that did not see it"}[
            facts["evaluated"]["part"]
        ],
        metrics_table="\n".join(
            f"| {name} | {_percent(model['metrics'][name])} | {_interval(model['intervals'][name])}"
            f" | {' | '.join(_percent(baseline['metrics'][name]) for baseline in baselines)} |"
            for name in _SHOWN_METRICS
        ),
        baselines=" | ".join(baseline["model"] for baseline in baselines),
        rules=" --- |" * len(baselines),
        baselines_meaning=what_to_beat([baseline["model"] for baseline in baselines]),
        labels_rows="\n".join(
            f"| {as_markdown(label['name'])} | {n_positive} | {_percent(precision)} | {_interval(ends)}"
            f" | {threshold:.2f} |"
            for label, (n_positive, precision, ends), threshold in rows
        ),
        undefined=f"{UNDEFINED_NOTE}\n\n" if _has_undefined(model) else "",
        calibration=as_markdown(_calibration(model)),
        thresholds_origin=as_markdown(model["thresholds"]["origin"]),
        version=facts["run"]["versions"].get("manylabel", ""),
    )


def _calibration(model: Mapping[str, Any]) -> str:
    found = model["calibration"]
    return (
        "not calibrated, for no photos were kept from training"
        if found is None
        else trust_words.calibration_note(found)
    )


def _columns(model: Mapping[str, Any]) -> list[tuple[int, float | None, Sequence[float | None]]]:
    per_label = model["per_label"]
    counts, precisions = map(int, per_label["n_positive"]), per_label["average_precision"]
    spans = model["label_intervals"]["average_precision"]
    return [
        (n_positive, precision, [None, None] if precision is None else ends)
        for n_positive, precision, ends in zip(counts, precisions, spans, strict=True)
    ]


def _has_undefined(model: Mapping[str, Any]) -> bool:
    shown = [model["metrics"][name] for name in _SHOWN_METRICS]
    return None in (*shown, *model["per_label"]["average_precision"])


def _percent(share: float | None) -> str:
    return UNDEFINED if share is None else f"{100 * share:.1f} %"


def _interval(ends: Sequence[float | None]) -> str:
    return trust_words.interval(ends).replace("\N{NO-BREAK SPACE}", " ")
