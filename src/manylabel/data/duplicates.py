"""Find near-duplicates: photos that show the same picture, exactly or nearly.

In:  a small fingerprint of each photo, taken while it is decoded.
Out: groups of near-duplicates, and the pairs that hold them together.

Near-duplicates on both sides of a split make every metric look better than it is; near-duplicates with
different labels show a mistake.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manylabel.data.photos import convert_photos
from manylabel.preprocess import PixelArray
from manylabel.types import IntArray

DuplicateKind = Literal["exact", "near", "mirrored"]
Float32Array = NDArray[np.float32]

_SIDE_PX = 32
_READ_SIDE_PX = 224
_N_WAVES = 8

# Chosen on 5,600 real photos (natural scenes, photos from above, everyday objects). All 30 pairs found there
# were looked at: the same picture twice, once mirrored, two of them taken a moment apart. Two bits more, or
# 0.93, would bring in neighboring runways and highways. Altered photos were found in these shares:
# JPEG of quality 40, 60 % of the size, 20 % brighter or darker, mirrored: 99.5 to 100 %; cut by 5 % in all on
# all sides 68 to 98 %, on one side 89 to 97 %, at a corner 41 to 70 %; color taken away 38 to 94 %.
_MOST_BITS_APART = 14
_LEAST_CORRELATION = 0.95

# Between the darkest and the brightest pixel, in levels of 0..255. Below it, a picture is noise and has exact
# duplicates only.
_LEAST_CONTRAST = 8
# Parts of the side that the other photo of a pair may show.
_WINDOWS = ((0.0, 1.0), (0.0, 0.95), (0.025, 0.975), (0.05, 1.0))
_COARSE_SLACK = 0.05
_ROWS_PER_CHUNK = 512
_PAIRS_PER_BLOCK = 128


@dataclass(frozen=True, eq=False, kw_only=True)
class Fingerprint:
    """What is compared of a photo; about 3 kB.

    Attributes:
        sha256: SHA-256 of its size and pixels.
        thumbnail: Its pixels at 32 x 32, uint8 [32, 32, 3].
    """

    sha256: str
    thumbnail: PixelArray


@dataclass(frozen=True, kw_only=True)
class DuplicatePair:
    """Two photos that are near-duplicates.

    Attributes:
        first: Row of the earlier photo.
        second: Row of the later one.
        kind: "exact" has the same pixels, "near" the same picture, "mirrored" the same picture mirrored.
        correlation: Correlation of their thumbnails, at most 1.
    """

    first: int
    second: int
    kind: DuplicateKind
    correlation: float


@dataclass(frozen=True, eq=False, kw_only=True)
class DuplicateGroups:
    """Which photos are near-duplicates, directly or through others.

    Attributes:
        groups: Number of each photo's group [n_photos], from 0 in the order of their first photos. A photo
            without duplicates is a group of its own.
        pairs: Pairs that hold the groups together, sorted by their photos. Photos that others have joined
            already are not compared again, so two photos of a group need not be one of the pairs.
    """

    groups: IntArray
    pairs: tuple[DuplicatePair, ...]


def fingerprint(photo: Image.Image) -> Fingerprint:
    """Take the fingerprint of a photo.

    Args:
        photo: Upright RGB photo of any size. Exact duplicates have exactly these pixels, so all photos should
            be read in the same way: in full, or reduced for the same side.

    Examples:
        >>> red, blue = (fingerprint(Image.new("RGB", (64, 48), color)) for color in ("red", "blue"))
        >>> red.thumbnail.shape, red.sha256 == blue.sha256
        ((32, 32, 3), False)
    """
    pixels = np.asarray(photo, dtype=np.uint8)
    thumbnail = photo.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    return Fingerprint(
        sha256=hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        thumbnail=np.asarray(thumbnail, dtype=np.uint8),
    )


def group_duplicates(paths: Sequence[Path]) -> IntArray:
    """Read photos, and number their groups of near-duplicates [n_photos]; unreadable ones are alone."""
    read = list(convert_photos(paths, fingerprint, side_px=_READ_SIDE_PX))
    is_read = np.array([isinstance(answer, Fingerprint) for answer in read], dtype=np.bool_)
    groups = np.arange(len(paths))
    found = find_duplicates([answer for answer in read if isinstance(answer, Fingerprint)]).groups
    groups[is_read] = len(paths) + found
    return groups


def find_duplicates(fingerprints: Sequence[Fingerprint]) -> DuplicateGroups:
    """Find the photos that are near-duplicates.

    Near-duplicates pass two tests. At most 14 of the 64 bits of their perceptual hashes differ; and their
    thumbnails correlate with at least 0.95, channel by channel without its mean, as they are or where one
    shows 95 % of the other's width, height or both. Changes of brightness, size and quality and mirroring do
    not hide a duplicate, borders cut by 5 % sometimes do; another view of the same place is none.

    Args:
        fingerprints: One per photo.

    Returns:
        The groups and the pairs that make them.

    Examples:
        >>> pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        >>> photo = Image.fromarray(pixels).resize((96, 64))
        >>> other = photo.rotate(180)
        >>> mirrored = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        >>> found = find_duplicates([fingerprint(each) for each in (photo, other, photo, mirrored)])
        >>> found.groups, [(pair.first, pair.second, pair.kind) for pair in found.pairs]
        (array([0, 1, 0, 0]), [(0, 2, 'exact'), (0, 3, 'mirrored')])
    """
    if not fingerprints:
        return DuplicateGroups(groups=np.zeros(0, dtype=np.int64), pairs=())
    first_with = {photo.sha256: row for row, photo in reversed(list(enumerate(fingerprints)))}
    first = np.array([first_with[photo.sha256] for photo in fingerprints], dtype=np.int64)
    pairs = [
        DuplicatePair(first=int(first[row]), second=int(row), kind="exact", correlation=1.0)
        for row in np.flatnonzero(first != np.arange(len(first)))
    ]
    thumbnails = np.stack([photo.thumbnail for photo in fingerprints])
    pairs += _join_near_duplicates(thumbnails, first)
    groups = np.unique(first, return_inverse=True)[1].astype(np.int64)
    pairs.sort(key=lambda pair: (pair.first, pair.second))
    return DuplicateGroups(groups=groups, pairs=tuple(pairs))


def _join_near_duplicates(thumbnails: PixelArray, first: IntArray) -> Iterator[DuplicatePair]:
    """Yield near-duplicates, and update the first photo of each photo's group in place [n_photos]."""
    contrast = thumbnails.max(axis=(1, 2)) - thumbnails.min(axis=(1, 2))  # [n_photos, 3]
    has_contrast = contrast.max(axis=1) >= _LEAST_CONTRAST
    rows = np.flatnonzero((first == np.arange(len(first))) & has_contrast)
    if not len(rows):
        return
    shown = thumbnails[rows]
    begins = range(0, len(rows), _ROWS_PER_CHUNK)
    chunks = [shown[begin : begin + _ROWS_PER_CHUNK] for begin in begins]
    # Chunk by chunk: as floats, the thumbnails of large collections would take a lot of memory.
    hashes = np.concatenate([_perceptual_hashes(chunk) for chunk in chunks])
    for begin, chunk in zip(begins, chunks, strict=True):
        turns: tuple[tuple[DuplicateKind, PixelArray], ...] = (
            ("near", chunk),
            ("mirrored", chunk[:, :, ::-1]),
        )
        for kind, turned in turns:
            agreement = _perceptual_hashes(turned) @ hashes[begin:].T  # [n_chunk, n_from_chunk_on]
            for one, other in _candidates(agreement, first=first, rows=rows[begin:]):
                correlation = _correlations(turned[one], shown[begin + other])
                for pair in np.flatnonzero(correlation >= _LEAST_CORRELATION):
                    earlier, later = int(rows[begin + one[pair]]), int(rows[begin + other[pair]])
                    _join(first, earlier, later)
                    yield DuplicatePair(
                        first=earlier, second=later, kind=kind, correlation=float(correlation[pair])
                    )


