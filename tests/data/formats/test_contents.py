"""Contents of files: XML that anybody may have written."""

from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError

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
