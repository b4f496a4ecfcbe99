"""Read photos, whatever the camera or the web made of them; write pictures.

In:  files, or their bytes: JPEG, PNG, GIF, BMP, PPM, WebP, TIFF, AVIF, HEIC, JPEG 2000.
Out: upright RGB photos, or a ``PhotoError`` that says in plain words what is wrong with the file; pictures as
     JPEG and PNG files and as addresses that hold them.
"""

import base64
import io
import os
import stat
import struct
import zlib
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from manylabel.data.decoding import DECODING, estimate_bytes, quiet_pillow, to_rgb
from manylabel.data.remote import Photo
from manylabel.data.tiff import ByteTiff, is_misread
from manylabel.errors import PhotoError

# Pillow also opens formats that start other programs (EPS) or hold no photo; those stay out. The first five
# need no plug-in to be searched for.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_TIFF_PREFIXES = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}

# What the decoders are known to raise for damaged files. MemoryError: a few bytes can promise a huge photo.
DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a photo is turned upright, by the orientation in its EXIF data."""

T = TypeVar("T")

_LARGEST_JPEG_REDUCTION = 8
_PHOTOS_AHEAD_PER_THREAD = 2

# Resizing takes memory and time by the longest side, whatever the area. JPEG files end here, too.
_LONGEST_SIDE_PX = 65_535

# Cameras and programs write about ten. Each visits all of the photo, though a hundred bytes suffice for it.
_MOST_SCANS = 50
_START_OF_SCAN = b"\xff\xda"


def open_photo(path: Path, *, side_px: int | None = None) -> Image.Image:
    """Read a photo file.

    Args:
        path: The file. Of an animation or a file of several pages, the first picture is read.
        side_px: Pixels that the shorter side needs, at least 1: a photo that has more is read at 1/2, 1/4 or
            1/8 of its size, JPEG files several times as fast, and keeps at least that many. Not given: all.

    Returns:
        An RGB photo, turned upright, transparent parts white, without metadata. More than 8 bits per channel
        are scaled down, not clipped.

    Raises:
        PhotoError: The file cannot be read as a photo.
    """
    try:
        _check_file(path)
        with path.open("rb") as file:
            return _read(file, path=path, side_px=side_px, max_pixels=None)
    except OSError as error:
        raise PhotoError(path, explain_system(error)) from error


def open_photo_bytes(
    data: bytes, *, name: str, side_px: int | None = None, max_pixels: int | None = None
) -> Image.Image:
    """Read a photo that is in memory, e.g. an upload.

    Args:
        data: Content of the photo file.
        name: What errors call it.
        side_px: As in ``open_photo``.
        max_pixels: Width times height above which it is refused before any pixel is read. Not given: what
            Pillow takes, 179 million.

    Returns:
        An RGB photo as from ``open_photo``.

    Raises:
        PhotoError: The bytes cannot be read as a photo.

    Examples:
        >>> file = BytesIO()
        >>> Image.new("CMYK", (640, 480)).save(file, "JPEG")
        >>> photo = open_photo_bytes(file.getvalue(), name="white.jpg", side_px=100)
        >>> photo.mode, photo.size
        ('RGB', (160, 120))
    """
    if not data:
        raise PhotoError(Path(name), "the file is empty")
    return _read(BytesIO(data), path=Path(name), side_px=side_px, max_pixels=max_pixels)


def read_photos(
    paths: Sequence[Photo], *, side_px: int | None, n_threads: int | None = None
) -> Generator[Image.Image | PhotoError, None, None]:
    """Read many photos in order, a few of them ahead in threads.

    Reading stops when the generator is closed or forgotten; at most a few photos per thread wait in memory.

    Args:
        paths: The files.
        side_px: As in ``open_photo``.
        n_threads: Photos to decode at the same time, at least 1. Not given: one per processor.

    Yields:
        Each photo, or the error of a photo that cannot be read.
    """
    return convert_photos(paths, lambda photo: photo, side_px=side_px, n_threads=n_threads)


def convert_photos(
    paths: Sequence[Photo],
    convert: Callable[[Image.Image], T],
    *,
    side_px: int | None,
    n_threads: int | None = None,
    n_ahead: int | None = None,
) -> Generator[T | PhotoError, None, None]:
    """Read many photos and make something of each, both in threads, in order and a few of them ahead.

    Reading stops when the generator is closed or forgotten.

    Args:
        paths: The files, or their addresses.
        convert: What to make of a photo, e.g. its pixels at the size that a model sees.
        side_px: As in ``open_photo``.
        n_threads: Photos to work on at the same time, at least 1. Not given: one per processor.
        n_ahead: What may wait in memory, at least 1. Not given: a few photos per thread.

    Yields:
        What became of each photo, or the error of a photo that cannot be read.
    """
    if n_threads is None:
        n_threads = os.cpu_count() or 1
    if n_ahead is None:
        n_ahead = _PHOTOS_AHEAD_PER_THREAD * n_threads
    waiting: deque[Future[T | PhotoError]] = deque()
    with ThreadPoolExecutor(n_threads, thread_name_prefix="photos") as threads:
        try:
            for path in paths:
                waiting.append(threads.submit(_try_to_convert, path, convert, side_px))
                if len(waiting) > n_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for photo in waiting:
                photo.cancel()


def read_sizes(paths: Sequence[Path]) -> NDArray[np.int64]:
    """Return width and height of photos as they lie in their files [n_photos, 2]; no pixel is decoded.

    A photo that cannot be read has 0 and 0.
    """
    with ThreadPoolExecutor(thread_name_prefix="sizes") as threads:
        sizes = list(threads.map(_read_size, paths))
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _read_size(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file, quiet_pillow:
            return _open(file, path).size
    except (PhotoError, *DECODER_ERRORS):
        return 0, 0


def _try_to_convert(path: Photo, convert: Callable[[Image.Image], T], side_px: int | None) -> T | PhotoError:
    try:
        if isinstance(path, Path):
            photo = open_photo(path, side_px=side_px)
        else:
            photo = open_photo_bytes(path.read(), name=path.url, side_px=side_px)
    except PhotoError as error:
        # A fresh error: the caught one would keep a half-decoded photo alive through its traceback.
        return PhotoError(path if isinstance(path, Path) else path.url, error.reason)
    return convert(photo)


def _check_file(path: Path) -> None:
    """Refuse what is no regular file: opening a pipe would wait for ever."""
    try:
        status = path.stat()
    except ValueError as error:
        raise PhotoError(path, "this cannot be the name of a file") from error
    if stat.S_ISDIR(status.st_mode):
        raise PhotoError(path, "this is a folder, not a photo")
    if not stat.S_ISREG(status.st_mode):
        raise PhotoError(path, "this is a device or a pipe, not a photo")
    if status.st_size == 0:
        raise PhotoError(path, "the file is empty")


def _read(file: IO[bytes], *, path: Path, side_px: int | None, max_pixels: int | None) -> Image.Image:
    if side_px is not None and side_px < 1:
        raise ValueError(f"side_px is {side_px}, expected at least 1")
    with quiet_pillow:
        try:
            photo = _open(file, path)
            if max_pixels is not None and photo.width * photo.height > max_pixels:
                raise PhotoError(path, _has_more_pixels(max_pixels))
            _check_shape(photo, file, path)
            return _decode(photo, side_px, path=path)
        except DECODER_ERRORS as error:
            raise PhotoError(path, _explain(error, max_pixels=max_pixels)) from error


def _check_shape(photo: Image.Image, file: IO[bytes], path: Path) -> None:
    """Refuse what would take far longer to read than its size lets expect."""
    longest = max(photo.size)
    if longest > _LONGEST_SIDE_PX:
        raise PhotoError(
            path, f"one side is {longest:,} pixels long, at most {_LONGEST_SIDE_PX:,} are supported"
        )
    if "progressive" in photo.info:
        position = file.tell()
        file.seek(0)
        n_scans = file.read().count(_START_OF_SCAN)
        file.seek(position)
        if n_scans > _MOST_SCANS:
            raise PhotoError(
                path, f"it is a progressive JPEG of {n_scans} scans, at most {_MOST_SCANS} are supported"
            )


def _open(file: IO[bytes], path: Path) -> Image.Image:
    """Find out the format and read the header, no pixels yet."""
    try:
        photo = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        file.seek(0)
        prefix = file.read(16)
        if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIC_BRANDS:
            return _open_heic(file, path)
        if prefix[:4] in _TIFF_PREFIXES:
            with suppress(*DECODER_ERRORS):
                return ByteTiff(file, path)
        raise PhotoError(path, _explain_unidentified(prefix)) from error
    return ByteTiff(file, path) if is_misread(photo) else photo


def _open_heic(file: IO[bytes], path: Path) -> Image.Image:
    try:
        from pillow_heif import register_heif_opener  # not at the top: few photos need it
    except ImportError as error:
        # Where there is no wheel of it for the processor, it is not installed with the others.
        raise PhotoError(path, "HEIC photos need the package pillow-heif: pip install pillow-heif") from error
    register_heif_opener()
    return Image.open(file, formats=("HEIF",))


def _decode(photo: Image.Image, side_px: int | None, *, path: Path) -> Image.Image:
    """Read the pixels, at a reduced scale where that is enough."""
    full_size = photo.size
    if side_px is not None:
        # Works on JPEG files only. Both sides keep side_px, and so they do when the photo is turned.
        photo.draft(None, (side_px, side_px))
    n_bytes = estimate_bytes(photo, full_size=full_size)
    if n_bytes > DECODING.n_bytes:
        raise PhotoError(
            path,
            f"reading it would take about {n_bytes / 2**30:.1f} GiB of memory, at most "
            f"{DECODING.n_bytes / 2**30:.1f} are used; save it with fewer pixels, or as JPEG",
        )
    with DECODING.reserve(n_bytes):
        photo.load()
        # The same reduction for the other formats: a photo gives the same size whatever it was saved as.
        is_whole = side_px is not None and photo.size == full_size
        rgb = to_rgb(photo, factor=choose_reduction(full_size, side_px) if is_whole and side_px else 1)
        return turn_upright(rgb, photo)


def turn_upright(rgb: Image.Image, photo: Image.Image) -> Image.Image:
    """Turn a picture as its photo says; where that is damaged, the picture stays as it lies in the file."""
    orientation = 1
    with suppress(*DECODER_ERRORS):
        orientation = photo.getexif().get(ExifTags.Base.Orientation, 1)
    method = _UPRIGHT.get(orientation)
    return rgb if method is None else rgb.transpose(method)


def choose_reduction(size: tuple[int, int], side_px: int) -> int:
    """Return the largest of 8, 4, 2, 1 that leaves both sides at least ``side_px`` long, else 1.

    Examples:
        >>> choose_reduction((4000, 3000), 400), choose_reduction((100, 50), 224)
        (4, 1)
    """
    factor = _LARGEST_JPEG_REDUCTION
    while factor > 1 and min(size) // side_px < factor:
        factor //= 2
    return factor


def _explain_unidentified(prefix: bytes) -> str:
    for name in _FORMATS:
        # Pillow's own test of the first bytes; where it answers in words, the format is not built in.
        accept = Image.OPEN[name][1] if name in Image.OPEN else None
        answer = accept is not None and accept(prefix)
        if isinstance(answer, str):
            return f"this installation of Pillow cannot read {name} files"
        if answer:
            return f"it begins like {name}, but is cut off or damaged"
    return f"it is not a photo in a known format ({', '.join(_FORMATS)}, HEIC)"


def _has_more_pixels(most: int) -> str:
    return f"it has more than {round(most / 1e6, 2):g} million pixels"


def _explain(error: BaseException, *, max_pixels: int | None = None) -> str:
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return _has_more_pixels(most if max_pixels is None else min(most, max_pixels))
    if isinstance(error, MemoryError):
        return "its pixels do not fit into memory"
    if isinstance(error, OSError) and error.errno is not None:
        return explain_system(error)
    if "truncated" in str(error).lower():
        return "it is cut off: the file ends before the picture does"
    return "it is damaged: its pixels cannot be decoded"


def explain_system(error: OSError) -> str:
    """Return why the system does not give a file."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "permission to read it is denied"
        case _:
            return f"the system cannot read it: {error.strerror or error}"


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
