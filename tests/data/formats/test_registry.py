"""The registry of formats: guessing by name, ending and content; adding one."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from manylabel.cli.main import app
from manylabel.config import DataConfig
from manylabel.data.formats import read_table
from manylabel.data.formats.base import LabelSource, RawRow, RawTable
from manylabel.data.formats.registry import FORMATS, guess_format
from manylabel.errors import TableError

COCO = json.dumps({"images": [], "annotations": [], "categories": []})
CREATE_ML = json.dumps([{"image": "a.jpg", "annotations": []}])
TASKS = json.dumps([{"data": {"image": "a.jpg"}, "annotations": []}])
LABELME = json.dumps({"flags": {}, "shapes": [], "imagePath": "a.jpg"})
FLAT = json.dumps([{"image": "a.jpg", "choice": {"choices": ["x"]}}])


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def guessed(source: LabelSource) -> tuple[str, Path]:
    label_format, path = guess_format(source)
    return label_format.name, path


def complaint(path: Path) -> str:
    with pytest.raises(TableError) as caught:
        guess_format(LabelSource(path=path))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.csv", "image,boat,beach\na.jpg,1,0\n", "one-hot"),
        ("labels.tsv", "image\tboat\na.jpg\tx\n", "one-hot"),
        ("labels.txt", "image,boat\na.jpg,yes\nb.jpg,no\n", "one-hot"),
        ("labels.csv", "image,boat,split\na.jpg,1,train\n", "one-hot"),
        ("labels.csv", "image,boat,author\na.jpg,1,Anna\n", "one-hot"),
        ("labels.csv", "image,boat\na.jpg,1\nb.jpg,0\nc.jpg,2\n", "one-hot"),
        ("labels.csv", "image,boat,beach\na.jpg,,\nb.jpg,1,\n", "one-hot"),
        ("labels.csv", "image,boat,beach\na.jpg,,\nb.jpg,,\n", "one-hot"),
        ("labels.csv", "image,boat\na.jpg,\nb.jpg,\n", "delimited"),
        ("labels.csv", "image,boat,beach\n", "one-hot"),
        ("labels.csv", "image,labels\na.jpg,x;y\nb.jpg,\n", "delimited"),
        ("LABELS.CSV", "image,labels,split\na.jpg,boat,train\n", "delimited"),
        ("labels.csv", "image,label\na.jpg,7\nb.jpg,2\n", "delimited"),
        ("labels.csv", "image,label\na.jpg,1\nb.jpg,0\nc.jpg,\n", "one-hot"),
        ("labels.csv", "image,labels\na.jpg,x\nb.jpg,no\n", "delimited"),
        ("labels.csv", "image,labels,checked\na.jpg,boat,1\nb.jpg,,0\n", "delimited"),
        ("labels.csv", "image,labels\na.jpg,\n", "delimited"),
        ("_classes.csv", "filename, boat\na.jpg, 1\n", "roboflow"),
        ("metadata.csv", "file_name,labels\na.jpg,x\n", "hf"),
        ("anything.jsonl", '{"file_name": "a.jpg", "labels": []}', "hf"),
        ("labels.json", COCO, "coco"),
        ("labels.json", CREATE_ML, "create-ml"),
        ("labels.json", TASKS, "label-studio"),
        ("labels.json", FLAT, "label-studio"),
        ("labels.json", LABELME, "labelme"),
        ("labels.xml", "<annotation/>", "voc"),
        ("labels.xml", "<annotations/>", "cvat"),
    ],
)
def test_a_file_is_known_by_name_and_content(tmp_path: Path, name: str, content: str, expected: str) -> None:
    path = put(tmp_path, {name: content}) / name
    assert guessed(LabelSource(path=path)) == (expected, path)


def test_a_given_delimiter_makes_a_table_a_delimited_one(tmp_path: Path) -> None:
    path = put(tmp_path, {"labels.csv": "image,what\na.jpg,x;y\n"}) / "labels.csv"
    assert guessed(LabelSource(path=path, config=DataConfig(delimiter=";")))[0] == "delimited"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train/_classes.csv": "", "train/a.jpg": ""}, "roboflow"),
        ({"_classes.csv": "", "a.jpg": ""}, "roboflow"),
        ({"test/metadata.jsonl": "", "test/a.jpg": ""}, "hf"),
        ({"metadata.csv": "", "a.jpg": "", "other.csv": ""}, "hf"),
        ({"valid/_annotations.coco.json": COCO}, "coco"),
        ({"annotations/instances_val2017.json": COCO, "val2017/a.jpg": ""}, "coco"),
        ({"train/_annotations.createml.json": CREATE_ML}, "create-ml"),
        ({"settings.json": "{}", "zzz.json": TASKS}, "label-studio"),
        ({"broken.json": "{", "a.xml": "<annotation/>"}, "voc"),
        ({"Annotations/a.xml": "<annotation/>", "JPEGImages/a.jpg": ""}, "voc"),
        ({"train/a.xml": "<annotation/>", "train/a.jpg": ""}, "voc"),
        ({"annotations.xml": "<annotations/>", "images/a.jpg": ""}, "cvat"),
        ({"a.jpg": "", "a.json": LABELME}, "labelme"),
        ({"images/a.jpg": "", "annotations/a.json": LABELME}, "labelme"),
        ({"images/a.jpg": "", "marks/a.json": LABELME}, "labelme"),
        ({"day1/a.jpg": "", "day1/a.json": LABELME, "day2/b.jpg": "", "day2/b.json": LABELME}, "labelme"),
        ({"test/a.jpg": "", "test/a.json": LABELME}, "labelme"),
        ({"boat/a.jpg": "", "beach/b.jpg": "", "notes.txt": "", "boat/x.json": "{}"}, "folders"),
    ],
)
def test_a_folder_is_known_by_what_lies_in_it(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert guessed(LabelSource(path=put(tmp_path, files))) == (expected, tmp_path)


def test_few_files_of_labelme_in_folders_of_photos_are_asked_about(tmp_path: Path) -> None:
    put(tmp_path, dict.fromkeys(("boat/a.jpg", "boat/b.jpg", "lake/c.jpg"), "") | {"boat/a.json": LABELME})
    assert complaint(tmp_path) == (
        f"{tmp_path}: its subfolders hold 1 labelme file (.json) for 3 photos; "
        "choose the format: labelme, or folders if their names are the labels"
    )


def test_the_only_table_of_a_folder_is_taken(tmp_path: Path) -> None:
    put(tmp_path, {"images/a.jpg": "", "labels.csv": "image,labels\na.jpg,x\n"})
    assert guessed(LabelSource(path=tmp_path)) == ("delimited", tmp_path / "labels.csv")


def test_several_tables_in_a_folder_are_an_error_that_names_them(tmp_path: Path) -> None:
    put(tmp_path, {"a.csv": "", "b.xlsx": ""})
    assert (
        complaint(tmp_path)
        == f"{tmp_path}: holds several tables: 'a.csv', 'b.xlsx'; name the one with the labels"
    )


def test_a_folder_without_labels_is_an_error_that_says_what_was_seen(tmp_path: Path) -> None:
    text = complaint(put(tmp_path, {"a.jpg": "", "broken.json": "{"}))
    assert "this folder holds 'a.jpg', 'broken.json', but no table (labels.csv), no annotations" in text
    assert "coco, voc, label-studio, labelme, create-ml, cvat, roboflow, hf" in text
    assert "broken.json: is not valid JSON: line 1" in text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.xls", "", "files ending in '.xls' cannot be read as labels; save a table as .csv or .xlsx"),
        ("labels.json", "{}", "labels.json: holds an empty object, which is none of COCO"),
        ("labels.json", '{"info": 1}', "labels.json: holds an object with the keys 'info', which is none of"),
        (
            "labels.json",
            '[{"x": 1}]',
            "labels.json: holds a list of objects with the keys 'x', which is none",
        ),
        ("labels.json", "[3]", "labels.json: holds a list, which is none of COCO"),
        ("labels.json", "3", "labels.json: holds a single int, which is none of COCO"),
        ("labels.xml", "<html/>", "labels.xml: its root is <html>, expected <annotation> (Pascal VOC)"),
    ],
)
def test_a_file_of_no_known_format_is_an_error_that_says_what_was_seen(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    assert expected in complaint(put(tmp_path, {name: content}) / name)


def test_a_path_that_does_not_exist_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    put(tmp_path, {"labels.csv": ""})
    assert complaint(tmp_path / "label.csv").endswith("no such file or folder; did you mean 'labels.csv'?")


A_FORMAT = '''
"""Read pairs of a photo and a label."""

from manylabel.data.formats.base import LabelFormat, LabelSource, RawRow, RawTable, collect_labels


def read_pairs(source: LabelSource) -> RawTable:
    pairs = [line.split(" is ") for line in source.path.read_text(encoding="utf-8").splitlines()]
    rows = [
        RawRow(names=(photo,), folder=source.folder, where=source.path.name, present=frozenset({label}))
        for photo, label in pairs
    ]
    return RawTable(
        rows=tuple(rows), labels=collect_labels(rows), title=source.path.name, kind="pairs", where="pairs"
    )


PAIRS = LabelFormat(
    name="pairs",
    title="pairs",
    description="a line per photo: a.jpg is boat",
    read=read_pairs,
    extensions=frozenset({".pairs"}),
)
'''


def test_a_format_is_one_module_and_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        tmp_path,
        {"pairs.py": A_FORMAT, "a.jpg": "", "b.jpg": "", "labels.pairs": "a.jpg is boat\nb.jpg is lake"},
    )
    spec = importlib.util.spec_from_file_location("pairs", tmp_path / "pairs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(FORMATS, "pairs", module.PAIRS)

    for name in ("auto", "pairs"):
        table = read_table(tmp_path / "labels.pairs", photos=tmp_path, format=name)
        assert table.labels == ("boat", "lake")
        assert table.targets.tolist() == [[1, 0], [0, 1]]
        assert table.source == "labels.pairs, read as pairs"


def test_the_documentation_describes_every_format_as_the_registry_does() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {one.description} |" for name, one in FORMATS.items()]
    assert "\n".join(["| `--format` | what it is |", "| --- | --- |", *rows]) in text


def test_the_help_of_a_command_describes_every_format() -> None:
    answer = CliRunner().invoke(app, ["check", "--help"], terminal_width=5000)
    shown = " ".join(answer.output.split())
    for name, one in FORMATS.items():
        assert f"{name}: {one.description}" in shown


def test_a_format_that_was_added_is_asked_before_the_one_that_fits_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"images/a.jpg": "", "images/more/b.jpg": "", "marks/a.mark": "boat"})
    assert guessed(LabelSource(path=tmp_path))[0] == "folders"
    marks = replace(FORMATS["voc"], name="marks", fits_folder=lambda folder: (folder / "marks").is_dir())
    monkeypatch.setitem(FORMATS, "marks", marks)
    assert guessed(LabelSource(path=tmp_path)) == ("marks", tmp_path)


@pytest.mark.parametrize("field", ["present", "unknown"])
def test_a_row_with_a_label_that_its_reader_did_not_list_is_named(field: str) -> None:
    labels = {"present": frozenset[str](), field: frozenset({"boat", "sea"})}
    row = RawRow(
        names=("a.jpg",),
        folder=Path(),
        where="t.csv, line 2",
        present=labels["present"],
        unknown=labels.get("unknown", frozenset()),
    )
    with pytest.raises(ValueError, match=r"t\.csv, line 2: its labels \['boat'\] are not among those of the"):
        RawTable(rows=(row,), labels=("sea",), title="t.csv", kind="CSV", where="t.csv, line 1")
