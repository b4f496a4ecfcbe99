"""Explain the numbers of tables.

In:  the metrics.
Out: notes that stand under tables.
"""

from manylabel.metrics.registry import METRICS

UNDEFINED = "\N{EN DASH}"
"""What stands in place of a metric that is undefined."""

UNDEFINED_NOTE = (
    f"{UNDEFINED} means undefined: too few labels of the evaluated photos are known or present. Average"
    " precision, for example, needs a photo that carries the label."
)

SHORT_NAMES_NOTE = (
    "CP, CR and CF1 are precision, recall and F1 per class (mean over the labels); OP, OR and OF1 are those"
    " of all labels together."
)

MAP_NOTE = f"{METRICS['mAP'].heading}: {METRICS['mAP'].description}."

AP_NOTE = f"{METRICS['average_precision'].short_heading}: {METRICS['average_precision'].description}."

INIT_WORDS = {
    "package": "from a package",
    "official": "official",
    "file": "from a file",
    "random": "random (not pre-trained)",
    "missing": "random (not pre-trained)",
}
"""Where the weights of a backbone came from."""

_HEADINGS = {
    "model": "Model",
    "training_seconds": "Training time",
    "inference_seconds": "Inference time",
    "parameters": "Parameters",
    "init": "Weights",
}


def heading(column: str) -> str:
    """Return the heading of a column of a table: a metric, or a cost.

    Examples:
        >>> heading("exact_match"), heading("training_seconds")
        ('Exact match', 'Training time')
    """
    return METRICS[column].heading if column in METRICS else _HEADINGS[column]
