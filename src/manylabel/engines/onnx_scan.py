"""Scan an ONNX file before an engine reads it, without running or allocating anything.

In:  a file. ONNX is a message of protocol buffers, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3;
     its fields have a number and a value, and messages are fields of messages.
Out: nothing, or an error that names what in the file no model of manylabel has.
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from manylabel.errors import BundleError, visible

Value = int | memoryview
"""The value of a field: a whole number, or bytes, which may be a text, a message or packed numbers."""

_DOMAINS = ("", "ai.onnx")
# Loops and branches, sequences, texts, random numbers, and outputs whose size depends on values.
_REFUSED = frozenset(
    (
        *("If", "Loop", "Scan", "LSTM", "GRU", "RNN", "Optional", "OptionalGetElement", "OptionalHasElement"),
        *("SequenceMap", "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceAt"),
        *("SplitToSequence", "ConcatFromSequence", "NonZero", "Unique", "Compress"),
        *("StringNormalizer", "StringConcat", "StringSplit", "RegexFullMatch", "TfIdfVectorizer"),
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"),
        *("RandomUniformLike", "ImageDecoder"),
    )
)
# Which inputs of an operation decide the size of its output.
_SIZES = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "Upsample": (1,),
    "Pad": (1,),
    "OneHot": (1,),
    "CenterCropPad": (1,),
    "Col2Im": (0,),
    "MaxUnpool": (2,),
}
_MOST_NUMBERS = 2**26
"""The largest size that may be stated: 256 MB."""

_MOST_AXES = 64
_MOST_BYTES = 10 * (_MOST_AXES + 1)
"""Bytes of the whole numbers, packed, that state a size."""

_MOST_NUMBERS_PER_BYTE = 8
_NUMBER_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8")}
_SHOWN = 40


class _DamageError(Exception):
    """The file is damaged, or not an ONNX file."""


class _RefusedError(Exception):
    """The file has something that no model of manylabel has."""


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """A constant; its numbers only where it is short enough to state a size."""

    name: str
    numbers: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class _Node:
    """An operation, with the names of its inputs and outputs."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(kw_only=True)
class _Graph:
    """The operations of a model and its constants."""

    nodes: list[_Node] = field(default_factory=list)
    constants: dict[str, _Tensor] = field(default_factory=dict)


def scan_onnx(path: Path) -> None:
    """Refuse an ONNX file that could do harm when it is opened.

    Refused are loops and branches, functions, operations that are not ONNX's own, numbers in other files,
    tensors that promise more numbers than they have bytes, and sizes that no model has or that are computed
    from constants alone. ``openvino_models.check_sizes`` adds up what all operations compute together.

    Args:
        path: A plain file.

    Raises:
        BundleError: It has something of this, or is damaged.
    """
    try:
        graph = _read_model(_map(path))
        _check_stated_sizes(graph)
    except _RefusedError as error:
        raise BundleError(f"{path}: is refused: it {error}; manylabel exports no such files") from error
    except (OSError, _DamageError) as error:
        raise BundleError(f"{path}: cannot be read, it is damaged or no ONNX file: {error}") from error


def _map(path: Path) -> memoryview:
    """Return the bytes of a file without reading all of them."""
    if not path.stat().st_size:
        raise _DamageError("it is empty")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _read_model(model: memoryview) -> _Graph:
    graphs = []
    for number, value in _fields(model):
        match number:
            case 7:  # graph
                graphs.append(_read_graph(_bytes(value)))
            case 20 | 25:  # training_info, functions
                raise _RefusedError("defines functions of its own")
    if len(graphs) != 1:
        raise _DamageError(f"it has {len(graphs)} graphs")
    return graphs[0]


def _read_graph(message: memoryview) -> _Graph:
    graph = _Graph()
    for number, value in _fields(message):
        match number:
            case 1:  # node
                _read_node(_bytes(value), graph)
            case 5:  # initializer
                tensor = _read_tensor(_bytes(value))
                graph.constants[tensor.name] = tensor
            case 15:  # sparse_initializer
                raise _RefusedError("has sparse tensors")
    return graph


def _read_node(message: memoryview, graph: _Graph) -> None:
    inputs, outputs, operation, domain, constant = [], [], "", "", None
    for number, value in _fields(message):
        match number:
            case 1:
                inputs.append(_text(value))
            case 2:
                outputs.append(_text(value))
            case 4:  # op_type
                operation = _text(value)
            case 5:
                constant = _read_attribute(_bytes(value)) or constant
            case 7:
                domain = _text(value)
    if domain not in _DOMAINS or operation in _REFUSED:
        name = f"{domain}.{operation}" if domain else operation
        raise _RefusedError(f"has the operation {visible(name[:_SHOWN])}")
    if operation == "Constant" and constant is not None and outputs:
        graph.constants[outputs[0]] = constant
    else:
        graph.nodes.append(_Node(operation=operation, inputs=tuple(inputs), outputs=tuple(outputs)))


