"""A trained bundle in use: photos scored, labeled photos evaluated."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.apply import Evaluation, evaluate, predict, write_evaluation
from manylabel.config import DataConfig
from manylabel.data.evaluation_set import PartChoice, align_targets, choose_evaluation_photos
from manylabel.engines.openvino import has_native_bf16, workload_of
from manylabel.errors import BundleError, InputError, MissingExtraError, OutputError, TableError
from manylabel.metrics.bootstrap import Interval
from manylabel.metrics.registry import measure
from manylabel.types import LabelTable, Part


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return the folder of the photos of ``shapes_table``."""
    return shapes_folder / "images"


def small_table(*labels: str, parts: tuple[Part | None, ...] = (None, None)) -> LabelTable:
    """Return a table whose column number n has n in its first row and NaN in its second, cut to 0 and 1."""
    targets = np.array([[number % 2 for number in range(len(labels))], [np.nan] * len(labels)])
    return LabelTable(
        photos=(Path("a.jpg"), Path("b.jpg")),
        names=("a.jpg", "b.jpg"),
        labels=labels,
        targets=targets,
        parts=parts,
        source="labels.csv, one-hot",
    )


def test_photos_are_scored_as_the_trial_scored_them(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    # The photos of the bundle are drawn as those of the table; its facts hold the metrics of the trial.
    predictions = predict(shapes_bundle, shapes_table.photos, precision="fp32")
    facts = json.loads((shapes_bundle / "results.json").read_text(encoding="utf-8"))
    (trial,) = facts["models"]

    rows = [photo["row"] for photo in facts["gallery"]]
    scores = [
        {cell["label"]: cell["score"] for group in ("right", "missed", "wrong") for cell in photo[group]}
        for photo in facts["gallery"]
    ]
    assert any(scores)
    for row, told in zip(rows, scores, strict=True):
        for label, score in told.items():
            column = shapes_table.labels.index(label)
            assert predictions.scores.values[row, column] == pytest.approx(score, abs=1e-4)
    np.testing.assert_array_equal(predictions.thresholds, trial["thresholds"])
    assert predictions.scores.values.std(axis=0).min() > 0.01


def test_a_folder_is_searched_and_photos_are_called_by_their_place_in_it(
    shapes_bundle: Path, images: Path
) -> None:
    (images / "sub").mkdir()
    (images / "00.png").rename(images / "sub" / "00.png")

    predictions = predict(shapes_bundle, images)

    assert len(predictions.rows) == 32
    assert "sub/00.png" in predictions.scores.names
    assert "01.png" in predictions.scores.names


def test_files_and_folders_may_be_mixed(shapes_bundle: Path, images: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.png"
    shutil.copy(images / "05.png", alone)

    predictions = predict(str(shapes_bundle), [str(alone), images])

    assert predictions.scores.names[:2] == (alone.as_posix(), (images / "00.png").as_posix())
    np.testing.assert_allclose(predictions.scores.values[0], predictions.scores.values[6], atol=1e-6)


def test_a_photo_that_is_given_twice_is_scored_once_by_its_first_name(
    shapes_bundle: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    predictions = predict(shapes_bundle, ["05.png", images, images / "05.png"])

    assert len(predictions.rows) == 32
    assert predictions.scores.names[0] == "05.png"


def test_photos_that_cannot_be_read_are_listed_and_the_others_scored(
    shapes_bundle: Path, images: Path
) -> None:
    (images / "03.png").write_bytes(b"no photo")

    predictions = predict(shapes_bundle, [images, images / "missing.png"])

    assert [failure.path.name for failure in predictions.failures] == ["03.png", "missing.png"]
    assert len(predictions.rows) == 31


def test_photos_without_an_ending_are_told(
    shapes_bundle: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (images / "03.png").rename(images / "03")

    assert len(predict(shapes_bundle, images).rows) == 31
    assert (
        f"1 file in {images} left out that look like photos but have no known photo extension: '03'"
        in caplog.text
    )

    (tmp_path / "alone").mkdir()
    (images / "03").rename(tmp_path / "alone" / "03")
    with pytest.raises(InputError, match=r"no photo found in .*alone; 1 file in .*alone left out"):
        predict(shapes_bundle, tmp_path / "alone")


def test_no_photo_at_all_is_told(shapes_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match=r"no photo found in .*empty; give photo files or a folder"):
        predict(shapes_bundle, tmp_path / "empty")
    for nothing, given in (([], "none"), ("", "an empty name")):
        with pytest.raises(InputError, match=f"photos: given {given}, expected photo files or a folder"):
            predict(shapes_bundle, nothing)


def test_photos_none_of_which_can_be_read_are_told(shapes_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no photo can be read; [^$]*gone.png: there is no such file"):
        predict(shapes_bundle, tmp_path / "gone.png")


def test_a_folder_that_is_no_bundle_is_told(images: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        predict(images, images)


def test_an_evaluation_measures_what_predictions_say(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    folder = shapes_table.photos[0].parent
    evaluated = evaluate(shapes_bundle, folder, folder.parent / "labels.csv", part="all")

    predictions = predict(shapes_bundle, shapes_table.photos)
    expected = measure(shapes_table.targets, predictions.scores.values, predictions.decisions)
    # Where the processor computes in 16 bits, batches of another size round otherwise.
    atol = 0.02 if has_native_bf16() else 1e-6
    assert evaluated.metrics == pytest.approx(expected, abs=atol)
    assert evaluated.n_photos == 32
    assert evaluated.labels == shapes_table.labels
    assert evaluated.per_label["n_positive"].tolist() == [16, 16, 16]
    assert not evaluated.failures


def test_an_evaluation_says_what_answering_without_looking_gives(
    shapes_bundle: Path, shapes_table: LabelTable, tmp_path: Path
) -> None:
    folder = shapes_table.photos[0].parent
    bundle = shutil.copytree(shapes_bundle, tmp_path / "bundle")
    facts_file = bundle / "results.json"
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    shares = [label["n_train"] / label["n_train_known"] for label in facts["data"]["labels"]]
    scores = np.tile(shares, (32, 1))

    evaluated = evaluate(bundle, folder, folder.parent / "labels.csv", part="all").baselines
    for label in facts["data"]["labels"]:  # as the facts of earlier versions
        del label["n_train_known"]
    facts_file.write_text(json.dumps(facts), encoding="utf-8")
    of_old = evaluate(bundle, folder, folder.parent / "labels.csv", part="all").baselines

    assert list(evaluated) == ["all-negative", "label-prior"]
    assert evaluated["all-negative"]["exact_match"] == (shapes_table.targets == 0).all(axis=1).mean()
    assert evaluated["label-prior"] == pytest.approx(measure(shapes_table.targets, scores, scores >= 0.5))
    assert of_old == {"all-negative": evaluated["all-negative"]}


def test_an_evaluation_counts_copies_once_in_its_intervals(shapes_bundle: Path, shapes_folder: Path) -> None:
    images, table = shapes_folder / "images", shapes_folder / "labels.csv"
    alone = evaluate(shapes_bundle, images, table, part="all")
    header, *lines = table.read_text().splitlines()
    copies = []
    for line in lines:
        name, rest = line.split(",", 1)
        for number in range(3):
            shutil.copy(images / name, images / f"copy{number}{name}")
            copies.append(f"copy{number}{name},{rest}")
    table.write_text("\n".join([header, *lines, *copies]) + "\n")

    copied = evaluate(shapes_bundle, images, table, part="all")

    assert copied.n_photos == 128
    assert "near-duplicates as one: 128 photos" in copied.notes[-1]
    assert copied.metrics["exact_match"] == pytest.approx(alone.metrics["exact_match"])
    widths = [
        result.intervals["exact_match"].high - result.intervals["exact_match"].low
        for result in (alone, copied)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.35)


def test_an_evaluation_leaves_out_photos_that_cannot_be_read(
    shapes_bundle: Path, shapes_folder: Path
) -> None:
    (shapes_folder / "images" / "05.png").write_bytes(b"no photo")

    evaluated = evaluate(shapes_bundle, shapes_folder / "images", shapes_folder / "labels.csv", part="all")

    assert evaluated.n_photos == 31
    assert [failure.path.name for failure in evaluated.failures] == ["05.png"]
    # Photo 5 shows a circle and a triangle.
    assert evaluated.per_label["n_positive"].tolist() == [15, 16, 15]


def test_an_evaluation_of_photos_none_of_which_can_be_read_is_told(
    shapes_bundle: Path, shapes_folder: Path
) -> None:
    for photo in (shapes_folder / "images").iterdir():
        photo.write_bytes(b"no photo")

    with pytest.raises(InputError, match="no photo can be read; the first problems:"):
        evaluate(shapes_bundle, shapes_folder / "images", shapes_folder / "labels.csv")


def test_a_table_of_which_nothing_can_be_learned_can_judge(shapes_bundle: Path, shapes_folder: Path) -> None:
    (shapes_folder / "few.csv").write_text("image,circle,square\n00.png,0,0\n01.png,0,0\n", encoding="utf-8")

    evaluated = evaluate(shapes_bundle, shapes_folder / "images", shapes_folder / "few.csv", part="all")

    assert evaluated.n_photos == 2
    assert any("triangle" in note and "not evaluated" in note for note in evaluated.notes)
    assert np.isnan(evaluated.metrics["mAP"])


def test_the_form_of_the_table_may_be_told(shapes_bundle: Path, shapes_folder: Path) -> None:
    (shapes_folder / "list.csv").write_text(
        "image,labels\n00.png,circle+square\n01.png,triangle\n02.png,\n", encoding="utf-8"
    )

    evaluated = evaluate(
        shapes_bundle,
        shapes_folder / "images",
        shapes_folder / "list.csv",
        form=DataConfig(format="delimited", delimiter="+"),
        part="all",
    )

    assert evaluated.per_label["n_positive"].tolist() == [1, 1, 1]


def test_a_given_test_part_judges(shapes_bundle: Path, shapes_folder: Path) -> None:
    lines = (shapes_folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    parts = ["split", *["train"] * 20, *["test"] * 12]
    (shapes_folder / "split.csv").write_text(
        "".join(f"{line},{part}\n" for line, part in zip(lines, parts, strict=True)), encoding="utf-8"
    )
    photos, table = shapes_folder / "images", shapes_folder / "split.csv"

    with (shapes_bundle / "split.csv").open(encoding="utf-8", newline="") as file:
        learned = [line["image"] for line in csv.DictReader(file) if line["part"] != "test"]
    n_learned = sum(name in learned for name in sorted(path.name for path in photos.iterdir())[20:])

    evaluated = evaluate(shapes_bundle, photos, table)

    assert evaluated.n_photos == 12
    assert n_learned > 0
    assert (
        "evaluated on the 12 photos that the table marks 'test'; going by their names, the model was trained "
        f"on {n_learned} of them, so these numbers are too optimistic"
    ) in evaluated.notes
    assert evaluate(shapes_bundle, photos, table, part="train").n_photos == 20
    assert evaluate(shapes_bundle, photos, table, part="all").n_photos == 32
    with pytest.raises(TableError, match="no photo is marked 'val'"):
        evaluate(shapes_bundle, photos, table, part="val")


def test_photos_that_the_bundle_did_not_learn_from_judge(shapes_bundle: Path, shapes_folder: Path) -> None:
    photos, table = shapes_folder / "images", shapes_folder / "labels.csv"
    with (shapes_bundle / "split.csv").open(encoding="utf-8", newline="") as file:
        parts = {line["image"]: line["part"] for line in csv.DictReader(file)}
    n_test = list(parts.values()).count("test")
    shutil.copy(photos / "00.png", photos / "new.png")
    with table.open("a", encoding="utf-8") as file:
        file.write("new.png,0,0,0\n")

    evaluated = evaluate(shapes_bundle, photos, table)
    tested = evaluate(shapes_bundle, photos, table, part="test")
    whole = evaluate(shapes_bundle, photos, table, part="all")

    assert 0 < n_test == tested.n_photos
    assert (evaluated.n_photos, whole.n_photos) == (n_test + 1, 33)
    assert evaluated.notes[0] == (
        f"evaluated on the {n_test + 1} of 33 photos that the model was not trained on, going by their names "
        f"({n_test} from its test part, 1 new); --part all, in Python part='all', evaluates on all"
    )
    assert (
        tested.notes[0]
        == f"evaluated on the {n_test} test photos of this model's training, going by their names"
    )
    assert whole.notes[0].startswith(
        "evaluated on all 33 photos, as requested; going by their names, the model was trained"
    )
    with pytest.raises(
        TableError, match="no photo is marked 'val', and none is known to have been a validation"
    ):
        evaluate(shapes_bundle, photos, table, part="val")


def test_columns_come_into_the_order_of_the_bundle() -> None:
    table = small_table("sky", "sea", "sun")

    targets, notes = align_targets(table, ("sea", "sun", "sky"))

    np.testing.assert_array_equal(targets, [[1, 0, 0], [np.nan, np.nan, np.nan]])
    assert not notes


def test_labels_that_only_one_side_has_are_told() -> None:
    targets, notes = align_targets(small_table("fog", "sea", "sun"), ("moon", "sea"))

    np.testing.assert_array_equal(targets, [[np.nan, 1], [np.nan, np.nan]])
    assert notes == [
        "labels that are not in the table and not evaluated: moon",
        "labels that the model does not know, left out: fog, sun",
    ]


def test_a_table_of_other_labels_is_refused() -> None:
    with pytest.raises(TableError, match=r"none of its labels \(fog\) is known to the model \(sea, sky\)"):
        align_targets(small_table("fog"), ("sea", "sky"))


def test_a_table_that_says_nothing_of_the_labels_is_refused() -> None:
    table = small_table("sea", "sky")
    blank = replace(table, targets=np.full((2, 2), np.nan))
    with pytest.raises(TableError, match=r"no cell says whether a photo has 'sea', 'sky'; fill some in"):
        align_targets(blank, ("sea", "sky", "moon"))


@pytest.mark.parametrize(
    ("part", "learned", "names", "note"),
    [
        (
            None,
            None,
            "ab",
            "evaluated on all 2 photos: the model has no record of its training photos.",
        ),
        (None, {}, "ab", "the model was trained on none of them (0 from its test part, 2 new)"),
        (
            None,
            {0: "train", 1: "test"},
            "b",
            "evaluated on the 1 of 2 photos that the model was not trained on",
        ),
        (
            None,
            {0: "train", 1: "val"},
            "ab",
            "trained on all of them, so these numbers are too optimistic; evaluate",
        ),
        (
            "all",
            {0: "train"},
            "ab",
            "as requested; going by their names, the model was trained on 1 of them, so these",
        ),
        ("train", {0: "train"}, "a", "evaluated on the 1 training photo of this model's training"),
    ],
)
def test_a_table_without_parts_is_judged_on_what_was_not_learned(
    part: PartChoice, learned: dict[int, Part] | None, names: str, note: str
) -> None:
    chosen = choose_evaluation_photos(small_table("sea"), part, learned=learned)

    assert [Path(name).stem for name in chosen.names] == list(names)
    assert note in chosen.notes[-1]


def test_the_test_part_of_the_table_judges_where_it_has_one() -> None:
    table = small_table("sea", parts=("train", "val"))
    own = small_table("sea", parts=("test", "train"))

    assert choose_evaluation_photos(table, None, learned={0: "test", 1: "test"}).n_photos == 2
    assert choose_evaluation_photos(table, "test", learned={0: "train", 1: "test"}).names == ("b.jpg",)
    evaluated = choose_evaluation_photos(own, None, learned={0: "test"})
    assert evaluated.names == ("a.jpg",)
    assert evaluated.notes[-1] == "evaluated on the 1 photo that the table marks 'test'"


def test_an_evaluation_is_written_with_null_for_what_is_undefined(tmp_path: Path) -> None:
    evaluation = Evaluation(
        labels=("sea", "sky"),
        metrics={"mAP": 0.123456789, "f1_macro": float("nan")},
        baselines={"all-negative": {"mAP": 0.1, "f1_macro": float("nan")}},
        intervals={"mAP": Interval(low=0.1, high=0.2), "f1_macro": Interval(low=np.nan, high=np.nan)},
        per_label={"average_precision": np.array([0.5, np.nan]), "n_positive": np.array([2.0, 0.0])},
        n_photos=2,
        engine="torch, fp32",
        notes=("a note",),
        failures=(),
    )

    write_evaluation(tmp_path / "out" / "metrics.json", evaluation)

    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8")) == {
        "n_photos": 2,
        "engine": "torch, fp32",
        "metrics": {"mAP": 0.123457, "f1_macro": None},
        "baselines": {"all-negative": {"mAP": 0.1, "f1_macro": None}},
        "intervals": {"mAP": [0.1, 0.2], "f1_macro": [None, None]},
        "labels": {
            "sea": {"average_precision": 0.5, "n_positive": 2.0},
            "sky": {"average_precision": None, "n_positive": 0.0},
        },
        "notes": ["a note"],
        "unreadable": [],
    }
    with pytest.raises(OutputError, match=r"out: cannot be written"):
        write_evaluation(tmp_path / "out", evaluation)


def test_a_missing_torch_is_told_with_the_command_that_installs_it(
    shapes_bundle: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "conversion"):
        monkeypatch.setitem(sys.modules, f"manylabel.engines.{name}", None)
    monkeypatch.setenv("MANYLABEL_CACHE", str(images / "nothing converted yet"))

    for engine in ("auto", "openvino", "torch"):
        with pytest.raises(MissingExtraError, match=r"pip install '\.\[train\]'"):
            predict(shapes_bundle, images, engine=engine)


def test_few_photos_do_not_wait_for_an_engine_for_many() -> None:
    assert [workload_of(n_photos) for n_photos in (1, 7, 8, 1000)] == ["few", "few", "many", "many"]
