"""What a model looked at."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.config import EngineName
from manylabel.data.photos import open_photo
from manylabel.engines.registry import open_split_model
from manylabel.engines.torch import TorchSplitModel, load_classifier
from manylabel.errors import ConfigError, EngineError, InputError, OutputError
from manylabel.explanation import run as explain_run
from manylabel.explanation.explained import ExplainedLabel, Explanation, Explanations
from manylabel.explanation.files import write_explanations
from manylabel.explanation.occlusion import explain_photo
from manylabel.explanation.overlay import COLORS, draw_layer, draw_overlay
from manylabel.explanation.run import explain
from manylabel.models.split_model import locate
from manylabel.preprocess import Preprocessing
from manylabel.types import LabelTable, Progress

pytest.importorskip("openvino")


def test_torch_and_openvino_draw_the_same_maps(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    located = locate(load_classifier(read_bundle(shapes_bundle)))
    ours = open_split_model(read_bundle(shapes_bundle))
    assert located is not None
    assert ours is not None
    photo = open_photo(shapes_table.photos[7])
    preprocessing = read_bundle(shapes_bundle).config.preprocessing
    first, second = (
        explain_photo(locator, photo, preprocessing, max_groups=9)
        for locator in (ours, TorchSplitModel(located))
    )
    assert first.maps.shape == (3, 3, 3)
    np.testing.assert_allclose(first.maps, second.maps, atol=2e-3)
    np.testing.assert_allclose(first.features, second.features, atol=1e-3)


def test_a_cropped_photo_is_explained_where_the_network_saw_it(shapes_bundle: Path) -> None:
    locator = open_split_model(read_bundle(shapes_bundle))
    assert locator is not None
    cropping = Preprocessing(side_px=64, fit="crop", crop_fraction=1.0)
    maps = explain_photo(locator, Image.new("RGB", (200, 100)), cropping, max_groups=9)
    assert maps.box == (0.25, 0.0, 0.75, 1.0)


def test_the_wanted_labels_are_explained_else_those_given(
    shapes_bundle: Path, shapes_table: LabelTable
) -> None:
    wanted = explain(shapes_bundle, shapes_table.photos[:1], labels=["triangle", "circle"])
    assert [found.label for found in wanted.photos[0].labels] == ["triangle", "circle"]
    for explained in explain(shapes_bundle, shapes_table.photos).photos:
        given = [found.label for found in explained.labels if found.is_given]
        assert len(given) == len(explained.labels) or len(explained.labels) == 1
        scores = [found.score for found in explained.labels]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_probabilities_and_decisions_are_those_of_predict(
    shapes_bundle: Path, shapes_table: LabelTable, engine: EngineName
) -> None:
    photo, names = shapes_table.photos[7], shapes_table.labels
    predict(shapes_bundle, [photo], engine=engine)  # converts; from now on all read the same file
    said = predict(shapes_bundle, [photo], engine=engine)
    probabilities = dict(zip(names, said.scores.values[0].tolist(), strict=True))
    for step in (-1e-6, 1e-6):
        near = {label: float(np.clip(value + step, 0, 1)) for label, value in probabilities.items()}
        decided = predict(shapes_bundle, [photo], engine=engine, thresholds=near).decisions[0]
        found = explain(shapes_bundle, [photo], labels=names, engine=engine, thresholds=near).photos[0].labels
        assert [label.is_given for label in found] == decided.tolist() == 3 * [step < 0]
        assert {label.label: label.score for label in found} == pytest.approx(probabilities, abs=5e-7)


def test_similar_photos_are_found_and_the_photo_itself_is_not(
    shapes_bundle: Path, shapes_folder: Path
) -> None:
    heard: list[Progress] = []
    images = shapes_folder / "images"
    explained = explain(
        shapes_bundle,
        [images / "00.png"],
        among=(images, shapes_folder / "labels.csv"),
        on_progress=heard.append,
    )
    found = explained.photos[0].neighbors
    assert len(found) == 5
    assert "00.png" not in [neighbor.name for neighbor in found]
    cosines = [neighbor.cosine for neighbor in found]
    assert cosines == sorted(cosines, reverse=True)
    # Photo 0 is empty; the emptiest of the others look most like it.
    assert found[0].labels == ()
    assert heard[0] == Progress("photos", "comparing", 1, 32)
    assert heard[-2] == Progress("photos", "scoring", 1, 1)
    assert heard[-1] == Progress("photos", "explaining", 1, 1)


def test_what_cannot_be_explained_is_told(
    shapes_bundle: Path, shapes_table: LabelTable, tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    explained = explain(shapes_bundle, [tmp_path / "bad.jpg", shapes_table.photos[0]])
    assert [failure.path.name for failure in explained.failures] == ["bad.jpg"]
    with pytest.raises(InputError, match="no photo can be read"):
        explain(shapes_bundle, [tmp_path / "bad.jpg"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"photos: no photo in .*empty"):
        explain(shapes_bundle, [tmp_path / "empty"])
    with pytest.raises(ConfigError, match="has no label 'circl'; did you mean 'circle'"):
        explain(shapes_bundle, shapes_table.photos, labels=["circl"])


def test_a_network_without_patches_is_told(
    shapes_bundle: Path, shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_run, "open_split_model", lambda _: None)
    with pytest.raises(EngineError, match="has no patch grid inside, so it has no heat maps"):
        explain(shapes_bundle, shapes_table.photos)


def test_a_page_and_a_picture_per_label_are_written(
    shapes_bundle: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    images = shapes_folder / "images"
    explained = explain(
        shapes_bundle,
        [images / "07.png"],
        labels=["circle", "square"],
        among=(images, shapes_folder / "labels.csv"),
    )
    write_explanations(tmp_path / "out", explained)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["001.1.circle.png", "001.2.square.png", "index.html"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'src="([^"]+\.png)"', page)) == {"001.1.circle.png", "001.2.square.png"}
    with Image.open(tmp_path / "out" / "001.1.circle.png") as picture:
        assert picture.size == (60, 48)
    assert page.count("data:image/jpeg") == 6
    with pytest.raises(OutputError):
        write_explanations(tmp_path / "out", explained)
    write_explanations(tmp_path / "out", explained, overwrite=True)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_names_that_are_no_text_are_written_as_far_as_they_can_be(
    shapes_bundle: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    photo, bad = (tmp_path / os.fsdecode(name) for name in (b"\xffa.png", b"\xffb.png"))
    photo.write_bytes((shapes_folder / "images" / "07.png").read_bytes())
    bad.write_bytes(b"no photo")
    write_explanations(tmp_path / "out", explain(shapes_bundle, [photo, bad], labels=["circle"]))
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "\N{REPLACEMENT CHARACTER}a.png" in page
    assert "\N{REPLACEMENT CHARACTER}b.png: " in page


WHOLE = (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("paper", [(255, 255, 255), (0, 0, 0), (90, 140, 60)])
def test_a_photo_is_colored_where_a_label_is_seen(paper: tuple[int, int, int]) -> None:
    heat = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 4.0]])
    photo = Image.new("RGB", (120, 90), paper)
    picture = np.asarray(draw_overlay(photo, heat, box=WHOLE)).astype(int)

    changes = np.abs(picture - paper).sum(axis=2)
    assert changes[:40, :40].max() == 0
    assert 0 < changes[20, 119] < changes[89, 119]
    # Strongest is yellow: much red and green, little blue.
    assert picture[89, 119, :2].min() > picture[89, 119, 2] + 60
    for line in ((0, 0, 0), (255, 255, 255)):
        assert (picture == line).all(axis=2).sum() > (0 if line == paper else 20)


def test_the_outline_holds_what_speaks_half_as_strongly_as_the_strongest() -> None:
    heat = np.zeros((8, 8))
    heat[5:7, 1:3], heat[1:3, 5:7] = 4.0, 1.0
    levels = np.asarray(draw_layer(heat, size=(160, 160)))

    light = levels == 255
    assert light[:80, 80:].sum() == 0
    rows, columns = np.nonzero(light)
    assert 85 < rows.min() < 110
    assert 135 < rows.max() < 160
    assert 5 < columns.min() < 30
    assert levels[120, 40] == 253


def test_nothing_is_drawn_where_no_place_speaks_for_a_label() -> None:
    photo = Image.new("RGB", (30, 20), (10, 200, 30))
    assert draw_overlay(photo, -np.eye(2), box=WHOLE).tobytes() == photo.tobytes()
    assert draw_overlay(photo, np.zeros((2, 2)), box=WHOLE).tobytes() == photo.tobytes()


def test_what_the_network_did_not_see_is_darkened() -> None:
    picture = draw_overlay(Image.new("RGB", (100, 50), "white"), np.zeros((2, 2)), box=(0.25, 0.0, 0.75, 1.0))
    pixels = np.asarray(picture)
    assert pixels[25, 10].max() < 170
    assert pixels[25, 50].min() == 255


def test_the_colors_are_those_of_matplotlib() -> None:
    colormaps = pytest.importorskip("matplotlib").colormaps
    expected = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3])
    np.testing.assert_array_equal(np.frombuffer(COLORS, dtype=np.uint8).reshape(-1, 3), expected)


def test_labels_of_the_same_letters_have_pictures_of_their_own(tmp_path: Path) -> None:
    found = [
        ExplainedLabel(label=label, score=0.5, is_given=True, heat=np.eye(2)) for label in ("C++", "C#", "?")
    ]
    photo = Explanation(
        path=Path("a.jpg"),
        photo=Image.new("RGB", (20, 20)),
        box=(0.0, 0.0, 1.0, 1.0),
        labels=tuple(found),
        neighbors=(),
    )
    write_explanations(tmp_path / "out", Explanations(photos=(photo,), failures=()))
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
