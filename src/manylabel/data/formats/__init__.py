"""Label readers: one file per format, all of them give one ``LabelTable``."""

from manylabel.data.find import PHOTO_EXTENSIONS, find_photos
from manylabel.data.formats.read import READERS, read_table, read_table_as

__all__ = ["PHOTO_EXTENSIONS", "READERS", "find_photos", "read_table", "read_table_as"]
