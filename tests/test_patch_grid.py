"""Places of a photo inside a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.patch_grid import PatchGrid, find_grid, group_patches, occlude_patches, occlusion_maps

GRIDS = [
    ((5, 4, 4), PatchGrid(rows=4, columns=4, layout="channels_first")),
    ((4, 4, 5), PatchGrid(rows=4, columns=4, layout="channels_last")),
    ((18, 5), PatchGrid(rows=4, columns=4, layout="tokens", n_extra_tokens=2)),
]


@pytest.mark.parametrize(("shape", "grid"), GRIDS)
def test_rows_and_columns_are_found_in_any_layout(shape: tuple[int, ...], grid: PatchGrid) -> None:
    assert find_grid(shape) == grid


@pytest.mark.parametrize("shape", [(512,), (512, 1, 1), (3, 5), (24, 192, 2, 2), (35, 192)])
def test_what_has_no_places_is_said(shape: tuple[int, ...]) -> None:
    assert find_grid(shape) is None


@pytest.mark.parametrize(("shape", "grid"), GRIDS)
def test_only_the_places_of_a_block_are_silenced(shape: tuple[int, ...], grid: PatchGrid) -> None:
    activations = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = activations.copy()
    blocks = group_patches(grid, max_groups=4)
    variants = np.concatenate(list(occlude_patches(activations, grid, blocks, batch_size=3)))

    assert len(variants) == 4
    np.testing.assert_array_equal(activations, before)
    mean = grid.patches_of(activations).mean(axis=0)
    for variant, block in zip(variants, blocks, strict=True):
        places = grid.patches_of(variant)
        np.testing.assert_allclose(places[block], np.tile(mean, (len(block), 1)), rtol=1e-6)
        others = np.setdiff1d(np.arange(grid.n_patches), block)
        np.testing.assert_array_equal(places[others], grid.patches_of(activations)[others])
    if grid.layout == "tokens":
        np.testing.assert_array_equal(variants[:, :2], np.tile(activations[:2], (4, 1, 1)))


@given(side=st.integers(2, 40), most=st.integers(1, 300))
def test_every_place_is_in_one_block_and_blocks_are_no_more_than_allowed(side: int, most: int) -> None:
    blocks = group_patches(PatchGrid(rows=side, columns=side, layout="channels_last"), max_groups=most)
    assert len(blocks) <= most
    assert sorted(np.concatenate(blocks).tolist()) == list(range(side**2))


def test_of_a_mean_and_a_linear_head_the_map_is_the_class_activation_map() -> None:
    generator = np.random.default_rng(1)
    grid = PatchGrid(rows=3, columns=3, layout="channels_first")
    activations = generator.normal(size=(6, 3, 3)).astype(np.float32)
    weights = generator.normal(size=(6, 2))

    def logits(batch: np.ndarray) -> np.ndarray:
        return np.asarray(batch.mean(axis=(2, 3)) @ weights)

    blocks = group_patches(grid, max_groups=9)
    (variants,) = occlude_patches(activations, grid, blocks, batch_size=9)
    maps = occlusion_maps(logits(activations[None])[0], logits(variants))  # [2, 3, 3]

    camera = np.einsum("crk,cl->lrk", activations, weights) / 9
    expected = camera - camera.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
