"""What each setting accepts."""

import math
import re

import pytest

from manylabel.config import RunConfig
from manylabel.errors import ConfigError
from manylabel.recipes import config_from_toml, field_docs
from manylabel.settings import check_setting, sections, setting_kinds, show


def text_of(key: str) -> str:
    """Return the text under the field of a setting."""
    section, _, name = key.rpartition(".")
    return field_docs(sections()[section] if section else RunConfig)[name]


STATED_RANGES = [
    (key, text)
    for key in setting_kinds()
    for text in re.findall(r"[\[(]\d, \d[\])]|at least \d+", text_of(key))
]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[training]\nepoch = 3", "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ("epochs = 3", "unknown key 'epochs'; did you mean 'training.epochs'?"),
        ("[trainin]\nepoch = 3", "unknown key 'trainin'; did you mean 'training'?"),
        (
            "[data]\nzzz = 1",
            "unknown key 'data.zzz'. Known here: photos, labels, format, delimiter, photo_column, "
            "label_columns, ignore, sheet, header_row, blank, missing, min_photos.",
        ),
        (
            "zzz = 1",
            "unknown key 'zzz'. Known here: data, split, model, training, augmentation, evaluation, rules.",
        ),
        ("training = 3", "'training' is a section, not a value; give one of its keys, e.g. training.tune"),
        (
            "[[training]]\nepochs = 3",
            "'training' is a section, not a value; give one of its keys, e.g. training.tune",
        ),
        ("[training.epochs]\nn = 3", "training.epochs: given {'n': 3}, expected a whole number"),
        ("[training]\nepochs = 1.5", "training.epochs: given 1.5, expected a whole number"),
        ("[training]\nepochs = true", "training.epochs: given true, expected a whole number"),
        ("[training]\nepochs = 0", "training.epochs: given 0, expected at least 1"),
        ("overwrite = 1", "overwrite: given 1, expected true or false"),
        ("out = 3", "out: given 3, expected text"),
        ("out = ''", "out: given '', expected some text"),
        ("seed = -1", "seed: given -1, expected a value in [0, 4294967295]"),
        ("[split]\nfolds = 1", "split.folds: given 1, expected at least 2"),
        ("[split]\ntest_fraction = 1", "split.test_fraction: given 1, expected a value in (0, 1)"),
        ("[split]\ntest_fraction = '0.2'", "split.test_fraction: given '0.2', expected a number"),
        ("[split]\ntest_fraction = true", "split.test_fraction: given true, expected a number"),
        (
            "[model]\nnames = 'vgg16'",
            'model.names: given \'vgg16\', expected a list of text, e.g. ["a", "b"]',
        ),
        ("[model]\nnames = [1]", 'model.names: given [1], expected a list of text, e.g. ["a", "b"]'),
        ("[model]\nnames = []", "model.names: given [], expected at least one name, none twice"),
        (
            "[model]\nnames = ['a', 'a']",
            "model.names: given ['a', 'a'], expected at least one name, none twice",
        ),
        ("[model]\nweights = ['']", "model.weights: given [''], expected no empty text"),
        (
            "[training]\ntune = 'hed'",
            "training.tune: given 'hed', expected one of 'head', 'top', 'full'; did you mean 'head'?",
        ),
        ("[training]\ntune = 1", "training.tune: given 1, expected one of 'head', 'top', 'full'"),
        ("[training]\nlearning_rate = 0", "training.learning_rate: given 0, expected above 0"),
        ("[training]\nlearning_rate = inf", "training.learning_rate: given inf, expected above 0"),
        ("[training]\nweight_decay = -0.1", "training.weight_decay: given -0.1, expected at least 0"),
        (
            "[augmentation]\nbrightness = nan",
            "augmentation.brightness: given nan, expected a value in [0, 1)",
        ),
        ("[augmentation]\ncrop_scale = 0", "augmentation.crop_scale: given 0, expected a value in (0, 1]"),
    ],
)
def test_a_wrong_key_or_value_says_where_what_was_given_and_what_was_expected(
    toml: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_toml(toml, where="recipe mine.toml")
    assert str(caught.value) == f"recipe mine.toml: {problem}"


def test_a_whole_number_too_large_for_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a number$"):
        config_from_toml(f"[training]\nlearning_rate = 1{'0' * 400}")


@pytest.mark.parametrize(("key", "text"), STATED_RANGES)
def test_the_range_that_the_text_of_a_field_states_is_the_one_that_is_checked(key: str, text: str) -> None:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    outside = min(numbers) - 1 if text.startswith("at least ") else max(numbers) + 1
    with pytest.raises(ConfigError, match=re.escape(text)):
        check_setting(key, outside)


def test_the_texts_of_many_fields_state_a_range() -> None:
    assert len(STATED_RANGES) >= 10


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("split.test_fraction", (1e-9, 0.999), (0, 1)),
        ("training.ema_decay", (0, 0.999), (-1e-9, 1)),
        ("augmentation.horizontal_flip", (0, 1), (-1e-9, 1.001)),
        ("augmentation.crop_scale", (1e-9, 1), (0, 1.001)),
        ("training.pos_weight_cap", (1, 1e9), (0.999, math.inf, math.nan)),
        ("training.learning_rate", (1e-9, 10), (0, -1, math.inf, math.nan)),
    ],
)
def test_the_ends_of_a_range_are_open_or_closed_as_written(
    key: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    assert all(_accepts(key, value) for value in inside)
    assert not any(_accepts(key, value) for value in outside)


def _accepts(key: str, value: object) -> bool:
    try:
        check_setting(key, value)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (None, "none"), ("a", "'a'"), (1.5, "1.5")])
def test_values_are_shown_as_users_write_them(value: object, text: str) -> None:
    assert show(value) == text
