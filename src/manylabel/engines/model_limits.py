"""Refuse networks from files that would take far more memory than their photos and weights explain.

In:  a model of pixels as OpenVINO has read it, before it is compiled.
Out: nothing, or an error.

A file of a few hundred bytes can ask for terabytes: to repeat, enlarge or fill is one operation. OpenVINO
tells the shape of every value without computing it, and here these are summed up.
"""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from manylabel.errors import BundleError
from manylabel.preprocess import MAX_SIDE_PX

if TYPE_CHECKING:
    import openvino

_CONTROL_FLOW = frozenset({"If", "Loop", "TensorIterator", "Assign", "ReadValue"})

# Numbers per pixel of a photo. Of the networks in tests/exporters/test_zoo.py, the largest value has 71
# (NFNet), all values together 3,205; attention grows with the square of the pixels, 16 times so on 896
# instead of 224.
_LARGEST_PER_PIXEL, _ALL_PER_PIXEL = 2_048, 32_768
# Weights are brought from 8 to 32 bits, laid out anew and multiplied with each other.
_LARGEST_PER_WEIGHT, _ALL_PER_WEIGHT = 4, 16
_LEAST_SIDE_PX = 64


def check_operations(model: "openvino.Model", *, source: Path) -> None:
    """Refuse loops and branches: no network of manylabel has any, and what they cost nobody can tell.

    Raises:
        BundleError: The model has some.
    """
    found = sorted({node.get_type_name() for node in model.get_ops()} & _CONTROL_FLOW)
    if found:
        raise BundleError(
            f"{source}: is refused: it has the operation {', '.join(found)}; manylabel exports no such files"
        )


def check_sizes(model: "openvino.Model", *, n_rows: int, source: Path | None) -> None:
    """Refuse a model that computes far more numbers than networks do, or a number of them that none can tell.

    Args:
        model: Of pixels [n_rows, side_px, side_px, 3], all known.
        n_rows: Photos, or views, at a time.
        source: Names the file in errors; None for a model that was made here.

    Raises:
        BundleError: It does.
    """
    where = "the network" if source is None else source
    side_px = min(max(model.inputs[0].get_partial_shape()[1].get_length(), _LEAST_SIDE_PX), MAX_SIDE_PX)
    n_pixels, n_weights, n_all, n_largest = n_rows * side_px**2, 0, 0, 0
    for node in model.get_ops():
        try:
            sizes = [prod(node.get_output_shape(number)) for number in range(node.get_output_size())]
        except RuntimeError as error:
            raise BundleError(
                f"{where}: is refused: how much {node.get_type_name()} in it will compute cannot be told"
            ) from error
        if node.get_type_name() == "Constant":
            n_weights += sum(sizes)
        else:
            n_all, n_largest = n_all + sum(sizes), max(n_largest, *sizes, 0)
    most = _LARGEST_PER_PIXEL * n_pixels + _LARGEST_PER_WEIGHT * n_weights
    most_of_all = _ALL_PER_PIXEL * n_pixels + _ALL_PER_WEIGHT * n_weights
    if n_largest > most or n_all > most_of_all:
        raise BundleError(
            f"{where}: is refused: for {n_rows} x {side_px} x {side_px} pixels and {n_weights:,} weights it "
            f"would compute {n_all:,} numbers, {n_largest:,} of them at once"
        )


def check_model(model: "openvino.Model", *, source: Path) -> None:
    """Check a model of any number of photos as ``check_sizes`` does.

    Raises:
        BundleError: It computes too much, or cannot be brought to one photo.
    """
    check_sizes(for_rows(model, n_rows=1, source=source), n_rows=1, source=source)


def for_rows(model: "openvino.Model", *, n_rows: int, source: Path | None) -> "openvino.Model":
    """Return a copy of a model for a fixed number of photos, or views.

    Raises:
        BundleError: The model cannot be of that many.
    """
    twin = model.clone()
    _, *others = twin.inputs[0].get_partial_shape()
    try:
        twin.reshape([n_rows, *others])
    except RuntimeError as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise BundleError(
            f"{source or 'the network'}: cannot take {n_rows} photos at a time: {reason}"
        ) from error
    return twin
