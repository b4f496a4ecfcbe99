"""Put pictures into pages.

In:  pictures in memory.
Out: files in memory, and addresses that hold them.
"""

import base64
import io

from PIL import Image


def to_jpeg(picture: Image.Image, *, quality: int) -> bytes:
    """Return a picture as a JPEG file.

    Args:
        picture: RGB picture.
        quality: 1 to 95.
    """
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def to_png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def data_uri(content: bytes, *, kind: str) -> str:
    """Write a file as an address that holds the file itself.

    Examples:
        >>> data_uri(b"abc", kind="image/png")
        'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
