"""Read files of weights without running code that may hide in them.

In:  a .safetensors file, or a file of ``torch.save``: plain or wrapped as training scripts do.
Out: the tensors by name, in the order of the file; the first one that does not fit a model.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from struct import error as StructError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from manylabel.errors import WeightsError

# How a zip archive starts, which torch.save writes since version 1.6, and the pickled number before that.
_ZIP = b"PK\x03\x04"
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What the readers of torch and safetensors were seen to raise on files with wrong or missing bytes.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SafetensorError,
    StructError,
    TypeError,
    ValueError,
)
# Before it, `weights_only=True` could be made to run code: https://nvd.nist.gov/vuln/detail/CVE-2026-24747
_OLDEST_SAFE_TORCH = "2.10"
_LENGTH_BYTES, _MOST_HEADER_BYTES = 8, 16_000_000
_WRAPPINGS = ("state_dict", "model_state_dict", "model", "module")
_PREFIXES = ("module.", "_orig_mod.", "model.")
# Batch norm counts its batches since PyTorch 0.4.1; older files, and many converted ones, have no counts.
_OPTIONAL = ".num_batches_tracked"
OTHER_MODEL = "Are these weights of another model?"

Weights = OrderedDict[str, Tensor]
"""Tensors by name, in the order of the file."""


def read_weights(path: Path) -> Weights:
    """Read the tensors of a file.

    Args:
        path: The file; its format is recognized by its content, not by its ending.

    Returns:
        Tensors by name, wrappings and prefixes such as ``module.`` taken off. The attribute ``_metadata``,
        where ``torch.save`` has kept the versions of layers, comes along.

    Raises:
        WeightsError: There is no such file, or it is damaged, holds code, or no tensors; or this torch cannot
            read it safely.
    """
    state = _unwrap(_read(path))
    tensors = OrderedDict(
        (name, value) for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)
    )
    if not tensors:
        raise WeightsError(f"{path}: holds no weights")
    tensors._metadata = _versions(state)  # type: ignore[attr-defined]
    for prefix in _PREFIXES:
        tensors = _without_prefix(tensors, prefix)
    return tensors


def _read(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file of weights")
    try:
        with path.open("rb") as file:
            start = file.read(len(_OLD_TORCH))
            file.seek(0)
            if start.startswith((_ZIP, _OLD_TORCH)):
                _check_torch(path)
                # The open file, because torch goes by the ending of a path.
                return torch.load(file, map_location="cpu", weights_only=True)
        check_header(path)
        return load_file(path)
    except UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds Python objects beside plain weights, and reading those could run any program; "
            f"save the weights alone: torch.save(model.state_dict(), FILE)"
        ) from error
    except _DAMAGE as error:
        raise WeightsError(
            f"{path}: is damaged, not complete, or no file of weights (.pth of torch.save, or .safetensors): "
            f"{str(error).strip().partition(chr(10))[0]}"
        ) from error


def check_header(path: Path) -> None:
    """Refuse a .safetensors file whose list of tensors is larger than that of any model, unread.

    Raises:
        OSError: It cannot be read.
        WeightsError: The list, which comes first and is read as a whole, is too large.
    """
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if n_bytes > _MOST_HEADER_BYTES:
        raise WeightsError(
            f"{path}: is damaged, not complete, or no file of weights (.pth of torch.save, or .safetensors): "
            f"its list of tensors would have {n_bytes:,} bytes, and at most {_MOST_HEADER_BYTES:,} are read"
        )


def _check_torch(path: Path) -> None:
    if torch.__version__ < _OLDEST_SAFE_TORCH:  # torch compares it as a version
        raise WeightsError(
            f"{path}: torch {torch.__version__} cannot read it without the risk of running code in it; "
            f"install torch {_OLDEST_SAFE_TORCH} or newer, or give a .safetensors file"
        )


def _unwrap(values: Any) -> Mapping[Any, Any]:
    while isinstance(values, Mapping):
        wrapped = [values[key] for key in _WRAPPINGS if isinstance(values.get(key), Mapping)]
        if not wrapped:
            return values
        values = wrapped[0]
    return {}


def _versions(state: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the versions of layers that ``Module.state_dict`` notes beside the tensors."""
    noted = getattr(state, "_metadata", None)
    if not isinstance(noted, Mapping):
        return {}
    return {name: dict(of) for name, of in noted.items() if isinstance(name, str) and isinstance(of, Mapping)}


def _without_prefix(tensors: Weights, prefix: str) -> Weights:
    if not all(name.startswith(prefix) for name in tensors):
        return tensors
    shorter = OrderedDict((name.removeprefix(prefix), value) for name, value in tensors.items())
    metadata: dict[str, Any] = tensors._metadata  # type: ignore[attr-defined]
    names = {name: f"{name}.".removeprefix(prefix).rstrip(".") for name in metadata}
    shorter._metadata = {names[name]: version for name, version in metadata.items()}  # type: ignore[attr-defined]
    return shorter


def first_mismatch(network: nn.Module, weights: Weights) -> str | None:
    """Describe the first tensor that is missing or wrong, ``{name}`` standing for the name of the model."""
    wanted = {key: tensor for key, tensor in network.state_dict().items() if not key.endswith(_OPTIONAL)}
    missing = [key for key in wanted if key not in weights]
    for key, tensor in wanted.items():
        given = weights.get(key)
        if given is None:
            share = f"{len(missing)} of its {len(wanted)} tensors are missing"
            return f"has no {key}, which {{name}} needs; {share}. {OTHER_MODEL}"
        if given.shape != tensor.shape:
            return f"{key} is {[*given.shape]} in it, {{name}} needs {[*tensor.shape]}. {OTHER_MODEL}"
        if not given.isfinite().all():
            return f"{key} holds values that are not finite; the file is damaged"
    return None


def reason_of(error: Exception) -> str:
    """Return the first line of the cause of an error, without its number."""
    inner = getattr(error, "reason", error)
    words = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return str(words).partition("\n")[0]
