"""A trained model on disk, written and read back."""

import errno
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from manylabel.bundle.folder import (
    BundleConfig,
    find_out_of_fold,
    read_bundle,
    read_training_counts,
    replace_thresholds,
    write_bundle,
)
from manylabel.constraints import parse_constraints
from manylabel.errors import BundleError, OutputError
from manylabel.io.files import check_room, file_sha256, is_full, write_atomically
from manylabel.preprocess import Preprocessing
from manylabel.types import Thresholds

LABELS = ("sea, sky", 'the "old" bridge', "Hồ Gươm")
CONFIG = BundleConfig(
    backbone="timm/vit_tiny_patch16_224",
    head="mlp",
    labels=LABELS,
    preprocessing=Preprocessing(side_px=96, fit="crop", interpolation="bicubic", crop_fraction=0.9),
    constraints=parse_constraints(labels=LABELS),
)
WITH_CONSTRAINTS = replace(
    CONFIG,
    constraints=parse_constraints(
        exclusive=('the "old" bridge | sea, sky',),
        implies=('Hồ Gươm -> the "old" bridge',),
        labels=LABELS,
    ),
)
THRESHOLDS = Thresholds(values=np.array([0.25, 1 / 3, 0.75]), origin="best F1 per label")


def write(folder: Path, config: BundleConfig = CONFIG) -> Path:
    """Write a bundle with weights that are no weights; reading them is not the bundle's task."""
    write_bundle(
        folder,
        config=config,
        thresholds=THRESHOLDS,
        facts={"run": {"seed": 3}},
        card="# A card\n",
        write_weights=lambda path: write_atomically(path, b"weights"),
    )
    return folder


def rewrite(file: Path, **changes: Any) -> None:
    """Change a JSON file of a bundle, and its hash, as if it had been written that way."""
    values = json.loads(file.read_text(encoding="utf-8"))
    values = {key: value for key, value in {**values, **changes}.items() if value is not ...}
    file.write_text(json.dumps(values), encoding="utf-8")
    seal(file)


def seal(file: Path) -> None:
    """Put the hash of a file that was changed into results.json."""
    facts_file = file.parent / "results.json"
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    facts["sha256"][file.name] = file_sha256(file)
    facts_file.write_text(json.dumps(facts), encoding="utf-8")


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    bundle = read_bundle(write(tmp_path / "bundle"))

    assert bundle.config == CONFIG
    np.testing.assert_array_equal(bundle.thresholds.values, THRESHOLDS.values)
    assert bundle.thresholds.origin == "best F1 per label"
    assert bundle.facts["run"] == {"seed": 3}
    assert bundle.folder == tmp_path / "bundle"


SEA = {"name": "sea", "train": 3, "train_known": 10}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"labels": [SEA, {"name": "sky", "train": 0, "train_known": 0}]}, ([0, 3], [0, 10])),
        ({"labels": [SEA]}, None),
        ({"labels": [SEA, {"name": "sky", "train": 3}]}, None),
        ({"labels": [SEA, {"name": "sky", "train": 3, "train_known": 2}]}, None),
        ({"labels": [SEA, {"name": "sky", "train": "many", "train_known": 2}]}, None),
        ({"labels": [SEA, {"name": ["sky"], "train": 3, "train_known": 4}]}, None),
        ({"labels": {"sea": 3}}, None),
        (None, None),
        ([], None),
    ],
)
def test_counts_of_training_are_read_where_they_are_told(
    data: object, expected: tuple[list[int], list[int]] | None, tmp_path: Path
) -> None:
    folder = write(tmp_path / "bundle")
    facts_file = folder / "results.json"
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    facts_file.write_text(json.dumps({**facts, "data": data}), encoding="utf-8")

    counts = read_training_counts(folder, ("sky", "sea"))

    assert expected == (None if counts is None else tuple(count.tolist() for count in counts))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400, "-" + "9" * 19])