def _join(first: IntArray, one: int, other: int) -> None:
    """Make one group of two, in place."""
    low, high = sorted((first[one], first[other]))
    first[first == high] = low


def _perceptual_hashes(thumbnails: PixelArray) -> Float32Array:
    """Hash pictures so that similar ones differ in few bits [n_photos, 64], as -1 and 1.

    Signs of the 8 x 8 lowest frequencies of the grey picture's cosine transform, without the constant ones,
    against their median (Zauner, 2010, "Implementation and benchmarking of perceptual image hash functions",
    the DCT-based hash of pHash).
    """
    grey = thumbnails @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # [n_photos, 32, 32]
    angle = np.pi / _SIDE_PX * (np.arange(_SIDE_PX) + 0.5)
    waves = np.cos(np.outer(np.arange(1, _N_WAVES + 1), angle)).astype(np.float32)
    strengths = (waves @ grey @ waves.T).reshape(len(grey), _N_WAVES**2)
    return np.where(strengths > np.median(strengths, axis=1, keepdims=True), 1, -1).astype(np.float32)


def _candidates(
    agreement: Float32Array, *, first: IntArray, rows: IntArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield blocks of pairs with similar hashes that are in different groups, the most similar first.

    Whoever takes a block joins groups before taking the next: of 5,000 frames of one film, about as many
    pairs are compared and not 12 million.

    Args:
        agreement: Equal bits less different ones, of the chunk's photos and all from these on
            [n_chunk, n_rows].
        first: First photo of each photo's group [n_photos].
        rows: The photos [n_rows].
    """
    pairs = np.array(np.nonzero(np.triu(agreement >= _N_WAVES**2 - 2 * _MOST_BITS_APART, k=1)))
    pairs = pairs[:, first[rows[pairs[0]]] != first[rows[pairs[1]]]]
    pairs = pairs[:, np.argsort(-agreement[*pairs], kind="stable")]
    while pairs.size:
        yield pairs[0, :_PAIRS_PER_BLOCK], pairs[1, :_PAIRS_PER_BLOCK]
        pairs = pairs[:, _PAIRS_PER_BLOCK:]
        pairs = pairs[:, first[rows[pairs[0]]] != first[rows[pairs[1]]]]


def _correlations(some: PixelArray, others: PixelArray) -> Float32Array:
    """Correlate the thumbnails of pairs, each at its best window [n_pairs]; about 0 for hopeless pairs."""
    pairs = np.stack([some, others]).astype(np.float32).transpose(0, 1, 4, 2, 3)  # [2, n_pairs, 3, 32, 32]
    # Nearly all candidates differ, and a quarter of the pixels shows that at a fraction of the cost.
    coarse = pairs.reshape(*pairs.shape[:3], _SIDE_PX // 2, 2, _SIDE_PX // 2, 2).mean(axis=(4, 6))
    correlation = _best_correlations(coarse)
    is_close = correlation >= _LEAST_CORRELATION - _COARSE_SLACK
    correlation[is_close] = _best_correlations(pairs[:, is_close])
    return np.where(is_close, correlation, 0).astype(np.float32)


def _best_correlations(pairs: Float32Array) -> Float32Array:
    """Correlate pairs [2, n_pairs, 3, side, side] in every window of one of the two [n_pairs]."""
    best = np.full(pairs.shape[1], -1, dtype=np.float32)
    windows = [_window(*window, n_pixels=pairs.shape[-1]) for window in _WINDOWS]
    for seen, whole in (pairs, pairs[::-1]):
        target = _standardized(whole)
        for down in windows:
            rows = down @ seen
            for across in windows:
                correlation = (_standardized(rows @ across.T) * target).sum(axis=1)
                best = np.maximum(best, correlation)
    return best


def _standardized(pictures: Float32Array) -> Float32Array:
    """Take each channel's mean away and give all pixels together length 1 [n_photos, n_pixels]."""
    centered = pictures - pictures.mean(axis=(-1, -2), keepdims=True)
    flat = centered.reshape(len(pictures), math.prod(pictures.shape[1:]))
    length = np.sqrt((flat * flat).sum(axis=1, keepdims=True))
    standardized: Float32Array = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return standardized


def _window(low: float, high: float, *, n_pixels: int) -> Float32Array:
    """Return the matrix that stretches a part of a line of pixels to all of it [n_pixels, n_pixels].

    Examples:
        >>> _window(0.0, 0.5, n_pixels=4) @ np.array([0, 4, 8, 12], dtype=np.float32)
        array([0., 1., 3., 5.], dtype=float32)
    """
    pixels = np.arange(n_pixels)
    wanted = n_pixels * (low + (high - low) * (pixels + 0.5) / n_pixels) - 0.5
    distance = np.abs(np.clip(wanted, 0, n_pixels - 1)[:, None] - pixels)
    return np.asarray(np.maximum(1 - distance, 0), dtype=np.float32)
