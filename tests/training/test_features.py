"""Features of a frozen backbone, computed once."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from manylabel.config import AugmentationConfig, TrainingEngineName
from manylabel.engines import frozen
from manylabel.engines.frozen import plan_engine
from manylabel.errors import PhotoError, WeightsError
from manylabel.io.cache import list_cache
from manylabel.models.classifier import Classifier
from manylabel.models.heads import build_head
from manylabel.models.splitting import split_backbone
from manylabel.preprocess import resize_photo, resize_views
from manylabel.training import feature_store as feature_store
from manylabel.training import features
from manylabel.training.feature_store import FrozenFeatures
from manylabel.training.features import FeatureSettings, FrozenPart, frozen_features
from manylabel.training.photo_store import PhotoStore, read_store, store_of_images

N_PHOTOS = 6
ROWS = np.arange(N_PHOTOS)
Change = Callable[[Any], Any]


def photos(seed: int = 0) -> list[Image.Image]:
    """Draw photos of noise."""
    noise = np.random.default_rng(seed).integers(256, size=(N_PHOTOS, 24, 30, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


@pytest.fixture
def store() -> PhotoStore:
    """Return photos of noise."""
    return store_of_images(photos(), side_px=16)


@pytest.fixture
def settings(feature_cache: Path) -> FeatureSettings:
    """Return settings with a cache."""
    return FeatureSettings(
        n_plain=1,
        n_augmented=2,
        augmentation=AugmentationConfig(),
        seed=0,
        cache=feature_cache,
    )


def part_of(
    classifier: Classifier, *, engine: TrainingEngineName = "torch", precision: torch.dtype = torch.float32
) -> FrozenPart:
    """Return the whole backbone as a frozen part."""
    plan = plan_engine(engine, device=torch.device("cpu"), precision=precision)
    return FrozenPart(classifier.eval(), plan)


def cache_files(settings: FeatureSettings) -> list[Path]:
    """List the files of the cache, unfinished ones too."""
    assert settings.cache is not None
    return sorted(path for path in settings.cache.rglob("*") if path.is_file())


def test_the_first_view_is_what_a_predictor_sees(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    pixels = np.stack([resize_photo(photo, tiny_classifier.preprocessing) for photo in photos()])
    with torch.inference_mode():
        expected = tiny_classifier.eval().features(torch.from_numpy(pixels))
    assert computed.values.shape == (N_PHOTOS, 3, 8)
    torch.testing.assert_close(torch.tensor(computed.values[:, 0]), expected, atol=1e-5, rtol=1e-5)


def test_views_that_scores_are_averaged_over_come_before_augmented_ones(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=replace(settings, n_plain=4))

    preprocessing = replace(tiny_classifier.preprocessing, n_views=4)
    pixels = np.concatenate([resize_views(photo, preprocessing) for photo in photos()])
    with torch.inference_mode():
        expected = tiny_classifier.features(torch.from_numpy(pixels)).reshape(N_PHOTOS, 4, 8)
    assert computed.values.shape == (N_PHOTOS, 4 + settings.n_augmented, 8)
    torch.testing.assert_close(torch.tensor(computed.values[:, :4]), expected, atol=1e-5, rtol=1e-5)


def test_the_other_views_differ(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    values = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).values

    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (np.abs(values[:, first] - values[:, second]).max(axis=1) > 1e-4).all()


def test_cached_features_are_those_that_were_computed(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    cached = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    fresh = frozen_features(part_of(tiny_classifier), store, ROWS, settings=replace(settings, cache=None))

    assert (computed.is_cached, cached.is_cached, fresh.is_cached) == (False, True, False)
    np.testing.assert_array_equal(cached.values, computed.values)
    np.testing.assert_array_equal(fresh.values, computed.values)
    assert cached.seconds == computed.seconds > 0
    assert len(cache_files(settings)) == 2  # values and their details


def test_cached_features_need_no_forward_pass(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    monkeypatch.setattr(frozen, "compile_frozen", lambda *_, **__: pytest.fail("nothing must run"))

    assert frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).is_cached


def test_a_photo_has_the_same_features_whatever_the_others_are(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    together = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    some = frozen_features(part_of(tiny_classifier), store, np.array([4, 1]), settings=settings)

    np.testing.assert_allclose(some.values, together.values[[4, 1]], atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: replace(settings, seed=1),
        lambda settings: replace(settings, n_augmented=1),
        lambda settings: replace(settings, augmentation=AugmentationConfig(contrast=0.3)),
    ],
)
def test_other_settings_are_computed_anew(
    change: Change, tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    first = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    second = frozen_features(part_of(tiny_classifier), store, ROWS, settings=change(settings))

    assert not second.is_cached
    assert first.values.shape != second.values.shape or not np.array_equal(first.values, second.values)


@pytest.mark.parametrize(("engine", "precision"), [("openvino", torch.float32), ("torch", torch.bfloat16)])
def test_another_engine_or_precision_computes_anew_and_nearly_the_same(
    engine: TrainingEngineName,
    precision: torch.dtype,
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
) -> None:
    first = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    part = part_of(tiny_classifier, engine=engine, precision=precision)
    second = frozen_features(part, store, ROWS, settings=settings)

    assert not second.is_cached
    np.testing.assert_allclose(second.values, first.values, rtol=0.02, atol=0.02)


def change_a_weight(classifier: Classifier) -> None:
    """Move one weight by a little."""
    with torch.no_grad():
        classifier.backbone.network.get_submodule("0").weight[0, 0, 0, 0] += 1e-3  # type: ignore[operator, index]


def change_a_statistic(classifier: Classifier) -> None:
    """Move one running mean of batch normalisation by a little."""
    classifier.backbone.network.get_submodule("1").running_mean[0] += 1e-3  # type: ignore[operator, index]


def change_the_fit(classifier: Classifier) -> None:
    """Cut photos instead of squashing them."""
    classifier.backbone.preprocessing = replace(classifier.preprocessing, fit="crop")


@pytest.mark.parametrize("change", [change_a_weight, change_a_statistic, change_the_fit])
def test_another_network_is_computed_anew(
    change: Callable[[Classifier], None],
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
) -> None:
    first = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    change(tiny_classifier)
    second = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    assert not second.is_cached
    assert not np.array_equal(first.values, second.values)


def test_another_head_shares_the_features(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    head = build_head("mlp", backbone="tiny", n_features=8, n_labels=3)
    other = Classifier(tiny_classifier.backbone, head, ("a", "b", "c"))

    assert frozen_features(part_of(other), store, ROWS, settings=settings).is_cached


def test_other_photos_or_another_order_are_computed_anew(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    others = store_of_images(photos(seed=1), side_px=16)

    assert not frozen_features(part_of(tiny_classifier), others, ROWS, settings=settings).is_cached
    assert not frozen_features(part_of(tiny_classifier), store, ROWS[::-1], settings=settings).is_cached
    assert frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).is_cached


def cut_off(file: Path) -> None:
    """Keep half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def replace_by_text(file: Path) -> None:
    """Put no features at all."""
    file.write_text("something else", encoding="utf-8")


