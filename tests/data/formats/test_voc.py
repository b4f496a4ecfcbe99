"""Pascal VOC: an XML file per photo."""

from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def photos(folder: Path, *names: str) -> Path:
    return put(folder, dict.fromkeys(names, ""))


def voc(filename: str, *labels: str) -> str:
    objects = "".join(f"<object><name>{label}</name><bndbox/></object>" for label in labels)
    return f"<annotation><filename>{filename}</filename>{objects}</annotation>"


def labels_of(table: LabelTable) -> dict[str, list[str]]:
    rows = zip(table.names, table.targets, strict=True)
    return {name: [table.labels[label] for label in row.nonzero()[0]] for name, row in rows}


def test_names_of_voc_objects_are_labels_and_a_photo_without_objects_carries_none(tmp_path: Path) -> None:
    folder = photos(tmp_path / "set", "JPEGImages/a.jpg", "JPEGImages/b.jpg")
    put(
        folder, {"Annotations/a.xml": voc("a.jpg", "boat", "lake", "boat"), "Annotations/b.xml": voc("b.jpg")}
    )
    for labels in (None, folder / "Annotations"):
        table = read_table(labels, photos=folder)
        assert labels_of(table) == {"JPEGImages/a.jpg": ["boat", "lake"], "JPEGImages/b.jpg": []}
        assert table.source.endswith("(2 files), read as Pascal VOC")
        assert table.parts == (None, None)


def test_the_image_sets_of_voc_tell_the_split(tmp_path: Path) -> None:
    folder = photos(tmp_path, *(f"JPEGImages/{name}.jpg" for name in "abcd"))
    put(folder, {f"Annotations/{name}.xml": voc(f"{name}.jpg", "boat") for name in "abc"})
    put(folder, {"Annotations/d.xml": voc("d.jpg")})
    put(folder, {"ImageSets/Main/train.txt": "a\n\n", "ImageSets/Main/val.txt": "b  1\n"})
    put(folder, {"ImageSets/Main/test.txt": "d -1\n", "ImageSets/Main/trainval.txt": "a\nb\nc\n"})
    for labels in (None, folder / "Annotations"):
        table = read_table(labels, photos=folder)
        assert table.parts == ("train", "val", "train", "test")
        assert table.notes[0] == (
            "trainval.txt: 1 photo taken for training, as train.txt and val.txt do not name them"
        )


def test_a_photo_in_trainval_and_test_is_a_problem(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"Annotations/a.xml": voc("a.jpg", "boat"), "Annotations/b.xml": voc("b.jpg")})
    put(folder, {"ImageSets/Main/trainval.txt": "a.jpg\nb.jpg\n", "ImageSets/Main/test.txt": "b\n"})
    with pytest.raises(TableError, match=r"trainval\.txt, line 2: 'b' is also in test\.txt"):
        read_table(None, photos=folder)


def test_a_photo_in_two_image_sets_is_a_problem(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    put(folder, {"Annotations/a.xml": voc("a.jpg", "boat")})
    put(folder, {"ImageSets/Main/train.txt": "a\n", "ImageSets/Main/test.txt": "b\na\n"})
    with pytest.raises(TableError, match=r"test\.txt, line 2: 'a' is also in train\.txt"):
        read_table(None, photos=folder)


def test_folders_of_parts_tell_the_split_of_voc(tmp_path: Path) -> None:
    folder = photos(tmp_path, "train/a.jpg", "test/a.jpg")
    put(folder, {"train/a.xml": voc("a.jpg", "boat"), "test/a.xml": voc("a.jpg")})
    table = read_table(None, photos=folder)
    assert labels_of(table) == {"test/a.jpg": [], "train/a.jpg": ["boat"]}
    assert table.parts == ("test", "train")


@pytest.mark.parametrize("filename", ["", "wrong.png", "folder\\wrong.jpg"])
def test_the_name_of_the_voc_file_helps_where_the_one_inside_is_wrong(tmp_path: Path, filename: str) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"xml/a.xml": voc(filename, "boat"), "xml/b.xml": voc("b.jpg")})
    assert labels_of(read_table(folder / "xml", photos=folder)) == {"a.jpg": ["boat"], "b.jpg": []}


def test_the_name_of_the_voc_file_counts_where_the_one_inside_is_another_photo(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"xml/a.xml": voc("b.jpg", "boat"), "xml/b.xml": voc("b.jpg", "lake")})
    table = read_table(folder / "xml", photos=folder)
    assert labels_of(table) == {"a.jpg": ["boat"], "b.jpg": ["lake"]}
    assert table.notes[0] == (
        "xml/: 1 file whose <filename> is not the name of the file, e.g. 'b.jpg' in a.xml; "
        "the name of the file counts where there is such a photo"
    )


def test_the_name_inside_a_voc_file_counts_where_no_photo_is_called_like_the_file(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"xml/1.xml": voc("a.jpg", "boat"), "xml/2.xml": voc("b.jpg")})
    assert labels_of(read_table(folder / "xml", photos=folder)) == {"a.jpg": ["boat"], "b.jpg": []}


def test_the_ending_inside_a_voc_file_tells_photos_of_one_name_apart(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "a.png", "b.jpg")
    put(folder, {"xml/a.xml": voc("a.png", "boat"), "xml/b.xml": voc("b.jpg")})
    table = read_table(folder / "xml", photos=folder)
    assert labels_of(table) == {"a.png": ["boat"], "b.jpg": []}


def test_two_voc_files_about_one_photo_that_disagree_are_a_problem(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"xml/a.xml": voc("a.jpg", "boat"), "xml/old.xml": voc("a.jpg", "lake")})
    with pytest.raises(TableError, match="disagree on 'boat', 'lake'; keep one file with all objects"):
        read_table(folder / "xml", photos=folder)


def test_voc_objects_without_name_and_foreign_files_are_told(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    put(folder, {"xml/a.xml": voc("a.jpg", "boat", " "), "xml/b.xml": "<settings/>"})
    with pytest.raises(TableError) as caught:
        read_table(folder / "xml", photos=folder, format="voc")
    assert caught.value.problems == (
        "a.xml: an object has no name",
        "b.xml: its root is <settings>, expected <annotation>",
    )


def test_one_voc_file_is_read_alone(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    put(folder, {"a.xml": voc("a.jpg", "boat")})
    table = read_table(folder / "a.xml", photos=folder)
    assert (table.labels, table.source) == (("boat",), "a.xml, read as Pascal VOC")


def test_a_folder_without_voc_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no annotations \(\.xml\)"):
        read_table(None, photos=photos(tmp_path, "a.jpg"), format="voc")
