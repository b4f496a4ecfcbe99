"""What each setting accepts, and what its help says."""

import dataclasses
import math
import re

import pytest

from manylabel.config import ConstraintsConfig, RunConfig
from manylabel.errors import ConfigError
from manylabel.recipes import all_settings, apply_settings, check_setting, config_from_toml, sections, show

TEXTS = 'a list of text, none empty, e.g. ["a", "b"]'
NAMES = f"{TEXTS}; at least one name, none twice"
STATED_RANGES = [
    (setting.key, found[1])
    for setting in all_settings().values()
    if (found := re.search(r" Range: ([\[(]\d+, \d+[\])]|at least \d+|above \d+)\.$", setting.help))
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
            "unknown key 'zzz'. Known here: data, split, model, training, augmentation, evaluation, "
            "constraints.",
        ),
        ("training = 3", "'training' is a section, not a value; give one of its keys, e.g. training.tune"),
        (
            "[[training]]\nepochs = 3",
            "'training' is a section, not a value; give one of its keys, e.g. training.tune",
        ),
        ("[training.epochs]\nn = 3", "training.epochs: given {'n': 3}, expected a whole number, at least 1"),
        ("[training]\nepochs = 1.5", "training.epochs: given 1.5, expected a whole number, at least 1"),
        ("[training]\nepochs = true", "training.epochs: given true, expected a whole number, at least 1"),
        ("[training]\nepochs = 0", "training.epochs: given 0, expected a whole number, at least 1"),
        ("overwrite = 1", "overwrite: given 1, expected true or false"),
        ("out = 3", "out: given 3, expected text, not empty"),
        ("out = ''", "out: given '', expected text, not empty"),
        ("seed = -1", "seed: given -1, expected a whole number in [0, 4294967295]"),
        ("[split]\nfolds = 1", "split.folds: given 1, expected a whole number, at least 2"),
        ("[split]\ntest_fraction = 1", "split.test_fraction: given 1, expected a number in (0, 1)"),
        ("[split]\ntest_fraction = '0.2'", "split.test_fraction: given '0.2', expected a number in (0, 1)"),
        ("[split]\ntest_fraction = true", "split.test_fraction: given true, expected a number in (0, 1)"),
        ("[model]\nnames = 'vgg16'", f"model.names: given 'vgg16', expected {NAMES}"),
        ("[model]\nnames = [1]", f"model.names: given [1], expected {NAMES}"),
        ("[model]\nnames = []", f"model.names: given [], expected {NAMES}"),
        ("[model]\nnames = ['a', 'a']", f"model.names: given ['a', 'a'], expected {NAMES}"),
        ("[model]\nweights = ['']", f"model.weights: given [''], expected {TEXTS}"),
        (
            "[training]\ntune = 'hed'",
            "training.tune: given 'hed', expected one of 'head', 'top', 'full'; did you mean 'head'?",
        ),
        ("[training]\ntune = 1", "training.tune: given 1, expected one of 'head', 'top', 'full'"),
        ("[training]\nlearning_rate = 0", "training.learning_rate: given 0, expected a number, above 0"),
        ("[training]\nlearning_rate = inf", "training.learning_rate: given inf, expected a number, above 0"),
        (
            "[training]\nweight_decay = -0.1",
            "training.weight_decay: given -0.1, expected a number, at least 0",
        ),
        (
            "[augmentation]\nbrightness = nan",
            "augmentation.brightness: given nan, expected a number in [0, 1)",
        ),
        ("[augmentation]\ncrop_scale = 0", "augmentation.crop_scale: given 0, expected a number in (0, 1]"),
    ],
)
def test_a_wrong_key_or_value_says_where_what_was_given_and_what_was_expected(
    toml: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_toml(toml, where="recipe mine.toml")
    assert str(caught.value) == f"recipe mine.toml: {problem}"


def test_a_whole_number_too_large_for_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a number, above 0$"):
        config_from_toml(f"[training]\nlearning_rate = 1{'0' * 400}")


@pytest.mark.parametrize(("key", "text"), STATED_RANGES)
def test_the_help_of_a_setting_states_the_range_that_is_checked(key: str, text: str) -> None:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    outside = max(numbers) + 1 if len(numbers) == 2 else min(numbers) - 1
    with pytest.raises(ConfigError, match=re.escape(text)):
        check_setting(key, outside)


def test_the_help_of_many_settings_states_a_range() -> None:
    assert len(STATED_RANGES) >= 25


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


def test_every_field_has_a_text() -> None:
    classes = {"": RunConfig, **{f"{name}.": cls for name, cls in sections().items()}}
    plain = [
        prefix + field.name
        for prefix, cls in classes.items()
        for field in dataclasses.fields(cls)
        if not dataclasses.is_dataclass(field.type)
    ]
    assert list(all_settings()) == plain
    texts = [setting.help for setting in all_settings().values()]
    assert all(text.endswith(".") and "\n" not in text and "  " not in text for text in texts)


def test_the_help_of_a_setting_is_the_text_under_its_own_field() -> None:
    assert all_settings()["training.batch_size"].help == "Photos per step. Range: at least 1."


def test_constraints_are_read_by_their_earlier_name() -> None:
    expected = RunConfig(constraints=ConstraintsConfig(implies=("boat -> water",)))
    assert config_from_toml('[rules]\nimplies = ["boat -> water"]') == expected
    assert apply_settings(RunConfig(), ["rules.implies=boat -> water"]) == expected
