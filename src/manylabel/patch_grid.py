"""Find the patch grid in the activations of a model, and occlude its patches one by one.

In:  activations inside a model, for one photo.
Out: copies of them with some patches occluded; from what that changes, a heat map per label.

Models of any kind keep a photo's rows and columns for most of their layers: convolutions as channels x rows
x columns, some transformers as rows x columns x channels, others as a row of tokens. How much a logit falls
without a patch shows what that patch contributed: occlusion (Zeiler and Fergus 2014, "Visualizing and
understanding convolutional networks"), done inside the model, where a patch is one vector. For a model
that ends in a mean over patches and a linear head, the map is the class activation map (Zhou et al. 2016,
"Learning deep features for discriminative localization"), up to a constant.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray

_MAX_EXTRA_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class PatchGrid:
    """The patch grid of some activations.

    Attributes:
        rows: Rows of patches.
        columns: Columns of patches.
        layout: "channels_first" [channels, rows, columns], "channels_last" [rows, columns, channels], or
            "tokens" [n_extra_tokens + rows * columns, channels].
        n_extra_tokens: Tokens before the patches: the class token and registers.
    """

    rows: int
    columns: int
    layout: Literal["channels_first", "channels_last", "tokens"]
    n_extra_tokens: int = 0

    @property
    def n_patches(self) -> int:
        """Count the patches."""
        return self.rows * self.columns

    def patches_of(self, activations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one photo's activations as patches [n_patches, channels], a view of the same memory."""
        match self.layout:
            case "channels_first":
                return activations.reshape(activations.shape[0], -1).T
            case "channels_last":
                return activations.reshape(-1, activations.shape[-1])
            case "tokens":
                return activations[self.n_extra_tokens :]
            case _:
                assert_never(self.layout)


def find_grid(shape: Sequence[int]) -> PatchGrid | None:
    """Find rows and columns in the shape of one photo's activations.

    Args:
        shape: Without the photos' axis. Photos are square, so rows and columns are equally many.

    Returns:
        The grid; None where there are not even two rows.

    Examples:
        >>> find_grid((1280, 7, 7))
        PatchGrid(rows=7, columns=7, layout='channels_first', n_extra_tokens=0)
        >>> find_grid((197, 192))
        PatchGrid(rows=14, columns=14, layout='tokens', n_extra_tokens=1)
        >>> find_grid((512,)) is None
        True
    """
    match tuple(shape):
        case (_, rows, columns) if rows == columns > 1:
            return PatchGrid(rows=rows, columns=columns, layout="channels_first")
        case (rows, columns, _) if rows == columns > 1:
            return PatchGrid(rows=rows, columns=columns, layout="channels_last")
        case (n_tokens, _) if n_tokens > 1:
            side = math.isqrt(n_tokens)
            n_extra = n_tokens - side**2
            if side > 1 and n_extra <= _MAX_EXTRA_TOKENS:
                return PatchGrid(rows=side, columns=side, layout="tokens", n_extra_tokens=n_extra)
    return None


def group_patches(grid: PatchGrid, *, max_groups: int) -> list[NDArray[np.int64]]:
    """Group patches into square blocks, so that there are at most ``max_groups`` of them.

    Args:
        grid: The patch grid.
        max_groups: At least 1.

    Returns:
        The patches of each group, row by row; as many rows of groups as columns.

    Examples:
        >>> tokens = PatchGrid(rows=14, columns=14, layout="tokens", n_extra_tokens=1)
        >>> len(group_patches(tokens, max_groups=196)), len(group_patches(tokens, max_groups=64))
        (196, 49)
        >>> group_patches(tokens, max_groups=64)[0].tolist()
        [0, 1, 14, 15]
    """
    side = math.ceil(grid.rows / math.isqrt(max_groups))
    numbers = np.arange(grid.n_patches).reshape(grid.rows, grid.columns)
    return [
        numbers[row : row + side, column : column + side].ravel()
        for row in range(0, grid.rows, side)
        for column in range(0, grid.columns, side)
    ]


def occlude_patches(
    activations: NDArray[np.float32],
    grid: PatchGrid,
    groups: Sequence[NDArray[np.int64]],
    *,
    batch_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Yield copies of one photo's activations; in each, one group of patches is replaced by the mean patch.

    Args:
        activations: Of one photo, without the photos' axis.
        grid: Its patch grid.
        groups: The patches to occlude together.
        batch_size: Copies per batch, at least 1.

    Yields:
        [n_copies, *activations.shape], group by group.

    Examples:
        >>> grid = PatchGrid(rows=2, columns=2, layout="channels_first")
        >>> activations = np.array([[[0.0, 4.0], [0.0, 0.0]]], dtype=np.float32)
        >>> groups = group_patches(grid, max_groups=4)
        >>> (batch,) = occlude_patches(activations, grid, groups, batch_size=4)
        >>> batch[1].tolist()
        [[[0.0, 1.0], [0.0, 0.0]]]
    """
    mean = grid.patches_of(activations).mean(axis=0)  # [channels]
    for start in range(0, len(groups), batch_size):
        chosen = groups[start : start + batch_size]
        batch = np.repeat(activations[None], len(chosen), axis=0)
        for occluded, patches in zip(batch, chosen, strict=True):
            grid.patches_of(occluded)[patches] = mean
        yield batch


def occlusion_maps(whole: FloatArray, occluded: FloatArray) -> FloatArray:
    """Turn the effect of occlusion into a map per label.

    Args:
        whole: Logits of the photo [n_labels].
        occluded: Logits without each group of patches [n_groups, n_labels], row by row, as many rows as
            columns.

    Returns:
        How much each group speaks for each label, in logits [n_labels, rows, columns]; below 0 where it
        speaks against it.

    Examples:
        >>> occlusion_maps(np.array([2.0]), np.array([[2.0], [0.5], [2.0], [3.0]])).tolist()
        [[[0.0, 1.5], [0.0, -1.0]]]
    """
    effects = whole[None] - occluded  # [n_groups, n_labels]
    side = math.isqrt(len(effects))
    return np.ascontiguousarray(effects.T).reshape(-1, side, side)
