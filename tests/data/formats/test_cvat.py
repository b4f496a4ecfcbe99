"""CVAT's XML for images."""

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


def test_attributes_of_cvat_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    box = '<box label="boat"><attribute name="color">red</attribute></box>'
    put(folder, {"annotations.xml": cvat(f'<image id="0" name="a.jpg">{box}</image>')})
    notes = read_table(None, photos=folder).notes
    assert "annotations.xml: attributes are not labels and are left out: 'color'" in notes


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
    assert read_table(None, photos=folder, purpose="evaluation").labels == ("lake", "moon")


def test_the_points_of_a_cvat_skeleton_are_no_labels(tmp_path: Path) -> None:
    folder = photos(tmp_path, "a.jpg")
    skeleton = '<skeleton label="person"><points label="knee"/></skeleton>'
    text = cvat(f'<image id="0" name="a.jpg">{skeleton}</image>')
    text = text.replace("<labels>", "<labels><label><name>knee</name><parent>person</parent></label>")
    put(folder, {"annotations.xml": text})
    assert read_table(None, photos=folder, purpose="evaluation").labels == ("person",)


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
        "annotations.xml, image 4: unknown subset 'trian'; expected train, val or test; "
        "did you mean 'train'?",
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