@pytest.mark.parametrize("name", ["results.json", "config.json"])
def test_a_number_that_no_bundle_has_is_told(name: str, number: str, tmp_path: Path) -> None:
    file = write(tmp_path) / name
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{", f'{{"run of {name}": {number},', 1), encoding="utf-8")
    if name == "config.json":
        seal(file)

    with pytest.raises(
        BundleError, match=rf"{name}: cannot be read: {number[:20]}.*is not a valid number in a bundle"
    ):
        read_bundle(tmp_path)


def test_the_config_speaks_the_language_of_hugging_face(tmp_path: Path) -> None:
    config = json.loads((write(tmp_path) / "config.json").read_text(encoding="utf-8"))

    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"]["2"] == "Hồ Gươm"
    assert config["label2id"]["Hồ Gươm"] == 2
    assert config["num_labels"] == 3


def test_labels_keep_their_order_beyond_ten(tmp_path: Path) -> None:
    labels = tuple(f"label {number}" for number in range(12))
    thresholds = Thresholds(values=np.linspace(0, 1, 12), origin="")
    write_bundle(
        tmp_path,
        config=replace(CONFIG, labels=labels, constraints=parse_constraints(labels=labels)),
        thresholds=thresholds,
        facts={},
        card="",
        write_weights=lambda path: path.touch(),
    )

    bundle = read_bundle(tmp_path)

    assert bundle.config.labels == labels
    np.testing.assert_array_equal(bundle.thresholds.values, thresholds.values)


def test_rules_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_bundle(write(tmp_path, WITH_CONSTRAINTS)).config == WITH_CONSTRAINTS


def test_a_bundle_without_constraints_is_one_that_every_version_reads(tmp_path: Path) -> None:
    config = json.loads((write(tmp_path) / "config.json").read_text(encoding="utf-8"))

    assert config["format_version"] == 1
    assert "constraints" not in config


def test_a_bundle_with_constraints_is_refused_by_versions_that_would_break_them(tmp_path: Path) -> None:
    config = json.loads((write(tmp_path, WITH_CONSTRAINTS) / "config.json").read_text(encoding="utf-8"))

    assert config["format_version"] == 3


def test_constraints_about_other_labels_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"constraints about \('sea',\), the model has labels"):
        replace(CONFIG, constraints=parse_constraints(labels=("sea",)))


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "thresholds.csv"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    (write(tmp_path) / name).unlink()

    with pytest.raises(BundleError, match=f"is not a complete bundle: {name} is missing"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_changed_file_is_named(name: str, tmp_path: Path) -> None:
    with (write(tmp_path) / name).open("ab") as file:
        file.write(b" ")

    with pytest.raises(BundleError, match=f"{name}: has changed since the bundle was written"):
        read_bundle(tmp_path)


def test_a_folder_without_facts_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle: it has no results.json; give the folder of"):
        read_bundle(tmp_path)


def test_a_file_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "model.pth").touch()

    with pytest.raises(BundleError, match=r"model.pth: is not a bundle"):
        read_bundle(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "is damaged: expected a JSON object"),
        ("{}", "is damaged: 'sha256' is missing"),
        ('{"sha256": []}', "is damaged: 'sha256' is not a JSON object"),
    ],
)
def test_damaged_facts_are_told(facts: str, problem: str, tmp_path: Path) -> None:
    (write(tmp_path) / "results.json").write_text(facts, encoding="utf-8")

    with pytest.raises(BundleError, match=rf"results.json: {problem}"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format_version": 4}, "has format version 4, this manylabel reads 1 to 3; install a newer one"),
        ({"format_version": 0}, "has format version 0, this manylabel reads 1 to 3; it is damaged"),
        ({"format_version": ...}, "is damaged: 'format_version' is missing"),
        ({"id2label": ...}, "is damaged: 'id2label' is missing"),
        ({"id2label": {"0": "sea", "2": "sky"}}, "is damaged: '1'"),
        ({"id2label": 3}, "is damaged: "),
        ({"architecture": ...}, "is damaged: 'architecture' is missing"),
        ({"architecture": ["resnet50"]}, r"is damaged: unknown architecture '\['resnet50'\]' with head"),
        ({"head": "crown"}, "is damaged: unknown architecture '.*' with head 'crown'"),
        ({"id2label": {"0": "sea", "1": "sea"}}, "is damaged: labels are not text, or two are the same"),
        ({"id2label": {"0": "sea", "1": 7}}, "is damaged: labels are not text, or two are the same"),
        ({"preprocessing": {}}, "is damaged: 'mean'"),
        (
            {"constraints": {"implies": ["sea -> sky"]}},
            "is damaged: constraints.implies 'sea -> sky': unknown label 'sea'",
        ),
        ({"constraints": {"forbids": []}}, "is damaged: "),
        ({"constraints": []}, "is damaged: "),
        ({"constraints": {"implies": 3}}, "is damaged: "),
        ({"preprocessing": {"mean": [0, 0, 0], "std": [1, 1, 1], "zoom": 3}}, "is damaged: "),
    ],
)
def test_a_config_that_cannot_be_understood_is_told(
    changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    rewrite(write(tmp_path) / "config.json", **changes)

    with pytest.raises(BundleError, match=rf"config.json: {problem}"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"label,threshold\na,0.5\n", "line 2: unknown label 'a'"),
        (b"label,threshold\nsea sky,0.5\n", "line 2: unknown label 'sea sky'; did you mean 'sea, sky'?"),
        (b"label\na\n", "line 1: expected the columns label,threshold, found 'label'"),
        (b"", "line 1: expected the columns label,threshold"),
        ("label,threshold\nHồ Gươm,high\n".encode(), "line 2: 'high' is not a number from 0 to 1"),
        ("label,threshold\nHồ Gươm,0.5\n".encode(), "has no threshold for 'sea, sky'"),
        (b"label,threshold\n\xff,0.5\n", "is not UTF-8 text"),
    ],
)
def test_thresholds_that_cannot_be_used_are_told(content: bytes, problem: str, tmp_path: Path) -> None:
    (write(tmp_path) / "thresholds.csv").write_bytes(content)

    with pytest.raises(BundleError, match=rf"thresholds.csv.*{re.escape(problem)}.*\nCorrect thresholds.csv"):
        read_bundle(tmp_path)


