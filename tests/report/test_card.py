"""The model card of a bundle."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.report.card import model_card
from manylabel.report.text.glossary import UNDEFINED_NOTE
from manylabel.results import RunInfo
from manylabel.trials import EvaluatedPhotos, Trial
from manylabel.types import LabelTable, Split, Thresholds
from tests.report.conftest import NOTHING_MORE, results_of, with_everything

LABELS = ("sea", "a|b", "<script>")
TABLE = LabelTable(
    photos=tuple(Path(f"{number}.jpg") for number in range(6)),
    names=tuple(f"{number}.jpg" for number in range(6)),
    labels=LABELS,
    targets=np.array(
        [[1, 0, 1], [0, 0, 0], [1, 0, np.nan], [1, 0, 0], [0, 0, 1], [0, 0, np.nan]], dtype=np.float64
    ),
    parts=(None,) * 6,
    source="drawn by hand",
)
SCORES = np.array([[0.9, 0.1, 0.9], [0.2, 0.1, 0.8], [0.3, 0.1, 0.5]])
TEST = EvaluatedPhotos(rows=np.array([3, 4, 5]), scores=SCORES, decisions=SCORES >= 0.5)
TRIAL = Trial(
    model="timm/vit_tiny_patch16_224",
    init="random",
    init_note="random weights: vit.safetensors could not be had",
    head="mlp",
    tune="head",
    parameters=1234567,
    labels=LABELS,
    thresholds=Thresholds(values=np.full(3, 0.5), origin="best F1 per label on 3 photos"),
    pos_weight=np.ones(3),
    weight_decay=0.01,
    fold_weight_decays=(),
    test=TEST,
    out_of_fold=None,
    **NOTHING_MORE,
    history=(),
    training_seconds=1.0,
    inference_seconds=0.1,
    stage_seconds={},
)


def card_of(trial: Trial) -> str:
    """Return the card of one trial, evaluated on the last three photos."""
    split = Split(train=np.arange(3), val=np.empty(0, np.int64), test=np.arange(3, 6))
    run = RunInfo(command="", started="", seconds=1.0, seed=0, recipe="", versions={"manylabel": "0.1.0"})
    return model_card(results_of(TABLE, split, [trial], run))


def test_the_card_says_what_the_network_is() -> None:
    card = card_of(TRIAL)

    assert card.startswith("---\nlibrary_name: manylabel\n")
    assert "# timm/vit_tiny_patch16_224: 3 labels\n" in card
    assert "with a mlp head, 1,234,567 parameters; only the head was trained." in card
    assert "Pre-trained weights: random weights: vit.safetensors could not be had." in card
    assert "Trained on 3 photos, evaluated on 3 test photos." in card
    assert "Thresholds: best F1 per label on 3 photos." in card
    assert "Written by manylabel 0.1.0;" in card
    assert "{" not in card


def test_the_card_says_how_good_it_is_and_what_doing_nothing_would_give() -> None:
    lines = card_of(TRIAL).splitlines()

    # Of the 8 known cells of the test photos, the model has 7 right and "none" has 6.
    # The shares among the training photos are two thirds, none and one half: 5 cells are right.
    assert any(
        re.fullmatch(r"\| binary_accuracy \| 87.5 % \| \d.* to 9\d.* % \| 75.0 % \| 62.5 % \|", line)
        for line in lines
    )
    assert "| | this model | 95 % interval | all-negative | label-prior |" in lines
    assert any(line.startswith("Baselines to beat: all-negative predicts no label") for line in lines)
    assert any(re.fullmatch(r"\| sea \| 1 \| 100.0 % \| .* to 100.0 % \| 0.50 \|", line) for line in lines)


def test_the_card_says_what_was_done_to_the_probabilities() -> None:
    assert "* Probabilities: not calibrated: no photos were held out from training.\n" in card_of(TRIAL)
    calibrated = card_of(with_everything(TRIAL, TABLE))
    assert (
        "* Probabilities: calibrated: log loss 0.500 \N{RIGHTWARDS ARROW} 0.400 on photos that the"
        in calibrated
    )


def test_labels_cannot_break_the_card() -> None:
    lines = card_of(TRIAL).splitlines()

    assert "| a\\|b | 0 | \N{EN DASH} |  | 0.50 |" in lines
    assert any(line.startswith("| &lt;script> | 1 | 50.0 % | ") for line in lines)


def test_nothing_in_the_card_is_obeyed() -> None:
    labels = ("[x](http://y)", "`z`\n# head", "\x1b[2J\u202e")
    split = Split(train=np.arange(3), val=np.empty(0, np.int64), test=np.arange(3, 6))
    run = RunInfo(command="", started="", seconds=1.0, seed=0, recipe="", versions={})
    trial = replace(TRIAL, labels=labels, init_note="random: <b>.safetensors\nis gone")
    card = model_card(results_of(replace(TABLE, labels=labels), split, [trial], run))

    assert r"| [x\](http\://y) | " in card
    assert r"| \`z\`\\n# head | " in card
    assert r"| \\x1b[2J\\u202e | " in card
    assert r"Pre-trained weights: random: &lt;b>.safetensors\\nis gone." in card


def test_a_dash_is_explained_where_there_is_one() -> None:
    assert f"\n{UNDEFINED_NOTE}\n" in card_of(TRIAL)
    known = replace(TABLE, targets=np.nan_to_num(TABLE.targets) + np.eye(6, 3, -3) * [0, 1, 0])
    split = Split(train=np.arange(3), val=np.empty(0, np.int64), test=np.arange(3, 6))
    run = RunInfo(command="", started="", seconds=1.0, seed=0, recipe="", versions={})
    assert UNDEFINED_NOTE not in model_card(results_of(known, split, [TRIAL], run))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tune": "full"}, "; all weights were trained."),
        (
            {"test": None, "out_of_fold": TEST},
            "evaluated on 3 photos, each by a model that was not trained on it.",
        ),
    ],
)
def test_the_card_says_how_it_learned_and_was_judged(changes: dict[str, Any], words: str) -> None:
    assert words in card_of(replace(TRIAL, **changes))
