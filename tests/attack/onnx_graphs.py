"""ONNX files of the right inputs and outputs, with something harmful inside.

In:  the name of a harm.
Out: the bytes of a file.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

onnx = pytest.importorskip("onnx")
helper, proto = onnx.helper, onnx.TensorProto
node = helper.make_node

SIDE_PX, N_LABELS = 64, 3


def constant(name: str, values: ArrayLike, kind: int = proto.INT64) -> Any:
    """Make a constant."""
    array = np.asarray(values)
    return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())


ONE = constant("one", [1.0], proto.FLOAT)


def graph_file(
    nodes: Sequence[Any] = (),
    constants: Sequence[Any] = (),
    *,
    harm: str = "harm",
    side_px: int = SIDE_PX,
    output: str = "logits",
    **more: Any,
) -> bytes:
    """Make a file whose logits are the mean color of each photo, and the largest number of the harm.

    Args:
        nodes: What computes the harm from "one" or from "floats" [n, side_px, side_px, 3].
        constants: What these need.
        harm: Name of the value that they compute.
        side_px: Side of the photos that it takes.
        output: Name of the logits.
        more: Fields of the model, e.g. functions.
    """
    pixels = helper.make_tensor_value_info("pixels", proto.UINT8, ["n", side_px, side_px, 3])
    logits = helper.make_tensor_value_info(output, proto.FLOAT, ["n", N_LABELS])
    whole = [
        node("Cast", ["pixels"], ["floats"], to=proto.FLOAT),
        *nodes,
        node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        node("ReduceMax", [harm if nodes else "means"], ["most"], keepdims=0),
        node("Add", ["means", "most"], [output]),
    ]
    graph = helper.make_graph(whole, "graph", [pixels], [logits], [ONE, *constants])
    domains = {step.domain for step in whole} - {""}
    opsets = [helper.make_opsetid("", 13), *(helper.make_opsetid(domain, 1) for domain in sorted(domains))]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)
    return bytes(model.SerializeToString())


def _if() -> bytes:
    steps = [
        node("ReduceMean", ["floats"], ["before"], axes=[1, 2], keepdims=0),
        node("ReduceMax", ["before"], ["number"], keepdims=0),
        node("Cast", ["number"], ["is_true"], to=proto.BOOL),
        node("If", ["is_true"], ["harm"], then_branch=_constant_graph("a"), else_branch=_constant_graph("b")),
    ]
    return graph_file(steps)


def _constant_graph(name: str) -> Any:
    value = helper.make_tensor_value_info(name, proto.FLOAT, [1])
    return helper.make_graph([node("Identity", ["one"], [name])], name, [], [value])


def _loop() -> bytes:
    told = [
        helper.make_tensor_value_info("number", proto.INT64, []),
        helper.make_tensor_value_info("goes_on", proto.BOOL, []),
        helper.make_tensor_value_info("state", proto.FLOAT, [1]),
    ]
    given = [
        helper.make_tensor_value_info("still", proto.BOOL, []),
        helper.make_tensor_value_info("next", proto.FLOAT, [1]),
    ]
    body = helper.make_graph(
        [node("Identity", ["goes_on"], ["still"]), node("Add", ["state", "one"], ["next"])],
        "body",
        told,
        given,
    )
    constants = [constant("times", 10**12), constant("is_on", True, proto.BOOL)]
    return graph_file([node("Loop", ["times", "is_on", "one"], ["harm"], body=body)], constants)


def _scan() -> bytes:
    state, row = (helper.make_tensor_value_info(name, proto.FLOAT, [3]) for name in ("state", "row"))
    after = helper.make_tensor_value_info("after", proto.FLOAT, [3])
    body = helper.make_graph([node("Add", ["state", "row"], ["after"])], "body", [state, row], [after])
    steps = [
        node("ReduceMean", ["floats"], ["rows"], axes=[1, 2], keepdims=0),
        node("Scan", ["start", "rows"], ["harm"], body=body, num_scan_inputs=1),
    ]
    return graph_file(steps, [constant("start", [0.0] * 3, proto.FLOAT)])


def _function() -> bytes:
    function = helper.make_function(
        "ours", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 13)]
    )
    return graph_file([node("Twice", ["floats"], ["harm"], domain="ours")], functions=[function])


def _external(location: str) -> bytes:
    weights = proto(name="weights", data_type=proto.FLOAT, dims=[3, 3], data_location=proto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "36")):
        weights.external_data.add(key=key, value=value)
    return graph_file([node("MatMul", ["floats", "weights"], ["harm"])], [weights])


def _sized(operation: str, size: ArrayLike, *, start: str = "one", kind: int = proto.INT64) -> bytes:
    """Let an operation make a value of a stated size."""
    match operation:
        case "ConstantOfShape":
            inputs = ["size"]
        case "Resize":
            inputs = [start, "", "size"]
        case _:
            inputs = [start, "size"]
    return graph_file([node(operation, inputs, ["harm"])], [constant("size", size, kind)])


def _range() -> bytes:
    ends = [constant("start", 0), constant("end", 2**40), constant("step", 1)]
    steps = [
        node("Range", ["start", "end", "step"], ["wide"]),
        node("Cast", ["wide"], ["harm"], to=proto.FLOAT),
    ]
    return graph_file(steps, ends)


def _computed_size() -> bytes:
    steps = [node("Mul", ["size", "size"], ["square"]), node("ConstantOfShape", ["square"], ["harm"])]
    return graph_file(steps, [constant("size", [1_000, 1_000])])


def _size_of_photos() -> bytes:
    """Multiply the number of photos until it is large."""
    steps = [
        node("Shape", ["floats"], ["shape"]),
        node("Mul", ["shape", "many"], ["larger"]),
        node("Expand", ["one", "larger"], ["harm"]),
    ]
    return graph_file(steps, [constant("many", [100] * 4)])


def _doubled(start: str, *, times: int, axis: int) -> bytes:
    names = [start, *(f"doubled {number}" for number in range(times - 1)), "harm"]
    return graph_file([node("Concat", [one, one], [two], axis=axis) for one, two in pairwise(names)])


def _outer() -> bytes:
    steps = [
        node("Reshape", ["floats", "column"], ["a"]),
        node("Reshape", ["floats", "row"], ["b"]),
        node("MatMul", ["a", "b"], ["harm"]),
    ]
    return graph_file(steps, [constant("column", [-1, 1]), constant("row", [1, -1])])


def _wide_padding() -> bytes:
    steps = [
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "kernel"], ["harm"], pads=[1_000_000] * 4),
    ]
    return graph_file(steps, [constant("kernel", np.ones((1, 3, 1, 1)), proto.FLOAT)])


def _shape_of_millions_of_axes() -> bytes:
    ones = helper.make_tensor("value", proto.INT64, [1], [1])
    steps = [
        node("ConstantOfShape", ["size"], ["shape"], value=ones),
        node("Reshape", ["floats", "shape"], ["harm"]),
    ]
    return graph_file(steps, [constant("size", [2_000_000_000])])


def _one_hot() -> bytes:
    more = [
        constant("rows", [1] * 1_000),
        constant("depth", [10**9]),
        constant("values", [0.0, 1.0], proto.FLOAT),
    ]
    return graph_file([node("OneHot", ["rows", "depth", "values"], ["harm"])], more)


def _sparse() -> bytes:
    model = onnx.load_from_string(graph_file())
    values, places = constant("sparse", [1.0], proto.FLOAT), constant("places", [10**12])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**13]))
    return bytes(model.SerializeToString())


def _not_a_number() -> bytes:
    model = onnx.load_from_string(graph_file())
    del model.graph.node[-1]
    model.graph.node.append(node("Add", ["means", "nothing"], ["logits"]))
    model.graph.initializer.append(constant("nothing", [float("nan")], proto.FLOAT))
    return bytes(model.SerializeToString())


def _one_row_for_all() -> bytes:
    steps = [node("ReduceMax", ["floats"], ["harm"], axes=[0, 1, 2], keepdims=0)]
    model = onnx.load_from_string(graph_file(steps))
    del model.graph.node[-3:]
    model.graph.node.append(node("Unsqueeze", ["harm", "first"], ["logits"]))
    model.graph.initializer.append(constant("first", [0]))
    return bytes(model.SerializeToString())


def _other_labels() -> bytes:
    model = onnx.load_from_string(graph_file())
    del model.graph.node[-1]
    model.graph.node.append(node("MatMul", ["means", "weights"], ["logits"]))
    model.graph.initializer.append(constant("weights", np.ones((3, 4)), proto.FLOAT))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    return bytes(model.SerializeToString())


def _simple(operation: str, **attributes: Any) -> bytes:
    return graph_file([node(operation, ["floats"], ["harm"], **attributes)])


FILES: dict[str, Callable[[], bytes]] = {
    "If": _if,
    "Loop of a million millions": _loop,
    "Scan": _scan,
    "a function": _function,
    "an operation of others": lambda: graph_file([node("Evil", ["floats"], ["harm"], domain="com.evil")]),
    "an operation of Microsoft": lambda: graph_file(
        [node("Gelu", ["floats"], ["harm"], domain="com.microsoft")]
    ),
    "numbers beside it": lambda: _external("numbers.bin"),
    "numbers outside": lambda: _external("../../../etc/passwd"),
    "numbers at an absolute path": lambda: _external("/etc/passwd"),
    "ConstantOfShape of 160 GB": lambda: _sized("ConstantOfShape", [200_000, 200_000]),
    "Expand to 160 GB": lambda: _sized("Expand", [200_000, 200_000]),
    "Tile to 275 GB": lambda: _sized("Tile", [2**36]),
    "Tile of the photos": lambda: _sized("Tile", [1, 1_000, 1_000, 10], start="floats"),
    "Range of 8 TB": _range,
    "Resize a million times": lambda: _sized(
        "Resize", [1.0, 1_000.0, 1_000.0, 1.0], start="floats", kind=proto.FLOAT
    ),
    "Pad by 100,000 pixels": lambda: _sized("Pad", [0, 100_000, 100_000, 0, 0, 0, 0, 0], start="floats"),
    "OneHot of 4 TB": _one_hot,
    "a size that is computed": _computed_size,
    "a size that grows with the photos": _size_of_photos,
    "a value doubled 25 times": lambda: _doubled("floats", times=25, axis=1),
    "a constant doubled 36 times": lambda: _doubled("one", times=36, axis=0),
    "an outer product": _outer,
    "Conv with a million rows around": _wide_padding,
    "a shape of two thousand million axes": _shape_of_millions_of_axes,
    "a tensor of 4 TB without its bytes": lambda: graph_file(
        [node("Identity", ["empty"], ["harm"])],
        [proto(name="empty", data_type=proto.FLOAT, dims=[10**6, 10**6])],
    ),
    "a tensor of negative size": lambda: graph_file(
        [node("Identity", ["empty"], ["harm"])], [proto(name="empty", data_type=proto.FLOAT, dims=[-4])]
    ),
    "a sparse tensor": _sparse,
    "chance": lambda: _simple("RandomNormalLike"),
    "as many values as it finds": lambda: _simple("NonZero"),
    "no numbers": _not_a_number,
    "one row for all photos": _one_row_for_all,
    "pixels of another size": lambda: graph_file(side_px=SIDE_PX // 2),
    "other labels": _other_labels,
    "no logits": lambda: graph_file(output="probabilities"),
    "nothing": lambda: b"",
    "cut off": lambda: graph_file()[:-20],
    "rubbish": lambda: b"\x08\x08\x3a\xff\xff\xff\xff\x7f",
    "a number without end": lambda: b"\xff" * 64,
    "two graphs": lambda: graph_file() + graph_file(),
}
"""What makes each file, by what is wrong with it."""