def edit_thresholds(folder: Path) -> Path:
    """Edit the threshold of one label, as a user does in a spreadsheet that writes semicolons."""
    lines = ["label;threshold", '"sea, sky";0,25', '"the ""old"" bridge";0,9', "Hồ Gươm;0,75"]
    (folder / "thresholds.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    return folder


def test_edited_thresholds_are_used_and_told(tmp_path: Path) -> None:
    bundle = read_bundle(edit_thresholds(write(tmp_path)))

    np.testing.assert_array_equal(bundle.thresholds.values, [0.25, 0.9, 0.75])
    (change,) = bundle.thresholds.changes
    assert change == (f'{tmp_path / "thresholds.csv"} was edited: the "old" bridge 0.9 (0.333 when chosen)')


def test_thresholds_that_were_only_saved_again_are_not_called_edited(tmp_path: Path) -> None:
    with (write(tmp_path) / "thresholds.csv").open("ab") as file:
        file.write(b" \r\n")

    assert read_bundle(tmp_path).thresholds.changes == ()


def test_an_edit_is_told_where_it_is_not_known_what_was_chosen(tmp_path: Path) -> None:
    facts_file = write(tmp_path) / "results.json"
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    facts_file.write_text(json.dumps({**facts, "thresholds": None}), encoding="utf-8")
    assert read_bundle(tmp_path).thresholds.changes == ()

    bundle = read_bundle(edit_thresholds(tmp_path))

    assert bundle.thresholds.changes == (f"{tmp_path / 'thresholds.csv'} was edited",)


def test_what_an_earlier_version_told_of_thresholds_is_known(tmp_path: Path) -> None:
    facts_file = write(tmp_path) / "results.json"
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    del facts["thresholds"]
    facts["models"] = [{"thresholds": {"values": [0.25, 1 / 3, 0.75], "origin": ""}}]
    facts_file.write_text(json.dumps(facts), encoding="utf-8")

    (change,) = read_bundle(edit_thresholds(tmp_path)).thresholds.changes

    assert change.endswith("0.9 (0.333 when chosen)")


def test_every_file_that_is_written_has_its_hash(tmp_path: Path) -> None:
    hashes = json.loads((write(tmp_path) / "results.json").read_text(encoding="utf-8"))["sha256"]

    assert hashes == {
        file.name: file_sha256(file) for file in tmp_path.iterdir() if file.name != "results.json"
    }
    assert set(hashes) >= {"README.md", "config.json", "thresholds.csv", "weights.safetensors"}


def test_a_file_that_lay_there_before_gets_a_hash_too(tmp_path: Path) -> None:
    alone = read_bundle(write(tmp_path / "alone")).facts
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "split.csv").write_bytes(b"image,part\n")

    facts = read_bundle(write(tmp_path / "both")).facts

    sha256 = file_sha256(tmp_path / "both" / "split.csv")
    assert facts == {**alone, "sha256": {**alone["sha256"], "split.csv": sha256}}


