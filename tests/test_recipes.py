"""Settings in and out of TOML: recipes, ``--set``, options, checks, comments."""

import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manylabel.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
)
from manylabel.errors import ConfigError
from manylabel.recipes import (
    all_settings,
    apply_settings,
    check_config,
    check_setting,
    config_from_toml,
    config_to_toml,
    get_setting,
    load_recipe,
    recipe_names,
    replace_settings,
)

# the recipes that come with manylabel


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_fits_the_config(name: str) -> None:
    check_config(load_recipe(name))


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_how_to_run_it_and_what_to_expect(name: str) -> None:
    path = Path(__file__).parents[1] / "recipes" / f"{name}.toml"
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert any(f"--recipe {name}" in line for line in comments)
    assert any(line.startswith("# Expected: ") for line in comments)


def test_the_recipe_of_the_study_is_the_study_as_published() -> None:
    assert load_recipe("study") == RunConfig(
        split=SplitConfig(test_fraction=0.2),
        model=ModelConfig(
            names=("vgg16", "googlenet", "resnet50", "vit_b_16"), head="study", fallback="error"
        ),
        training=TrainingConfig(
            tune="full",
            head_first=False,
            loss="weighted_bce",
            epochs=10,
            batch_size=32,
            learning_rate=3e-4,
            body_learning_rate=2e-4,
        ),
        augmentation=AugmentationConfig(
            horizontal_flip=0.5, brightness=0.2, contrast=0.2, saturation=0.2, crop_scale=1.0
        ),
        evaluation=EvaluationConfig(thresholds="half"),
    )


def test_the_quick_recipe_trains_a_head_on_frozen_features() -> None:
    quick = load_recipe("quick")
    assert (quick.training.tune, quick.training.n_views, quick.model.head) == ("head", 1, "linear")


def test_the_standard_recipe_holds_the_defaults() -> None:
    assert load_recipe("standard") == RunConfig()


def test_the_accurate_recipe_trains_two_backbones_as_one() -> None:
    accurate = load_recipe("accurate")
    assert accurate.model.names == ("efficientnet_lite0+efficientnet_lite2",)
    assert (accurate.training.tune, accurate.evaluation.tta) == ("top", 4)


def test_recipes_come_with_manylabel() -> None:
    assert {"standard", "quick", "accurate", "study"} <= set(recipe_names())


# load_recipe


def test_a_recipe_by_path_changes_only_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('seed = 7\n[model]\nnames = ["vgg16", "resnet50"]\n', encoding="utf-8")
    expected = RunConfig(seed=7, model=ModelConfig(names=("vgg16", "resnet50")))
    assert load_recipe(str(path)) == expected


def test_a_recipe_is_put_on_the_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 3\n", encoding="utf-8")
    base = RunConfig(seed=5, training=TrainingConfig(tune="full", epochs=9))
    assert load_recipe(str(path), base=base) == RunConfig(
        seed=5, training=TrainingConfig(tune="full", epochs=3)
    )


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 7\r\n[split]\r\nfolds = 5\r\n")
    assert load_recipe(str(path)) == RunConfig(seed=7, split=SplitConfig(folds=5))


def test_an_unknown_recipe_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(
        ConfigError, match=r"^unknown recipe 'quik'; did you mean 'quick'\? Known recipes: .*study"
    ):
        load_recipe("quik")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"out = 1\nseed = \n", "is not valid TOML: .*line 2"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^recipe {re.escape(str(path))}: {reason}"):
        load_recipe(str(path))


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(str(tmp_path))


# errors


def test_an_error_in_a_recipe_that_was_named_carries_its_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("[training]\nepoch = 3\n", encoding="utf-8")
    monkeypatch.setattr("manylabel.recipes._recipe_folder", lambda: tmp_path)
    with pytest.raises(
        ConfigError, match=r"^recipe mine\.toml: unknown key 'training\.epoch'; did you mean 'epochs'\?$"
    ):
        load_recipe("mine")


