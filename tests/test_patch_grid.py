"""Places of a photo inside a network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.patch_grid import PlaceGrid, blocks_of, draw_maps, find_grid, silence_places

GRIDS = [
    ((5, 4, 4), PlaceGrid(rows=4, columns=4, layout="channels_first")),
    ((4, 4, 5), PlaceGrid(rows=4, columns=4, layout="channels_last")),
    ((18, 5), PlaceGrid(rows=4, columns=4, layout="tokens", n_further=2)),
]


@pytest.mark.parametrize(("shape", "grid"), GRIDS)
def test_rows_and_columns_are_found_in_any_layout(shape: tuple[int, ...], grid: PlaceGrid) -> None:
    assert find_grid(shape) == grid


@pytest.mark.parametrize("shape", [(512,), (512, 1, 1), (3, 5), (24, 192, 2, 2), (35, 192)])
def test_what_has_no_places_is_said(shape: tuple[int, ...]) -> None:
    assert find_grid(shape) is None


@pytest.mark.parametrize(("shape", "grid"), GRIDS)
def test_only_the_places_of_a_block_are_silenced(shape: tuple[int, ...], grid: PlaceGrid) -> None:
    activations = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = activations.copy()
    blocks = blocks_of(grid, most_variants=4)
    variants = np.concatenate(list(silence_places(activations, grid, blocks, batch_size=3)))

    assert len(variants) == 4
    np.testing.assert_array_equal(activations, before)
    mean = grid.places_of(activations).mean(axis=0)
    for variant, block in zip(variants, blocks, strict=True):
        places = grid.places_of(variant)
        np.testing.assert_allclose(places[block], np.tile(mean, (len(block), 1)), rtol=1e-6)
        others = np.setdiff1d(np.arange(grid.n_places), block)
        np.testing.assert_array_equal(places[others], grid.places_of(activations)[others])
    if grid.layout == "tokens":
        np.testing.assert_array_equal(variants[:, :2], np.tile(activations[:2], (4, 1, 1)))


@given(side=st.integers(2, 40), most=st.integers(1, 300))
def test_every_place_is_in_one_block_and_blocks_are_no_more_than_allowed(side: int, most: int) -> None:
    blocks = blocks_of(PlaceGrid(rows=side, columns=side, layout="channels_last"), most_variants=most)
    assert len(blocks) <= most
    assert sorted(np.concatenate(blocks).tolist()) == list(range(side**2))


def test_of_a_mean_and_a_linear_head_the_map_is_the_class_activation_map() -> None:
    generator = np.random.default_rng(1)
    grid = PlaceGrid(rows=3, columns=3, layout="channels_first")
    activations = generator.normal(size=(6, 3, 3)).astype(np.float32)
    weights = generator.normal(size=(6, 2))

    def logits(batch: np.ndarray) -> np.ndarray:
        return np.asarray(batch.mean(axis=(2, 3)) @ weights)

    blocks = blocks_of(grid, most_variants=9)
    (variants,) = silence_places(activations, grid, blocks, batch_size=9)
    maps = draw_maps(logits(activations[None])[0], logits(variants))  # [2, 3, 3]

    camera = np.einsum("crk,cl->lrk", activations, weights) / 9
    expected = camera - camera.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
