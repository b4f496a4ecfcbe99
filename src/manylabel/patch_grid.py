"""Find the places of a photo in the activations of a network, and silence them one by one.

In:  activations inside a network, for one photo.
Out: variants of them, in each of which one place says nothing; and a map, from what that changed.

Networks of any kind keep a photo's rows and columns for most of their way: convolutions as channels x rows x
columns, some transformers as rows x columns x channels, others as a row of tokens. What a network says
without one place shows what that place had to say: occlusion (Zeiler and Fergus 2014, "Visualizing and
understanding convolutional networks"), done inside the network, where a place is one vector. For a network
that ends in a mean over places and a linear head, the map is the class activation map (Zhou et al. 2016,
"Learning deep features for discriminative localization"), up to a constant.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray

_MOST_FURTHER_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class PlaceGrid:
    """Describe where the places of a photo stand in its activations.

    Attributes:
        rows: Rows of places.
        columns: Columns of places.
        layout: "channels_first" [channels, rows, columns], "channels_last" [rows, columns, channels], or
            "tokens" [n_further + rows * columns, channels].
        n_further: Tokens before the places: that of the class, and registers.
    """

    rows: int
    columns: int
    layout: Literal["channels_first", "channels_last", "tokens"]
    n_further: int = 0

    @property
    def n_places(self) -> int:
        """Count the places."""
        return self.rows * self.columns

    def places_of(self, activations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one photo's activations as places [n_places, channels]; writing into these changes those."""
        match self.layout:
            case "channels_first":
                return activations.reshape(activations.shape[0], -1).T
            case "channels_last":
                return activations.reshape(-1, activations.shape[-1])
            case "tokens":
                return activations[self.n_further :]
            case _:
                assert_never(self.layout)


def find_grid(shape: Sequence[int]) -> PlaceGrid | None:
    """Find rows and columns in the shape of one photo's activations.

    Args:
        shape: Without the photos' axis. Photos are square, so rows and columns are equally many.

    Returns:
        The grid; None where there are no two rows.

    Examples:
        >>> find_grid((1280, 7, 7))
        PlaceGrid(rows=7, columns=7, layout='channels_first', n_further=0)
        >>> find_grid((197, 192))
        PlaceGrid(rows=14, columns=14, layout='tokens', n_further=1)
        >>> find_grid((512,)) is None
        True
    """
    match tuple(shape):
        case (_, rows, columns) if rows == columns > 1:
            return PlaceGrid(rows=rows, columns=columns, layout="channels_first")
        case (rows, columns, _) if rows == columns > 1:
            return PlaceGrid(rows=rows, columns=columns, layout="channels_last")
        case (n_tokens, _) if n_tokens > 1:
            side = math.isqrt(n_tokens)
            n_further = n_tokens - side**2
            if side > 1 and n_further <= _MOST_FURTHER_TOKENS:
                return PlaceGrid(rows=side, columns=side, layout="tokens", n_further=n_further)
    return None


def blocks_of(grid: PlaceGrid, *, most_variants: int) -> list[NDArray[np.int64]]:
    """Join places to square blocks, so that there are not more blocks than variants shall be computed.

    Args:
        grid: Where the places are.
        most_variants: Blocks, at least 1.

    Returns:
        The places of each block, block by block, row by row; as many rows of blocks as columns.

    Examples:
        >>> tokens = PlaceGrid(rows=14, columns=14, layout="tokens", n_further=1)
        >>> len(blocks_of(tokens, most_variants=196)), len(blocks_of(tokens, most_variants=64))
        (196, 49)
        >>> blocks_of(tokens, most_variants=64)[0].tolist()
        [0, 1, 14, 15]
    """
    side = math.ceil(grid.rows / math.isqrt(most_variants))
    numbers = np.arange(grid.n_places).reshape(grid.rows, grid.columns)
    return [
        numbers[row : row + side, column : column + side].ravel()
        for row in range(0, grid.rows, side)
        for column in range(0, grid.columns, side)
    ]


def silence_places(
    activations: NDArray[np.float32],
    grid: PlaceGrid,
    blocks: Sequence[NDArray[np.int64]],
    *,
    batch_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield variants of one photo's activations; in each, the places of one block have the mean of all.

    Args:
        activations: Of one photo, without the photos' axis.
        grid: Where the places are.
        blocks: The places to silence together.
        batch_size: Variants per batch, at least 1.

    Yields:
        [n_variants, *activations.shape], block by block.

    Examples:
        >>> grid = PlaceGrid(rows=2, columns=2, layout="channels_first")
        >>> activations = np.array([[[0.0, 4.0], [0.0, 0.0]]], dtype=np.float32)
        >>> blocks = blocks_of(grid, most_variants=4)
        >>> (batch,) = silence_places(activations, grid, blocks, batch_size=4)
        >>> batch[1].tolist()
        [[[0.0, 1.0], [0.0, 0.0]]]
    """
    mean = grid.places_of(activations).mean(axis=0)  # [channels]
    for start in range(0, len(blocks), batch_size):
        chosen = blocks[start : start + batch_size]
        batch = np.repeat(activations[None], len(chosen), axis=0)
        for variant, places in zip(batch, chosen, strict=True):
            grid.places_of(variant)[places] = mean
        yield batch


def draw_maps(whole: FloatArray, silenced: FloatArray) -> FloatArray:
    """Turn what silencing changed into a map per label.

    Args:
        whole: Logits of the photo [n_labels].
        silenced: Logits without each block [n_blocks, n_labels], row by row, as many rows as columns.

    Returns:
        How much each block speaks for each label, in logits [n_labels, rows, columns]; below 0 where it
        speaks against it.

    Examples:
        >>> draw_maps(np.array([2.0]), np.array([[2.0], [0.5], [2.0], [3.0]])).tolist()
        [[[0.0, 1.5], [0.0, -1.0]]]
    """
    spoken = whole[None] - silenced  # [n_blocks, n_labels]
    side = math.isqrt(len(spoken))
    return np.ascontiguousarray(spoken.T).reshape(-1, side, side)