def _read_attribute(message: memoryview) -> _Tensor | None:
    """Check an attribute of an operation; return its value if the operation is a constant."""
    tensor, numbers = None, list[float]()
    for number, value in _fields(message):
        match number:
            case 5:  # t
                tensor = _read_tensor(_bytes(value))
            case 10:  # tensors
                _read_tensor(_bytes(value))
            case 3 | 8:  # i, ints
                numbers += _whole_numbers(value)
            case 6 | 11:  # g, graphs
                raise _RefusedError("has a graph inside an operation")
            case 22 | 23:  # sparse_tensor, sparse_tensors
                raise _RefusedError("has sparse tensors")
    return _Tensor(name="", numbers=tuple(numbers)) if numbers else tensor


def _read_tensor(message: memoryview) -> _Tensor:
    dims, kind, name, parts = list[int](), 0, "", list[tuple[int, Value]]()
    for number, value in _fields(message):
        match number:
            case 1:
                dims += _whole_numbers(value)
            case 2:  # data_type
                kind = value if isinstance(value, int) else 0
            case 4 | 5 | 7 | 9:  # float_data, int32_data, int64_data, raw_data
                parts.append((number, value))
            case 8:
                name = _text(value)
            case 13 | 14 if value != 0:  # external_data, data_location
                raise _RefusedError("keeps numbers in other files")
    n_numbers, most = prod(dims), _MOST_NUMBERS_PER_BYTE * len(message)
    if min(dims, default=0) < 0 or len(dims) > _MOST_AXES or n_numbers > most:
        raise _DamageError(f"a tensor promises {n_numbers:,} numbers and has {len(message):,} bytes")
    numbers = _read_numbers(parts[: _MOST_AXES + 1], kind=kind)
    return _Tensor(name=name, numbers=tuple(numbers) if len(numbers) == n_numbers <= _MOST_AXES else None)


def _read_numbers(parts: Sequence[tuple[int, Value]], *, kind: int) -> list[float]:
    """Return the first numbers of a tensor, one more than can state a size; none of some types."""
    numbers = list[float]()
    for number, value in parts:
        match number:
            case 4:
                numbers += _numbers(_bytes(value), kind=1)
            case 9:
                numbers += _numbers(_bytes(value), kind=kind)
            case _ if isinstance(value, int) or len(value) <= _MOST_BYTES:
                numbers += _whole_numbers(value)
    return numbers


def _numbers(raw: memoryview, *, kind: int) -> list[float]:
    """Return the first of some numbers."""
    if kind not in _NUMBER_TYPES:
        return []
    width = _NUMBER_TYPES[kind].itemsize
    n_numbers = min(len(raw) // width, _MOST_AXES + 1)
    return list(np.frombuffer(raw[: n_numbers * width], dtype=_NUMBER_TYPES[kind]).tolist())


def _check_stated_sizes(graph: _Graph) -> None:
    """Check the inputs that decide sizes.

    Such an input is a constant, or it depends on the photos, whose number is not known before. The exporters
    compute everything else beforehand.
    """
    makers = {output: node for node in graph.nodes for output in node.outputs}
    for node in graph.nodes:
        for number in _SIZES.get(node.operation, ()):
            name = node.inputs[number] if number < len(node.inputs) else ""
            if name in graph.constants:
                _check_stated(node, graph.constants[name])
            elif name and not _depends_on_photos(name, makers, graph):
                raise _RefusedError(f"computes a size for {node.operation} that it could state")


def _check_stated(node: _Node, constant: _Tensor) -> None:
    numbers = constant.numbers
    if numbers is None or not prod(max(1.0, abs(number)) for number in numbers) <= _MOST_NUMBERS:
        raise _RefusedError(f"asks {node.operation} for more values than any model has")


def _depends_on_photos(name: str, makers: dict[str, _Node], graph: _Graph) -> bool:
    """Return whether a value is computed from an input of the model."""
    seen, waiting = set[str](), [name]
    while waiting:
        name = waiting.pop()
        if name and name not in graph.constants and name not in makers:
            return True
        if name in makers and name not in seen:
            seen.add(name)
            waiting += makers[name].inputs
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message one after another, each with its number."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case kind:
                raise _DamageError(f"it has a field of kind {kind}")
        if at + length > end:
            raise _DamageError("it ends too early")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a whole number of 7 bits a byte; return it and the index behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _DamageError("it has a number that does not end")


def _whole_numbers(value: Value) -> list[int]:
    """Return signed whole numbers, which are written alone or packed."""
    if isinstance(value, int):
        return [_with_sign(value)]
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(_with_sign(number))
    return numbers


def _with_sign(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise _DamageError("it has a number where a message belongs")
    return value


def _text(value: Value) -> str:
    return str(_bytes(value), "utf-8", "replace")
