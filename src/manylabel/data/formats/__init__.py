"""Label readers: one file per format, all of them give one ``LabelTable``."""

from manylabel.data.find import PHOTO_EXTENSIONS, find_photos
from manylabel.data.formats.read import read_table, read_table_as

__all__ = ["PHOTO_EXTENSIONS", "find_photos", "read_table", "read_table_as"]
