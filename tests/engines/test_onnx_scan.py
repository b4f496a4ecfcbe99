"""ONNX files that are looked through before an engine reads them; harmful ones are in tests/attack."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.engines.onnx_scan import scan_onnx
from manylabel.engines.openvino_models import check_model, read_model
from manylabel.errors import BundleError

onnx = pytest.importorskip("onnx")
pytest.importorskip("openvino")

from tests.attack.onnx_graphs import constant, graph_file, node, proto  # noqa: E402 - needs onnx


def numpy_constant(name: str, values: Any) -> Any:
    """Make a constant whose numbers are raw bytes, as exporters write them."""
    return onnx.numpy_helper.from_array(np.asarray(values), name)


HARMLESS: dict[str, Callable[[], bytes]] = {
    "a small size": lambda: graph_file(
        [node("Expand", ["one", "size"], ["harm"])], [numpy_constant("size", [1, 1_000])]
    ),
    "a size as packed numbers": lambda: graph_file(
        [node("Tile", ["one", "size"], ["harm"])], [constant("size", [500])]
    ),
    "a size in an operation": lambda: graph_file(
        [node("Constant", [], ["size"], value_ints=[2, 3]), node("ConstantOfShape", ["size"], ["harm"])]
    ),
    "a size of the photos": lambda: graph_file(
        [node("Shape", ["floats"], ["shape"]), node("Expand", ["one", "shape"], ["harm"])]
    ),
    "twice as large": lambda: graph_file(
        [node("Resize", ["floats", "", "scales"], ["harm"])],
        [constant("scales", [1.0, 2.0, 2.0, 1.0], proto.FLOAT)],
    ),
    "some padding": lambda: graph_file(
        [node("Pad", ["floats", "pads"], ["harm"])], [numpy_constant("pads", [0, 1, 1, 0, 0, 1, 1, 0])]
    ),
    "many whole numbers": lambda: graph_file(
        [node("Gather", ["one", "rows"], ["harm"])], [constant("rows", [0] * 10_000)]
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_networks_do_is_let_pass(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(HARMLESS[name]())

    scan_onnx(path)
    check_model(read_model(path), source=path)


def test_numbers_that_are_told_by_another_file_are_found_at_any_depth(tmp_path: Path) -> None:
    inner = proto(name="a", data_type=proto.FLOAT, dims=[1], data_location=proto.EXTERNAL)
    inner.external_data.add(key="location", value="/etc/passwd")
    path = tmp_path / "model.onnx"
    path.write_bytes(graph_file([node("Constant", [], ["harm"], value=inner)]))

    with pytest.raises(BundleError, match="keeps numbers in other files; manylabel exports no such files"):
        scan_onnx(path)


@pytest.mark.parametrize(
    "content", [b"\x07", b"\x3d\x01", b"\x39\x01\x02", b"\x38\x01", b"\x0a\x05ab", b"\x80"]
)
def test_bytes_that_are_no_message_are_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)

    with pytest.raises(BundleError, match=r"model\.onnx: cannot be read, it is damaged or no ONNX file"):
        scan_onnx(tmp_path / "model.onnx")
