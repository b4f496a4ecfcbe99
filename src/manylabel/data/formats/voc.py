"""Read Pascal VOC annotations: an XML file per photo.

In:  the folder of the data set, or its ``Annotations``; or one XML file.
Out: RawTable; the names of the objects are the labels. The split is that of ``ImageSets/Main``, if present.
     An XML file is about the photo of its own name; the ``<filename>`` in it counts where there is none.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    PartFile,
    RawRow,
    RawTable,
    collect_labels,
    describe_contradictions,
    find_stem,
    list_part_files,
    order_names,
)
from manylabel.data.formats.contents import clean_label, read_xml
from manylabel.data.formats.text_files import read_text
from manylabel.data.wording import count, folder_title
from manylabel.errors import TableError
from manylabel.io.files import printable
from manylabel.types import Part

SETS: tuple[Part, ...] = ("train", "val", "test")
BOTH = "trainval"
"""The list of train and val together."""


def read_voc(source: LabelSource) -> RawTable:
    """Read Pascal VOC annotations; an annotated photo without objects carries no label.

    Raises:
        TableError: There are no XML files, or one is no XML.
    """
    root = source.path
    files = list_annotations(root)
    if not files:
        raise TableError([f"{root}: no annotations (.xml) in this folder or in Annotations/ in it"])
    problems: list[str] = []
    notes: list[str] = []
    sets = _read_sets(_find_sets(root), notes=notes, problems=problems)
    rows = [_read_file(file, sets=sets, problems=problems) for file in files]
    where = folder_title(root) if root.is_dir() else root.name
    return RawTable(
        rows=tuple(rows),
        labels=collect_labels(rows),
        title=f"{folder_title(root)} ({count(len(files), 'file')})" if root.is_dir() else root.name,
        kind="Pascal VOC",
        where=where,
        repair="keep one file with all objects of the photo",
        notes=(*notes, *describe_contradictions(rows, where=where, written_in="<filename>")),
        problems=tuple(problems),
    )


def list_annotations(root: Path) -> list[PartFile]:
    """List the XML files of a data set: in ``Annotations``, in a folder per part, or in the folder itself."""
    inner = root / "Annotations"
    return list_part_files(inner if inner.is_dir() else root, lambda name: name.endswith(".xml"))


def _find_sets(root: Path) -> Path | None:
    candidates = [folder / "ImageSets" / "Main" for folder in (root, root.parent, root.parent.parent)]
    return next((folder for folder in candidates if folder.is_dir()), None)


def _read_sets(folder: Path | None, *, notes: list[str], problems: list[str]) -> dict[str, Part]:
    """Return the part of each photo in the lists of a data set, by its name without ending."""
    parts: dict[str, Part] = {}
    if folder is None:
        return parts
    for part in SETS:
        for where, name in _list_names(folder / f"{part}.txt"):
            if parts.setdefault(name, part) != part:
                problems.append(f"{where}: '{name}' is also in {parts[name]}.txt")
    both = _list_names(folder / f"{BOTH}.txt")
    unrefined = [name for _, name in both if name not in parts]
    if unrefined:
        photos = count(len(unrefined), "photo")
        notes.append(f"{BOTH}.txt: {photos} taken for training, as train.txt and val.txt do not name them")
    problems.extend(
        f"{where}: '{name}' is also in test.txt" for where, name in both if parts.get(name) == "test"
    )
    return parts | dict.fromkeys(unrefined, "train")


def _list_names(path: Path) -> list[tuple[str, str]]:
    """Return location and first word of each line; a number may follow, the certainty of the label."""
    lines = read_text(path)[0].splitlines() if path.is_file() else []
    return [
        (f"{path.name}, line {number}", find_stem(line.split()[0]))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _read_file(file: PartFile, *, sets: dict[str, Part], problems: list[str]) -> RawRow:
    annotation = read_xml(file.path, title=file.title)
    if annotation.tag != "annotation":
        problems.append(f"{file.title}: its root is <{annotation.tag}>, expected <annotation>")
    stem = printable(file.path.stem)
    return RawRow(
        names=order_names(stem, (annotation.findtext("filename") or "").strip()),
        folder=file.path.parent,
        where=file.title,
        present=_read_objects(annotation, where=file.title, problems=problems),
        part=sets.get(stem, file.part),
    )


def _read_objects(annotation: Element, *, where: str, problems: list[str]) -> frozenset[str]:
    names = [clean_label(thing.findtext("name")) for thing in annotation.iter("object")]
    if "" in names:
        problems.append(f"{where}: an object has no name")
    return frozenset(name for name in names if name)


VOC = LabelFormat(
    name="voc",
    title="Pascal VOC",
    description="Pascal VOC XML, a file per photo and of the same name, with the split in `ImageSets/Main`",
    read=read_voc,
    root_tag="annotation",
)
