"""Read annotations in CVAT's own format, "CVAT for images 1.1".

In:  ``annotations.xml``, or the folder it was unpacked to.
Out: RawTable; tags, boxes, polygons and every other shape count. An image without any carries no label.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    collect_labels,
    find_only_file,
)
from manylabel.data.formats.contents import PART_WORDS, clean_label, read_part, read_xml
from manylabel.data.wording import list_some
from manylabel.errors import TableError, did_you_mean
from manylabel.types import Part

UNSPLIT = frozenset({"", "default"})


def read_cvat(source: LabelSource) -> RawTable:
    """Read CVAT's XML for images; the ``subset`` of an image, where it has one, is its part of the split.

    Raises:
        TableError: The file is no XML, or not of this format.
    """
    path = find_only_file(source.path, (".xml",))
    title = path.name
    root = read_xml(path, title=title)
    if root.tag != "annotations":
        raise TableError([f"{title}: is not CVAT XML; its root is <{root.tag}>, expected <annotations>"])
    problems: list[str] = []
    rows = [
        _read_image(image, folder=path.parent, title=title, problems=problems) for image in root.iter("image")
    ]
    if not rows and root.find("track") is not None:
        problems.append(f"{title}: holds the tracks of a video; export it as 'CVAT for images 1.1'")
    used = collect_labels(rows)
    return RawTable(
        rows=tuple(rows),
        labels=tuple(sorted({*used, *_list_labels(root)})),
        title=title,
        kind="CVAT for images",
        where=f"{title}, labels of the task",
        is_catalogue=True,
        repair="keep one image with all labels of the photo",
        notes=_describe_attributes(root, title=title),
        problems=tuple(problems),
    )


def _list_labels(root: Element) -> set[str]:
    """List the labels that the task offers; the points of a skeleton have names too, and a parent."""
    meta = root.find("meta")
    offered = [] if meta is None else [label for label in meta.iter("label") if label.find("parent") is None]
    return {clean_label(label.findtext("name")) for label in offered} - {""}


def _describe_attributes(root: Element, *, title: str) -> tuple[str, ...]:
    """Describe the attributes of shapes and tags, which are left out: a color, a degree of certainty."""
    shapes = (shape for image in root.iter("image") for shape in image)
    names = sorted({clean_label(entry.get("name")) for shape in shapes for entry in shape.iter("attribute")})
    return (f"{title}: attributes are not labels and are left out: {list_some(names)}",) if names else ()


def _read_image(image: Element, *, folder: Path, title: str, problems: list[str]) -> RawRow:
    name = image.get("name", "").strip()
    where = f"{title}, image {image.get('id', '?')}"
    if not name:
        problems.append(f"{where}: the image has no name")
    shapes = [shape for shape in image if shape.get("label") is not None]
    labels = {clean_label(shape.get("label")) for shape in shapes}
    if "" in labels:
        problems.append(f"{where}: the name of a label is empty")
    return RawRow(
        names=(name,),
        folder=folder,
        where=where,
        present=frozenset(labels - {""}),
        part=_read_subset(image.get("subset", ""), where=where, problems=problems),
    )


def _read_subset(text: str, *, where: str, problems: list[str]) -> Part | None:
    if text.strip().lower() in UNSPLIT:
        return None
    part = read_part(text)
    if part is None:
        hint = did_you_mean(text.lower(), list(PART_WORDS))
        problems.append(f"{where}: unknown subset '{text}'; expected train, val or test{hint}")
    return part


CVAT = LabelFormat(
    name="cvat",
    title="CVAT",
    description='"CVAT for images 1.1" XML: tags and shapes',
    read=read_cvat,
    root_tag="annotations",
)