def test_all_problems_of_a_recipe_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_toml("speed = 1\n[training]\nepoch = 3\nbatch_size = 0\n[split]\nfolds = 'x'", where="r")
    assert [line.split(":")[1].split(" ")[1] for line in str(caught.value).splitlines()] == [
        "unknown",
        "unknown",
        "training.batch_size",
        "split.folds",
    ]


# --set and options


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("training.epochs=20", 20),
        (" training.epochs = 20 ", 20),
        ("training.learning_rate=1", 1.0),
        ("training.learning_rate=1e-3", 1e-3),
        ("training.tune=full", "full"),
        ('training.tune="full"', "full"),
        ("overwrite=true", True),
        ("out=runs/x", "runs/x"),
        ("out=2026-01-02", "2026-01-02"),
        ("out=none", "none"),
        ("out=a=b", "a=b"),
        ("data.labels=2024", "2024"),
        ("data.delimiter=;", ";"),
        ("data.delimiter= ", " "),
        ("data.delimiter=#", "#"),
        ("model.names=vgg16", ("vgg16",)),
        ("model.names=vgg16,timm/x", ("vgg16", "timm/x")),
        ('model.names=["vgg16", "resnet50"]', ("vgg16", "resnet50")),
        ("model.weights=", ()),
    ],
)
def test_a_setting_is_read_as_what_its_field_wants(setting: str, value: object) -> None:
    key = setting.partition("=")[0].strip()
    found = get_setting(apply_settings(RunConfig(), [setting]), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("setting", ["training.epochs=none", "split.folds=none", "data.delimiter=none"])
def test_none_takes_a_value_away(setting: str) -> None:
    full = RunConfig(
        training=TrainingConfig(epochs=5), split=SplitConfig(folds=5), data=DataConfig(delimiter=";")
    )
    assert get_setting(apply_settings(full, [setting]), setting.partition("=")[0]) is None


def test_none_is_refused_where_a_value_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"pos_weight_cap: given none, expected a number, at least 1$"):
        apply_settings(RunConfig(), ["training.pos_weight_cap=none"])


def test_the_last_of_two_settings_wins() -> None:
    assert apply_settings(RunConfig(), ["seed=1", "seed=2"]).seed == 2


def test_all_problems_of_the_settings_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        apply_settings(RunConfig(), ["epochs=3", "seed=1", "seed", "split.folds=", "model.names=a,a"])
    assert str(caught.value).splitlines() == [
        "--set epochs=3: unknown key 'epochs'; did you mean 'training.epochs'?",
        "--set seed: expected KEY=VALUE, e.g. training.epochs=20",
        "--set split.folds=: split.folds: given '', expected a whole number, at least 2",
        "--set model.names=a,a: model.names: given ['a', 'a'], expected a list of text, none empty, "
        'e.g. ["a", "b"]; at least one name, none twice',
    ]


def test_options_that_were_not_given_change_nothing() -> None:
    config = RunConfig(seed=3, split=SplitConfig(folds=5))
    assert replace_settings(config, {"seed": None, "split.folds": None, "training.epochs": None}) == config


def test_options_are_put_on_the_config_and_leave_it_unchanged() -> None:
    config = RunConfig(training=TrainingConfig(tune="full"))
    changed = replace_settings(config, {"training.epochs": 20, "seed": 0, "model.names": ["vgg16"]})
    assert changed == RunConfig(
        training=TrainingConfig(tune="full", epochs=20), model=ModelConfig(names=("vgg16",))
    )
    assert config == RunConfig(training=TrainingConfig(tune="full"))


# check_config


def test_the_defaults_pass_the_check() -> None:
    check_config(RunConfig())


def test_a_config_made_in_python_is_checked_for_types_and_ranges_at_once() -> None:
    wrong: Any = "three"
    config = RunConfig(
        seed=-1, training=TrainingConfig(epochs=wrong), split=SplitConfig(test_fraction=math.nan)
    )
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    assert str(caught.value).splitlines() == [
        "seed: given -1, expected a whole number in [0, 4294967295]",
        "split.test_fraction: given nan, expected a number in (0, 1)",
        "training.epochs: given 'three', expected a whole number, at least 1",
    ]


