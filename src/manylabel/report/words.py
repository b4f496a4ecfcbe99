"""Say in plain words what the facts show.

In:  facts.
Out: sentences without any markup; names in them come from the user and are not safe for HTML by themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

FactsView = Mapping[str, Any]
"""What ``collect_facts`` returned."""

BASELINES = {
    "all-negative": "gives no label to any photo",
    "label-prior": "scores every label with its share among the training photos",
    "nearest-neighbors": "gives a photo the labels of the training photos that look most alike to the "
    "network before any training",
}
"""What each baseline does, as the end of a sentence."""

_FEW_PHOTOS = 200
_FEW_NAMES = 2
_FEW_KNOWN = 5
_FEW_LABELS = 3
_TRUSTED_SHARE = 0.25


def percent(share: float | None, *, digits: int = 1) -> str:
    r"""Write a share for people, with a space that does not break the line.

    Examples:
        >>> percent(0.824), percent(1.0, digits=0), percent(None)
        ('82.4\xa0%', '100\xa0%', 'undefined')
    """
    return "undefined" if share is None else f"{share:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def duration(seconds: float) -> str:
    """Write a time span for people.

    Examples:
        >>> duration(0.0042), duration(41.3), duration(485.7), duration(7300)
        ('4.2 ms', '41.3 s', '8 min 6 s', '2 h 1 min')
    """
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def what_to_beat(baselines: Sequence[str]) -> str:
    """Say what some baselines do.

    Examples:
        >>> what_to_beat(["all-negative"])
        'What a network has to beat: all-negative gives no label to any photo.'
    """
    meanings = "; ".join(f"{name} {BASELINES[name]}" for name in baselines)
    return f"What a network has to beat: {meanings}."


def what_to_beat_in_table(facts: FactsView) -> str:
    """Say which rows of the table are baselines."""
    names = list_words([baseline["model"] for baseline in facts["baselines"]])
    return f"{names} are baselines: what every network has to beat."


def n_things(n: int, thing: str) -> str:
    """Count things.

    Examples:
        >>> n_things(1, "photo"), n_things(1200, "photo")
        ('1 photo', '1,200 photos')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def list_words(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    Examples:
        >>> list_words(["a"]), list_words(["a", "b"]), list_words(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def headline(facts: FactsView) -> str:
    """Name the network that comes first, in one line, and those that may be as good."""
    models, best, others = facts["models"], facts["models"][facts["best"]], rivals(facts)
    start = f"{best['model']} (random weights)" if not best["is_pretrained"] else best["model"]
    score = f"mAP {percent(best['metrics']['mAP'])}"
    if len(models) == 1:
        return f"{start} reaches {score}"
    if best["metrics"]["mAP"] is None:
        return f"Which of {len(models)} networks is best cannot be told: {score}"
    if not others:
        return f"{start} is the best of {len(models)} networks: {score}"
    names = list_words(others) if len(others) <= _FEW_NAMES else f"{len(others)} of them"
    return f"{start} comes first of {len(models)} networks, but {names} may be as good: {score}"


def rivals(facts: FactsView) -> list[str]:
    """Name the networks whose mAP is not surely below that of the network that comes first."""
    best = facts["models"][facts["best"]]["model"]
    found = []
    for pair in facts["comparisons"]:
        if pair["metric"] == "mAP" and best in (pair["first"], pair["second"]):
            is_first = pair["first"] == best
            is_ahead = pair["difference"] is not None and (pair["difference"] > 0) == is_first
            if not (pair["is_distinguishable"] and is_ahead):
                found.append(pair["second"] if is_first else pair["first"])
    return found


def n_judged(facts: FactsView) -> int:
    """Count the photos that judge: those with a known label, where there are any."""
    evaluated = facts["evaluated"]
    return int(evaluated["n_known"] or evaluated["n_photos"])


def judged_on(facts: FactsView) -> str:
    """Say which photos evaluated, and that no network had seen them."""
    n_photos, n_folds = n_judged(facts), facts["data"]["n_folds"]
    if facts["evaluated"]["part"] == "test":
        return f"Evaluated on {n_things(n_photos, 'test photo')} that no network learned from."
    return (
        f"Evaluated on all {n_things(n_photos, 'photo')} by {n_folds}-fold cross-validation: each photo was"
        f" scored by a network that had not learned from it."
    )


def known_note(facts: FactsView) -> str:
    """Say on how few known labels the numbers rest, where some are unknown; empty where all are known.

    A label that is hardly ever known to be absent looks perfect to every metric.
    """
    per_label = facts["models"][facts["best"]]["per_label"]
    present_on, known_on = ([n or 0 for n in per_label[name]] for name in ("n_positive", "n_known"))
    n_present, n_known = sum(present_on), sum(known_on)
    n_photos, labels = facts["evaluated"]["n_photos"], facts["data"]["labels"]
    if n_known == n_photos * len(labels):
        return ""
    cells = (
        f"Of {n_photos:,} evaluated photos x {n_things(len(labels), 'label')}, {n_known:,} answers are "
        f"known: {n_present:,} present, {n_known - n_present:,} absent."
    )
    scarce = [
        label["name"]
        for label, known, present in zip(labels, known_on, present_on, strict=True)
        if known < n_photos and known - present < _FEW_KNOWN
    ]
    if not scarce:
        return cells
    more = [f"{len(scarce) - _FEW_LABELS} more"] if scarce[_FEW_LABELS:] else []
    names = list_words([*scarce[:_FEW_LABELS], *more])
    return (
        f"{cells} Fewer than {_FEW_KNOWN} photos are known to lack {names}: these numbers say next to "
        "nothing about that."
    )


def result(facts: FactsView) -> str:
    """Say how many photos the best network gets entirely right, and how far ahead it is."""
    best, n_photos = facts["models"][facts["best"]], facts["evaluated"]["n_known"]
    share = best["metrics"]["exact_match"]
    if share is None:
        return "No evaluated photo has a known label, so nothing can be said about right and wrong."
    n_right = round(share * n_photos)
    text = f"{best['model']} gets every label right on {n_right:,} of {n_things(n_photos, 'photo')}"
    text += f" ({percent(share)}){_lead(facts)}."
    if n_photos <= _FEW_PHOTOS:
        text += f" One photo more or less moves that share by {100 / n_photos:.1f} points."
    return text


def _lead(facts: FactsView) -> str:
    """Compare the mAP of the best network with the highest of the others; empty where there is none."""
    best = facts["models"][facts["best"]]
    scored = [model for model in facts["models"] if model is not best and model["metrics"]["mAP"] is not None]
    if not scored or best["metrics"]["mAP"] is None:
        return ""
    other = max(scored, key=lambda model: float(model["metrics"]["mAP"]))
    points = 100 * (best["metrics"]["mAP"] - other["metrics"]["mAP"])
    if abs(points) < 0.05:
        return f", and its mAP equals that of {other['model']}"
    doubt = ", too little to tell them apart" if other["model"] in rivals(facts) else ""
    if points < 0:
        doubt = ", which was behind it on the photos that chose"
    side = "above" if points > 0 else "below"
    return f", and its mAP is {abs(points):.1f} points {side} that of {other['model']}{doubt}"


def chosen_by(facts: FactsView) -> str:
    """Say by which photos a network came first, and what that does to its numbers; empty for one network."""
    if len(facts["models"]) < 2:
        return ""
    if facts["best_by"] == "out_of_fold":
        return (
            "Which network comes first was said by training photos that its fits had not seen, so that its"
            " numbers here are not flattered by the choice."
        )
    return (
        "Which network comes first is said by the photos that judge: its own numbers are flattered by that, a"
        " little with few networks and many photos, by some points with many and 40."
    )


def baseline_warning(facts: FactsView) -> str:
    """Say what a model that never gives a label reaches in binary accuracy, and why that is so much."""
    nothing = facts["baselines"][0]["metrics"]
    best = facts["models"][facts["best"]]
    reached, by_nothing = best["metrics"]["binary_accuracy"], nothing["binary_accuracy"]
    if reached is None or by_nothing is None:
        return "No label of a evaluated photo is known, so binary accuracy is undefined."
    why = ", because most labels are absent from most photos" if by_nothing > 0.5 else ""
    text = (
        f"Binary accuracy needs a yardstick: giving no label to any photo already reaches"
        f" {percent(by_nothing)}{why}. Read the {percent(reached)} of {best['model']} against that."
    )
    return f"{text} {below_nothing(facts)}".rstrip()


def below_nothing(facts: FactsView) -> str:
    """Say where the best network decides worse than by giving no label; empty where it does not."""
    nothing, best = facts["baselines"][0]["metrics"], facts["models"][facts["best"]]
    compared = {name: (nothing[name], best["metrics"][name]) for name in ("exact_match", "binary_accuracy")}
    lost = [
        f"{name.replace('_', ' ')} ({percent(by_nothing)} against {percent(reached)})"
        for name, (by_nothing, reached) in compared.items()
        if None not in (by_nothing, reached) and reached < by_nothing
    ]
    if not lost:
        return ""
    return (
        f"Giving no label to any photo would do better than {best['model']} by {list_words(lost)}: do not"
        f" rely on its labels yet. mAP and F1 show whether it learned to rank photos."
    )


def untrained_note(facts: FactsView) -> str:
    """Say that no network is pre-trained, and what that means; empty where one is."""
    models = facts["models"]
    if any(model["is_pretrained"] for model in models):
        return ""
    names = list_words([model["model"] for model in models])
    stayed = " ".join(sorted({STAYED_RANDOM[model["tune"]] for model in models} - {""}))
    return (
        f"Nothing here is pre-trained: {names} started from random weights.{f' {stayed}' if stayed else ''}"
        f" These numbers do not show what pre-trained networks reach: {_way_to_weights(models)}."
    )


def not_ranked_note(facts: FactsView) -> str:
    """Say which networks are not ranked, why, and how to get their weights; empty where all are."""
    names = [model["model"] for model in facts["not_ranked"]]
    if not names:
        return ""
    are = "is" if len(names) == 1 else "are"
    return (
        f"{list_words(names)} {are} not pre-trained on this machine and therefore not ranked: "
        f"{_way_to_weights(facts['not_ranked'])}."
    )


def _way_to_weights(models: Sequence[FactsView]) -> str:
    is_asked_for = all(model["init"] == "random" for model in models)
    return "leave --init random out" if is_asked_for else _WAY_TO_MISSING_WEIGHTS


NOT_RANKED_HEADING = "Not pre-trained on this machine"
NOT_RANKED_SHORT_HEADING = "Not pre-trained:"
"""The heading above the networks that are not ranked, and the one for narrow tables."""

_WAY_TO_MISSING_WEIGHTS = "connect to the internet once, or give --weights NAME=FILE"

STAYED_RANDOM = {
    "head": "Only the head learned; the backbone kept its random weights.",
    "top": "The backbone kept its random weights below the cut.",
    "full": "",
}
"""What did not learn, by what did, where a network started from random weights."""


LEARNED = {
    "head": "its head learned, the backbone stayed as it was",
    "top": "its head and the last stages of its backbone learned, the rest stayed as it was",
    "full": "the whole network learned",
}
"""What learned, by the setting."""


def n_wrong_labels(facts: FactsView) -> int | None:
    """Return how many given labels are probably wrong; None where the best network is too poor to tell.

    A network that misses many labels takes what it does not see for wrong. Where that comes to more than a
    quarter of the labels that are present, the number says more about the network than about the table.
    """
    found = facts["suspects"]
    if found is None or found["n_expected"] > _TRUSTED_SHARE * found["n_present"]:
        return None
    return round(float(found["n_expected"]))


def parts(facts: FactsView) -> str:
    """Say how the photos were divided, and by whom."""
    sizes, n_folds = facts["data"]["parts"], facts["data"]["n_folds"]
    kinds = {
        "train": "to learn from",
        "val": "to choose by when to stop, how much to keep, and thresholds",
        "test": "to judge by",
    }
    shares = ", ".join(f"{sizes[part]:,} {purpose}" for part, purpose in kinds.items() if sizes[part])
    folds = f", in {n_folds} folds" if n_folds else ""
    origin = f" ({facts['data']['split_origin']})" if facts["data"]["split_origin"] else ""
    return f"Divided into {shares}{folds}{origin}."


def top_value(facts: FactsView, column: str) -> float | None:
    """Return the best value of a column of the table among the networks; None where none is best."""
    if column in ("training_seconds", "inference_seconds", "parameters"):
        return min(float(model[column]) for model in facts["models"])
    values = [model["metrics"].get(column) for model in facts["models"]]
    return max((float(value) for value in values if value is not None), default=None)


def chosen_in_training(model: FactsView) -> str:
    """Tell the weight decay of a network and of its folds, and what was done to its weights afterwards.

    Examples:
        >>> of_folds = {"weight_decay": 0.482, "fold_weight_decays": [0.3, 1.0]}
        >>> chosen_in_training({**of_folds, "logit_scale": 1.31, "learned_share": 1.0})
        'weight decay 0.48; in the folds 0.3, 1; logits times 1.3 afterwards'
        >>> alone = {"weight_decay": 0.01, "fold_weight_decays": [0.01, 0.01]}
        >>> chosen_in_training({**alone, "logit_scale": 1.0, "learned_share": 0.6})
        'weight decay 0.01; 0.6 of the way from the start kept'
        >>> chosen_in_training({**alone, "logit_scale": 1.0, "learned_share": 0.0})
        'weight decay 0.01; nothing kept of what came after the head'
    """
    kept, folds = model["weight_decay"], model["fold_weight_decays"]
    others = "; in the folds " + ", ".join(f"{decay:.2g}" for decay in folds)
    scale = model["logit_scale"]
    after = "" if scale == 1 else f"; logits times {scale:.2g} afterwards"
    share = model["learned_share"]
    way = (
        f"; {share:g} of the way from the start kept"
        if share
        else "; nothing kept of what came after the head"
    )
    way = "" if share == 1 else way
    return f"weight decay {kept:.2g}{'' if set(folds) <= {kept} else others}{after}{way}"


def timings(facts: FactsView) -> dict[str, Any]:
    """Lay out where the time went: per network its stages and its training steps, and what was done once.

    Returns:
        ``rows``, each with its name, its seconds and its stages (name, seconds, and a number that is the same
        for the same stage in all rows); ``longest``, the seconds of the longest row.
    """
    spans = []
    for model in (*facts["models"], *facts["not_ranked"]):
        spans.append((model["model"], model["stage_seconds"]))
        spans.append((f"{model['model']}, training steps", model["step_seconds"]))
    spans.append(("around them", facts["run"]["stage_seconds"]))
    numbers: dict[str, int] = {}
    rows = []
    for name, seconds in spans:
        stages = [
            {"name": stage, "seconds": spent, "number": numbers.setdefault(stage, len(numbers))}
            for stage, spent in seconds.items()
        ]
        if sum(seconds.values()) > 0:
            rows.append({"name": name, "seconds": sum(seconds.values()), "stages": stages})
    return {"rows": rows, "longest": max((row["seconds"] for row in rows), default=0.0)}
