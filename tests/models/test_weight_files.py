"""In: good, wrapped, damaged and hostile files. Out: tensors, or an error; never a program that was run."""

import pickle
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from manylabel.errors import WeightsError
from manylabel.io.files import file_sha256
from manylabel.models.weight_files import read_weights

WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


class Trap:
    """Write a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sprung,)


def is_same(weights: "OrderedDict[str, torch.Tensor]") -> bool:
    return list(weights) == list(WEIGHTS) and all(
        torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS
    )


@pytest.mark.parametrize("layout", ["zip", "old"])
def test_files_of_torch_are_read_in_both_layouts(tmp_path: Path, layout: str) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pth", _use_new_zipfile_serialization=layout == "zip")
    assert is_same(read_weights(tmp_path / "w.pth"))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    assert sorted(read_weights(tmp_path / "w.safetensors")) == sorted(WEIGHTS)


def test_the_content_counts_and_not_the_ending(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "a.safetensors")
    save_file(WEIGHTS, tmp_path / "b.pth")
    assert sorted(read_weights(tmp_path / "a.safetensors")) == sorted(read_weights(tmp_path / "b.pth"))


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_wrapped_weights_are_found(tmp_path: Path, key: str) -> None:
    torch.save({"epoch": 3, key: WEIGHTS, "note": "text"}, tmp_path / "w.pth")
    assert is_same(read_weights(tmp_path / "w.pth"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_of_training_scripts_are_taken_off(tmp_path: Path, prefix: str) -> None:
    torch.save({prefix + name: tensor for name, tensor in WEIGHTS.items()}, tmp_path / "w.pth")
    assert is_same(read_weights(tmp_path / "w.pth"))


def test_a_prefix_that_only_some_names_have_stays(tmp_path: Path) -> None:
    torch.save({"model.weight": torch.ones(1), "head.weight": torch.ones(1)}, tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth")) == ["model.weight", "head.weight"]


def test_versions_of_layers_come_along_under_their_new_names(tmp_path: Path) -> None:
    network = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(2)))
    torch.save(nn.DataParallel(network).state_dict(), tmp_path / "w.pth")
    weights: Any = read_weights(tmp_path / "w.pth")
    assert weights._metadata["norm"] == {"version": 2}
    assert set(weights._metadata) == {"", "norm"}


def test_metadata_of_a_stranger_is_ignored(tmp_path: Path) -> None:
    weights: Any = OrderedDict(WEIGHTS)
    weights._metadata = ["no", "mapping"]
    torch.save(weights, tmp_path / "w.pth")
    assert is_same(read_weights(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<!DOCTYPE html>", b"PK\x03\x04", b"\x00" * 500, b"\xff" * 64]
)
def test_what_is_no_file_of_weights_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth: is damaged, not complete, or no file of weights"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("n_bytes", [16_000_001, 2**40, 2**64 - 1])
def test_a_list_of_tensors_beyond_all_networks_is_not_read(tmp_path: Path, n_bytes: int) -> None:
    (tmp_path / "w.safetensors").write_bytes(n_bytes.to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match=rf"would have {n_bytes:,} bytes, and at most 16,000,000 are read"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, kind: str, kept: float) -> None:
    path, weights = tmp_path / "w", {"weight": torch.ones(1000)}
    if kind == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(WeightsError, match="w: "):
        read_weights(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("layout", ["zip", "old", "safetensors"])
def test_files_with_a_wrong_byte_are_read_or_refused_and_nothing_else(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "w"
    if layout == "safetensors":
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path, _use_new_zipfile_serialization=layout == "zip")
    content = path.read_bytes()
    n_refused = sum(is_refused(path, content, position) for position in range(0, len(content), 3))
    assert 0 < n_refused < len(content) / 3


def is_refused(path: Path, content: bytes, position: int) -> bool:
    """Turn one byte over; any other error than WeightsError fails the test."""
    path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
    try:
        read_weights(path)
    except WeightsError:
        return True
    return False


@pytest.mark.parametrize("layout", ["zip", "old"])
def test_code_in_a_file_of_torch_is_not_run(tmp_path: Path, layout: str) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"weight": Trap(sprung)}, tmp_path / "w.pth", _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(WeightsError, match=r"w\.pth: holds Python objects beside plain weights"):
        read_weights(tmp_path / "w.pth")
    assert not sprung.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_bare_pickle_is_not_run(tmp_path: Path, protocol: int) -> None:
    sprung = tmp_path / "sprung"
    (tmp_path / "w.bin").write_bytes(pickle.dumps(Trap(sprung), protocol=protocol))
    with pytest.raises(WeightsError, match=r"w\.bin: is damaged, not complete, or no file of weights"):
        read_weights(tmp_path / "w.bin")
    assert not sprung.exists()


def test_a_whole_network_is_refused_with_the_way_to_save_it(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"torch\.save\(model\.state_dict\(\), FILE\)"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "value", [{}, {"epoch": 3}, [torch.ones(1)], torch.ones(1), {3: torch.ones(1)}, {"model": {}}]
)
def test_a_file_without_named_tensors_holds_no_weights(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: holds no weights"):
        read_weights(tmp_path / "w.pth")


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(WeightsError, match="there is no such file of weights"):
            read_weights(path)


def test_the_hash_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "w").write_bytes(content)
    assert file_sha256(tmp_path / "w") == sha256(content).hexdigest()
