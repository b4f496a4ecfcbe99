"""Read TIFF photos that Pillow does not open, or whose pixels it gets wrong.

In:  a TIFF of 8, 16, 32 or 64 bits per channel, grey or RGB, whole or floating-point numbers.
Out: a picture that is decoded when it is loaded; or a ``PhotoError`` that says which kind of TIFF it is.

Byte for byte, a TIFF of any such kind is also one of a single 8-bit channel that is wider. So Pillow decodes
it under a second table of contents, with all its compressions and limits; here the bytes are put together.
Source: TIFF Revision 6.0, Adobe 1992, section 8 and pages 64 to 68.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from manylabel.data.decoding import scale_to_8_bits
from manylabel.errors import PhotoError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _N_BANDS, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 317, 322, 323, 324, 325
_EXTRA, _SAMPLE_FORMAT, _FILL_ORDER = 338, 339, 266
_USED_TAGS = {
    *(
        _WIDTH,
        _HEIGHT,
        _BITS,
        _COMPRESSION,
        _PHOTOMETRIC,
        _STRIP_OFFSETS,
        _ORIENTATION,
        _N_BANDS,
        _ROWS_PER_STRIP,
    ),
    *(_STRIP_BYTES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _EXTRA),
    *(_SAMPLE_FORMAT, _FILL_ORDER),
}

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_ASSOCIATED_ALPHA, _ALPHA = 1, 2
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3

# None, LZW, Deflate (twice), PackBits, LZMA, Zstandard: those that give back bytes, whatever these mean.
_BYTE_COMPRESSIONS = frozenset({1, 5, 8, 32946, 32773, 34925, 50000})
# JBIG and WebP: Pillow's wheels are built without, and would call such a file damaged.
_NOT_BUILT_IN = frozenset({34661, 50001})
_KINDS = {1: "u", 2: "i", 3: "f"}
_BIT_COUNTS = (8, 16, 32, 64)

_BIG_ENDIAN_BIG_TIFF = b"MM\0+"
_SAVE_AGAIN = "save it again as PNG or 8-bit TIFF"


def is_misread(photo: Image.Image) -> bool:
    """Tell whether Pillow opens a photo as TIFF and would get its pixels wrong."""
    tags: Mapping[int, Any] | None = getattr(photo, "tag_v2", None)
    if photo.format != "TIFF" or tags is None:
        return False
    layout = _Layout(tags=tags)
    bits = max(layout.all(_BITS), default=1)
    is_negative = bits > 8 and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    is_in_planes = layout.is_planar and (bits > 8 or layout.n_bands == 2)
    # Pillow takes signed bytes for unsigned ones, large unsigned numbers for signed ones, and swaps the bytes
    # of compressed big-endian numbers twice.
    is_other = bits == 32 or layout.one(_SAMPLE_FORMAT, 1) == 2
    return is_negative or is_in_planes or is_other or layout.one(_COMPRESSION, 1) in _NOT_BUILT_IN


class ByteTiff(ImageFile.ImageFile):
    """A TIFF photo that is put together from its bytes when it is loaded.

    Raises:
        PhotoError: It is of a kind that is not read.
    """

    format = "TIFF"
    format_description = "TIFF, read byte by byte"

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """Read the table of contents, no pixels."""
        self._path = path
        super().__init__(file, str(path))

    def _open(self) -> None:
        assert self.fp is not None, "opened with a file"
        self.fp.seek(0)
        if self.fp.read(4) == _BIG_ENDIAN_BIG_TIFF:
            raise PhotoError(
                self._path, f"it is a BigTIFF in big-endian order, which is not read; {_SAVE_AGAIN}"
            )
        self._layout = _Layout(tags=_read_tags(self.fp))
        reason = self._layout.explain_refusal()
        if reason:
            raise PhotoError(self._path, reason)
        self._size = self._layout.width, self._layout.height
        self._mode = self._layout.mode
        self.getexif()[_ORIENTATION] = self._layout.one(_ORIENTATION, 1)

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._im is None:
            assert self.fp is not None, "opened with a file"
            self.fp.seek(0)
            self.im = _compose(self._layout, self.fp.read()).im
        return Image.Image.load(self)


@dataclass(frozen=True)
class _Layout:
    """How the pixels of a TIFF lie in its file."""

    tags: Mapping[int, Any]

    def all(self, tag: int) -> tuple[int, ...]:
        """Return the numbers of a tag."""
        value = self.tags.get(tag, ())
        return tuple(value) if isinstance(value, tuple | list) else (value,)

    def one(self, tag: int, default: int) -> int:
        """Return the first number of a tag."""
        return next(iter(self.all(tag)), default)

    @cached_property
    def width(self) -> int:
        return self.one(_WIDTH, 0)

    @cached_property
    def height(self) -> int:
        return self.one(_HEIGHT, 0)

    @cached_property
    def n_bands(self) -> int:
        return self.one(_N_BANDS, 1)

    @cached_property
    def n_colors(self) -> int:
        return 3 if self.one(_PHOTOMETRIC, _BLACK_IS_ZERO) == _RGB else 1

    @cached_property
    def alpha(self) -> int | None:
        """The kind of alpha that follows the colors."""
        kind = self.one(_EXTRA, 0)
        return kind if self.n_bands > self.n_colors and kind in (_ASSOCIATED_ALPHA, _ALPHA) else None

    @property
    def mode(self) -> str:
        if self.alpha is None:
            return "RGB" if self.n_colors == 3 else "L"
        return "RGBa" if self.alpha == _ASSOCIATED_ALPHA else "RGBA"

    @cached_property
    def is_planar(self) -> bool:
        return self.one(_PLANAR, 1) == 2 and self.n_bands > 1

    @cached_property
    def kind(self) -> str:
        """Unsigned, signed or floating: u, i or f."""
        return _KINDS[self.one(_SAMPLE_FORMAT, 1)]

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"{_order(self.tags)}{self.kind}{self.one(_BITS, 1) // 8}")

    @property
    def n_interleaved(self) -> int:
        """Number of bands that are interleaved in a row."""
        return 1 if self.is_planar else self.n_bands

    def explain_refusal(self) -> str:
        """Explain why the pixels are not read; "" if they are."""
        n_used = self.n_colors + (self.alpha is not None)
        bits = sorted(set(self.all(_BITS)) or {1})
        compression = self.one(_COMPRESSION, 1)
        n_bytes = self.width * self.height * self.n_bands * bits[-1] // 8
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        if self.one(_PHOTOMETRIC, _BLACK_IS_ZERO) not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
            return f"it is a TIFF whose wide pixels are neither gray nor RGB; {_SAVE_AGAIN}"
        if self.n_bands < n_used:
            return "it is a TIFF that calls itself RGB and has fewer than 3 bands"
        if self.n_colors == 1 and self.n_bands > n_used:
            return (
                f"it is a TIFF of {self.n_bands} bands and does not say which of them are red, green and "
                "blue; save those three as RGB"
            )
        if len(bits) > 1 or bits[0] not in _BIT_COUNTS or self.one(_SAMPLE_FORMAT, 1) not in _KINDS:
            return f"it is a TIFF of {bits[-1]} bits per channel in a format that is not read; {_SAVE_AGAIN}"
        if self.kind == "f" and bits[0] == 8:
            return f"it is a TIFF of floating-point numbers of 8 bits, which are not read; {_SAVE_AGAIN}"
        if compression not in _BYTE_COMPRESSIONS or self.one(_FILL_ORDER, 1) != 1:
            return (
                f"it is a TIFF with the compression {compression}, not read with such pixels; {_SAVE_AGAIN}"
            )
        if most and n_bytes > most:
            return f"its pixels take {n_bytes / 1e6:,.0f} million bytes, at most {most / 1e6:.0f} are read"
        return ""


def _read_tags(file: IO[bytes]) -> ImageFileDirectory_v2:
    file.seek(0)
    header = file.read(8)
    is_big = 43 in header[2:4]
    tags = ImageFileDirectory_v2(header + file.read(8) if is_big else header)
    start = tags.next
    file.seek(start)
    tags.load(file)
    # Pillow passes over tags whose numbers are cut off; without them, the pixels would mean something else.
    lost = (_USED_TAGS & _list_tags(file, start, order=_order(tags), is_big=is_big)) - set(tags)
    if lost:
        raise SyntaxError(f"truncated tags: {lost}")
    return tags


def _order(tags: Mapping[int, Any]) -> str:
    return ">" if getattr(tags, "_endian", "<") == ">" else "<"


def _list_tags(file: IO[bytes], start: int, *, order: str, is_big: bool) -> set[int]:
    """Return the tags that a table of contents names."""
    n_bytes, count_form = (20, "Q") if is_big else (12, "H")
    file.seek(start)
    count = struct.Struct(order + count_form)
    (n_tags,) = count.unpack(file.read(count.size))
    entries = (file.read(n_bytes) for _ in range(n_tags))
    return {struct.unpack_from(f"{order}H", entry)[0] for entry in entries}


def _compose(layout: _Layout, content: bytes) -> Image.Image:
    values = _read_values(layout, content)  # [height, width, n_bands]
    colors = values[:, :, : layout.n_colors]
    is_wide_rgb = layout.n_colors == 3 and layout.dtype.kind == "u" and layout.dtype.itemsize <= 2
    full = float(np.iinfo(layout.dtype).max) if is_wide_rgb else None
    pixels = _scale(colors, full=full)
    if layout.one(_PHOTOMETRIC, _BLACK_IS_ZERO) == _WHITE_IS_ZERO:
        pixels = 255 - pixels
    if layout.alpha is None:
        return Image.fromarray(pixels if layout.n_colors == 3 else pixels[:, :, 0])
    most = 1.0 if layout.dtype.kind == "f" else float(np.iinfo(layout.dtype).max)
    alpha = _scale(np.clip(values[:, :, layout.n_colors, None], 0, most), full=most)
    rgba = np.concatenate([np.broadcast_to(pixels, (*pixels.shape[:2], 3)), alpha], axis=2)
    return Image.frombytes(layout.mode, (layout.width, layout.height), rgba.tobytes())


def _scale(values: NDArray[Any], *, full: float | None) -> NDArray[np.uint8]:
    height, width, _ = values.shape
    return scale_to_8_bits(
        lambda top, end: values[top:end], size=(width, height), is_float=values.dtype.kind == "f", full=full
    )


def _read_values(layout: _Layout, content: bytes) -> NDArray[Any]:
    """Return the numbers of a photo [height, width, n_bands]."""
    if not layout.is_planar:
        return _read_plane(layout, content, plane=0)
    n_planes = layout.n_colors + (layout.alpha is not None)
    return np.concatenate([_read_plane(layout, content, plane=plane) for plane in range(n_planes)], axis=2)


def _read_plane(layout: _Layout, content: bytes, *, plane: int) -> NDArray[Any]:
    """Return the numbers of the bands that lie together [height, width, n_interleaved]."""
    block = layout.one(_TILE_WIDTH, layout.width)
    n_blocks = -(-layout.width // block)
    n_bytes = layout.n_interleaved * layout.dtype.itemsize  # of a pixel
    tags = {
        _WIDTH: (n_blocks * block * n_bytes,),
        _HEIGHT: (layout.height,),
        _BITS: (8,),
        _COMPRESSION: (layout.one(_COMPRESSION, 1),),
        _PHOTOMETRIC: (_BLACK_IS_ZERO,),
        _N_BANDS: (1,),
        **_locate(layout, plane=plane, block_bytes=block * n_bytes),
    }
    with Image.open(BytesIO(_with_tags(content, tags)), formats=("TIFF",)) as picture:
        rows = np.asarray(picture).reshape(layout.height, n_blocks, block * n_bytes)
    values = _undo_differences(rows, layout).reshape(layout.height, n_blocks * block, layout.n_interleaved)
    return values[:, : layout.width]


def _locate(layout: _Layout, *, plane: int, block_bytes: int) -> dict[int, tuple[int, ...]]:
    """Return the tags of the strips or tiles of a plane."""
    is_tiled = _TILE_WIDTH in layout.tags
    offsets, sizes = (_TILE_OFFSETS, _TILE_BYTES) if is_tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    n_parts = len(layout.all(offsets)) // (layout.n_bands if layout.is_planar else 1)
    mine = slice(plane * n_parts, (plane + 1) * n_parts)
    tags = {offsets: layout.all(offsets)[mine], sizes: layout.all(sizes)[mine]}
    if is_tiled:
        return tags | {_TILE_WIDTH: (block_bytes,), _TILE_HEIGHT: (layout.one(_TILE_HEIGHT, 0),)}
    return tags | {_ROWS_PER_STRIP: (min(layout.one(_ROWS_PER_STRIP, layout.height), layout.height),)}


def _with_tags(content: bytes, tags: Mapping[int, Sequence[int]]) -> bytes:
    """Return a file with another table of contents, behind what it holds."""
    start = len(content) + len(content) % 2
    entries, values = b"", b""
    first = start + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        is_inside = len(numbers) == 1
        value = packed if is_inside else struct.pack("<I", first + len(values))
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + value
        values += b"" if is_inside else packed
    header = b"II*\0" + struct.pack("<I", start)
    padding = bytes(start - len(content))
    return header + content[8:] + padding + struct.pack("<H", len(tags)) + entries + bytes(4) + values


def _undo_differences(rows: NDArray[np.uint8], layout: _Layout) -> NDArray[Any]:
    """Return the numbers in some bytes [height, n_blocks, n_bytes]; their sums where they are differences."""
    predictor, n_bands, dtype = layout.one(_PREDICTOR, 1), layout.n_interleaved, layout.dtype
    height, n_blocks, n_bytes = rows.shape
    if predictor == _FLOAT_DIFFERENCES:
        # The first bytes of all numbers of a row, then their second bytes, each less the one before it.
        sums = rows.reshape(height, n_blocks, -1, n_bands).cumsum(axis=2, dtype=np.uint8)
        planes = sums.reshape(height, n_blocks, dtype.itemsize, n_bytes // dtype.itemsize)
        return np.ascontiguousarray(planes.swapaxes(2, 3)).view(dtype.newbyteorder(">"))
    values = np.ascontiguousarray(rows).view(dtype)
    if predictor == _DIFFERENCES:
        native = dtype.newbyteorder("=")
        return values.astype(native).reshape(height, n_blocks, -1, n_bands).cumsum(axis=2, dtype=native)
    return values
