"""Parse XML that anybody may have written.

In:  an XML file.
Out: its elements; TableError where it is no XML, or declares a document type.
"""

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from manylabel.data.formats.parsing.contents import read_bytes
from manylabel.errors import TableError


def read_xml(path: Path, *, title: str | None = None) -> Element:
    """Read an XML file without expanding anything.

    Annotation tools write no document type. One that is there could define entities that grow to gigabytes
    or stand for other files, so it is refused before any of it is used.

    Args:
        path: The file.
        title: What errors call it; not given: its path.

    Returns:
        The root element.

    Raises:
        TableError: The file cannot be read, is no XML, or declares a document type.
    """
    title = title or str(path)
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: object) -> None:
        raise TableError([f"{title}: declares a document type (DOCTYPE), which is refused; remove it"])

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path, title=title), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise TableError([f"{title}: is not valid XML: {error}"]) from error
    return builder.close()