# TOML out and back


def test_a_saved_config_explains_every_setting() -> None:
    toml = config_to_toml(RunConfig())
    unwrapped = " ".join(line.removeprefix("#").strip() for line in toml.splitlines())
    for key, setting in all_settings().items():
        assert setting.help in unwrapped
        assert re.search(rf"^(# )?{key.rpartition('.')[2]} = ", toml, flags=re.MULTILINE)


def test_what_is_not_given_is_a_comment() -> None:
    toml = config_to_toml(RunConfig())
    assert "\n# epochs = (not given)\n" in toml
    assert "epochs" not in tomllib.loads(toml)["training"]


def test_lines_of_a_saved_config_are_short_enough_to_read() -> None:
    assert max(len(line) for line in config_to_toml(RunConfig()).splitlines()) <= 100


def _values(key: str, kind: Any) -> st.SearchStrategy[object]:
    """Draw values of a kind that the setting accepts."""
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if type(None) in get_args(kind):
        return st.none() | _values(key, get_args(kind)[0])
    if get_origin(kind) is Annotated:
        return _values(key, kind.__origin__)
    drawn: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(min_value=0, max_value=10_000),
        float: st.floats(min_value=0) | st.floats(min_value=0, max_value=1),
        str: st.text(),
        tuple: st.lists(st.text(), max_size=3).map(tuple),
    }
    return drawn[get_origin(kind) or kind].filter(lambda value: _accepts(key, value))


def _accepts(key: str, value: object) -> bool:
    try:
        check_setting(key, value)
    except ConfigError:
        return False
    return True


VALUES = st.fixed_dictionaries(
    {}, optional={key: _values(key, setting.kind) for key, setting in all_settings().items()}
)


@settings(max_examples=50)
@given(values=VALUES)
def test_a_config_written_as_toml_is_read_back_the_same(values: dict[str, object]) -> None:
    config = replace_settings(RunConfig(), values)
    assert config_from_toml(config_to_toml(config)) == config


@given(text=st.text(min_size=1).filter(lambda text: not re.match(r"\s*(none\s*$|[\"'])", text)))
def test_text_without_quotes_is_taken_as_it_stands(text: str) -> None:
    assert apply_settings(RunConfig(), [f"data.delimiter={text}"]).data.delimiter == text


def test_the_config_of_a_run_is_a_recipe(tmp_path: Path) -> None:
    config = RunConfig(out="runs/x", model=ModelConfig(names=("vgg16",), weights=('say "hi"\\.pth',)))
    path = tmp_path / "config.toml"
    path.write_text(config_to_toml(config), encoding="utf-8")
    assert load_recipe(str(path)) == config


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ('[training]\ncut = "layer3"', TrainingConfig(split_layer="layer3")),
        ("[training]\nlearned_share = 0.5", TrainingConfig(alpha=0.5)),
    ],
)
def test_earlier_names_of_settings_are_read(earlier: str, today: TrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "earlier.toml").write_text(earlier, encoding="utf-8")
    assert load_recipe(str(tmp_path / "earlier.toml")).training == today
    assert apply_settings(RunConfig(), ["training.cut=layer3"]).training.split_layer == "layer3"


def test_a_cut_without_tuning_the_top_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"training\.split_layer: given 'layer3', but it needs training\.tune=top"
    ):
        check_config(RunConfig(training=TrainingConfig(tune="full", split_layer="layer3")))


@pytest.mark.parametrize(
    "training",
    [TrainingConfig(tune="head", alpha=0.5), TrainingConfig(head_first=False, alpha=0.5)],
)
def test_nothing_is_moved_back_towards_a_head_that_had_not_learned(training: TrainingConfig) -> None:
    with pytest.raises(ConfigError, match=r"training\.alpha: given 0\.5, but it needs training\.tune=top"):
        check_config(RunConfig(training=training))
