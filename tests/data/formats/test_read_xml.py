"""Reading Pascal VOC and CVAT annotations."""

from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable

BOMB = """<?xml version="1.0"?>
<!DOCTYPE bomb [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""


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


def test_attributes_of_cvat_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    box = '<box label="boat"><attribute name="color">red</attribute></box>'
    put(folder, {"annotations.xml": cvat(f'<image id="0" name="a.jpg">{box}</image>')})
    notes = read_table(None, photos=folder).notes
    assert "annotations.xml: attributes are no labels, and left out: 'color'" in notes


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    folder = photos(tmp_path, "a.jpg")
    (folder / "a.xml").write_bytes(BOMB.replace("?>", f' encoding="{encoding}"?>').encode(encoding))
    with pytest.raises(TableError, match=r"a\.xml: declares a document type \(DOCTYPE\), which is refused"):
        read_table(folder / "a.xml", photos=folder, format="voc")


@pytest.mark.parametrize(
    "text",
    ["", "no xml", "<annotation>", "<a></b>", "<a>&undefined;</a>", '<?xml version="1.0" encoding="x"?><a/>'],
)
def test_broken_xml_is_an_error(tmp_path: Path, text: str) -> None:
    folder = photos(tmp_path, "a.jpg")
    put(folder, {"a.xml": text})
    with pytest.raises(TableError, match=r"a\.xml: is not valid XML"):
        read_table(folder / "a.xml", photos=folder, format="voc")


def test_a_folder_without_voc_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no annotations \(\.xml\)"):
        read_table(None, photos=photos(tmp_path, "a.jpg"), format="voc")


def cvat(*images: str, labels: tuple[str, ...] = ()) -> str:
    offered = "".join(f"<label><name>{label}</name></label>" for label in labels)
    return (
        f"<annotations><version>1.1</version><meta><task><labels>{offered}</labels></task></meta>"
        f"{''.join(images)}</annotations>"
    )


def test_tags_and_shapes_of_cvat_are_labels(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    shapes = '<tag label="lake"/><box label="boat" xtl="0"/><polygon label="tree"/><polyline label="road"/>'
    text = cvat(
        f'<image id="0" name="a.jpg">{shapes}</image>',
        '<image id="1" name="b.jpg"/>',
        '<image id="2" name="c.jpg"><mask label="boat"><attribute name="old">yes</attribute></mask></image>',
    )
    put(folder, {"annotations.xml": text})
    for labels in (None, folder / "annotations.xml"):
        table = read_table(labels, photos=folder)
        assert labels_of(table) == {"a.jpg": ["boat", "lake", "road", "tree"], "b.jpg": [], "c.jpg": ["boat"]}
        assert table.source == "annotations.xml, read as CVAT for images"


def test_labels_that_a_cvat_task_offers_and_nobody_used_are_left_out_of_training(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg")
    images = ('<image id="0" name="a.jpg"><tag label="lake"/></image>', '<image id="1" name="b.jpg"/>')
    put(folder, {"annotations.xml": cvat(*images, labels=("moon", "lake"))})
    table = read_table(None, photos=folder)
    assert (table.labels, table.notes) == (
        ("lake",),
        ("annotations.xml, labels of the task: no photo carries 'moon'; left out",),
    )
    assert read_table(None, photos=folder, purpose="judging").labels == ("lake", "moon")


def test_the_points_of_a_cvat_skeleton_are_no_labels(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    skeleton = '<skeleton label="person"><points label="knee"/></skeleton>'
    text = cvat(f'<image id="0" name="a.jpg">{skeleton}</image>')
    text = text.replace("<labels>", "<labels><label><name>knee</name><parent>person</parent></label>")
    put(folder, {"annotations.xml": text})
    assert read_table(None, photos=folder, purpose="judging").labels == ("person",)


def test_the_subsets_of_cvat_tell_the_split(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    subsets = zip("abcd", ("Train", "Validation", "default", "Test"), strict=True)
    images = [f'<image id="0" name="{name}.jpg" subset="{subset}"/>' for name, subset in subsets]
    images[0] = images[0].replace("/>", '><tag label="lake"/></image>')
    put(folder, {"annotations.xml": cvat(*images)})
    assert read_table(None, photos=folder).parts == ("train", "val", None, "test")


def test_problems_of_cvat_images_are_told(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    images = ('<image id="4" name="a.jpg" subset="trian"><tag label=""/></image>', '<image id="5"/>')
    put(folder, {"annotations.xml": cvat(*images)})
    with pytest.raises(TableError) as caught:
        read_table(None, photos=folder)
    assert caught.value.problems == (
        "annotations.xml, image 4: the name of a label is empty",
        "annotations.xml, image 4: unknown subset 'trian'; did you mean 'train'?; "
        "expected train, val or test",
        "annotations.xml, image 5: the image has no name",
    )


def test_cvat_s_video_format_is_told_apart(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    put(folder, {"annotations.xml": '<annotations><track id="0" label="boat"/></annotations>'})
    with pytest.raises(TableError, match=r"holds the tracks of a video; export it as 'CVAT for images 1\.1'"):
        read_table(None, photos=folder)


def test_other_xml_is_no_cvat(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    put(folder, {"a.xml": voc("a.jpg")})
    with pytest.raises(TableError, match=r"a\.xml: is not CVAT XML; its root is <annotation>"):
        read_table(folder / "a.xml", photos=folder, format="cvat")