def test_a_model_card_may_be_edited(tmp_path: Path) -> None:
    (write(tmp_path) / "README.md").write_text("# Another card", encoding="utf-8")

    assert read_bundle(tmp_path).config == CONFIG


FULL = OSError(errno.ENOSPC, "No space left on device")


def raise_full(*_: object) -> None:
    raise FULL


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return the cache and the folder for temporary files, each of one's own."""
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "cache", tmp_path / "temporary"


def write_where_there_is_room(folder: Path, *full: Path) -> None:
    """Write a bundle while the disks of some folders are full."""

    def write_weights(path: Path) -> None:
        if any(path.is_relative_to(place) for place in full):
            raise FULL
        write_atomically(path, b"weights")

    write_bundle(folder, config=CONFIG, thresholds=THRESHOLDS, facts={}, card="", write_weights=write_weights)


def test_where_the_disk_is_full_the_model_is_kept_on_another(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    cache, temporary = places
    folder = tmp_path / "runs" / ".demo.12-ab.partial"
    with pytest.raises(OutputError) as raised:
        write_where_there_is_room(folder, folder, cache)

    (kept,) = temporary.iterdir()
    assert read_bundle(kept).config == CONFIG
    assert str(raised.value) == (
        f"{tmp_path / 'runs' / 'demo'}: cannot be written: No space left on device; the trained model is in "
        f"{kept} instead; use it there, or move it where there is room"
    )
    assert not list(cache.iterdir())


def test_where_no_disk_has_room_that_is_told(places: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"demo: cannot be written: No space .*no other disk has room for it"
    ):
        write_where_there_is_room(tmp_path / "demo", tmp_path)

    assert not [path for place in places for path in place.iterdir()]


@pytest.mark.usefixtures("places")
def test_a_full_disk_is_noticed_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manylabel.bundle.folder.write_thresholds", raise_full)

    with pytest.raises(OutputError, match="no other disk has room"):
        write(tmp_path / "demo")


def test_room_is_looked_for_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_500_000))
    check_room(tmp_path, 2_500_000)

    with pytest.raises(OSError, match=r"not enough room on the disk: 2\.6 MB needed, 2\.5 MB free") as raised:
        check_room(tmp_path, 2_600_000)
    assert is_full(raised.value)


def test_replaced_thresholds_are_not_called_edited(tmp_path: Path) -> None:
    bundle = read_bundle(edit_thresholds(write(tmp_path)))
    replace_thresholds(bundle, Thresholds(values=np.array([0.1, 0.2, 0.3]), origin="by hand"))

    again = read_bundle(tmp_path)

    np.testing.assert_array_equal(again.thresholds.values, [0.1, 0.2, 0.3])
    assert (again.thresholds.origin, again.thresholds.changes) == ("by hand", ())
    assert again.facts["sha256"] == bundle.facts["sha256"]


def test_a_bundle_that_keeps_no_out_of_fold_probabilities_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"has no out_of_fold.csv to choose thresholds from: .* train again"
    ):
        find_out_of_fold(read_bundle(write(tmp_path)))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"file/bundle: cannot be written: Not a directory"):
        write(tmp_path / "file" / "bundle")