def save_other(file: Path, *, shape: tuple[int, ...], dtype: str) -> None:
    """Put other values into the file, their details unchanged."""
    with file.open("wb") as opened:
        np.save(opened, np.zeros(shape, dtype))


def change_details(file: Path, old: str, new: str) -> None:
    """Change the JSON file beside the values."""
    details = file.with_suffix(".json")
    text = details.read_text(encoding="utf-8")
    assert old in text
    details.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        cut_off,
        replace_by_text,
        lambda file: file.write_bytes(b""),
        lambda file: save_other(file, shape=(2, 3, 8), dtype="float32"),
        lambda file: save_other(file, shape=(N_PHOTOS, 3, 8), dtype="float32"),
        lambda file: save_other(file, shape=(N_PHOTOS, 3, 8), dtype="float64"),
        lambda file: change_details(file, '"seconds"', '"minutes"'),
        lambda file: change_details(file, "{", "["),
    ],
)
def test_a_damaged_cache_file_is_told_and_computed_again(
    damage: Callable[[Path], None],
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Copied: a file that is damaged while it is mapped takes the process with it.
    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).values.copy()
    file, _ = cache_files(settings)[::-1]
    damage(file)

    again = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    assert not again.is_cached
    np.testing.assert_array_equal(again.values, computed)
    (warning,) = caplog.messages
    assert warning.startswith(f"{file.name} cannot be used (")
    assert warning.endswith("); its features are computed again")
    assert frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).is_cached


def test_a_cache_that_cannot_be_written_stops_nothing(
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    closed = replace(settings, cache=tmp_path / "file")

    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=closed)

    assert computed.values.shape == (N_PHOTOS, 3, 8)
    assert "features could not be cached" in caplog.text


