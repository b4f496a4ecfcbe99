"""Explain the numbers of tables.

In:  nothing.
Out: notes that stand under tables.
"""

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

MAP_NOTE = "mAP: how well photos with a label rank above those without it, mean over labels."

AP_NOTE = "AP: how well the photos with the label rank above those without it."

INIT_WORDS = {
    "package": "from a package",
    "official": "official",
    "file": "from a file",
    "random": "random (not pre-trained)",
    "missing": "random (not pre-trained)",
}
"""Where the weights of a backbone came from."""

HEADINGS = {
    "model": "Model",
    "training_seconds": "Training time",
    "inference_seconds": "Inference time",
    "parameters": "Parameters",
    "init": "Weights",
    "binary_accuracy": "Binary accuracy",
    "exact_match": "Exact match",
    "f1_macro": "F1 macro",
    "f1_micro": "F1 micro",
    "f1_samples": "F1 samples",
    "auroc_macro": "AUROC macro",
    "hamming_loss": "Hamming loss",
    "coverage_error": "Coverage error",
    "ranking_loss": "Ranking loss",
}
"""Headings of columns whose names are no words; all others (mAP, CP, OF1, ...) are called by their names."""
