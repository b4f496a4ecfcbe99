"""Load OpenVINO without telemetry; read, check and take apart its models. Nothing is compiled here.

In:  a model, or its file, with outputs "logits" and, where the model has a patch grid, "features" and
     "activations".
Out: the model, once it is known to be harmless; models that compute some of its outputs and nothing else.

    pixels ──────────── activations ──────────── logits
             lower part               upper part

A file of a few hundred bytes can ask for terabytes: to repeat, enlarge or fill is one operation. OpenVINO
knows the shape of every value without computing it, and here these are summed up.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from manylabel.engines.onnx_scan import scan_onnx
from manylabel.errors import BundleError
from manylabel.preprocess import MAX_SIDE_PX

if TYPE_CHECKING:
    import openvino

PIXELS, ACTIVATIONS, FEATURES, LOGITS, PROBABILITIES = (
    "pixels",
    "activations",
    "features",
    "logits",
    "probabilities",
)

_TELEMETRY = "openvino_telemetry"
_CONTROL_FLOW = frozenset({"If", "Loop", "TensorIterator", "Assign", "ReadValue"})

# Numbers per pixel of a photo. Of the models in tests/exporters/test_zoo.py, the largest value has 71
# (NFNet), all values together 3,205; attention grows with the square of the pixels, 16 times so on 896
# instead of 224.
_LARGEST_PER_PIXEL, _ALL_PER_PIXEL = 2_048, 32_768
# Weights are brought from 8 to 32 bits, laid out anew and multiplied with each other.
_LARGEST_PER_WEIGHT, _ALL_PER_WEIGHT = 4, 16
_LEAST_SIDE_PX = 64


def has_openvino() -> bool:
    """Return whether OpenVINO is installed, without loading it."""
    if "openvino" in sys.modules:
        return sys.modules["openvino"] is not None
    return find_spec("openvino") is not None


def import_openvino() -> Any:
    """Return the module ``openvino``.

    Imported as usual, it writes an identifier into the user's home folder and sends events to Google
    Analytics unless the user has opted out
    (https://docs.openvino.ai/2026/about-openvino/additional-resources/telemetry.html). It sends nothing where
    the package that does so cannot be imported.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    with _without_telemetry():
        return import_module("openvino")


def import_nncf() -> Any:
    """Return the module ``nncf``, which would send events as OpenVINO does.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    kind = logging.getLoggerClass()
    try:
        with _without_telemetry():
            import_module("openvino")
            return import_module("nncf")
    finally:
        # NNCF makes its own kind of logger that of the whole program.
        logging.setLoggerClass(kind)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Make ``import openvino_telemetry`` fail; one that the program has loaded itself is left alone."""
    loaded: ModuleType | None = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's mark for "cannot be imported"
    try:
        yield
    finally:
        sys.modules.pop(_TELEMETRY, None)
        if loaded is not None:
            sys.modules[_TELEMETRY] = loaded


def read_model(model: "openvino.Model | Path") -> "openvino.Model":
    """Read a model from its file; one that is in memory already is returned as it is.

    Raises:
        BundleError: OpenVINO cannot read the file, or it has operations that no model of manylabel has.
    """
    if not isinstance(model, Path):
        return model
    if model.suffix == ".onnx":
        scan_onnx(model)
    try:
        read: openvino.Model = import_openvino().Core().read_model(str(model))
    except RuntimeError as error:
        raise BundleError(f"{model}: OpenVINO cannot read it: {last_line(error)}") from error
    # What loops and branches cost is not known beforehand.
    found = sorted({node.get_type_name() for node in read.get_ops()} & _CONTROL_FLOW)
    if found:
        raise BundleError(
            f"{model}: is refused: it has the operation {', '.join(found)}; manylabel exports no such files"
        )
    return read


def last_line(error: RuntimeError) -> str:
    """Return the last line of an error of OpenVINO: those before it name its own files."""
    return str(error).strip().rpartition("\n")[2].strip()


def for_rows(model: "openvino.Model", *, n_rows: int, source: Path | None) -> "openvino.Model":
    """Return a copy of a model for a fixed number of photos, or views.

    Raises:
        BundleError: The model cannot take that many.
    """
    copy = model.clone()
    _, *others = copy.inputs[0].get_partial_shape()
    try:
        copy.reshape([n_rows, *others])
    except RuntimeError as error:
        raise BundleError(
            f"{source or 'the model'}: cannot take {n_rows} photos at a time: {last_line(error)}"
        ) from error
    return copy


def check_model(model: "openvino.Model", *, source: Path) -> None:
    """Check a model of any number of photos as ``check_sizes`` does.

    Raises:
        BundleError: It computes too much, or cannot take a single photo.
    """
    check_sizes(for_rows(model, n_rows=1, source=source), n_rows=1, source=source)


def check_sizes(model: "openvino.Model", *, n_rows: int, source: Path | None) -> None:
    """Refuse a model that computes far more numbers than models do, or an unknown number of them.

    Args:
        model: Takes pixels [n_rows, side_px, side_px, 3], all known.
        n_rows: Photos, or views, at a time.
        source: File of the model, for errors; None for a model that was made here.

    Raises:
        BundleError: It does.
    """
    where = "the model" if source is None else source
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


def keep_outputs(model: "openvino.Model", *names: str) -> "openvino.Model":
    """Return a model of some outputs, in this order, so that nothing else is computed.

    Args:
        model: Stays as it is. One with a single output is returned as it is: there is nothing to leave out.
        names: The outputs to keep.
    """
    if len(model.outputs) == 1:
        return model
    openvino = import_openvino()
    copy = model.clone()
    results = [copy.output(name).get_node() for name in names]
    return openvino.Model(results, copy.get_parameters(), "part")


def upper_part(model: "openvino.Model") -> "openvino.Model | None":
    """Return the model from activations [n, *shape] to logits; None where the model has no such part.

    The upper part may need the shape of what lies below the activations; all of it but the number of photos
    is known. ``openvino.parts_difference`` measures whether both parts give what the whole gives.
    """
    if not any(ACTIVATIONS in output.get_names() for output in model.outputs):
        return None
    openvino = import_openvino()
    copy = model.clone()
    result, logits = (copy.output(name).get_node() for name in (ACTIVATIONS, LOGITS))
    source = result.input(0).get_source_output()
    activations = openvino.opset13.parameter(source.get_partial_shape(), source.get_element_type())
    for reader in source.get_target_inputs():
        if reader.get_node().get_friendly_name() != result.get_friendly_name():
            reader.replace_source_output(activations.output(0))
    pixels = copy.get_parameters()[0].get_friendly_name()
    for node in _nodes_below(logits):
        if node.get_type_name() == "ShapeOf" and _depends_on(node, pixels):
            _replace_shape(node, activations)
    if _depends_on(logits, pixels):
        return None
    return openvino.Model([logits], [activations], "upper part")


def _replace_shape(node: "openvino.Node", activations: "openvino.Node") -> None:
    """Replace a shape by what is known of it, and by the number of photos that the activations have."""
    ops = import_openvino().opset13
    _, *others = node.input(0).get_partial_shape()
    if any(axis.is_dynamic for axis in others):
        return  # not known; the caller notices that the pixels are still needed
    kind = node.output(0).get_element_type()
    known = ops.constant([axis.get_length() for axis in others], dtype=kind)
    n_photos = ops.gather(
        ops.shape_of(activations, output_type=kind.get_type_name()), ops.constant([0]), ops.constant(0)
    )
    shape = ops.concat([n_photos, known], axis=0)
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(shape.output(0))


def _nodes_below(node: "openvino.Node") -> list["openvino.Node"]:
    """Return everything that a node is computed from, and the node itself."""
    found, waiting = dict[str, Any](), [node]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found[node.get_friendly_name()] = node
            waiting += [end.get_source_output().get_node() for end in node.inputs()]
    return list(found.values())


def _depends_on(node: "openvino.Node", name: str) -> bool:
    return any(below.get_friendly_name() == name for below in _nodes_below(node))