def test_a_full_disk_stops_nothing_and_leaves_nothing(
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write = feature_store._write
    n_writes = 0

    def fill_disk(file: io.FileIO, content: bytes | memoryview) -> None:
        nonlocal n_writes
        n_writes += 1
        if n_writes == 3:  # header, one batch, half of another
            write(file, memoryview(content)[: len(content) // 2])
            raise OSError(28, "No space left on device")
        write(file, content)

    expected = frozen_features(part_of(tiny_classifier), store, ROWS, settings=replace(settings, cache=None))
    monkeypatch.setattr(features, "_BATCH_SIZE", 6)
    monkeypatch.setattr(feature_store, "_write", fill_disk)
    computed = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    np.testing.assert_allclose(computed.values, expected.values, atol=1e-5)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("[Errno 28] No space left on device")
    assert not cache_files(settings)


def test_no_rows_give_no_features(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    for _ in range(2):
        empty: FrozenFeatures = frozen_features(part_of(tiny_classifier), store, ROWS[:0], settings=settings)
        assert empty.values.shape == (0, 3, 8)


@pytest.mark.parametrize("is_cached", [False, True])
def test_the_last_photo_is_heard_of(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings, *, is_cached: bool
) -> None:
    if is_cached:
        frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    heard: list[int] = []
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings, on_photo=heard.append)

    assert heard[-1] == N_PHOTOS


def test_computing_leaves_the_weights_as_they_were(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    before = {name: value.clone() for name, value in tiny_classifier.train().state_dict().items()}
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    assert all(torch.equal(value, tiny_classifier.state_dict()[name]) for name, value in before.items())


def test_a_file_says_what_it_holds(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)

    [file] = list_cache(settings.cache).entries
    assert (file.model, file.n_photos, file.n_views, file.what) == ("tiny", N_PHOTOS, 3, "features")


def test_a_set_of_features_that_is_not_used_gives_way_to_a_new_one(
    tiny_classifier: Classifier,
    store: PhotoStore,
    settings: FeatureSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", "1e-9")
    first = frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    values = first.values.copy()
    frozen_features(part_of(tiny_classifier), store, ROWS, settings=replace(settings, seed=1))

    np.testing.assert_array_equal(first.values, values)
    assert len(cache_files(settings)) == 2  # values and their details
    assert frozen_features(
        part_of(tiny_classifier), store, ROWS, settings=replace(settings, seed=1)
    ).is_cached
    assert not frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings).is_cached


def test_a_photo_that_changes_during_the_run_leaves_no_features(
    tiny_classifier: Classifier, settings: FeatureSettings, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(N_PHOTOS)]
    for path, photo in zip(paths, photos(), strict=True):
        photo.save(path)
    store, *_ = read_store(paths, side_px=16, memory_bytes=0)
    photos(seed=1)[0].save(paths[-1])

    with pytest.raises(PhotoError, match=r"5\.png: the file changed during the run"):
        frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    assert not cache_files(settings)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_activations_too_large_for_16_bits_are_kept_in_32(
    engine: TrainingEngineName, tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    with torch.no_grad():
        tiny_classifier.backbone.network.get_parameter("0.weight").mul_(1e7)
    plan = plan_engine(engine, device=torch.device("cpu"), precision=torch.float32)
    split = split_backbone(tiny_classifier.backbone, "2")
    part = FrozenPart(tiny_classifier.eval(), plan, split=split)

    first = frozen_features(part, store, ROWS, settings=settings)
    again = frozen_features(part, store, ROWS, settings=settings)

    assert first.values.dtype == np.float32
    assert first.values.max() > np.finfo(np.float16).max
    np.testing.assert_array_equal(again.values, first.values)


def test_activations_behind_a_cut_are_kept_in_16_bits(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    plan = plan_engine("torch", device=torch.device("cpu"), precision=torch.float32)
    split = split_backbone(tiny_classifier.backbone, "2")
    part = FrozenPart(tiny_classifier.eval(), plan, split=split)

    values = frozen_features(part, store, ROWS, settings=settings).values

    assert values.dtype == np.float16
    assert values.shape == (N_PHOTOS, 3, *split.layer.shape)
    pixels = torch.tensor(resize_photo(store[0], tiny_classifier.preprocessing))[None]
    with torch.inference_mode():
        expected = split.below(tiny_classifier.normalize(pixels))[0]
    np.testing.assert_allclose(values[0, 0], expected, rtol=2e-3, atol=2e-3)


def test_a_network_that_gives_no_numbers_is_told_and_nothing_is_kept(
    tiny_classifier: Classifier, store: PhotoStore, settings: FeatureSettings
) -> None:
    with torch.no_grad():
        tiny_classifier.backbone.network.get_parameter("0.weight").fill_(torch.inf)

    with pytest.raises(WeightsError, match="no finite numbers"):
        frozen_features(part_of(tiny_classifier), store, ROWS, settings=settings)
    assert not cache_files(settings)
